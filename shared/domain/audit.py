"""The audit chain: who did what, in rows that cannot be changed or dropped unseen."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One act. `facts` holds ids and counts, never personal data."""

    at: datetime
    who: str
    did: str
    to: str
    facts: dict[str, str]


FIRST_LINK = "0" * 64


def link(previous: str, entry: AuditEntry) -> str:
    """The hash that ties `entry` to the one before it (SHA-256 over the previous hash and the entry)."""
    content = json.dumps(
        [previous, entry.at.isoformat(), entry.who, entry.did, entry.to, entry.facts],
        sort_keys=True,
        separators=(",", ":"),
    )
    return hashlib.sha256(content.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the chains of a tenant: the day, the number of the entry in it, and the hash it had."""

    day: date
    number: int
    link: str


@dataclass(frozen=True, slots=True)
class Linked:
    """An entry at its place. `after` is the end of the day before, at the first entry of a day."""

    place: Place
    entry: AuditEntry
    after: Place | None = None


@dataclass(frozen=True, slots=True)
class DayChain:
    """What is stored about one day (UTC): its entries in the order of their numbers, and where they end."""

    day: date
    entries: tuple[Linked, ...]
    head: Place | None


@dataclass(frozen=True, slots=True)
class Fault:
    """The first place at which a chain does not hold, and why. `number` 0 is the day as a whole."""

    day: date
    number: int
    why: str


def fault_within(chain: DayChain) -> Fault | None:
    """The first entry of a day that was changed, added, dropped or moved, looking at this day alone."""
    if chain.head is None:
        return Fault(chain.day, 0, "the end of the day is missing") if chain.entries else None
    first = chain.entries[0] if chain.entries else None
    previous = first.after.link if first and first.after else FIRST_LINK
    for number, one in enumerate(chain.entries, start=1):
        if one.place.number != number:
            why = "an entry is missing before it" if one.place.number > number else "there are two of it"
            return Fault(chain.day, one.place.number, why)
        if number > 1 and one.after is not None:
            return Fault(chain.day, number, "it calls itself the first of its day")
        previous = link(previous, one.entry)
        if one.place.link != previous:
            return Fault(chain.day, number, "it was changed, or the one before it was")
    if (chain.head.number, chain.head.link) != (len(chain.entries), previous):
        return Fault(chain.day, len(chain.entries), "the day does not end here: entries after it are missing")
    return None


def fault_between(chain: DayChain, before: DayChain | None, *, linked: bool) -> Fault | None:
    """Whether the first entry of a day follows the last day before it that has entries.

    `linked`: a day before this one is tied to its predecessor; days were not always, but none may stop.
    Entries that reached the day before after this one had begun come behind the place that this one names.
    """
    if not chain.entries:
        return None
    after = chain.entries[0].after
    if after is None:
        return Fault(chain.day, 1, "it is not tied to the day before") if linked else None
    if before is None or after.day != before.day:
        return Fault(
            chain.day, 1, f"it follows {after.day}, whose entries are missing or are not the last before it"
        )
    if not any(one.place == after for one in before.entries):
        return Fault(chain.day, 1, f"it follows an entry of {after.day} that is missing or was changed")
    return None


def first_fault(chains: Sequence[DayChain], *, before: DayChain | None = None) -> Fault | None:
    """The first fault in days that stand in order. `before` is the last day with entries before them."""
    linked = bool(before and before.entries and before.entries[0].after)
    for chain in chains:
        fault = fault_within(chain) or fault_between(chain, before, linked=linked)
        if fault:
            return fault
        if chain.entries:
            before = chain
            linked = linked or chain.entries[0].after is not None
    return None
