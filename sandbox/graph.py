"""Microsoft Graph's door: who may ask for what, how bodies are checked, how refusals are worded."""

import json
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.contract_check import read_contract
from sandbox.entra_tokens import GRAPH, BadToken, EntraTokens
from sandbox.world import MAILBOX, Row, User, World, user_by_oid

CONTRACT = read_contract("graph")
ROOT = "/graph/{version}"
_VERSIONS = ("v1.0", "beta")


class GraphRefused(Exception):
    """An error in Graph's words. `fair`: to ask was right, although the answer is no."""

    def __init__(self, status: int, code: str, text: str, *, fair: bool = False) -> None:
        super().__init__(text)
        self.status, self.code, self.fair = status, code, fair


@dataclass(frozen=True, slots=True)
class Caller:
    """The app that asks, and the tenant in which it does."""

    tenant: str
    app: str
    roles: frozenset[str] = frozenset()

    def may(self, *roles: str) -> bool:
        """Whether the token holds one of `roles`."""
        return not self.roles.isdisjoint(roles)


@dataclass(slots=True)
class Switches:
    """What an administrator or Microsoft decides and no request can change.

    `policy_for` is the object ids with an application access policy, None when it was granted to the whole tenant;
    `mail_from` the mailboxes that Exchange lets the app send from; `unlicensed` who has no Teams.
    """

    policy_for: set[str] | None = None
    guest_url: bool = False
    call_events_in: tuple[str, ...] = _VERSIONS
    mail_from: set[str] = field(default_factory=lambda: {MAILBOX})
    unlicensed: set[str] = field(default_factory=set)
    license_details: bool = True


Answer = Callable[[Request, Caller], Awaitable[Response]]


@dataclass(slots=True)
class GraphDoor:
    """Everything that comes before an answer, and the refusals."""

    world: World
    tokens: EntraTokens
    switches: Switches = field(default_factory=Switches)

    def open(self, answer: Answer, *, roles: Collection[str]) -> Callable[[Request], Awaitable[Response]]:
        """`answer` for apps that hold one of `roles`, if any are named; for others a refusal, which is remembered."""

        async def handler(request: Request) -> Response:
            try:
                response = await answer(request, self._caller(request, roles))
            except GraphRefused as refusal:
                remember = self.world.log if refusal.fair else self.world.refuse
                remember(
                    "graph", str(refusal), method=request.method, path=request.url.path, status=refusal.status
                )
                return self._error(request, refusal)
            path, status = request.url.path, response.status_code
            self.world.log("graph", "answered", method=request.method, path=path, status=status)
            return response

        return handler

    def _caller(self, request: Request, roles: Collection[str]) -> Caller:
        if request.path_params["version"] not in _VERSIONS:
            raise GraphRefused(400, "BadRequest", "Invalid version.")
        try:
            claims = self.tokens.check(request.headers.get("authorization", ""), audiences=[GRAPH])
        except BadToken as refusal:
            raise GraphRefused(401, "InvalidAuthenticationToken", str(refusal)) from refusal
        held = frozenset(claims.get("roles", ()))
        if roles and held.isdisjoint(roles):
            text = f"Missing role permissions on the request. API requires one of '{', '.join(roles)}'."
            raise GraphRefused(403, "Forbidden", text)
        return Caller(tenant=claims["tid"], app=claims["appid"], roles=held)

    def organizer(self, request: Request, caller: Caller) -> User:
        """The user in the path, whose meetings the app may see, or raise GraphRefused."""
        oid = request.path_params["user"]
        user = user_by_oid(oid, caller.tenant)
        if user is None:
            raise GraphRefused(404, "NotFound", "The user was not found, or is not named by an object id.")
        if self.switches.policy_for is not None and oid not in self.switches.policy_for:
            text = f"No application access policy found for this app: {caller.app} on the user: {oid}."
            raise GraphRefused(403, "Forbidden", text)
        return user

    def _error(self, request: Request, refusal: GraphRefused) -> Response:
        request_id = self.world.new_id()
        client_id = request.headers.get("client-request-id", request_id)
        inner = {
            "date": f"{self.world.now():%Y-%m-%dT%H:%M:%S}",
            "request-id": request_id,
            "client-request-id": client_id,
        }
        error = {"code": refusal.code, "message": str(refusal), "innerError": inner}
        headers = {"request-id": request_id, "client-request-id": client_id}
        if refusal.status == 401:
            headers["WWW-Authenticate"] = 'Bearer realm="", error="invalid_token"'
        return JSONResponse({"error": error}, status_code=refusal.status, headers=headers)


async def body_of(request: Request, type_name: str) -> Row:
    """The JSON body, fitting the contract to the letter, or raise GraphRefused."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if kind != "application/json":
        raise GraphRefused(400, "BadRequest", f"The content type must be application/json, not '{kind}'.")
    try:
        body: Any = json.loads(await request.body())
    except ValueError as unreadable:
        raise GraphRefused(400, "BadRequest", "Unable to read JSON request payload.") from unreadable
    problems = CONTRACT.problems(type_name, body)
    if problems:
        raise GraphRefused(400, "BadRequest", f"Invalid request: {'; '.join(problems)}.")
    return {name: value for name, value in body.items() if "@odata." not in name}


def moment(text: str) -> datetime:
    """A time that the contract has found to be one."""
    return datetime.fromisoformat(text).astimezone(UTC)


def written(at: datetime | None) -> str | None:
    """A time as Graph writes it: seven digits after the point."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}0Z" if at else None
