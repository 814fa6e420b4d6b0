"""Keys that live in memory, for tests that seal, hash and sign."""

import hashlib

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
