"""Hands each message of a queue to the function that waits for it, and puts aside the ones that keep failing.

Meanings and defaults follow the Storage Queues extension: a message is tried `maxDequeueCount` times and then moved to
`<queue>-poison`; one that cannot be decoded is moved there at once; an empty queue is asked again after 0.1 seconds,
then twice as long each time, up to `maxPollingInterval`.
"""

import asyncio
import base64
import binascii
import logging
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.functions import meta
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from sandbox.host.app_loader import LoadedFunction
from sandbox.host.connections import OUTAGES
from sandbox.host.host_json import QueueOptions
from sandbox.host.invocation import Invoker

logger = logging.getLogger(__name__)

SHORTEST_PAUSE = 0.1

# How long a message stays hidden from others unless renewed. The real host hides it for ten minutes; here a host that
# was killed should not keep its messages hidden for longer than a developer waits.
LEASE = timedelta(seconds=60)

NEVER_EXPIRES = -1


class QueueListener:
    """Feeds one queue-triggered function; `run` ends only after `stop`, when its last call has finished."""

    def __init__(
        self,
        function: LoadedFunction,
        *,
        queue: QueueClient,
        poison: QueueClient,
        options: QueueOptions,
        invoker: Invoker,
        lease: timedelta = LEASE,
    ) -> None:
        self._function = function
        self._queue = queue
        self._poison = poison
        self._options = options
        self._invoker = invoker
        self._lease = lease
        self._longest_pause = max(options.max_polling_interval.total_seconds(), SHORTEST_PAUSE)
        self._binary = str(function.trigger.get("dataType", "")).upper() == "BINARY"
        self._in_flight = 0
        self._stopping = False
        self._awake = asyncio.Event()
        self._has_room = asyncio.Event()

    def wake(self) -> None:
        """Ask the queue at once: this host has just put something into it."""
        self._awake.set()

    def stop(self) -> None:
        """Take no further messages."""
        self._stopping = True
        self._awake.set()
        self._has_room.set()

    async def run(self) -> None:
        pause = SHORTEST_PAUSE
        unreachable = False
        async with asyncio.TaskGroup() as calls:
            while not self._stopping:
                messages: list[QueueMessage] = []
                try:
                    messages = await self._receive()
                    unreachable = False
                except OUTAGES as outage:
                    if not unreachable:
                        logger.warning("queue %s: %s", self._queue.queue_name, type(outage).__name__)
                    unreachable = True
                if not messages:
                    await self._pause(pause)
                    pause = min(pause * 2, self._longest_pause)
                    continue
                if self._stopping:
                    # The request was on its way when the host was told to stop: whoever comes next takes them.
                    await self._release(messages)
                    break
                pause = SHORTEST_PAUSE
                self._in_flight += len(messages)
                for message in messages:
                    calls.create_task(self._handle(message))
                if self._in_flight > self._options.new_batch_threshold and not self._stopping:
                    self._has_room.clear()
                    await self._has_room.wait()

    async def _receive(self) -> list[QueueMessage]:
        size = self._options.batch_size
        pages = self._queue.receive_messages(
            messages_per_page=size, max_messages=size, visibility_timeout=int(self._lease.total_seconds())
        ).by_page()
        try:
            # One page is one request; asking for a second would only ask for what came in meanwhile.
            return [message async for message in await anext(pages)]
        except StopAsyncIteration:
            return []
        except ResourceNotFoundError:
            await _create(self._queue)
            return []

    async def _release(self, messages: list[QueueMessage]) -> None:
        """Show messages again that were received and not looked at."""
        for message in messages:
            try:
                await self._queue.update_message(message, visibility_timeout=0)
            except OUTAGES as outage:
                logger.warning(
                    "queue %s: message left as it is, %s", self._queue.queue_name, type(outage).__name__
                )

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._awake.wait()
        self._awake.clear()

    async def _handle(self, message: QueueMessage) -> None:
        try:
            await self._process(message)
        except OUTAGES as outage:
            # At least once: the message comes back when its lease ends, even if the function was done with it.
            logger.warning(
                "queue %s: message left as it is, %s", self._queue.queue_name, type(outage).__name__
            )
        finally:
            self._in_flight -= 1
            if self._in_flight <= self._options.new_batch_threshold:
                self._has_room.set()

    async def _process(self, message: QueueMessage) -> None:
        tries = message.dequeue_count or 1
        data = self._decode(message.content or "")
        if data is None or tries > self._options.max_dequeue_count:
            await self._move_to_poison(message)
        elif await self._call(message, data):
            await self._queue.delete_message(message)
        elif tries >= self._options.max_dequeue_count:
            await self._move_to_poison(message)
        else:
            await self._queue.update_message(
                message, visibility_timeout=int(self._options.visibility_timeout.total_seconds())
            )

    def _decode(self, text: str) -> meta.Datum | None:
        """The message as the library takes it, or None when it is not in the queue's encoding."""
        if not self._options.base64:
            return meta.Datum(text.encode() if self._binary else text, "bytes" if self._binary else "string")
        try:
            content = base64.b64decode("".join(text.split()), validate=True)
        except (binascii.Error, ValueError):
            return None
        if not self._binary:
            with suppress(UnicodeDecodeError):
                return meta.Datum(content.decode(), "string")
        return meta.Datum(content, "bytes")

    async def _call(self, message: QueueMessage, data: meta.Datum) -> bool:
        """Run the function while its message stays hidden; False when it failed."""
        done = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_hidden(message, done))
            try:
                outcome = await self._invoker.attempt(self._function, data, _metadata(message))
            finally:
                done.set()
        return not outcome.failed

    async def _keep_hidden(self, message: QueueMessage, done: asyncio.Event) -> None:
        # Never cancelled half-way through a renewal: the answer holds the receipt without which the message can
        # neither be deleted nor renewed again.
        while not done.is_set():
            try:
                async with asyncio.timeout(self._lease.total_seconds() / 2):
                    await done.wait()
                    return
            except TimeoutError:
                pass
            try:
                renewed = await self._queue.update_message(
                    message, visibility_timeout=int(self._lease.total_seconds())
                )
            except OUTAGES as outage:
                logger.warning(
                    "queue %s: lease not renewed, %s", self._queue.queue_name, type(outage).__name__
                )
            else:
                message.pop_receipt = renewed.pop_receipt

    async def _move_to_poison(self, message: QueueMessage) -> None:
        # The copy first: between the two steps a message may be in both queues, but never in neither.
        await send(self._poison, message.content or "")
        await self._queue.delete_message(message)
        logger.warning("queue %s: message %s moved to poison", self._queue.queue_name, message.id)


async def send(queue: QueueClient, text: str) -> None:
    """Put one message, already encoded, into a queue, which is created when it does not exist."""
    try:
        await queue.send_message(text, time_to_live=NEVER_EXPIRES)
    except ResourceNotFoundError:
        await _create(queue)
        await queue.send_message(text, time_to_live=NEVER_EXPIRES)


def encode(message: str | bytes, options: QueueOptions) -> str:
    """A message of an output binding, as it lies in the queue."""
    content = message.encode() if isinstance(message, str) else message
    return base64.b64encode(content).decode() if options.base64 else content.decode()


async def _create(queue: QueueClient) -> None:
    # Not create_queue's own complaint when it exists: two listeners may create it at the same moment.
    with suppress(ResourceExistsError):
        await queue.create_queue()


def _metadata(message: QueueMessage) -> dict[str, meta.Datum]:
    values: dict[str, Any] = {
        "Id": message.id,
        "DequeueCount": message.dequeue_count,
        "PopReceipt": message.pop_receipt,
        "InsertionTime": _time(message.inserted_on),
        "ExpirationTime": _time(message.expires_on),
        "NextVisibleTime": _time(message.next_visible_on),
    }
    return {
        name: meta.Datum(value, "int" if isinstance(value, int) else "string")
        for name, value in values.items()
        if value is not None
    }


def _time(moment: datetime | None) -> str | None:
    # The library's converter tries a dozen formats; this is the first of them.
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%S+00:00")
