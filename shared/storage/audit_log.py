"""The audit log: who did what, in a chain of rows that cannot be changed or dropped unseen."""

import asyncio
import json
import secrets
from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

from shared.domain.audit import FIRST_LINK, AuditEntry, DayChain, Linked, Place, fault_within, link
from shared.domain.errors import AlreadyThere, NotFound, OutOfStep, TryAgain
from shared.domain.tenant import TenantId
from shared.storage.keys import joined
from shared.storage.rows import compact, gathered, instant, moment, spread
from shared.storage.tables import AFTER, Operation, Row, Table, creating, replacing, version_of

_HEAD, _ENTRY, _DAYS = "head", "entry", "days"

# Writers of one tenant and day take turns; this many lost turns in a row mean that something is wrong.
_MOST_ATTEMPTS = 60


class AuditLog:
    """The chains of one tenant, one for each day of UTC, each tied to the day before it."""

    def __init__(self, table: Table, tenant: TenantId) -> None:
        self._table = table
        self._tenant = tenant

    async def write(self, entry: AuditEntry) -> None:
        """Add `entry` to the chain of its day. Two calls, and two more for each writer who was faster.

        The entry and the head of the chain are written in one transaction, so the chain cannot fork. The first
        entry of a day takes three calls more: it begins where the last day before it ends.
        """
        written_as = uuid4().hex
        for attempt in range(_MOST_ATTEMPTS):
            day = _day(entry.at)
            head = await self._table.find(self._partition(day), _HEAD)
            after = None
            if head is None:
                day, after = await self._begin(day)
                head = await self._table.find(self._partition(day), _HEAD) if day != _day(entry.at) else None
            if head is not None and head["written_as"] == written_as:
                return  # the answer to our own write was lost, not the write
            try:
                await self._table.together(self._linked(day, head, after, entry, written_as))
            except (AlreadyThere, OutOfStep, NotFound):
                await asyncio.sleep(0.001 * secrets.randbelow(10 * (attempt + 1)))
            else:
                return
        raise TryAgain("too many write to the audit log at once")

    async def entries(self, day: datetime) -> list[AuditEntry]:
        """What was done on that day (UTC), in the order of the chain."""
        return [one.entry for one in (await self.chain(_day(day))).entries]

    async def proven(self, day: datetime) -> bool:
        """Whether the chain of that day is whole: no entry changed, added, dropped or moved."""
        return fault_within(await self.chain(_day(day))) is None

    async def chain(self, day: date) -> DayChain:
        """What is stored about `day`. One call for each 1,000 entries, and one for where they end."""
        partition = self._partition(day)
        head = await self._table.find(partition, _HEAD)
        rows = [row async for row in self._table.rows(partition, low=f"{_ENTRY}|", high=_ENTRY + AFTER)]
        entries = sorted((_from_row(day, row) for row in rows), key=lambda one: one.place.number)
        return DayChain(day, tuple(entries), _place(day, head) if head is not None else None)

    async def days(self, *, first: date | None = None, last: date | None = None) -> list[date]:
        """The days from `first` to `last` (included) on which something was written, in order. One call a 1,000."""
        low = first.isoformat() if first else "0"
        high = f"{last.isoformat()}~" if last else "~"
        partition = joined(self._tenant, _DAYS)
        return [
            date.fromisoformat(row["RowKey"]) async for row in self._table.rows(partition, low=low, high=high)
        ]

    async def _begin(self, day: date) -> tuple[date, Place | None]:
        """The day to write to, and where the day before it ends.

        Whoever comes with an entry of an empty day when a later one has begun writes to the later one: a day
        cannot be put between two that are tied together. The day is listed before it has entries; a day that is
        listed without any is passed over.
        """
        known = await self.days()
        if known and known[-1] > day and await self._table.find(self._partition(known[-1]), _HEAD):
            return known[-1], None
        if day not in known:
            await self._table.put({"PartitionKey": joined(self._tenant, _DAYS), "RowKey": day.isoformat()})
        for earlier in reversed([one for one in known if one < day]):
            if head := await self._table.find(self._partition(earlier), _HEAD):
                return day, _place(earlier, head)
        return day, None

    def _linked(
        self, day: date, head: Row | None, after: Place | None, entry: AuditEntry, written_as: str
    ) -> list[Operation]:
        """The transaction that puts `entry` after `head`, or at the beginning of a day after `after`."""
        number = head["number"] + 1 if head is not None else 1
        previous = head["link"] if head is not None else after.link if after else FIRST_LINK
        linked = {"number": number, "link": link(previous, entry), "written_as": written_as}
        partition = self._partition(day)
        row = {
            "PartitionKey": partition,
            "RowKey": joined(_ENTRY, instant(entry.at), f"{number:08d}"),
            **linked,
            **_columns(entry),
        }
        if head is None and after is not None:
            row |= {
                "after_day": after.day.isoformat(),
                "after_number": after.number,
                "after_link": after.link,
            }
        new_head: dict[str, Any] = {"PartitionKey": partition, "RowKey": _HEAD, **linked}
        put_head = creating(new_head) if head is None else replacing(new_head, version_of(head))
        return [creating(row), put_head]

    def _partition(self, day: date) -> str:
        return joined(self._tenant, day.isoformat())


def _day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


def _place(day: date, row: Row) -> Place:
    return Place(day, int(row["number"]), row["link"])


def _columns(entry: AuditEntry) -> dict[str, Any]:
    return {
        # As it was, zone included: the chain hashes the text of the moment.
        "at": entry.at.isoformat(),
        "who": entry.who,
        "did": entry.did,
        "to": entry.to,
        **spread("facts", compact(entry.facts)),
    }


def _from_row(day: date, row: Row) -> Linked:
    entry = AuditEntry(
        at=moment(row["at"]),
        who=row["who"],
        did=row["did"],
        to=row["to"],
        facts=json.loads(gathered(row, "facts")),
    )
    after = None
    if row.get("after_day"):
        after = Place(date.fromisoformat(row["after_day"]), int(row["after_number"]), row["after_link"])
    return Linked(_place(day, row), entry, after)
