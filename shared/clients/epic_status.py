"""Telling Epic's status service who has come to a visit or left it.

No public document fixes the service's verb, parameter names or values: all of them come from the environment's
configuration (`WriteBackTarget`).
"""

import asyncio
import base64
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime

import httpx

from shared.clients.epic_backend import BackendTokens
from shared.clients.web_call import Answer, call
from shared.domain.environment import EpicClient, LiveEnvironment, WriteBackSign, WriteBackTarget
from shared.domain.errors import NotFound, TryAgain, TurnedDown
from shared.domain.visit import ExternalId, Fact

logger = logging.getLogger(__name__)

_SERVICE = "Epic's status service"
# Everything together, tokens included: a worker that tells is taken for dead after a minute.
_SECONDS = 40.0

Secret = Callable[[str], Awaitable[str]]


class EpicStatus:
    """The status services of all environments. `secret` reads Key Vault, for those that still ask for a password."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        tokens: BackendTokens,
        secret: Secret,
        now: Callable[[], datetime],
    ) -> None:
        self._http = http
        self._tokens = tokens
        self._secret = secret
        self._now = now

    async def tell(
        self, environment: LiveEnvironment, fact: Fact, *, session: str, external_id: ExternalId
    ) -> None:
        """Tell one fact; telling it twice is harmless. Raise TryAgain or TurnedDown (its code is the HTTP status)."""
        target = environment.connection.write_back
        if target is None:
            raise TurnedDown("this environment has no status service", code="no-status-service")
        words = _words(target, fact, session=session, external_id=external_id)
        try:
            async with asyncio.timeout(_SECONDS):
                answer = await self._ask(environment, target, words)
        except TimeoutError:
            raise TryAgain(f"{_SERVICE} did not answer in time") from None
        # Bodies of this service repeat what was asked, so the status is all that is kept.
        logger.info("fact %s: %s answered %s", fact.sequence, _SERVICE, answer.status)
        if not answer.good:
            raise answer.failure(now=self._now())

    async def _ask(
        self, environment: LiveEnvironment, target: WriteBackTarget, words: dict[str, str]
    ) -> Answer:
        if target.sign is WriteBackSign.BASIC:
            return await self._send(target, words, await self._password(environment))
        token = await self._tokens.token(environment)
        answer = await self._send(target, words, {"Authorization": f"Bearer {token}"})
        if answer.status == 401:
            # Epic may end a token early; one that is not a minute old will not get a third try.
            token = await self._tokens.token(environment, instead_of=token)
            answer = await self._send(target, words, {"Authorization": f"Bearer {token}"})
        return answer

    async def _send(self, target: WriteBackTarget, words: dict[str, str], proof: dict[str, str]) -> Answer:
        headers = {"Accept": "application/json", **proof}
        if target.method.upper() == "GET":
            return await call(self._http, "GET", target.url, service=_SERVICE, headers=headers, params=words)
        return await call(
            self._http, target.method.upper(), target.url, service=_SERVICE, headers=headers, form=words
        )

    async def _password(self, environment: LiveEnvironment) -> dict[str, str]:
        """`user:password` as the site gave it, with the prefix that its users carry (`emp$`), if any."""
        try:
            secret = await self._secret(f"epic-basic-{environment.id}")
        except NotFound:
            raise TurnedDown("the password for Epic is not in key vault", code="no-password") from None
        return {
            "Authorization": "Basic " + base64.b64encode(secret.strip().encode()).decode(),
            # Epic's OAuth guide: who does not come with a token says by this header which app is calling.
            "Epic-Client-ID": environment.connection.clients.get(EpicClient.BACKEND, ""),
        }


def _words(target: WriteBackTarget, fact: Fact, *, session: str, external_id: ExternalId) -> dict[str, str]:
    """The parameters under the names the service knows them by; what has no name or no value is left out."""
    status = target.statuses.get(fact.kind.value)
    if not status:
        raise TurnedDown("this environment has no value for such a fact", code="no-value")
    values = {
        "session": session,
        "external_id": external_id.value,
        "external_id_type": external_id.type,
        "vendor": target.vendor,
        "status": status,
    }
    return {target.names[word]: value for word, value in values.items() if value and target.names.get(word)}
