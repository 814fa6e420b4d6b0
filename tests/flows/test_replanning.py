"""Reminders of visits that are booked follow changed settings, whatever crashes: none twice, none lost."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.flows import configure_environment as configure
from tests.fakes.crashes import Crash, CrashingStamp
from tests.fakes.hospital import AVERY, ENVIRONMENT, NOW, Hospital, operation
from tests.fakes.office import desk
from tests.hl7v2.siu import START, text

MINUTE = timedelta(minutes=1)
# All of them fall between nine and noon at the clinic, outside quiet hours.
BEFORE = tuple(timedelta(minutes=m) for m in (15, 60, 120, 24 * 60, 48 * 60, 72 * 60))


@dataclass(frozen=True)
class Change:
    """A change made so long before the visit, what it asks for, and after how many calls the process dies."""

    ahead: timedelta
    reminders: frozenset[timedelta]
    on: bool
    fuse: int | None


CHANGES = st.lists(
    st.builds(
        Change,
        ahead=st.integers(1, 150).map(lambda half: timedelta(minutes=30 * half + 7)),
        reminders=st.frozensets(st.sampled_from(BEFORE), max_size=3),
        on=st.booleans(),
        fuse=st.one_of(st.none(), st.integers(0, 9)),
    ),
    min_size=1,
    max_size=5,
)


def slot(before: timedelta) -> str:
    return f"reminder-{int(before.total_seconds() // 60)}-{START:%Y%m%dT%H%M%S}"


@settings(max_examples=60, deadline=None)
@given(changes=CHANGES)
def test_a_due_reminder_goes_out_exactly_when_the_settings_of_then_ask_for_it(
    changes: list[Change],
) -> None:
    asyncio.run(_walk(changes))


async def _walk(changes: list[Change]) -> None:
    stamp = CrashingStamp()
    hospital = Hospital(stamp=stamp)
    await hospital.feed(text("S12"))
    await hospital.work_off()

    happens: list[tuple[datetime, Change | timedelta]] = [(START - one.ahead, one) for one in changes]
    happens += [(START - before, before) for before in BEFORE]
    changed_at = NOW
    wanted, doubtful = set[str](), set[str]()
    for moment, what in sorted(happens, key=lambda one: one[0]):
        await hospital.until(moment - MINUTE)
        if isinstance(what, Change):
            hospital.clock.set(moment)
            await _make(what, hospital, stamp)
            changed_at = moment
            await hospital.until(moment + 3 * MINUTE)
            continue
        texts = hospital.environment.operation.texts
        if texts.on and what in texts.reminders:
            wanted.add(slot(what))
            if moment < changed_at + 3 * MINUTE:
                doubtful.add(slot(what))  # asked for a moment before it was due
        await hospital.until(moment)

    await hospital.until(START)
    reminded = [one for one in hospital.slots() if one.startswith("reminder-")]
    assert len(reminded) == len(set(reminded))
    assert set(reminded) - doubtful == wanted - doubtful


async def _make(change: Change, hospital: Hospital, stamp: CrashingStamp) -> None:
    reminders = tuple(sorted(change.reminders, reverse=True))
    texts = replace(operation().texts, on=change.on, reminders=reminders)
    stamp.fuse.left = change.fuse
    with suppress(Crash):
        await configure.change_operation(
            ENVIRONMENT,
            replace(operation(), texts=texts),
            seen="",
            given=desk(stamp, AVERY),
            now=hospital.clock(),
        )
    stamp.fuse.left = None


async def test_a_reminder_added_today_reaches_who_booked_last_week() -> None:
    hospital = Hospital()
    await hospital.feed(text("S12"))
    await hospital.work_off()
    texts = replace(operation().texts, reminders=(timedelta(hours=2),))

    await configure.change_operation(
        ENVIRONMENT,
        replace(operation(), texts=texts),
        seen="",
        given=desk(hospital.stamp, AVERY),
        now=NOW,
    )
    for before in (timedelta(days=1), timedelta(hours=2), timedelta(hours=1)):
        await hospital.until(START - before)

    assert [one for one in hospital.slots() if one.startswith("reminder")] == [slot(timedelta(hours=2))]


async def test_a_change_that_asks_for_no_new_reminder_looks_at_no_visit() -> None:
    hospital = Hospital()
    await hospital.feed(text("S12"))
    desk_of = desk(hospital.stamp, AVERY)
    fewer = replace(operation().texts, reminders=(timedelta(hours=1),))

    for changed in (
        replace(operation(), organization="Lamna Clinics"),
        replace(operation(), texts=fewer),
        replace(operation(), texts=replace(fewer, on=False)),
    ):
        await configure.change_operation(ENVIRONMENT, changed, seen="", given=desk_of, now=NOW)

    assert hospital.calls["appointments_by_day.starting"] == 0


async def test_a_moved_visit_is_listed_on_its_new_day_only_and_a_cancelled_one_nowhere() -> None:
    hospital = Hospital()

    def days() -> list[str]:
        return sorted(key[2] for key in hospital.stamp.day_rows.rows)

    await hospital.feed(text("S12"))
    assert days() == ["2030-06-11"]
    await hospital.feed(text("S13", MSH={7: "20300601101600", 10: "1002"}, SCH={11: "^^30^203006121115"}))
    assert days() == ["2030-06-12"]
    await hospital.feed(text("S15", MSH={7: "20300601101700", 10: "1003"}))
    assert days() == []


async def test_a_number_that_is_taken_away_is_no_longer_counted() -> None:
    hospital = Hospital()
    await hospital.feed(text("S12"))

    await hospital.feed(text("S14", MSH={7: "20300601101600", 10: "1002"}, PID={13: ""}))

    assert [line.value.textable for line in hospital.stamp.day_rows.rows.values()] == [False]


async def test_nothing_is_listed_any_more_once_the_patient_is_forgotten() -> None:
    hospital = Hospital()
    await hospital.feed(text("S12"))
    await hospital.work_off()

    await hospital.until(START + timedelta(hours=5))

    assert hospital.appointment().forgotten_at is not None
    assert hospital.stamp.day_rows.rows == {}


async def test_a_check_out_after_the_patient_is_forgotten_lists_nothing_again() -> None:
    hospital = Hospital()
    await hospital.feed(text("S12"))
    await hospital.work_off()
    await hospital.until(START + timedelta(hours=5))

    await hospital.feed(text("S14", MSH={7: "20300611170000", 10: "1002"}))

    assert hospital.appointment().forgotten_at is not None
    assert hospital.stamp.day_rows.rows == {}
