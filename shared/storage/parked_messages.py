"""Parked messages: what could not be processed, sealed, until a person decides what becomes of it."""

from typing import Any

from shared.domain.environment import EnvironmentId
from shared.domain.errors import AlreadyThere, NotFound
from shared.domain.inbound import Parked
from shared.domain.tenant import TenantId
from shared.storage.keys import joined
from shared.storage.rows import gathered, instant, moment, spread
from shared.storage.tables import Row, Table


class ParkedMessages:
    """What is parked of one tenant."""

    def __init__(self, table: Table, tenant: TenantId) -> None:
        self._table = table
        self._tenant = tenant

    async def park(self, parked: Parked) -> None:
        """Parking the same id twice parks once. One call."""
        if parked.tenant != self._tenant:
            raise NotFound("no such message")
        try:
            await self._table.insert(_to_row(parked))
        except AlreadyThere:
            return

    async def all(self, environment: EnvironmentId) -> list[Parked]:
        """What is parked of one environment. One call."""
        rows = self._table.rows(joined(self._tenant, environment))
        return [_from_row(row, self._tenant, environment) async for row in rows]


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
