"""The public keys that Entra and Epic publish to prove their sign-ins, kept for a while and fetched again when new."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx
import jwt

from shared.clients.web_call import call
from shared.domain.errors import OutsideError, TryAgain

_LIVES = timedelta(hours=1)
# Keys are published well before they are used, so keys a day old are better than refusing everybody.
_STILL_GOOD_WHEN_AWAY = timedelta(hours=24)
# A made-up key id in a token must not make us ask at every request.
_ASKED_AGAIN_FOR_UNKNOWN = timedelta(seconds=30)
_ASKED_AGAIN_WHEN_AWAY = timedelta(seconds=3)


class UnknownKey(Exception):
    """Nobody publishes a key of that id: the token is forged, or much too old."""


@dataclass(slots=True)
class _Known:
    keys: dict[str, jwt.PyJWK] = field(default_factory=dict)
    fetched_at: datetime | None = None
    tried_at: datetime | None = None
    away: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class PublishedKeys:
    """Signing keys by address and key id (RFC 7517)."""

    def __init__(self, http: httpx.AsyncClient, *, now: Callable[[], datetime]) -> None:
        self._http = http
        self._now = now
        self._known: dict[str, _Known] = {}

    async def key(self, url: str, key_id: str, *, service: str) -> jwt.PyJWK:
        """The key, or raise UnknownKey, or TryAgain when the keys cannot be had."""
        known = self._known.setdefault(url, _Known())
        async with known.lock:
            if self._should_ask(known, key_id):
                await self._ask(url, known, service)
            if key_id in known.keys:
                return known.keys[key_id]
        if known.away or known.fetched_at is None:
            raise TryAgain(f"the keys of {service} could not be read")
        raise UnknownKey

    def _should_ask(self, known: _Known, key_id: str) -> bool:
        now = self._now()
        fresh = known.fetched_at is not None and now - known.fetched_at < _LIVES
        if fresh and key_id in known.keys:
            return False
        pause = _ASKED_AGAIN_FOR_UNKNOWN if fresh and not known.away else _ASKED_AGAIN_WHEN_AWAY
        return known.tried_at is None or now - known.tried_at >= pause

    async def _ask(self, url: str, known: _Known, service: str) -> None:
        now = known.tried_at = self._now()
        try:
            answer = await call(
                self._http, "GET", url, service=service, headers={"Accept": "application/json"}
            )
            if not answer.good:
                raise answer.failure(now=now)
            keys = _signing_keys(answer.json().get("keys"))
        except OutsideError:
            known.away = True
            if known.fetched_at is None or now - known.fetched_at > _STILL_GOOD_WHEN_AWAY:
                known.keys = {}
            return
        known.keys, known.fetched_at, known.away = keys, now, False


def _signing_keys(published: Any) -> dict[str, jwt.PyJWK]:
    """The RSA keys for signatures; whatever else is published is passed over."""
    keys: dict[str, jwt.PyJWK] = {}
    for entry in published if isinstance(published, list) else []:
        if not isinstance(entry, dict) or entry.get("kty") != "RSA" or entry.get("use", "sig") != "sig":
            continue
        try:
            keys[str(entry["kid"])] = jwt.PyJWK(entry, algorithm="RS256")
        except (KeyError, ValueError, jwt.PyJWTError):
            continue
    return keys
