"""Local times become moments, on the nights clocks change too."""

from datetime import UTC, datetime

import pytest

from shared.hl7v2.timestamps import NotATime, read_time
from tests.hl7v2.siu import local


def at(*when: int) -> datetime:
    return datetime(*when, tzinfo=UTC)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("zone", "start", "moment"),
    [
        ("America/New_York", "203001150900", at(2030, 1, 15, 14, 0)),
        ("America/New_York", "203007150900", at(2030, 7, 15, 13, 0)),
        ("Europe/London", "203001150900", at(2030, 1, 15, 9, 0)),
        ("Europe/London", "203007150900", at(2030, 7, 15, 8, 0)),
        ("Australia/Lord_Howe", "203001150900", at(2030, 1, 14, 22, 0)),
        ("Australia/Lord_Howe", "203007150900", at(2030, 7, 14, 22, 30)),
        ("Asia/Kathmandu", "203007150900", at(2030, 7, 15, 3, 15)),
    ],
)
def test_a_local_time_means_the_clinics_zone_in_summer_and_winter(
    zone: str, start: str, moment: datetime
) -> None:
    found = local(zone, start)
    assert (found.starts_at, found.doubtful_time, found.zone) == (moment, "", zone)


@pytest.mark.parametrize(
    ("zone", "start", "moment"),
    [
        # Clocks go back at 2:00 EDT on 3 November, at 2:00 BST on 27 October, at 2:00 (by half an hour) on 7 April.
        ("America/New_York", "203011030130", at(2030, 11, 3, 5, 30)),
        ("Europe/London", "203010270130", at(2030, 10, 27, 0, 30)),
        ("Australia/Lord_Howe", "203004070145", at(2030, 4, 6, 14, 45)),
    ],
)
def test_a_time_that_happens_twice_is_the_first_and_flagged(zone: str, start: str, moment: datetime) -> None:
    found = local(zone, start)
    assert (found.starts_at, found.doubtful_time) == (moment, "ambiguous")


@pytest.mark.parametrize(
    ("zone", "start", "moment"),
    [
        # 2:30 is skipped and means 3:30 EDT; 1:30 means 2:30 BST; half an hour is skipped on Lord Howe Island.
        ("America/New_York", "203003100230", at(2030, 3, 10, 7, 30)),
        ("Europe/London", "203003310130", at(2030, 3, 31, 1, 30)),
        ("Australia/Lord_Howe", "203010060215", at(2030, 10, 5, 15, 45)),
    ],
)
def test_a_time_that_is_skipped_moves_forward_and_is_flagged(zone: str, start: str, moment: datetime) -> None:
    found = local(zone, start)
    assert (found.starts_at, found.doubtful_time) == (moment, "does not exist")


@pytest.mark.parametrize(
    ("zone", "start"),
    [
        ("America/New_York", "203011030059"),
        ("America/New_York", "203011030200"),
        ("America/New_York", "203003100159"),
        ("America/New_York", "203003100300"),
        ("Australia/Lord_Howe", "203004070129"),
        ("Australia/Lord_Howe", "203010060230"),
    ],
)
def test_the_minutes_beside_a_change_of_clocks_are_not_in_doubt(zone: str, start: str) -> None:
    assert local(zone, start).doubtful_time == ""


def test_an_offset_takes_all_doubt_away() -> None:
    found = local("America/New_York", "20301103013000-0500")
    assert (found.starts_at, found.doubtful_time) == (at(2030, 11, 3, 6, 30), "")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("20300611", (2030, 6, 11, 0, 0, 0)),
        ("203006112400", (2030, 6, 12, 0, 0, 0)),
        ("20300611235960", (2030, 6, 11, 23, 59, 59)),
        ("2030061111150012", (2030, 6, 11, 11, 15, 0)),
        ("20300611111507.1234-0500", (2030, 6, 11, 11, 15, 7)),
    ],
)
def test_times_are_read_in_every_length(written: str, expected: tuple[int, ...]) -> None:
    assert read_time(written).local.timetuple()[:6] == expected


@pytest.mark.parametrize(
    "written",
    [
        "",
        "2030",
        "203006",
        "2030061",
        "20300611111",
        "2030-06-11",
        "20300611T1115",
        "２０３００６１１",
        "1e9",
        "20300611111500+1",
        "20300611111561",
    ],
)
def test_anything_else_is_not_a_time(written: str) -> None:
    with pytest.raises(NotATime):
        read_time(written)
