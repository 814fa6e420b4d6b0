"""What became of each HL7v2 message: found by what makes it the same message, and listed newest first."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.domain.environment import EnvironmentId
from shared.domain.errors import AlreadyThere
from shared.domain.inbound import Fate, InboundMessage
from shared.domain.tenant import TenantId
from shared.storage.keys import Scope, joined
from shared.storage.rows import instant, moment
from shared.storage.tables import AFTER, Row, Table, creating

# Two rows a message, written together: one to find it by, one to list it by.
_FOUND, _LISTED = "found", "listed"

# Listing asks each partition, so these are fewer than elsewhere: still 8,000 rows a second.
_SHARDS = 4

_FIRST_MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC)
_DIGITS = 17


class InboundMessages:
    """The messages of one environment."""

    def __init__(self, table: Table, tenant: TenantId, environment: EnvironmentId) -> None:
        self._table = table
        self._scope = Scope(tenant, environment)

    async def find(self, dedupe_key: str) -> InboundMessage | None:
        """One call."""
        row = await self._table.find(self._partition(dedupe_key), joined(_FOUND, dedupe_key))
        return _from_row(row) if row is not None else None

    async def record(self, message: InboundMessage) -> None:
        """The first record of a dedupe key stands. One call."""
        content = _columns(message)
        partition = self._partition(message.dedupe_key)
        found = {"PartitionKey": partition, "RowKey": joined(_FOUND, message.dedupe_key), **content}
        newest_first = _counting_down(message.received_at)
        listed_by = joined(_LISTED, newest_first, message.dedupe_key)
        listed = {"PartitionKey": partition, "RowKey": listed_by, **content}
        try:
            await self._table.together([creating(found), creating(listed)])
        except AlreadyThere:
            return

    async def newest(self, limit: int) -> list[InboundMessage]:
        """The newest `limit` messages, the newest first. One call for each of a few partitions, all at once."""
        partitions = self._scope.partitions(_SHARDS)
        pages = await asyncio.gather(*(self._page(partition, limit) for partition in partitions))
        messages = [message for page in pages for message in page]
        return sorted(messages, key=lambda one: one.received_at, reverse=True)[:limit]

    async def _page(self, partition: str, limit: int) -> list[InboundMessage]:
        rows = self._table.rows(partition, low=f"{_LISTED}|", high=_LISTED + AFTER, limit=limit)
        return [_from_row(row) async for row in rows]

    def _partition(self, dedupe_key: str) -> str:
        return self._scope.partition(dedupe_key, _SHARDS)


def _counting_down(at: datetime) -> str:
    """A text that sorts the later the earlier `at` is."""
    microseconds = (at - _FIRST_MICROSECOND) // timedelta(microseconds=1)
    return f"{10**_DIGITS - microseconds:0{_DIGITS}d}"


def _columns(message: InboundMessage) -> dict[str, Any]:
    return {
        "dedupe_key": message.dedupe_key,
        "received_at": instant(message.received_at),
        "event": message.event,
        "control_id": message.control_id,
        "sending_application": message.sending_application,
        "sending_facility": message.sending_facility,
        "fate": message.fate.value,
        "reason": message.reason,
        "appointment": message.appointment,
        "doubtful_time": message.doubtful_time,
    }


def _from_row(row: Row) -> InboundMessage:
    return InboundMessage(
        dedupe_key=row["dedupe_key"],
        received_at=moment(row["received_at"]),
        event=row["event"],
        control_id=row["control_id"],
        sending_application=row["sending_application"],
        sending_facility=row["sending_facility"],
        fate=Fate(row["fate"]),
        reason=row["reason"],
        appointment=row["appointment"],
        doubtful_time=row["doubtful_time"],
    )
