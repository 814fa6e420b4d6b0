"""How the app proves itself to Epic: signed assertions for its clients, and a token for its own errands.

Sources: RFC 7523, SMART App Launch 2.0 (asymmetric client authentication), Epic's OAuth 2.0 guide for the limits:
at most five minutes, nothing in the future, an id that is never used twice.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
import jwt

from shared.clients.key_material import SmartKey
from shared.clients.web_call import Answer, call
from shared.domain.environment import EnvironmentId, EpicClient, LiveEnvironment
from shared.domain.errors import TryAgain, TurnedDown

SmartKeys = Callable[[EnvironmentId, EpicClient], Awaitable[SmartKey]]

_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# From 30 seconds ago until 4 minutes from now: clocks differ, and Epic counts five minutes from both ends.
_BEGAN = timedelta(seconds=30)
_LIVES = timedelta(minutes=4)
_RENEWED_BEFORE = timedelta(seconds=60)

# Words that RFC 6749, 5.2 and Epic answer with: codes, not content.
_CODES = frozenset(
    {
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
        "access_denied",
        "invalid_launch_token",
    }
)


def assertion(key: SmartKey, *, client_id: str, token_url: str, id: str, now: datetime) -> dict[str, str]:
    """The form fields by which a client proves itself at the token address."""
    began = int((now - _BEGAN).timestamp())
    claims: dict[str, Any] = {
        "iss": client_id,
        "sub": client_id,
        "aud": token_url,
        "jti": id,
        "iat": began,
        "nbf": began,
        "exp": int((now + _LIVES).timestamp()),
    }
    signed = jwt.encode(claims, key.private_key, algorithm="RS384", headers={"kid": key.id, "typ": "JWT"})
    return {"client_assertion_type": _ASSERTION, "client_assertion": signed}


def token_failure(answer: Answer, *, now: datetime) -> TryAgain | TurnedDown:
    """Why a token address gave no token, by its code where it sent one that is known."""
    try:
        said = answer.json().get("error")
    except TurnedDown:
        said = None
    return answer.failure(now=now, code=said if isinstance(said, str) and said in _CODES else "")


@dataclass(frozen=True, slots=True, repr=False)
class _Token:
    value: str
    good_until: datetime


class BackendTokens:
    """Access tokens of the backend client of each environment, kept until shortly before they end."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        smart_keys: SmartKeys,
        now: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self._http = http
        self._smart_keys = smart_keys
        self._now = now
        self._new_id = new_id
        self._tokens: dict[tuple[EnvironmentId, str, str], _Token] = {}

    async def token(self, environment: LiveEnvironment, *, instead_of: str = "") -> str:
        """A token; not `instead_of`, which Epic no longer accepts. Raise TryAgain or TurnedDown."""
        url, client_id = (
            environment.connection.token_url,
            environment.connection.clients.get(EpicClient.BACKEND, ""),
        )
        if not url or not client_id:
            raise TurnedDown("this environment has no backend client", code="no-backend-client")
        place = (environment.id, url, client_id)
        kept = self._tokens.get(place)
        if kept is not None and kept.value != instead_of and self._now() < kept.good_until:
            return kept.value
        fetched = await self._fetch(environment.id, url=url, client_id=client_id)
        self._tokens[place] = fetched
        return fetched.value

    async def _fetch(self, environment: EnvironmentId, *, url: str, client_id: str) -> _Token:
        key = await self._smart_keys(environment, EpicClient.BACKEND)
        now = self._now()
        proof = assertion(key, client_id=client_id, token_url=url, id=self._new_id(), now=now)
        answer = await call(
            self._http,
            "POST",
            url,
            service="Epic",
            headers={"Accept": "application/json"},
            form={"grant_type": "client_credentials", **proof},
        )
        if not answer.good:
            raise token_failure(answer, now=now)
        content = answer.json()
        value, seconds = content.get("access_token"), content.get("expires_in", 0)
        if not isinstance(value, str) or not value:
            raise TurnedDown("Epic answered without a token", code="not-readable")
        lives = timedelta(seconds=seconds if isinstance(seconds, int | float) else 0)
        return _Token(value, now + min(lives, timedelta(days=1)) - _RENEWED_BEFORE)
