"""The keys that seal, sign and prove, kept in Key Vault and made there by the app itself when they are missing.

Key Vault has no "insert if absent": two instances that start at once may both write a first version. Whoever
made one waits a moment and looks again, so both see both and choose by the same rule. Keys that must never
differ (links, opt-outs, cookies) use the oldest version that is enabled; the data key uses the newest, because
every sealed value names the version it was sealed with.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.keyvault.secrets.aio import SecretClient

from shared.clients.key_material import (
    CallEventsKey,
    SmartKey,
    new_call_events_pem,
    new_rsa_pem,
    public_numbers,
    random_key,
    read_call_events,
    read_random_key,
    read_rsa,
    smart_key,
    thumbprint,
)
from shared.clients.web_call import failure
from shared.domain.environment import EnvironmentId, EpicClient
from shared.domain.errors import NotFound, OutsideError, TryAgain, TurnedDown
from shared.domain.key_rotation import (
    KeyVersion,
    PublishedKey,
    may_renew,
    published,
    signing,
    standing,
)
from shared.domain.readiness import SecretAge

logger = logging.getLogger(__name__)

_LIVES = timedelta(minutes=5)
# An unreachable vault must not stop visits whose keys are in memory already.
_STILL_GOOD_WHEN_AWAY = timedelta(hours=12)
# Versions are dated in whole seconds: after two, no other version can carry the same second unseen.
_SETTLES_AFTER = 2.0
_CERTIFICATE_RENEWED_BEFORE = timedelta(days=60)

_NAME = re.compile(r"[0-9A-Za-z-]{1,127}")


@dataclass(frozen=True, slots=True)
class SecretVersion:
    """One version of a secret, without its value."""

    version: str
    created_at: datetime
    enabled: bool


@dataclass(slots=True)
class _Kept:
    value: Any
    at: datetime


class KeyVault:
    """Secrets by name and version. What was read is kept for five minutes.

    Serves as `Keys`, `DataKeys` and as the source of certificates and client keys.
    """

    def __init__(
        self,
        *,
        url: str,
        credential: AsyncTokenCredential,
        now: Callable[[], datetime],
        settle: Callable[[float], Awaitable[None]] = asyncio.sleep,
        transport: Any = None,
    ) -> None:
        self._url = url
        self._credential = credential
        self._now = now
        self._settle = settle
        self._transport = transport
        self._client: SecretClient | None = None
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    # --- secrets -----------------------------------------------------------------------------------------

    async def get(self, name: str, version: str = "") -> str:
        """The value, of the newest version unless another is named. Raise NotFound, TryAgain or TurnedDown."""
        return str(await self._remembered(name, version or "newest", lambda: self._read(name, version)))

    async def versions(self, name: str) -> list[SecretVersion]:
        """All versions, oldest first; none when there is no such secret."""
        found: list[SecretVersion] = await self._remembered(name, "versions", lambda: self._list(name))
        return found

    async def ages(self, names: Sequence[str]) -> list[SecretAge]:
        """When the newest enabled version of each was made; asked now, because a readiness check must not remember."""
        found = []
        for name in names:
            enabled = [one.created_at for one in await self._list(name) if one.enabled]
            found.append(SecretAge(name, enabled[-1] if enabled else None))
        return found

    async def set(self, name: str, value: str) -> str:
        """Write a new version and return its name."""
        client = self._secrets(name)
        try:
            written = await client.set_secret(name, value)
        except AzureError as problem:
            raise self._failure(problem, name) from None
        self._forget(name)
        return str(written.properties.version)

    # --- keys of the stamp -------------------------------------------------------------------------------

    async def link_key(self) -> bytes:
        return await self._only_key("link-key")

    async def opt_out_key(self) -> bytes:
        return await self._only_key("opt-out-key")

    async def cookie_key(self) -> bytes:
        return await self._only_key("cookie-key")

    async def current(self) -> tuple[str, bytes]:
        """The version of the data key to seal with, and the key."""
        newest = (await self._present("data-key", random_key))[-1]
        return newest.version, read_random_key(await self.get("data-key", newest.version))

    async def version(self, version: str) -> bytes:
        """The data key of an earlier version; raise NotFound when it is gone or disabled."""
        if not _NAME.fullmatch(version):
            raise NotFound("no such version of the data key")
        return read_random_key(await self.get("data-key", version))

    async def _only_key(self, name: str) -> bytes:
        oldest = (await self._present(name, random_key))[0]
        return read_random_key(await self.get(name, oldest.version))

    # --- call events -------------------------------------------------------------------------------------

    async def call_events_key(self) -> CallEventsKey:
        """The newest certificate, made when there is none and followed by another before it ends."""
        newest = (await self._present("call-events-key", self._new_certificate))[-1]
        found = await self.call_events_key_named(newest.version)
        if found.ends_at - self._now() < _CERTIFICATE_RENEWED_BEFORE:
            async with self._lock("call-events-key"):
                made = await self.set("call-events-key", self._new_certificate())
            found = await self.call_events_key_named(made)
        return found

    async def call_events_key_named(self, id: str) -> CallEventsKey:
        """The certificate and key a notification names; raise NotFound."""
        if not _NAME.fullmatch(id):
            raise NotFound("no such certificate")
        kept = self._kept.get(("call-events-key", f"parsed {id}"))
        pem = await self.get("call-events-key", id)
        if kept is not None and kept.value[0] == pem:
            # Reading a PEM costs a millisecond, and call events come in bursts.
            known: CallEventsKey = kept.value[1]
            return known
        parsed = read_call_events(id, pem)
        self._kept["call-events-key", f"parsed {id}"] = _Kept((pem, parsed), self._now())
        return parsed

    def _new_certificate(self) -> str:
        return new_call_events_pem(self._now())

    # --- SMART clients -----------------------------------------------------------------------------------

    async def smart_key(self, environment: EnvironmentId, client: EpicClient) -> SmartKey:
        """The key to sign with: the newest that has been published for a day, else the oldest."""
        name = _smart_name(environment, client)
        chosen = signing(await self._smart_versions(name), now=self._now())
        return smart_key(await self.get(name, chosen.version))

    async def public_keys(self, environment: EnvironmentId, client: EpicClient) -> dict[str, Any]:
        """The JWK set (RFC 7517) of one client: the public half of every version that is published now.

        Makes the key when there is none, so ask only for environments that exist.
        """
        name = _smart_name(environment, client)
        versions = published(await self._smart_versions(name), now=self._now())
        return {"keys": [await self._public_key(name, one) for one in versions]}

    async def key_states(self, environment: EnvironmentId, client: EpicClient) -> list[PublishedKey]:
        """What is published for one client, oldest first, and what each key is for."""
        name, now = _smart_name(environment, client), self._now()
        versions = await self._smart_versions(name)
        ids = [(await self._public_key(name, one))["kid"] for one in published(versions, now=now)]
        return standing(versions, ids, now=now)

    async def renew_smart_key(self, environment: EnvironmentId, client: EpicClient) -> bool:
        """Make a new key, which signs after a day; False when the newest is younger than that.

        Two instances may both make one: both are published, and after a day both sign with the newer.
        """
        name = _smart_name(environment, client)
        await self._present(name, new_rsa_pem)
        async with self._lock(name):
            self._forget(name)  # another instance may just have made one
            if not may_renew(await self._smart_versions(name), now=self._now()):
                return False
            await self.set(name, new_rsa_pem())
        logger.info("made a new key %s", name)
        return True

    async def _public_key(self, name: str, one: KeyVersion) -> dict[str, str]:
        numbers = public_numbers(read_rsa(await self.get(name, one.version)))
        return {**numbers, "kid": thumbprint(numbers), "use": "sig", "alg": "RS384"}

    async def _smart_versions(self, name: str) -> list[KeyVersion]:
        return [KeyVersion(one.version, one.created_at) for one in await self._present(name, new_rsa_pem)]

    # --- inside ------------------------------------------------------------------------------------------

    async def _present(self, name: str, make: Callable[[], str]) -> list[SecretVersion]:
        """The enabled versions of `name`, oldest first and never none: a missing secret is made."""
        enabled = [one for one in await self.versions(name) if one.enabled]
        if enabled:
            return enabled
        async with self._lock(name):
            known = await self.versions(name)
            if not known:
                await self.set(name, make())
                logger.info("made the missing secret %s", name)
                await self._settle(_SETTLES_AFTER)
                known = await self.versions(name)
        enabled = [one for one in known if one.enabled]
        if not enabled:
            # Somebody switched every version off on purpose; a new key would hide that.
            raise TurnedDown(f"every version of the secret {name} is disabled", code="disabled")
        return enabled

    def _forget(self, name: str) -> None:
        for key in [key for key in self._kept if key[0] == name]:
            del self._kept[key]

    def _lock(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())

    async def _remembered(self, name: str, what: str, read: Callable[[], Awaitable[Any]]) -> Any:
        kept, now = self._kept.get((name, what)), self._now()
        if kept is not None and now - kept.at < _LIVES:
            return kept.value
        try:
            value = await read()
        except TryAgain:
            if kept is not None and now - kept.at < _STILL_GOOD_WHEN_AWAY:
                logger.warning("key vault is away; secret %s is used from memory", name)
                return kept.value
            raise
        if value != []:  # that a secret is missing is not worth remembering: it is about to be made
            self._kept[name, what] = _Kept(value, now)
        return value

    async def _read(self, name: str, version: str) -> str:
        client = self._secrets(name)
        try:
            secret = await client.get_secret(name, version or None)
        except ResourceNotFoundError:
            raise NotFound(f"key vault has no such secret: {name}") from None
        except AzureError as problem:
            raise self._failure(problem, name) from None
        return secret.value or ""

    async def _list(self, name: str) -> list[SecretVersion]:
        client = self._secrets(name)
        found: list[SecretVersion] = []
        try:
            async for one in client.list_properties_of_secret_versions(name):
                created = one.created_on or datetime.fromtimestamp(0, UTC)
                found.append(SecretVersion(one.version or "", created, one.enabled is not False))
        except ResourceNotFoundError:
            return []
        except AzureError as problem:
            raise self._failure(problem, name) from None
        # The version name settles what was made in the same second: everybody sorts alike.
        return sorted(found, key=lambda one: (one.created_at, one.version))

    def _secrets(self, name: str) -> "SecretClient":
        if not _NAME.fullmatch(name):
            raise ValueError("a secret's name holds letters, digits and hyphens only")
        if self._client is None:
            options = {"transport": self._transport} if self._transport is not None else {}
            self._client = SecretClient(
                self._url, self._credential, retry_total=2, connection_timeout=5, read_timeout=10, **options
            )
        return self._client

    def _failure(self, problem: AzureError, name: str) -> OutsideError | NotFound:
        if isinstance(problem, (ServiceRequestError, ServiceResponseError)):
            return TryAgain("key vault could not be reached")
        if isinstance(problem, HttpResponseError) and problem.status_code is not None:
            if problem.status_code == 403 and "SecretDisabled" in str(problem):
                return NotFound(f"the secret is disabled: {name}")
            headers = getattr(problem.response, "headers", {})
            return failure("key vault", problem.status_code, headers, now=self._now())
        if isinstance(problem, ClientAuthenticationError):
            return TurnedDown("key vault does not let the app in", code="401")
        return TurnedDown("key vault answered in an unexpected way", code=type(problem).__name__)


def _smart_name(environment: EnvironmentId, client: EpicClient) -> str:
    return f"smart-{environment}-{client}"
