"""Facts about queue functions, on real queues."""

import asyncio
import base64
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import azure.functions as func
import pytest
from azure.core.exceptions import ResourceNotFoundError, ServiceRequestError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from sandbox.host.app_loader import LoadedFunction, collect_functions
from sandbox.host.host_json import QueueOptions
from sandbox.host.invocation import Invoker
from sandbox.host.queues import QueueListener, encode, send
from sandbox.host.signatures import Binding
from tests.host.waiting import until

# Short pauses, so that the tests wait for the queue and not for the poll.
OPTIONS = QueueOptions(max_dequeue_count=3, max_polling_interval=timedelta(milliseconds=200))


def queue_function(call: Callable[..., Any], queue_name: str, **options: Any) -> LoadedFunction:
    app = func.FunctionApp()
    app.queue_trigger("message", queue_name=queue_name, connection="AzureWebJobsStorage", **options)(call)
    return collect_functions(app.get_functions(), {})[0]


class Queues:
    """A queue, its poison queue, and listeners for them."""

    def __init__(self, service: QueueServiceClient, name: str) -> None:
        self.main = service.get_queue_client(name)
        self.poison = service.get_queue_client(f"{name}-poison")

    @asynccontextmanager
    async def heard_by(
        self, call: Callable[..., Any], options: QueueOptions = OPTIONS, **more: Any
    ) -> AsyncIterator[QueueListener]:
        """A listener that feeds the function `call`; leaving waits until it has stopped."""

        async def outbox(binding: Binding, messages: list[str | bytes]) -> None: ...

        invoker = Invoker(outbox=outbox)
        listener = QueueListener(
            queue_function(call, self.main.queue_name, **more.pop("binding", {})),
            queue=more.pop("queue", self.main),
            poison=self.poison,
            options=options,
            invoker=invoker,
            **more,
        )
        running = asyncio.create_task(listener.run())
        try:
            yield listener
        finally:
            listener.stop()
            await running
            invoker.close()

    async def put(self, *messages: str | bytes) -> None:
        for message in messages:
            await send(self.main, encode(message, OPTIONS))

    async def is_empty(self) -> bool:
        """Whether no message is left, hidden ones included."""
        return (await self.main.get_queue_properties()).approximate_message_count == 0

    async def poisoned(self) -> list[str]:
        try:
            return [message.content async for message in self.poison.receive_messages(visibility_timeout=1)]
        except ResourceNotFoundError:
            return []


@pytest.fixture
async def queues(storage: str, queue_name: str) -> AsyncIterator[Queues]:
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(
            QueueServiceClient.from_connection_string(storage, retry_total=0, read_timeout=20)
        )
        queues = Queues(service, queue_name)
        yield queues
        for queue in (queues.main, queues.poison):
            with suppress(ResourceNotFoundError):
                await queue.delete_queue()


async def test_each_message_is_handed_over_once_and_deleted(queues: Queues) -> None:
    seen: Counter[bytes] = Counter()

    async def read(message: func.QueueMessage) -> None:
        seen[message.get_body()] += 1

    await queues.put(*(str(number) for number in range(40)))
    async with queues.heard_by(read):
        await until(queues.is_empty, what="40 messages to be read")

    assert seen == Counter({str(number).encode(): 1 for number in range(40)})


async def test_a_function_sees_the_message_and_its_history(queues: Queues) -> None:
    seen: list[Any] = []

    async def read(message: func.QueueMessage) -> None:
        seen.append((message.id, message.get_json(), message.dequeue_count, message.insertion_time))
        if message.dequeue_count == 1:
            raise ValueError

    await queues.put('{"csn": "7"}')
    async with queues.heard_by(read):
        await until(queues.is_empty, what="the message to be read twice")

    assert [each[1:3] for each in seen] == [({"csn": "7"}, 1), ({"csn": "7"}, 2)]
    assert seen[0][0] == seen[1][0]
    assert seen[0][3].utcoffset() == timedelta(0)


async def test_a_queue_that_does_not_exist_is_created(queues: Queues) -> None:
    async def read(message: func.QueueMessage) -> None: ...

    async def exists() -> bool:
        try:
            await queues.main.get_queue_properties()
        except ResourceNotFoundError:
            return False
        return True

    async with queues.heard_by(read):
        await until(exists, what="the queue to be created")


async def test_a_message_that_keeps_failing_is_moved_to_poison_as_it_was(queues: Queues) -> None:
    attempts: list[int] = []

    async def read(message: func.QueueMessage) -> None:
        attempts.append(message.dequeue_count or 0)
        raise ValueError

    await queues.put("broken")
    async with queues.heard_by(read):
        await until(queues.is_empty, what="the message to be given up")

    assert attempts == [1, 2, 3]
    assert await queues.poisoned() == [base64.b64encode(b"broken").decode()]


@pytest.mark.parametrize("text", ["plain text", "YQ", "ÿ"], ids=["spaces", "cut short", "beyond ASCII"])
async def test_what_is_not_base64_goes_straight_to_poison(queues: Queues, text: str) -> None:
    seen: list[bytes] = []

    async def read(message: func.QueueMessage) -> None:
        seen.append(message.get_body())

    await send(queues.main, text)
    async with queues.heard_by(read):
        await until(queues.is_empty, what="the message to be put aside")

    assert seen == []
    assert await queues.poisoned() == [text]


async def test_without_encoding_a_message_is_its_text(queues: Queues) -> None:
    seen: list[str] = []

    async def read(message: str) -> None:
        seen.append(message)

    await send(queues.main, "plain <text> & é")
    async with queues.heard_by(read, replace(OPTIONS, base64=False)):
        await until(queues.is_empty, what="the message to be read")

    assert seen == ["plain <text> & é"]


@pytest.mark.parametrize("binding", [{}, {"data_type": func.DataType.BINARY}], ids=["any", "binary"])
async def test_bytes_that_are_no_text_arrive_as_they_are(queues: Queues, binding: dict[str, Any]) -> None:
    seen: list[bytes] = []

    async def read(message: func.QueueMessage) -> None:
        seen.append(message.get_body())

    await queues.put(b"\xff\x00")
    async with queues.heard_by(read, binding=binding):
        await until(queues.is_empty, what="the message to be read")

    assert seen == [b"\xff\x00"]


async def test_no_more_messages_are_taken_than_the_settings_allow(queues: Queues) -> None:
    running = most = done = 0
    go_on = asyncio.Event()

    async def read(message: func.QueueMessage) -> None:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        if running == 3:
            go_on.set()
        await go_on.wait()
        await asyncio.sleep(0)
        running -= 1
        done += 1

    await queues.put(*(str(number) for number in range(20)))
    # Two at a time, and two more once only one is left: never more than three.
    async with queues.heard_by(read, replace(OPTIONS, batch_size=2, new_batch_threshold=1)):
        go_on.set()
        await until(queues.is_empty, what="20 messages to be read")

    assert done == 20
    assert most <= 3


class CountsRenewals(QueueClient):
    """The real queue, counting how often a message's lease was renewed."""

    renewals = 0

    async def update_message(self, *args: Any, **kwargs: Any) -> QueueMessage:
        renewed = await super().update_message(*args, **kwargs)
        if kwargs.get("visibility_timeout"):
            self.renewals += 1
        return renewed


async def test_a_message_stays_hidden_while_its_function_runs(storage: str, queues: Queues) -> None:
    seen: list[int] = []
    async with CountsRenewals.from_connection_string(storage, queues.main.queue_name) as queue:

        async def read(message: func.QueueMessage) -> None:
            seen.append(message.dequeue_count or 0)

            async def outlived_its_lease() -> bool:
                return queue.renewals >= 3

            await until(outlived_its_lease, what="three renewals")

        await queues.put("long")
        async with queues.heard_by(read, lease=timedelta(seconds=2), queue=queue):
            await until(queues.is_empty, what="the message to be deleted by its newest receipt")

    assert seen == [1]


async def test_stopping_lets_the_running_call_finish_and_takes_nothing_new(queues: Queues) -> None:
    seen: list[bytes] = []
    started, finish = asyncio.Event(), asyncio.Event()

    async def read(message: func.QueueMessage) -> None:
        started.set()
        await finish.wait()
        seen.append(message.get_body())

    await queues.put("first")
    async with queues.heard_by(read) as listener:
        await asyncio.wait_for(started.wait(), 20)
        listener.stop()
        await queues.put("second")
        finish.set()

    assert seen == [b"first"]
    assert [message.content async for message in queues.main.receive_messages()] == [
        base64.b64encode(b"second").decode()
    ]


class Answering(QueueClient):
    """The real queue, whose answers wait until the test lets them through."""

    asked: asyncio.Event
    through: asyncio.Event

    def receive_messages(self, **kwargs: Any) -> Any:
        pages = super().receive_messages(**kwargs)
        asked, through = self.asked, self.through

        class Held:
            def by_page(self) -> Any:
                async def held() -> Any:
                    asked.set()
                    await through.wait()
                    async for page in pages.by_page():
                        yield page

                return held()

        return Held()


async def test_what_was_on_its_way_when_the_host_stopped_is_shown_to_the_next_one(
    storage: str, queues: Queues
) -> None:
    seen: list[bytes] = []

    async def read(message: func.QueueMessage) -> None:
        seen.append(message.get_body())

    await queues.put("late")
    async with Answering.from_connection_string(storage, queues.main.queue_name) as queue:
        queue.asked, queue.through = asyncio.Event(), asyncio.Event()
        async with queues.heard_by(read, queue=queue) as listener:
            await asyncio.wait_for(queue.asked.wait(), 20)
            listener.stop()
            queue.through.set()

    assert seen == []
    assert [message.content async for message in queues.main.receive_messages()] == [
        base64.b64encode(b"late").decode()
    ]


class Unreachable(QueueClient):
    """The real queue behind a line that is down for a number of requests."""

    outages = 0

    def receive_messages(self, **kwargs: Any) -> Any:
        if self.outages > 0:
            self.outages -= 1
            raise ServiceRequestError("away")
        return super().receive_messages(**kwargs)


async def test_an_outage_of_storage_does_not_end_a_listener(
    storage: str, queues: Queues, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[bytes] = []

    async def read(message: func.QueueMessage) -> None:
        seen.append(message.get_body())

    await queues.put("patient")
    async with Unreachable.from_connection_string(storage, queues.main.queue_name) as queue:
        queue.outages = 4
        async with queues.heard_by(read, queue=queue):
            await until(queues.is_empty, what="the message to be read after the outage")

    assert seen == [b"patient"]
    # Said once, not at every attempt.
    assert caplog.text.count("ServiceRequestError") == 1
