"""Try an environment's three client ids at Epic before a person is asked to approve them; nobody signs in.

The backend client asks for a token, which proves id and keys and is dropped. For the two clients that people sign in
with, the sign-in page is asked for and looked at, never followed: RFC 6749, 4.1.2.1 has the server show an error page
instead of redirecting when it does not know the client or the redirect address.
"""

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Protocol
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx

from shared.clients.epic_backend import SmartKeys, assertion, token_failure
from shared.clients.web_call import Answer, call
from shared.domain.environment import Connection, EnvironmentId, EpicClient
from shared.domain.errors import TryAgain, TurnedDown
from shared.domain.launch import Launch, LaunchRole
from shared.domain.preflight import (
    ClientResult,
    Preflight,
    accepted,
    away,
    keys_not_accepted,
    missing,
    not_a_backend,
    not_accepted,
    oauth_error,
)
from shared.domain.tenant import TenantId

_EPIC = "Epic"
_SECONDS = 8.0
# How Epic heads the page that it shows instead of a sign-in page; some versions send it with status 200.
_ERROR_PAGE = b"oauth2 error"
_NOT_BACKEND = frozenset({"unauthorized_client", "unsupported_grant_type"})


class SignInAddress(Protocol):
    """Where a browser would be sent to sign in."""

    def authorize_url(
        self, connection: Connection, client: EpicClient, launch: Launch, *, epic_launch: str, state: str
    ) -> str: ...


class EpicPreflight:
    """Tries client ids. `http` must be a guarded client."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        smart: SignInAddress,
        smart_keys: SmartKeys,
        now: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self._http = http
        self._smart = smart
        self._smart_keys = smart_keys
        self._now = now
        self._new_id = new_id

    async def try_clients(
        self, environment: EnvironmentId, connection: Connection, *, redirect_uri: str
    ) -> Preflight:
        """What Epic says to each client id. `connection` has its endpoints pinned. Raises nothing."""
        return Preflight(
            (
                await self._person(EpicClient.PROVIDER, connection, redirect_uri),
                await self._person(EpicClient.PATIENT, connection, redirect_uri),
                await self._backend(environment, connection),
            )
        )

    async def _backend(self, environment: EnvironmentId, connection: Connection) -> ClientResult:
        client = EpicClient.BACKEND
        client_id = connection.clients.get(client, "")
        if not client_id:
            return missing(client)
        try:
            key = await self._smart_keys(environment, client)
            proof = assertion(
                key,
                client_id=client_id,
                token_url=connection.token_url,
                id=self._new_id(),
                now=self._now(),
            )
            answer = await call(
                self._http,
                "POST",
                connection.token_url,
                service=_EPIC,
                headers={"Accept": "application/json"},
                form={"grant_type": "client_credentials", **proof},
                seconds=_SECONDS,
            )
        except TryAgain:
            return away(client)
        except TurnedDown as refused:
            return oauth_error(client, refused.code)
        if answer.good:
            return accepted(client)
        refusal = token_failure(answer, now=self._now())
        if isinstance(refusal, TryAgain):
            return away(client)
        if refusal.code in _NOT_BACKEND:
            return not_a_backend(client, refusal.code)
        # Epic says invalid_client for an id it does not know and for keys it has not fetched yet.
        return keys_not_accepted(client, refusal.code)

    async def _person(self, client: EpicClient, connection: Connection, redirect_uri: str) -> ClientResult:
        if not connection.clients.get(client, ""):
            return missing(client)
        launch = Launch(
            state_hash="",
            browser_hash="",
            tenant=TenantId(""),
            environment=EnvironmentId(""),
            role=LaunchRole.APPROVAL,
            verifier=secrets.token_urlsafe(48),
            nonce=secrets.token_urlsafe(24),
            redirect_uri=redirect_uri,
            begun_at=self._now(),
        )
        # Nobody keeps this state: an answer to it could not be used.
        url = self._smart.authorize_url(
            connection, client, launch, epic_launch="", state=secrets.token_urlsafe(32)
        )
        try:
            answer = await call(
                self._http, "GET", url, service=_EPIC, headers={"Accept": "text/html"}, seconds=_SECONDS
            )
        except TryAgain:
            return away(client)
        except TurnedDown as refused:
            return oauth_error(client, refused.code)
        return _judged(client, answer, url=url, redirect_uri=redirect_uri)


def _judged(client: EpicClient, answer: Answer, *, url: str, redirect_uri: str) -> ClientResult:
    """A sign-in page or a way to one is good; an error page, or an error sent to us, is not."""
    if 300 <= answer.status < 400:
        try:
            to = urljoin(url, answer.headers.get("location", ""))
            errors = parse_qs(urlsplit(to).query).get("error", [])
        except ValueError:
            return not_accepted(client, redirect_uri)  # no browser could follow that
        ours = to.partition("?")[0] == redirect_uri
        if ours and errors:
            return oauth_error(client, errors[0])
        # Sites forward to their own sign-in page, and to a page named error when they will not.
        return not_accepted(client, redirect_uri) if "error" in to.lower() else accepted(client)
    if answer.status in (408, 429) or answer.status >= 502:
        return away(client)
    if not answer.good or _ERROR_PAGE in answer.body.lower():
        return not_accepted(client, redirect_uri)
    return accepted(client)
