"""Keys that live in memory, for tests that seal, hash and sign."""

import hashlib
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Any

from shared.domain.environment import EnvironmentId, EpicClient
from shared.domain.key_rotation import KeyVersion, PublishedKey, may_renew, published, standing
from shared.storage.seals import Seals


def _key(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


class FakeKeys:
    """The three keys that never leave memory."""

    async def link_key(self) -> bytes:
        return _key("link")

    async def opt_out_key(self) -> bytes:
        return _key("opt-out")

    async def cookie_key(self) -> bytes:
        return _key("cookie")


class FakeDataKeys:
    """The data key, which a test may renew and lose."""

    def __init__(self) -> None:
        self._versions = {"v1": _key("data v1")}
        self._current = "v1"

    async def current(self) -> tuple[str, bytes]:
        return self._current, self._versions[self._current]

    async def version(self, version: str) -> bytes:
        return self._versions[version]

    def renew(self) -> str:
        """Seal with a new version from now on."""
        self._current = f"v{len(self._versions) + 1}"
        self._versions[self._current] = _key(f"data {self._current}")
        return self._current

    def lose(self, version: str) -> None:
        del self._versions[version]


def fake_seals(keys: FakeDataKeys | None = None) -> Seals:
    """Real sealing under a key that lives in memory."""
    return Seals(keys or FakeDataKeys())


class FakeRotation:
    """Client keys as Key Vault keeps them, without the keys: each version is named by client and number."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._versions: defaultdict[tuple[EnvironmentId, EpicClient], list[KeyVersion]] = defaultdict(list)
        self.failure: Exception | None = None

    async def key_states(self, environment: EnvironmentId, client: EpicClient) -> list[PublishedKey]:
        now, versions = self._clock(), self._of(environment, client)
        return standing(versions, [one.version for one in published(versions, now=now)], now=now)

    async def renew_smart_key(self, environment: EnvironmentId, client: EpicClient) -> bool:
        if self.failure is not None:
            raise self.failure
        versions = self._of(environment, client)
        if not may_renew(versions, now=self._clock()):
            return False
        versions.append(KeyVersion(f"{client}-{len(versions) + 1}", self._clock()))
        return True

    async def public_keys(self, environment: EnvironmentId, client: EpicClient) -> dict[str, Any]:
        versions = published(self._of(environment, client), now=self._clock())
        return {"keys": [{"kty": "RSA", "kid": one.version} for one in versions]}

    def _of(self, environment: EnvironmentId, client: EpicClient) -> list[KeyVersion]:
        versions = self._versions[environment, client]
        if not versions:
            versions.append(KeyVersion(client, self._clock()))
        return versions
