"""Nobody is texted at night by their own clock, on clock-change nights too."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.quiet_hours import next_open, same_local_day

NEW_YORK, FROM, UNTIL = "America/New_York", time(21, 0), time(8, 0)
ZONES = st.sampled_from(
    [NEW_YORK, "Europe/Berlin", "Australia/Lord_Howe", "America/Santiago", "Asia/Kolkata"]
)
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
CLOCKS = st.times().map(lambda clock: clock.replace(second=0, microsecond=0))


def opens(local: str, zone: str = NEW_YORK, *, quiet_from: time = FROM, quiet_until: time = UNTIL) -> str:
    moment = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    found = next_open(moment, zone, quiet_from=quiet_from, quiet_until=quiet_until)
    assert found.tzinfo is UTC
    return found.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-03-02 08:00", "2026-03-02 08:00"),
        ("2026-03-02 20:59", "2026-03-02 20:59"),
        ("2026-03-02 21:00", "2026-03-03 08:00"),
        ("2026-03-03 00:00", "2026-03-03 08:00"),
        ("2026-03-03 07:59", "2026-03-03 08:00"),
    ],
)
def test_a_text_waits_for_morning(at: str, expected: str) -> None:
    assert opens(at) == expected


@pytest.mark.parametrize(
    "night", ["2026-03-07 23:00", "2026-10-31 23:00"], ids=["clocks forward", "clocks back"]
)
def test_morning_is_eight_oclock_whatever_the_clocks_did(night: str) -> None:
    assert opens(night).endswith("08:00")


def test_quiet_hours_that_end_in_the_hour_that_does_not_exist_end_when_it_would_have() -> None:
    assert opens("2026-03-08 00:30", quiet_until=time(2, 30)) == "2026-03-08 03:30"


def test_quiet_hours_within_a_day() -> None:
    noon, one = time(12, 0), time(13, 0)

    assert opens("2026-03-02 12:30", quiet_from=noon, quiet_until=one) == "2026-03-02 13:00"
    assert opens("2026-03-02 13:00", quiet_from=noon, quiet_until=one) == "2026-03-02 13:00"
    assert opens("2026-03-02 23:00", quiet_from=noon, quiet_until=one) == "2026-03-02 23:00"


@given(MOMENTS, ZONES, CLOCKS, CLOCKS)
def test_the_answer_is_open_not_before_and_within_a_day_or_so(
    moment: datetime, zone: str, quiet_from: time, quiet_until: time
) -> None:
    found = next_open(moment, zone, quiet_from=quiet_from, quiet_until=quiet_until)

    assert moment <= found <= moment + timedelta(hours=25)
    assert next_open(found, zone, quiet_from=quiet_from, quiet_until=quiet_until) <= found + timedelta(
        hours=1
    )


@given(MOMENTS, ZONES, CLOCKS)
def test_equal_ends_mean_no_quiet_hours(moment: datetime, zone: str, clock: time) -> None:
    assert next_open(moment, zone, quiet_from=clock, quiet_until=clock) == moment


def test_a_day_is_the_clinics_day() -> None:
    evening, night = datetime(2026, 3, 2, 23, tzinfo=UTC), datetime(2026, 3, 3, 3, tzinfo=UTC)

    assert same_local_day(evening, night, NEW_YORK)
    assert not same_local_day(evening, night, "UTC")
