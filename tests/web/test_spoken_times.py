"""Times in the clinic's own zone, said the way its patients say them."""

from datetime import UTC, datetime

import pytest

from shared.spoken_times import (
    short_zone,
    spoken_date,
    spoken_language,
    spoken_tile,
    spoken_time,
    spoken_zone,
)

NOVEMBER = datetime(2026, 11, 24, 22, 30, tzinfo=UTC)
JULY = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "language", "date", "clock"),
    [
        ("America/Los_Angeles", "en", "Tuesday, November 24", "2:30 PM, Pacific Time"),
        ("America/Los_Angeles", "es", "martes, 24 de noviembre", "2:30 p.m., hora del Pacífico"),
        ("America/Los_Angeles", "zh-Hant-TW", "11月24日 星期二", "下午2:30，太平洋時間"),
        ("Europe/Madrid", "es", "martes, 24 de noviembre", "23:30, hora de Europa central"),
        ("Europe/Madrid", "en", "Tuesday 24 November", "23:30, Central European Time"),
        ("Asia/Taipei", "zh-Hant-TW", "11月25日 星期三", "清晨6:30，台北標準時間"),
    ],
)
def test_a_moment_is_said_in_the_language_and_zone_of_the_clinic(
    zone: str, language: str, date: str, clock: str
) -> None:
    assert spoken_date(NOVEMBER, zone, language) == date
    assert spoken_time(NOVEMBER, zone, language) == clock


def test_a_zone_without_summer_time_is_never_confused_with_its_neighbour() -> None:
    assert spoken_zone(JULY, "America/Denver", "en") == "Mountain Time"
    assert spoken_zone(JULY, "America/Phoenix", "en") == "Mountain Standard Time"
    assert spoken_zone(JULY, "UTC", "en") == "Coordinated Universal Time"


@pytest.mark.parametrize(
    ("moment", "zone", "letters"),
    [
        (NOVEMBER, "America/Los_Angeles", "PST"),
        (JULY, "America/Los_Angeles", "PDT"),
        (JULY, "America/Phoenix", "MST"),
        (NOVEMBER, "Europe/Madrid", "GMT+1"),
        (NOVEMBER, "Europe/London", "GMT"),
        (NOVEMBER, "Asia/Kolkata", "GMT+5:30"),
        (NOVEMBER, "America/St_Johns", "GMT-3:30"),
        (NOVEMBER, "UTC", "UTC"),
    ],
)
def test_a_text_names_the_zone_in_letters_that_mean_one_thing(
    moment: datetime, zone: str, letters: str
) -> None:
    assert short_zone(moment, zone) == letters


def test_a_calendar_leaf_shows_the_clinics_day() -> None:
    assert spoken_tile(NOVEMBER, "America/Los_Angeles", "es") == ("Nov", "24")
    assert spoken_tile(NOVEMBER, "Asia/Taipei", "zh-Hant-TW") == ("11月", "25")


@pytest.mark.parametrize(
    ("tag", "language"),
    [("en-US", "en"), ("ES", "es"), ("es-419", "es"), ("zh-Hans-CN", "zh-Hant-TW"), ("ht", None), ("", None)],
)
def test_a_language_tag_leads_to_one_of_ours_or_none(tag: str, language: str | None) -> None:
    assert spoken_language(tag) == language
