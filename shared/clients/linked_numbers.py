"""Looks up whether a number that texts are sent from belongs to the hospital's Communication Services resource."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from azure.core.credentials import AzureKeyCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError, ServiceRequestError

from shared.clients.web_call import failure
from shared.domain.errors import OutsideError, TryAgain, TurnedDown
from shared.domain.readiness import LinkedNumber

if TYPE_CHECKING:
    from azure.communication.phonenumbers.aio import PhoneNumbersClient

_SERVICE = "Communication Services"


class LinkedNumbers:
    """The numbers of one resource, proven by `key` or by a token of the app's own `identity`."""

    def __init__(
        self,
        *,
        endpoint: str,
        now: Callable[[], datetime],
        key: Callable[[], Awaitable[str]] | None = None,
        identity: AsyncTokenCredential | None = None,
        transport: Any = None,
    ) -> None:
        if (key is None) == (identity is None):
            raise ValueError("give either a key or an identity")
        self._endpoint = endpoint.rstrip("/")
        self._now = now
        self._key = key
        self._identity = identity
        self._transport = transport

    async def find(self, e164: str) -> LinkedNumber | None:
        """The number, or None when the resource does not own it. Raise TryAgain or TurnedDown."""
        # A client for each look: this is asked when a person opens a page, and a key may have changed.
        async with await self._client() as client:
            try:
                number = await client.get_purchased_phone_number(e164)
            except ResourceNotFoundError:
                return None
            except AzureError as problem:
                # Not `from`: the cause holds the request, and with it the number.
                raise self._failure(problem) from None
        sends = getattr(number.capabilities, "sms", "none")
        return LinkedNumber(kind=_word(number.phone_number_type), sends="outbound" in _word(sends))

    async def _client(self) -> "PhoneNumbersClient":
        from azure.communication.phonenumbers.aio import (  # noqa: PLC0415 - imported at first use: 0.3 s of cold start
            PhoneNumbersClient,
        )

        credential: Any = AzureKeyCredential(await self._key()) if self._key else self._identity
        options: dict[str, Any] = {"transport": self._transport} if self._transport is not None else {}
        client: Any = PhoneNumbersClient(
            self._endpoint, credential, retry_total=0, connection_timeout=5, read_timeout=8, **options
        )
        if self._key:
            # For an address with a path (a sandbox's), the SDK would sign the path as part of the host.
            client._phone_number_client._config.authentication_policy._host = urlsplit(self._endpoint).netloc
        return cast("PhoneNumbersClient", client)

    def _failure(self, problem: AzureError) -> OutsideError:
        if isinstance(problem, HttpResponseError) and problem.status_code is not None:
            headers = getattr(problem.response, "headers", {})
            return failure(_SERVICE, problem.status_code, headers, now=self._now())
        if isinstance(problem, ServiceRequestError):
            return TryAgain(f"{_SERVICE} could not be reached")
        return TurnedDown(f"{_SERVICE} answered in an unexpected way", code=type(problem).__name__)


def _word(value: Any) -> str:
    """The service's own word, whether or not the SDK knows it."""
    return str(getattr(value, "value", value) or "")
