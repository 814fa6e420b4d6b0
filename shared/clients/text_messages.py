"""Handing a text message to Azure Communication Services, at most once.

The SDK's own `send` makes a new repeatability id at every call, so its generated client is used underneath:
there the id is ours, and a text that is tried again within minutes is recognised as the same.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, cast

from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError

from shared.clients.communication_resource import SERVICE, CommunicationResource
from shared.clients.web_call import asked_wait
from shared.domain.errors import MayHaveHappened, OutsideError, TryAgain, TurnedDown
from shared.domain.phone_number import PhoneNumber

if TYPE_CHECKING:
    from azure.communication.sms.aio import SmsClient

logger = logging.getLogger(__name__)

# Failures of aiohttp that happen before anything is sent; every other may have come after.
_NOT_SENT = frozenset(
    {
        "ClientConnectorError",
        "ClientConnectorDNSError",
        "ClientConnectorSSLError",
        "ClientConnectorCertificateError",
        "ClientProxyConnectionError",
        "ConnectionTimeoutError",
        "InvalidURL",
    }
)
# Refused before it was looked at (429), or by a server that says it does nothing now (503).
_NOT_TAKEN = frozenset({429, 503})
# The service keeps track of repeats for about five minutes and refuses an older "first sent".
_SAME_TEXT_FOR = timedelta(minutes=4)
# A key that was changed in Key Vault is read again after its five minutes there.
_AFTER_NEW_KEY = 300.0


class TextMessages:
    """Texts from one Communication Services resource."""

    def __init__(self, resource: CommunicationResource, *, now: Callable[[], datetime]) -> None:
        self._resource = resource
        self._now = now
        self._client: SmsClient | None = None
        self._first_sent: dict[str, datetime] = {}

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def send(self, *, sender: str, to: PhoneNumber, body: str, tag: str, repeat_id: str) -> str:
        """Hand a text over and return the carrier's id. Raise TryAgain, TurnedDown or MayHaveHappened.

        MayHaveHappened after anything that leaves open whether the text was taken: a lost answer, a broken
        gateway. The delivery report, which carries `tag`, settles it.
        """
        client = await self._ready()
        from azure.communication.sms._generated.models import (  # noqa: PLC0415 - imported at first use: 0.5 s of cold start
            SendMessageRequest,
            SmsRecipient,
            SmsSendOptions,
        )

        request = SendMessageRequest(
            from_property=sender,
            sms_recipients=[
                SmsRecipient(
                    to=to.e164,
                    repeatability_request_id=repeat_id,
                    repeatability_first_sent=format_datetime(self._first_sent_of(repeat_id), usegmt=True),
                )
            ],
            message=body,
            sms_send_options=SmsSendOptions(enable_delivery_report=True, tag=tag),
        )
        try:
            answer = await client._sms_service_client.sms.send(request)
        except AzureError as problem:
            # Not `from`: the cause holds the request, and with it the number and the text.
            raise self._failure(problem) from None
        results = answer.value or []
        if len(results) != 1:
            raise MayHaveHappened(f"{SERVICE} answered about {len(results)} texts instead of one")
        return _accepted(results[0])

    async def _ready(self) -> "SmsClient":
        credential = await self._resource.credential()
        if self._client is None:
            self._client = self._build(credential)
        return self._client

    def _build(self, credential: Any) -> "SmsClient":
        from azure.communication.sms.aio import (  # noqa: PLC0415 - imported at first use: 0.5 s of cold start
            SmsClient,
        )

        resource = self._resource
        client: Any = SmsClient(resource.endpoint, credential, read_timeout=15, **resource.options)
        resource.sign_for_host(client._authentication_policy)
        return cast("SmsClient", client)

    def _first_sent_of(self, repeat_id: str) -> datetime:
        """When this text was first tried, as far as this process knows and the service would still care."""
        now = self._now()
        recent = {one: at for one, at in self._first_sent.items() if now - at < _SAME_TEXT_FOR}
        self._first_sent = recent
        return recent.setdefault(repeat_id, now)

    def _failure(self, problem: AzureError) -> OutsideError:
        if isinstance(problem, HttpResponseError) and problem.status_code is not None:
            return self._answered(problem.status_code, getattr(problem.response, "headers", {}))
        cause = type(problem.inner_exception).__name__
        if isinstance(problem, ServiceRequestError) and cause in _NOT_SENT:
            return TryAgain(f"{SERVICE} could not be reached: {cause}")
        return MayHaveHappened(f"no answer came from {SERVICE}: {type(problem).__name__}")

    def _answered(self, status: int, headers: Any) -> OutsideError:
        logger.info("a text: %s answered %s", SERVICE, status)
        if status in _NOT_TAKEN:
            return TryAgain(f"{SERVICE} answered {status}", after=asked_wait(headers, now=self._now()))
        if status == 401 and self._resource.by_key:
            return TryAgain(f"{SERVICE} does not know our key", after=_AFTER_NEW_KEY)
        if status >= 500 or status == 408:
            return MayHaveHappened(f"{SERVICE} answered {status}")
        return TurnedDown(f"{SERVICE} answered {status}", code=str(status))


def _accepted(result: Any) -> str:
    """The id of a text that was taken; the whole request may be good and the one text in it refused."""
    status = int(result.http_status_code or 0)
    logger.info("a text: answered %s for its recipient", status)
    if result.successful and 200 <= status < 300:
        return str(result.message_id or "")
    if status in _NOT_TAKEN or status >= 500:
        raise TryAgain(f"{SERVICE} answered {status} for the recipient")
    raise TurnedDown(f"{SERVICE} answered {status} for the recipient", code=str(status))
