"""Looks up whether a number that texts are sent from belongs to the hospital's Communication Services resource."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError, ServiceRequestError

from shared.clients.communication_resource import SERVICE, CommunicationResource
from shared.clients.web_call import failure
from shared.domain.errors import OutsideError, TryAgain, TurnedDown
from shared.domain.readiness import LinkedNumber

if TYPE_CHECKING:
    from azure.communication.phonenumbers.aio import PhoneNumbersClient


class LinkedNumbers:
    """The numbers of one resource."""

    def __init__(self, resource: CommunicationResource, *, now: Callable[[], datetime]) -> None:
        self._resource = resource
        self._now = now

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

        resource = self._resource
        client: Any = PhoneNumbersClient(
            resource.endpoint, await resource.credential(), read_timeout=8, **resource.options
        )
        resource.sign_for_host(client._phone_number_client._config.authentication_policy)
        return cast("PhoneNumbersClient", client)

    def _failure(self, problem: AzureError) -> OutsideError:
        if isinstance(problem, HttpResponseError) and problem.status_code is not None:
            headers = getattr(problem.response, "headers", {})
            return failure(SERVICE, problem.status_code, headers, now=self._now())
        if isinstance(problem, ServiceRequestError):
            return TryAgain(f"{SERVICE} could not be reached")
        return TurnedDown(f"{SERVICE} answered in an unexpected way", code=type(problem).__name__)


def _word(value: Any) -> str:
    """The service's own word, whether or not the SDK knows it."""
    return str(getattr(value, "value", value) or "")
