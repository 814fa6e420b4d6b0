"""The hospital's Communication Services resource: where it is, and how the app proves itself there."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from azure.core.credentials import AzureKeyCredential
from azure.core.credentials_async import AsyncTokenCredential

SERVICE = "Communication Services"


class CommunicationResource:
    """One resource, proven by `key` (reads its base64 key) or by a token of the app's own `identity`."""

    def __init__(
        self,
        *,
        endpoint: str,
        key: Callable[[], Awaitable[str]] | None = None,
        identity: AsyncTokenCredential | None = None,
        transport: Any = None,
    ) -> None:
        if (key is None) == (identity is None):
            raise ValueError("give either a key or an identity")
        self.endpoint = endpoint.rstrip("/")
        self._key = key
        self._identity = identity
        self._shared_key: AzureKeyCredential | None = None
        # What every client of it is built with. Whoever called tries again later: it may not hold a worker.
        self.options: dict[str, Any] = {"retry_total": 0, "connection_timeout": 5}
        if transport is not None:
            self.options["transport"] = transport

    @property
    def by_key(self) -> bool:
        return self._key is not None

    async def credential(self) -> Any:
        """What a client is built with. The same one each time: a key that was changed is changed within it."""
        if self._key is None:
            return self._identity
        key = await self._key()
        if self._shared_key is None:
            self._shared_key = AzureKeyCredential(key)
        elif self._shared_key.key != key:
            self._shared_key.update(key)
        return self._shared_key

    def sign_for_host(self, policy: Any) -> None:
        """Let a client's signing `policy` sign the host alone.

        For an address with a path (a sandbox's), the SDK would sign the path as part of the host.
        """
        if self.by_key:
            policy._host = urlsplit(self.endpoint).netloc
