"""A real stamp on the storage emulator, and ways to look at what it stored."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import uuid4

from azure.storage.queue import TextBase64DecodePolicy
from azure.storage.queue.aio import QueueServiceClient

from shared.storage.queues import queue_service
from shared.storage.stamp import Stamp
from shared.storage.tables import TABLE_NAMES, Table, table_service
from tests.fakes.keys import FakeKeys, fake_seals


class Requests:
    """Counts the requests of a client that was built with it as `raw_request_hook`."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def __call__(self, request: Any) -> None:
        self.made.append(f"{request.http_request.method} {request.http_request.url}")

    def clear(self) -> None:
        self.made.clear()


@asynccontextmanager
async def real_stamp(
    connection: str, clock: Callable[[], datetime], requests: Requests | None = None
) -> AsyncIterator[Stamp]:
    """A stamp whose tables and queues exist."""
    hook = requests or Requests()
    async with (
        table_service(connection, raw_request_hook=hook) as tables,
        queue_service(connection, raw_request_hook=hook) as queues,
    ):
        stamp = Stamp(tables, queues, seals=fake_seals(), keys=FakeKeys(), clock=clock)
        await stamp.ensure()
        hook.clear()
        yield stamp


async def own_table(stack: AsyncExitStack, connection: str, requests: Requests | None = None) -> Table:
    """A table that only one test uses; it is gone when `stack` closes."""
    service = await stack.enter_async_context(
        table_service(connection, raw_request_hook=requests or Requests())
    )
    client = await service.create_table(f"t{uuid4().hex}")
    stack.push_async_callback(client.delete_table)
    if requests is not None:
        requests.clear()
    return Table(client, "row")


async def raw_rows(connection: str) -> list[str]:
    """Every row of every table, keys included, as text."""
    async with table_service(connection) as service:
        return [
            f"{name} {dict(row)}"
            for name in TABLE_NAMES
            async for row in service.get_table_client(name).list_entities()
        ]


async def taken(service: QueueServiceClient, queue: str) -> list[str]:
    """The messages of a queue, which are gone from it afterwards."""
    client = service.get_queue_client(queue, message_decode_policy=TextBase64DecodePolicy())
    texts = []
    async for message in client.receive_messages(messages_per_page=32):
        texts.append(message.content)
        await client.delete_message(message)
    return texts
