"""Searches everything a stamp has stored for a phone number, after opening every sealed value with the stamp's keys."""

import asyncio
import base64
import json
import re
from dataclasses import dataclass, field
from typing import Any

from azure.data.tables.aio import TableServiceClient
from azure.storage.queue.aio import QueueServiceClient
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sandbox.story.observing import NotObserved

_SEALED = re.compile(r"sealed\.1\.([A-Za-z0-9_-]+)\.([a-z0-9-]+)\.([A-Za-z0-9_-]+)")


@dataclass(slots=True)
class Search:
    """What was looked through, and where the number was found."""

    rows: int = 0
    messages: int = 0
    opened: int = 0
    found: list[str] = field(default_factory=list)


def ways_to_write(e164: str) -> list[str]:
    """Every way in which this number might have been written down: the digits, with and without country."""
    digits = e164.lstrip("+")
    return [digits, digits[1:] if digits.startswith("1") and len(digits) == 11 else digits]


async def search(*, storage: str, keys: dict[str, bytes], tenant: str, e164: str) -> Search:
    """Look for the number in every table and queue. `keys` are all versions of the stamp's data key."""
    result = Search()
    wanted = ways_to_write(e164)

    def look(where: str, text: str) -> None:
        for content in (text, *_opened(text, keys, tenant, result)):
            digits = re.sub(r"\D", "", content)
            if any(number in digits or number in content for number in wanted):
                result.found.append(where)

    async with TableServiceClient.from_connection_string(storage) as tables:
        async for table in tables.list_tables():
            async for entity in tables.get_table_client(table.name).list_entities():
                result.rows += 1
                for name, value in entity.items():
                    look(f"table {table.name}, column {name}", _text(value))
    async with QueueServiceClient.from_connection_string(storage) as queues:
        async for queue in queues.list_queues():
            for text in await _messages(queues, queue.name):
                result.messages += 1
                look(f"queue {queue.name}", text)
    return result


async def _messages(queues: QueueServiceClient, name: str) -> list[str]:
    """All messages of a queue. Hidden ones cannot be read, so this waits until there are none."""
    client = queues.get_queue_client(name)
    for _ in range(100):
        shown = [message async for message in _peeked(client)]
        properties = await client.get_queue_properties()
        if (properties.approximate_message_count or 0) <= len(shown):
            return [_decoded(str(message.content)) for message in shown]
        await asyncio.sleep(0.2)
    raise NotObserved(f"queue {name} kept hiding messages for 20 s")


async def _peeked(client: Any) -> Any:
    for message in await client.peek_messages(max_messages=32):
        yield message


def _decoded(content: str) -> str:
    try:
        return base64.b64decode(content, validate=True).decode("utf-8", "replace")
    except ValueError:
        return content


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _opened(text: str, keys: dict[str, bytes], tenant: str, result: Search) -> list[str]:
    """The contents of the sealed values in `text`. One that does not open is an alarm of its own."""
    contents = []
    for version, purpose, encoded in _SEALED.findall(text):
        raw = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        try:
            key = keys[version]
            opened = AESGCM(key).decrypt(raw[:12], raw[12:], f"{purpose}|{tenant}".encode())
        except (KeyError, InvalidTag) as closed:
            # Launch secrets belong to no tenant's data and are bound to the launch's own tenant.
            raise NotObserved(f"a sealed value for {purpose} could not be opened") from closed
        result.opened += 1
        contents.append(opened.decode("utf-8", "replace"))
    return contents
