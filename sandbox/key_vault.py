"""Azure Key Vault: secrets with versions, deletion that can be undone, and the challenge real clients answer."""

import json
import re
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.contract_check import read_contract
from sandbox.entra_tokens import BadToken, EntraTokens
from sandbox.key_vault_secrets import Secret, VaultRefused, Version, keep, recall
from sandbox.world import TENANT, Row, World

_CONTRACT = read_contract("key_vault")
_NAME = re.compile(r"[0-9A-Za-z-]{1,127}")
_API_VERSION = re.compile(r"7\.\d|20\d\d-\d\d-\d\d(-preview.*)?")
_KEPT_DELETED = timedelta(days=90)
_LARGEST_PAGE = 25
_FILE = "key-vault.json"

Answer = Callable[[Request], Awaitable[Response]]


class KeyVault:
    """One vault. With `world.keep` it is read from the state folder and written there after each change."""

    def __init__(self, world: World, tokens: EntraTokens) -> None:
        self._world = world
        self._tokens = tokens
        self._secrets: dict[str, Secret] = {}
        self._file: Path | None = world.state_dir / _FILE if world.keep else None
        if self._file and self._file.is_file():
            self._secrets = recall(self._file)

    def seed(self, name: str, value: str) -> None:
        """Hold `value` as the newest version, unless it is that already."""
        known = self._secrets.get(name)
        if known is None or known.versions[-1].value != value:
            self._add(name, {"value": value})

    def routes(self) -> list[Route]:
        return [
            Route("/secrets", self._checked(self._list)),
            Route("/secrets/{name}", self._checked(self._set), methods=["PUT"]),
            Route("/secrets/{name}", self._checked(self._delete), methods=["DELETE"]),
            Route("/secrets/{name}", self._checked(self._get)),
            Route("/secrets/{name}/", self._checked(self._get)),
            Route("/secrets/{name}/versions", self._checked(self._versions)),
            Route("/secrets/{name}/{version}", self._checked(self._update), methods=["PATCH"]),
            Route("/secrets/{name}/{version}", self._checked(self._get)),
            Route("/deletedsecrets", self._checked(self._list_deleted)),
            Route("/deletedsecrets/{name}", self._checked(self._purge), methods=["DELETE"]),
            Route("/deletedsecrets/{name}", self._checked(self._get_deleted)),
            Route("/deletedsecrets/{name}/recover", self._checked(self._recover), methods=["POST"]),
        ]

    def _checked(self, answer: Answer) -> Answer:
        """`answer` for whoever has a token for this vault; others are told where to get one."""

        async def handler(request: Request) -> Response:
            audiences = (self._tokens.vault_resource, "https://vault.azure.net")
            try:
                self._tokens.check(request.headers.get("authorization", ""), audiences=audiences)
            except BadToken as refusal:
                return self._challenge(str(refusal), asked_with="authorization" in request.headers)
            try:
                if not _API_VERSION.fullmatch(request.query_params.get("api-version", "")):
                    raise VaultRefused(400, "BadParameter", "api-version must be specified")
                if not _NAME.fullmatch(request.path_params.get("name", "any")):
                    raise VaultRefused(400, "BadParameter", "The secret name is not valid.")
                return await answer(request)
            except VaultRefused as refusal:
                if refusal.status == 400:
                    self._world.refuse("key-vault", str(refusal), path=request.url.path)
                error: Row = {"code": refusal.code, "message": str(refusal)}
                if refusal.inner:
                    error["innererror"] = {"code": refusal.inner}
                return JSONResponse({"error": error}, status_code=refusal.status)

        return handler

    def _challenge(self, why: str, *, asked_with: bool) -> Response:
        if asked_with:
            self._world.refuse("key-vault", why)
        where = f'authorization="{self._world.tls}/{TENANT}", resource="{self._tokens.vault_resource}"'
        error = {"code": "Unauthorized", "message": f"AKV10000: {why}."}
        return JSONResponse(
            {"error": error}, status_code=401, headers={"WWW-Authenticate": f"Bearer {where}"}
        )

    async def _set(self, request: Request) -> Response:
        body = await _body(request, "setRequest")
        name = request.path_params["name"]
        known = self._secrets.get(name)
        if known is not None and known.deleted_at is not None:
            text = f"Secret {name} is currently in a deleted but recoverable state."
            raise VaultRefused(409, "Conflict", text, inner="ObjectIsDeletedButRecoverable")
        return JSONResponse(self._bundle(name, self._add(name, body)))

    def _add(self, name: str, body: Row) -> Version:
        now = _seconds(self._world.now())
        version = Version(
            version=uuid4().hex,
            value=body["value"],
            created=now,
            updated=now,
            attributes=body.get("attributes") or {},
            tags=body.get("tags"),
            content_type=body.get("contentType"),
        )
        self._secrets.setdefault(name, Secret()).versions.append(version)
        self._keep()
        return version

    async def _get(self, request: Request) -> Response:
        name, wanted = request.path_params["name"], request.path_params.get("version")
        version = self._find(name, wanted)
        if version.attributes.get("enabled") is False:
            text = "Operation get is not allowed on a disabled secret."
            raise VaultRefused(403, "Forbidden", text, inner="SecretDisabled")
        return JSONResponse(self._bundle(name, version))

    async def _update(self, request: Request) -> Response:
        body = await _body(request, "updateRequest")
        name = request.path_params["name"]
        version = self._find(name, request.path_params["version"])
        version.attributes = {**version.attributes, **(body.get("attributes") or {})}
        version.tags = body.get("tags", version.tags)
        version.content_type = body.get("contentType", version.content_type)
        version.updated = _seconds(self._world.now())
        self._keep()
        return JSONResponse(self._item(name, version, versioned=True))

    async def _versions(self, request: Request) -> Response:
        name = request.path_params["name"]
        found = self._secrets.get(name)
        versions = found.versions if found and found.deleted_at is None else []
        return self._page(request, [self._item(name, one, versioned=True) for one in versions])

    async def _list(self, request: Request) -> Response:
        rows = [
            self._item(name, one.versions[-1], versioned=False)
            for name, one in sorted(self._secrets.items())
            if one.deleted_at is None
        ]
        return self._page(request, rows)

    async def _list_deleted(self, request: Request) -> Response:
        rows = [
            self._deleted(name, one)
            for name, one in sorted(self._secrets.items())
            if one.deleted_at is not None
        ]
        return self._page(request, rows)

    async def _delete(self, request: Request) -> Response:
        name = request.path_params["name"]
        self._find(name, None)
        secret = self._secrets[name]
        secret.deleted_at = _seconds(self._world.now())
        self._keep()
        answer = {**self._bundle(name, secret.versions[-1]), **self._deleted(name, secret)}
        del answer["value"]
        return JSONResponse(answer)

    async def _get_deleted(self, request: Request) -> Response:
        name = request.path_params["name"]
        return JSONResponse(self._deleted(name, self._find_deleted(name)))

    async def _recover(self, request: Request) -> Response:
        name = request.path_params["name"]
        secret = self._find_deleted(name)
        secret.deleted_at = None
        self._keep()
        return JSONResponse(self._item(name, secret.versions[-1], versioned=True))

    async def _purge(self, request: Request) -> Response:
        name = request.path_params["name"]
        self._find_deleted(name)
        del self._secrets[name]
        self._keep()
        return Response(status_code=204)

    def _find(self, name: str, wanted: str | None) -> Version:
        secret = self._secrets.get(name)
        if secret is not None and secret.deleted_at is None:
            for version in reversed(secret.versions):
                if wanted in (None, version.version):
                    return version
        text = (
            f"A secret with (name/id) {name}{f'/{wanted}' if wanted else ''} was not found in this key vault."
        )
        raise VaultRefused(404, "SecretNotFound", text)

    def _find_deleted(self, name: str) -> Secret:
        secret = self._secrets.get(name)
        if secret is None or secret.deleted_at is None:
            raise VaultRefused(404, "SecretNotFound", f"Deleted Secret not found: {name}")
        return secret

    def _item(self, name: str, one: Version, *, versioned: bool) -> Row:
        row: Row = {
            "id": f"{self._world.tls}/secrets/{name}{f'/{one.version}' if versioned else ''}",
            "attributes": {
                "enabled": True,
                **one.attributes,
                "created": one.created,
                "updated": one.updated,
                "recoveryLevel": "Recoverable+Purgeable",
                "recoverableDays": _KEPT_DELETED.days,
            },
        }
        optional = {"tags": one.tags, "contentType": one.content_type}
        return {**row, **{key: value for key, value in optional.items() if value is not None}}

    def _bundle(self, name: str, one: Version) -> Row:
        return {"value": one.value, **self._item(name, one, versioned=True)}

    def _deleted(self, name: str, secret: Secret) -> Row:
        deleted = secret.deleted_at or 0
        return {
            **self._item(name, secret.versions[-1], versioned=False),
            "recoveryId": f"{self._world.tls}/deletedsecrets/{name}",
            "deletedDate": deleted,
            "scheduledPurgeDate": deleted + int(_KEPT_DELETED.total_seconds()),
        }

    def _page(self, request: Request, rows: list[Row]) -> Response:
        """As many as asked for, 25 at most, and a link to the rest."""
        asked = request.query_params
        try:
            size = min(int(asked.get("maxresults", _LARGEST_PAGE)), _LARGEST_PAGE)
            start = int(asked.get("$skiptoken", "0"))
        except ValueError as unreadable:
            raise VaultRefused(400, "BadParameter", "maxresults must be a number") from unreadable
        rest = start + size < len(rows)
        link = f"{self._world.tls}{request.url.path}?api-version={quote(asked['api-version'])}"
        following = f"{link}&$skiptoken={start + size}&maxresults={size}" if rest else None
        return JSONResponse({"value": rows[start : start + size], "nextLink": following})

    def _keep(self) -> None:
        if self._file is not None:
            keep(self._file, self._secrets)


async def _body(request: Request, type_name: str) -> Row:
    try:
        body: Any = json.loads(await request.body())
    except ValueError as unreadable:
        raise VaultRefused(400, "BadParameter", "The request body is not JSON.") from unreadable
    problems = _CONTRACT.problems(type_name, body)
    if problems:
        raise VaultRefused(400, "BadParameter", "; ".join(problems))
    found: Row = body
    return found


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
