"""Days that are tied together: whatever is changed, dropped, reordered, forked or cut out is named."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from shared.domain.audit import (
    FIRST_LINK,
    AuditEntry,
    DayChain,
    Linked,
    Place,
    fault_within,
    first_fault,
    link,
)

FIRST = date(2030, 6, 1)


def entry(day: date, number: int, who: str = "admin-1") -> AuditEntry:
    at = datetime(day.year, day.month, day.day, 12, number, tzinfo=UTC)
    return AuditEntry(at, who, "saved", f"environment/{number}", {"version": str(number)})


def chain(day: date, count: int, after: Place | None = None, who: str = "admin-1") -> DayChain:
    """A day of `count` entries as it is written."""
    previous = after.link if after else FIRST_LINK
    entries = []
    for number in range(1, count + 1):
        written = entry(day, number, who)
        previous = link(previous, written)
        entries.append(Linked(Place(day, number, previous), written, after if number == 1 else None))
    return DayChain(day, tuple(entries), entries[-1].place if entries else None)


def days(*counts: int) -> list[DayChain]:
    """Days with that many entries, two days apart, each tied to the one before."""
    found: list[DayChain] = []
    for index, count in enumerate(counts):
        after = found[-1].head if found else None
        found.append(chain(FIRST + timedelta(days=2 * index), count, after))
    return found


def test_days_as_they_are_written_are_whole() -> None:
    assert first_fault(days(3, 1, 4)) is None


def test_days_from_before_they_were_tied_together_are_still_whole() -> None:
    old = chain(FIRST - timedelta(days=1), 2)
    new = chain(FIRST, 2, old.head)

    assert first_fault([chain(FIRST - timedelta(days=9), 1), old, new]) is None


def test_a_day_that_grew_after_the_next_had_begun_is_whole() -> None:
    first = chain(FIRST, 3)
    second = chain(FIRST + timedelta(days=1), 2, first.entries[1].place)

    assert first_fault([first, second]) is None


TAMPERED = {
    "changed": lambda all_of: replace(
        all_of, entries=(replace(all_of.entries[0], entry=entry(FIRST, 9)), *all_of.entries[1:])
    ),
    "dropped": lambda all_of: replace(all_of, entries=(all_of.entries[0], *all_of.entries[2:])),
    "cut short": lambda all_of: replace(all_of, entries=all_of.entries[:-1]),
    "reordered": lambda all_of: replace(
        all_of,
        entries=(
            replace(all_of.entries[0], entry=all_of.entries[1].entry),
            replace(all_of.entries[1], entry=all_of.entries[0].entry),
            *all_of.entries[2:],
        ),
    ),
    "forked": lambda all_of: replace(all_of, entries=(*all_of.entries[:2], *all_of.entries[1:])),
    "without its end": lambda all_of: replace(all_of, head=None),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_a_day_that_was_tampered_with_is_named(how: str) -> None:
    first, second, third = days(3, 4, 2)
    broken = TAMPERED[how](first)

    fault = first_fault([broken, second, third])

    assert fault is not None
    assert fault.day == first.day
    assert fault_within(broken) == fault


@pytest.mark.parametrize(
    ("how", "day"),
    [("changed and written anew", 2), ("left out", 2), ("emptied", 2), ("begun anew", 1), ("put between", 2)],
)
def test_a_day_that_is_whole_by_itself_but_not_the_one_that_was_there_is_named(how: str, day: int) -> None:
    first, second, third = days(3, 4, 2)
    forged = {
        "changed and written anew": [first, chain(second.day, 4, first.head, who="somebody-else"), third],
        "left out": [first, third],
        "emptied": [first, DayChain(second.day, (), None), third],
        "begun anew": [first, chain(second.day, 4), third],
        "put between": [first, second, chain(second.day + timedelta(days=1), 1, second.head), third],
    }[how]
    # Only what follows a day can show that the whole of it was exchanged: here the third shows it.
    before = chain(FIRST - timedelta(days=1), 1)
    first_of_all = chain(FIRST, 3, before.head)
    if how == "begun anew":
        forged = [first_of_all, *forged[1:]]

    fault = first_fault(forged, before=before if how == "begun anew" else None)

    assert fault is not None
    assert fault.day == [first, second, third][day].day
    assert fault.number == 1
