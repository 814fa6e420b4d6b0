"""What becomes due, filed by the minute in which it does, so that looking costs what is due and no more."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.domain.due import Due
from shared.domain.environment import EnvironmentId
from shared.domain.errors import AlreadyThere, OutOfStep
from shared.domain.tenant import TenantId
from shared.storage.keys import joined, parted, shard_of
from shared.storage.rows import instant, moment
from shared.storage.tables import AFTER, MOST_OPERATIONS, Operation, Row, Table, upserting, version_of

# A minute's rows are spread over these: a clinic's reminders come in bursts at the full hour.
_SHARDS = 8

# How many transactions of one `add` are under way at a time.
_AT_ONCE = 8

# The watermark stays this far behind: whoever adds a plan may be slow, and its clock may be off.
_GRACE = timedelta(minutes=10)

_WATERMARK = "watermark"  # sorts after every minute, so that no range of minutes contains it
_FIRST_MINUTE = "0"


class DueIndex:
    """The plans of one kind, of all tenants: ids only.

    Looking for what is due is two calls, one row and one range of minutes, plus one a minute that moves the
    watermark; a range of more than 1,000 due rows is one call for each 1,000. What is not due is never read.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    async def add(self, plans: Sequence[Due], *, now: datetime) -> None:
        """One call for each minute and shard concerned.

        Adding the same plan twice adds it once. One that is due already becomes due now, because the watermark
        may have passed its own minute: added again later it is another plan, and whoever handles both finds the
        work of the second one done.
        """
        filed: defaultdict[str, dict[str, Operation]] = defaultdict(dict)
        for plan in plans:
            row = _to_row(replace(plan, due_at=max(plan.due_at, now)))
            filed[row["PartitionKey"]][row["RowKey"]] = upserting(row)
        transactions = [
            operations[at : at + MOST_OPERATIONS]
            for operations in (list(rows.values()) for rows in filed.values())
            for at in range(0, len(operations), MOST_OPERATIONS)
        ]
        for at in range(0, len(transactions), _AT_ONCE):
            await asyncio.gather(*(self._write(one) for one in transactions[at : at + _AT_ONCE]))

    async def due(self, *, now: datetime) -> AsyncIterator[Due]:
        """Everything due at `now`, oldest first, however long ago it became due."""
        mark = await self._table.find(_WATERMARK, _WATERMARK)
        begins = mark["minute"] if mark is not None else _FIRST_MINUTE
        oldest: str | None = None
        together: list[Due] = []
        async for row in self._table.rows_of_partitions(low=begins, high=_minute(now) + AFTER):
            plan = _from_row(row)
            oldest = oldest or _minute(plan.due_at)
            # Rows come by minute and shard: those of one minute are put in order before they are handed out.
            if together and _minute(together[0].due_at) != _minute(plan.due_at):
                for one in _in_order(together, now):
                    yield one
                together = []
            together.append(plan)
        for one in _in_order(together, now):
            yield one
        await self._move(mark, oldest, now)

    async def done(self, plan: Due) -> None:
        """Take away a plan as `due` handed it out, or as it was added. One call."""
        partition, key = _key(plan)
        await self._table.remove(partition, key)

    async def _write(self, operations: list[Operation]) -> None:
        if len(operations) == 1:
            await self._table.put(operations[0][1])
        else:
            await self._table.together(operations)

    async def _move(self, mark: Row | None, oldest: str | None, now: datetime) -> None:
        """Move the watermark up to the oldest row that was still there, or to the edge of the grace."""
        reached = min(_minute(now - _GRACE), oldest or _minute(now))
        row = {"PartitionKey": _WATERMARK, "RowKey": _WATERMARK, "minute": reached}
        try:
            if mark is None:
                await self._table.insert(row)
            elif mark["minute"] < reached:
                await self._table.save(row, seen=version_of(mark))
        except (AlreadyThere, OutOfStep):
            return  # another instance moved it, from the same rows


def _minute(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%dT%H%M}"


def _in_order(plans: list[Due], now: datetime) -> list[Due]:
    return sorted((plan for plan in plans if plan.due_at <= now), key=lambda plan: plan.due_at)


def _key(plan: Due) -> tuple[str, str]:
    # The moment is part of the name: planning again within a minute must not be undone by the `done` of the
    # plan that is being handled.
    moment_in_minute = f"{plan.due_at.astimezone(UTC):%S%f}"
    row_key = joined(plan.tenant, plan.environment, plan.key, plan.slot, moment_in_minute)
    return joined(_minute(plan.due_at), shard_of(row_key, _SHARDS)), row_key


def _to_row(plan: Due) -> dict[str, Any]:
    partition, key = _key(plan)
    return {"PartitionKey": partition, "RowKey": key, "due_at": instant(plan.due_at)}


def _from_row(row: Row) -> Due:
    tenant, environment, key, slot, _ = parted(row["RowKey"])
    return Due(TenantId(tenant), EnvironmentId(environment), key, slot, moment(row["due_at"]))
