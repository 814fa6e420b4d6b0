"""The queues of a stamp: work that waits, as ids or as ciphertext."""

import asyncio
import logging
import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from shared.domain.environment import EnvironmentId
from shared.domain.errors import NotFound
from shared.domain.inbound import SealedMessage
from shared.domain.notification import NotificationRef
from shared.domain.tenant import TenantId
from shared.domain.visit import VisitRef
from shared.storage.envelopes import (
    ENTRIES_TAKE,
    MESSAGE_TAKES,
    LargeMessage,
    entry_of,
    pack,
    parse_text_ref,
    parse_visit_ref,
    pointed_at,
    pointer,
    text_message,
    unpack,
    visit_message,
)
from shared.storage.large_messages import LargeMessages
from shared.storage.refusals import translated
from shared.storage.shared_sends import SharedSends

logger = logging.getLogger(__name__)

HL7V2_MESSAGES = "hl7v2-messages"
TEXTS = "texts"
WRITE_BACKS = "write-backs"
CALL_EVENTS = "call-events"
DELIVERY_REPORTS = "delivery-reports"  # filled by Event Grid, only read by the app

QUEUE_NAMES = (HL7V2_MESSAGES, TEXTS, WRITE_BACKS, CALL_EVENTS, DELIVERY_REPORTS)
POISON_QUEUE_NAMES = tuple(f"{name}-poison" for name in QUEUE_NAMES)

# Messages that arrive within this share one storage call.
_GATHER = 0.003

# Azure Queues: a message can hide for seven days at most. It never expires, because nothing may disappear.
_LONGEST_WAIT = timedelta(days=7)
_NEVER_EXPIRES = -1

# The SDK's own first retry comes after 15 seconds: too late for someone who waits for an acknowledgement.
CLIENT_OPTIONS: Mapping[str, Any] = {
    "connection_timeout": 5,
    "read_timeout": 10,
    "retry_total": 2,
    "initial_backoff": 1,
    "increment_base": 2,
    "random_jitter_range": 1,
}


def queue_service(
    address: str, credential: AsyncTokenCredential | None = None, **options: Any
) -> QueueServiceClient:
    """A client for `address`: a connection string, or with `credential` the URL of the account's queues.

    Whoever builds it closes it. `options` are the SDK's and win over the app's.
    """
    chosen = {**CLIENT_OPTIONS, **options}
    if credential is None:
        return QueueServiceClient.from_connection_string(address, **chosen)
    return QueueServiceClient(address, credential=credential, **chosen)


async def ensure_queues(service: QueueServiceClient, *, prefix: str = "") -> None:
    """Create the queues that are missing. One call when none is; harmless when several instances start."""
    with translated("queue"):
        present = {queue.name async for queue in service.list_queues(name_starts_with=prefix or None)}
        wanted = [f"{prefix}{name}" for name in (*QUEUE_NAMES, *POISON_QUEUE_NAMES)]
        missing = [name for name in wanted if name not in present]
        await asyncio.gather(*(_create(service, name) for name in missing))


async def _create(service: QueueServiceClient, name: str) -> None:
    try:
        await service.create_queue(name)
    except ResourceExistsError:
        return  # another instance was faster


class Queues:
    """Puts work on the queues and reads what was put there. Sending is one storage call.

    `prefix` comes before the names of the queues, for whoever shares a storage account with others.
    """

    def __init__(self, service: QueueServiceClient, large: LargeMessages, *, prefix: str = "") -> None:
        encoding = TextBase64EncodePolicy()

        def queue(name: str) -> QueueClient:
            return service.get_queue_client(f"{prefix}{name}", message_encode_policy=encoding)

        self._hl7v2_messages = queue(HL7V2_MESSAGES)
        self._texts = queue(TEXTS)
        self._write_backs = queue(WRITE_BACKS)
        self._call_events = queue(CALL_EVENTS)
        self._large = large
        self._accepting: dict[tuple[TenantId, EnvironmentId], SharedSends] = {}

    async def accept(self, message: SealedMessage) -> None:
        """Return once the message is durable. Messages that wait at one moment share one storage call.

        Only messages of one environment do, so that an envelope which cannot be processed can be parked with
        its owner. One too large for a queue message is stored in rows first: one more call for each 60 KiB.
        """
        entry = entry_of(message)
        if len(entry) > ENTRIES_TAKE:
            entry = entry_of(message, await self._large.put(message.tenant, message.sealed))
        whose = (message.tenant, message.environment)
        if whose not in self._accepting:
            self._accepting[whose] = SharedSends(self._send_envelope, room=ENTRIES_TAKE, wait=_GATHER)
        await self._accepting[whose].send(entry)

    async def text(self, ref: NotificationRef, *, after: float = 0) -> None:
        """Have a text decided and sent after `after` seconds (at most 7 days)."""
        await _send(self._texts, text_message(ref), after=after)

    async def tell(self, visit: VisitRef, *, after: float = 0) -> None:
        """Have the facts of a visit told to Epic."""
        await _send(self._write_backs, visit_message(visit), after=after)

    async def observe(self, notification: str) -> None:
        """Have one Graph notification, a JSON text as received, opened and observed."""
        if len(notification.encode()) > MESSAGE_TAKES:
            # Whose it is, is sealed inside: these rows belong to the queue, as their message does.
            notification = pointer(await self._large.put(CALL_EVENTS, notification))
        await _send(self._call_events, notification)

    # --- the other end: for the functions that the queues trigger --------------------------------------------

    async def accepted(self, text: str) -> list[SealedMessage]:
        """The messages of one queue message, or raise Refused. Each is to be processed, or parked, alone.

        Large ones are fetched: one call each. One that is gone was processed before, and is left out.
        """
        messages = []
        for one in unpack(text):
            if isinstance(one, SealedMessage):
                messages.append(one)
            elif (whole := await self._whole(one)) is not None:
                messages.append(whole)
        return messages

    async def finished(self, text: str) -> None:
        """Remove what waited in rows, once all messages of `text` are processed or parked. Usually no call."""
        for one in unpack(text):
            if isinstance(one, LargeMessage):
                await self._large.remove(one.content)

    async def observed(self, text: str) -> str | None:
        """The notification that `observe` was given, or None when it was processed before. Usually no call."""
        large = pointed_at(text)
        if large is None:
            return text
        try:
            return await self._large.get(large)
        except NotFound:
            logger.warning("a large notification is gone: it was processed before")
            return None

    async def observed_for_good(self, text: str) -> None:
        """Remove what waited in rows, once the notification is processed or parked. Usually no call."""
        large = pointed_at(text)
        if large is not None:
            await self._large.remove(large)

    def text_ref(self, text: str) -> NotificationRef:
        """The text that a message of the queue `texts` is about, or raise Refused."""
        return parse_text_ref(text)

    def visit_ref(self, text: str) -> VisitRef:
        """The visit that a message of the queue `write-backs` is about, or raise Refused."""
        return parse_visit_ref(text)

    async def _whole(self, large: LargeMessage) -> SealedMessage | None:
        message = large.message
        try:
            sealed = await self._large.get(large.content)
        except NotFound:
            # Rows are written before their queue message and removed after it was processed.
            logger.warning("a large message is gone: it was processed before")
            return None
        return SealedMessage(message.tenant, message.environment, message.received_at, sealed)

    async def _send_envelope(self, entries: Sequence[str]) -> None:
        await _send(self._hl7v2_messages, pack(entries))


async def _send(queue: QueueClient, content: str, *, after: float = 0) -> None:
    hidden = min(math.ceil(max(after, 0)), int(_LONGEST_WAIT.total_seconds()))
    with translated("queue message"):
        await queue.send_message(content, visibility_timeout=hidden, time_to_live=_NEVER_EXPIRES)
