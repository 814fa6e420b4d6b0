"""The audit log: who did what, in a chain of rows that cannot be changed or dropped unseen."""

import asyncio
import json
import secrets
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from shared.domain.audit import FIRST_LINK, AuditEntry, link
from shared.domain.errors import AlreadyThere, NotFound, OutOfStep, TryAgain
from shared.domain.tenant import TenantId
from shared.storage.keys import joined
from shared.storage.rows import compact, gathered, instant, moment, spread
from shared.storage.tables import AFTER, Operation, Row, Table, creating, replacing, version_of

_HEAD, _ENTRY = "head", "entry"

# Writers of one tenant and day take turns; this many lost turns in a row mean that something is wrong.
_MOST_ATTEMPTS = 60


class AuditLog:
    """The chains of one tenant, one for each day of UTC."""

    def __init__(self, table: Table, tenant: TenantId) -> None:
        self._table = table
        self._tenant = tenant

    async def write(self, entry: AuditEntry) -> None:
        """Add `entry` to the chain of its day. Two calls, and two more for each writer who was faster.

        The entry and the head of the chain are written in one transaction, so the chain cannot fork.
        """
        written_as = uuid4().hex
        for attempt in range(_MOST_ATTEMPTS):
            head = await self._table.find(self._partition(entry.at), _HEAD)
            if head is not None and head["written_as"] == written_as:
                return  # the answer to our own write was lost, not the write
            try:
                await self._table.together(self._linked(head, entry, written_as))
            except (AlreadyThere, OutOfStep, NotFound):
                await asyncio.sleep(0.001 * secrets.randbelow(10 * (attempt + 1)))
            else:
                return
        raise TryAgain("too many write to the audit log at once")

    async def entries(self, day: datetime) -> list[AuditEntry]:
        """What was done on that day (UTC), in the order of the chain."""
        return [_from_row(row) for row in await self._chain(day)]

    async def proven(self, day: datetime) -> bool:
        """Whether the chain of that day is whole: no entry changed, added, dropped or moved."""
        head = await self._table.find(self._partition(day), _HEAD)
        rows = await self._chain(day)
        if head is None:
            return not rows
        previous = FIRST_LINK
        for number, row in enumerate(rows, start=1):
            previous = link(previous, _from_row(row))
            if (row["number"], row["link"]) != (number, previous):
                return False
        return bool((head["number"], head["link"]) == (len(rows), previous))

    async def _chain(self, day: datetime) -> list[Row]:
        rows = self._table.rows(self._partition(day), low=f"{_ENTRY}|", high=_ENTRY + AFTER)
        return sorted([row async for row in rows], key=lambda row: int(row["number"]))

    def _linked(self, head: Row | None, entry: AuditEntry, written_as: str) -> list[Operation]:
        """The transaction that puts `entry` after `head`."""
        number = head["number"] + 1 if head is not None else 1
        previous = head["link"] if head is not None else FIRST_LINK
        linked = {"number": number, "link": link(previous, entry), "written_as": written_as}
        partition = self._partition(entry.at)
        row = {
            "PartitionKey": partition,
            "RowKey": joined(_ENTRY, instant(entry.at), f"{number:08d}"),
            **linked,
            **_columns(entry),
        }
        new_head: dict[str, Any] = {"PartitionKey": partition, "RowKey": _HEAD, **linked}
        put_head = creating(new_head) if head is None else replacing(new_head, version_of(head))
        return [creating(row), put_head]

    def _partition(self, day: datetime) -> str:
        return joined(self._tenant, f"{day.astimezone(UTC):%Y-%m-%d}")


def _columns(entry: AuditEntry) -> dict[str, Any]:
    return {
        # As it was, zone included: the chain hashes the text of the moment.
        "at": entry.at.isoformat(),
        "who": entry.who,
        "did": entry.did,
        "to": entry.to,
        **spread("facts", compact(entry.facts)),
    }


def _from_row(row: Row) -> AuditEntry:
    return AuditEntry(
        at=moment(row["at"]),
        who=row["who"],
        did=row["did"],
        to=row["to"],
        facts=json.loads(gathered(row, "facts")),
    )
