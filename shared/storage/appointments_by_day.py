"""The visits that are still to be expected, by the day on which they are: what a change of settings would touch."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from shared.domain.environment import EnvironmentId
from shared.domain.expected import Expected
from shared.domain.tenant import TenantId
from shared.storage.keys import joined
from shared.storage.rows import instant, moment
from shared.storage.tables import AFTER, Row, Table

# A clinic's day begins up to 14 hours before and ends up to 12 hours after that of UTC.
_ANY_ZONE = timedelta(days=1)


class AppointmentsByDay:
    """The lists of days of one environment. A write is one call; reading is one for each 1,000 lines."""

    def __init__(self, table: Table, tenant: TenantId, environment: EnvironmentId) -> None:
        self._table = table
        self._tenant = tenant
        self._environment = environment

    async def put(self, line: Expected) -> None:
        partition, key = self._place(line)
        columns = {
            "key": line.key,
            "starts_at": instant(line.starts_at),
            "zone": line.zone,
            "textable": line.textable,
        }
        await self._table.put({"PartitionKey": partition, "RowKey": key, **columns})

    async def remove(self, line: Expected) -> None:
        """It may be gone already."""
        await self._table.remove(*self._place(line))

    async def starting(self, *, after: datetime, until: datetime | None = None) -> AsyncIterator[Expected]:
        """Those that start after `after`, and not after `until` when it is given, earliest day first."""
        low = self._partition(f"{(after - _ANY_ZONE).date():%Y-%m-%d}")
        last = f"{(until + _ANY_ZONE).date():%Y-%m-%d}" if until else ""
        high = (self._partition(last) if last else joined(self._tenant, self._environment)) + AFTER
        async for row in self._table.rows_of_partitions(low=low, high=high):
            line = _from_row(row)
            if after < line.starts_at and (until is None or line.starts_at <= until):
                yield line

    def _partition(self, day: str) -> str:
        return joined(self._tenant, self._environment, day)

    def _place(self, line: Expected) -> tuple[str, str]:
        return self._partition(f"{line.day:%Y-%m-%d}"), joined(instant(line.starts_at), line.key)


def _from_row(row: Row) -> Expected:
    return Expected(row["key"], moment(row["starts_at"]), row["zone"], row["textable"])
