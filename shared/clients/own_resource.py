"""Asks Azure Resource Manager where this app really runs."""

from collections.abc import Callable
from datetime import datetime

import httpx
from azure.core.credentials_async import AsyncTokenCredential

from shared.clients.web_call import call
from shared.domain.errors import TurnedDown

_SCOPE = "https://management.azure.com/.default"
_API_VERSION = "2023-12-01"


class OwnResource:
    """The Function app's own resource at `url`, which its identity may read (role Reader)."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        url: str,
        identity: AsyncTokenCredential,
        now: Callable[[], datetime],
    ) -> None:
        self._http = http
        self._url = url
        self._identity = identity
        self._now = now

    async def region(self) -> str:
        """The region as its short name (`eastus2` for `East US 2`). Raise TryAgain or TurnedDown."""
        token = (await self._identity.get_token(_SCOPE)).token
        answer = await call(
            self._http,
            "GET",
            self._url,
            service="Azure",
            headers={"Authorization": f"Bearer {token}"},
            params={"api-version": _API_VERSION},
            seconds=8.0,
        )
        if not answer.good:
            raise answer.failure(now=self._now())
        location = answer.json().get("location")
        if not isinstance(location, str) or not location:
            raise TurnedDown("Azure did not say where the app runs", code="not-readable")
        return location.replace(" ", "").lower()
