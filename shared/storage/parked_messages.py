"""Parked messages: what could not be processed, sealed, until a person decides what becomes of it."""

from dataclasses import replace
from typing import Any

from shared.domain.environment import EnvironmentId
from shared.domain.errors import AlreadyThere, NotFound
from shared.domain.inbound import Parked
from shared.domain.tenant import TenantId
from shared.storage.envelopes import LargeRef
from shared.storage.keys import joined
from shared.storage.large_messages import LargeMessages
from shared.storage.rows import ROW_TAKES, gathered, instant, moment, spread
from shared.storage.tables import Row, Table


class ParkedMessages:
    """What is parked of one tenant."""

    def __init__(self, table: Table, large: LargeMessages, tenant: TenantId) -> None:
        self._table = table
        self._large = large
        self._tenant = tenant

    async def park(self, parked: Parked) -> None:
        """Parking the same id twice parks once. One call, and one for each 60 KiB of a large message."""
        if parked.tenant != self._tenant:
            raise NotFound("no such message")
        if len(parked.sealed) <= ROW_TAKES:
            await self._insert(_to_row(parked))
            return
        waits = await self._large.put(self._tenant, parked.sealed)
        row = {**_to_row(replace(parked, sealed="")), "large": waits.partition, "parts": waits.parts}
        if not await self._insert(row):
            await self._large.remove(waits)

    async def all(self, environment: EnvironmentId) -> list[Parked]:
        """What is parked of one environment. One call, and one for each large message."""
        rows = self._table.rows(joined(self._tenant, environment))
        return [await self._parked(row, environment) async for row in rows]

    async def _insert(self, row: Row) -> bool:
        try:
            await self._table.insert(row)
        except AlreadyThere:
            return False
        return True

    async def _parked(self, row: Row, environment: EnvironmentId) -> Parked:
        parked = _from_row(row, self._tenant, environment)
        if "large" not in row:
            return parked
        return replace(parked, sealed=await self._large.get(LargeRef(row["large"], row["parts"])))


def _to_row(parked: Parked) -> dict[str, Any]:
    return {
        "PartitionKey": joined(parked.tenant, parked.environment),
        "RowKey": joined(parked.id),
        "id": parked.id,
        "queue": parked.queue,
        "reason": parked.reason,
        "parked_at": instant(parked.parked_at),
        **spread("sealed", parked.sealed),
    }


def _from_row(row: Row, tenant: TenantId, environment: EnvironmentId) -> Parked:
    return Parked(
        id=row["id"],
        tenant=tenant,
        environment=environment,
        queue=row["queue"],
        reason=row["reason"],
        parked_at=moment(row["parked_at"]),
        sealed=gathered(row, "sealed"),
    )
