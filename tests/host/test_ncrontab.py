"""Facts about timer schedules."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.host.ncrontab import UnreadableSchedule, parse

MONDAY = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("*/5 * * * * *", "2026-03-02T10:00:05"),
        ("0 */5 * * * *", "2026-03-02T10:05:00"),
        ("*/5 * * * *", "2026-03-02T10:05:00"),
        ("0 0 * * * *", "2026-03-02T11:00:00"),
        ("30 0 10 * * *", "2026-03-02T10:00:30"),
        ("0 0 9-17/4 * * *", "2026-03-02T13:00:00"),
        ("0 5/20 * * * *", "2026-03-02T10:05:00"),
        ("0 30 9 * * Tue,Thursday", "2026-03-03T09:30:00"),
        ("0 0 0 1 jan *", "2027-01-01T00:00:00"),
        ("0 0 0 29 2 *", "2028-02-29T00:00:00"),
        ("0 0 12 13 * fri", "2026-03-13T12:00:00"),
        ("0 0 0 29 2 0", "2032-02-29T00:00:00"),
    ],
    ids=[
        "every five seconds",
        "every five minutes",
        "five fields start at second 0",
        "the hour just begun is over",
        "later in the same minute",
        "steps within a range",
        "a step from a start to the end of the field",
        "names of days",
        "names of months",
        "the next leap day",
        "both day fields must fit",
        "a leap day on a Sunday",
    ],
)
def test_a_schedule_says_when_it_is_due_next(expression: str, expected: str) -> None:
    assert parse(expression).after(MONDAY) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "expression",
    [
        *("", "* * * *", "* * * * * * *", "60 * * * * *", "* 60 * * * *", "* * 24 * * *", "0 0 0 0 * *"),
        *("0 0 0 * 13 *", "0 0 0 * * 7", "a * * * * *", "*/0 * * * * *", "*/x * * * * *", "0 0 22-2 * * *"),
        *("0 0 0 30 2 *", "1,,2 * * * * *", "-1 * * * * *", "0 0 0 ? * *", "0 0 0 * Jam *", "*-5 * * * * *"),
    ],
)
def test_an_unreadable_schedule_is_refused(expression: str) -> None:
    with pytest.raises(UnreadableSchedule):
        parse(expression)


def test_a_moment_in_another_zone_is_the_same_moment() -> None:
    paris = MONDAY.astimezone(timezone(timedelta(hours=1)))
    assert parse("0 0 * * * *").after(paris) == parse("0 0 * * * *").after(MONDAY)


def test_only_a_schedule_with_several_seconds_runs_more_than_once_a_minute() -> None:
    assert parse("*/30 * * * * *").more_than_once_a_minute
    assert not parse("30 * * * * *").more_than_once_a_minute


def items(lowest: int, highest: int) -> st.SearchStrategy[tuple[str, frozenset[int]]]:
    """A field's text together with the values it stands for, found independently of the parser."""
    number = st.integers(lowest, highest)
    one = number.map(lambda n: (str(n), frozenset({n})))
    span = st.tuples(number, number, st.integers(1, 40)).map(
        lambda t: (f"{min(t[:2])}-{max(t[:2])}/{t[2]}", frozenset(range(min(t[:2]), max(t[:2]) + 1)[:: t[2]]))
    )
    step = st.integers(1, 40).map(lambda n: (f"*/{n}", frozenset(range(lowest, highest + 1)[::n])))
    every = st.just(("*", frozenset(range(lowest, highest + 1))))
    return st.lists(st.one_of(one, span, step, every), min_size=1, max_size=3).map(
        lambda chosen: (
            ",".join(text for text, _ in chosen),
            frozenset().union(*(values for _, values in chosen)),
        )
    )


moments = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@settings(deadline=None)
@given(items(0, 59), items(0, 59), moments)
def test_the_next_time_within_the_day_is_the_first_second_that_fits(
    seconds: tuple[str, frozenset[int]], minutes: tuple[str, frozenset[int]], moment: datetime
) -> None:
    candidate = moment.replace(microsecond=0) + timedelta(seconds=1)
    while candidate.second not in seconds[1] or candidate.minute not in minutes[1]:
        candidate += timedelta(seconds=1)

    assert parse(f"{seconds[0]} {minutes[0]} * * * *").after(moment) == candidate


# A day that every month has, so that there is a next one whatever the other fields say.
@settings(deadline=None)
@given(items(0, 23), items(1, 31).filter(lambda days: min(days[1]) <= 28), items(1, 12), items(0, 6), moments)
def test_the_next_day_is_the_first_one_whose_both_day_fields_fit(
    hours: tuple[str, frozenset[int]],
    days: tuple[str, frozenset[int]],
    months: tuple[str, frozenset[int]],
    weekdays: tuple[str, frozenset[int]],
    moment: datetime,
) -> None:
    candidate = moment.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    while (
        candidate.hour not in hours[1]
        or candidate.day not in days[1]
        or candidate.month not in months[1]
        or candidate.isoweekday() % 7 not in weekdays[1]
    ):
        fits = candidate.day in days[1] and candidate.month in months[1]
        whole_day = not (fits and candidate.isoweekday() % 7 in weekdays[1])
        candidate = (
            candidate.replace(hour=0) + timedelta(days=1) if whole_day else candidate + timedelta(hours=1)
        )

    assert parse(f"0 0 {hours[0]} {days[0]} {months[0]} {weekdays[0]}").after(moment) == candidate
