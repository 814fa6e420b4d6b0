"""Azure Event Grid: puts what Communication Services reports on a storage queue, one event in one message."""

import asyncio
import base64
import importlib
import json
from typing import Any

from sandbox.contract_check import read_contract
from sandbox.deliveries import Deliveries
from sandbox.trouble import Service
from sandbox.world import Row, World

QUEUE = "delivery-reports"
_CONTRACT = read_contract("event_grid")
_TOPIC = (
    "/subscriptions/33333333-aaaa-4aaa-8aaa-000000000001/resourceGroups/lamna/providers"
    "/Microsoft.Communication/CommunicationServices/lamna"
)
_TYPES = {"deliveryReport": "SMSDeliveryReportReceived", "received": "SMSReceived"}


class BrokenEvent(AssertionError):
    """The sandbox itself would send an event that does not fit the schema."""


class EventGrid:
    """One event subscription, from the Communication Services resource to the queue `delivery-reports`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._deliveries = Deliveries(world, Service.EVENT_GRID)
        self._queue: Any = None

    def publish(self, kind: str, data: Row, *, number: str) -> None:
        """Send an event of `kind` (`deliveryReport` or `received`) about the phone number `number`."""
        event: Row = {
            "id": self._world.new_id(),
            "topic": _TOPIC,
            "subject": f"/phonenumber/{number.lstrip('+')}",
            "data": data,
            "eventType": f"Microsoft.Communication.{_TYPES[kind]}",
            "dataVersion": "1.0",
            "metadataVersion": "1",
            "eventTime": self._world.now().isoformat(),
        }
        problems = [*_CONTRACT.problems("event", event), *_CONTRACT.problems(kind, data)]
        if problems:
            raise BrokenEvent("; ".join(problems))
        if not self._world.storage:
            self._world.log(
                Service.EVENT_GRID, "nobody subscribed: the sandbox was started without --storage"
            )
            return

        async def carry() -> str:
            return await self._put(json.dumps(event))

        self._deliveries.send(QUEUE, f"{_TYPES[kind]} {data['messageId']}", carry)

    async def aclose(self) -> None:
        if self._queue is not None:
            await self._queue.close()

    async def _put(self, text: str) -> str:
        """Put one message, base64 as Event Grid writes it. A queue that is not there is not made: it may come."""
        # Imported beside, at first use: it takes most of a second, in which nothing else would be answered.
        storage = await asyncio.to_thread(importlib.import_module, "azure.storage.queue.aio")
        if self._queue is None:
            self._queue = storage.QueueClient.from_connection_string(
                self._world.storage, QUEUE, retry_total=0, connection_timeout=5, read_timeout=10
            )
        try:
            await self._queue.send_message(base64.b64encode(text.encode()).decode())
        except Exception as problem:  # noqa: BLE001 - whatever it is, Event Grid notes it and tries again
            return type(problem).__name__
        return ""
