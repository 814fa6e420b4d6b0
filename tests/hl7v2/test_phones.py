"""Which number of PID-13 gets the texts. A wrong one tells a stranger; none at all is shown to staff."""

from collections.abc import Mapping

import pytest

from shared.domain.environment import Feed
from shared.domain.phone_number import PhoneNumber
from tests.hl7v2.siu import siu

MOBILE, HOME = "+12065550142", "+12065550111"


def number(
    field: str, *, country: str = "US", types: Mapping[str, str] | None = None, business: str = ""
) -> str | None:
    """The number that is chosen from PID-13 (and PID-14, which must never count)."""
    zone = "Europe/London" if country == "GB" else "America/New_York"
    feed = Feed(zone=zone, country=country, phone_types=dict(types or {}))
    phone = siu(feed=feed, PID={13: field, 14: business}).phone
    return phone.e164 if isinstance(phone, PhoneNumber) else None


@pytest.mark.parametrize(
    "field",
    [
        "(206)555-0142^P^CP^^1^206^5550142",
        "(206)555-0142^PRN^CP",
        "206.555.0142^^MC",
        "2065550142^^C",
        "+12065550142",
        "1-206-555-0142^^MOBILE",
        "(206)555-0142",
        "(206)555-0142^^",
        " (206)555-0142 ^^H",
        "^P^CP^^^206^5550142",
        "^P^CP^^1^206^555-0142",
        "555-0142^P^CP^^^206^5550142",
        "^^CP^^^^^^^^^12065550142",
        "(206)555-0142^P^CP^ann@patients.example",
    ],
)
def test_a_number_is_found_however_it_is_written(field: str) -> None:
    assert number(field) == MOBILE


@pytest.mark.parametrize(
    "field",
    [
        "(206)555-0111^P^H~(206)555-0142^P^CP",
        "(206)555-0142^P^CP~(206)555-0111^P^H",
        "(206)555-0111~(206)555-0142^^MC",
        "(206)555-0133^^CP^^^^^^N~(206)555-0142^^CP~(206)555-0111^^H",
        "271-9000^^CP~(206)555-0142^^CP",
    ],
)
def test_a_mobile_is_preferred_wherever_it_stands(field: str) -> None:
    assert number(field) == MOBILE


@pytest.mark.parametrize(
    "field",
    [
        "(206)555-0111^P^H",
        "(206)555-0111^PRN^PH",
        "(206)555-0111~(206)555-0142",
        "(206)555-0111^ORN",
        "271-9000^^CP~(206)555-0111^^H",
        "(206)555-0111^^SOMETHING NEW",
        "(206)555-0133^WPN^PH~(206)555-0111^PRN^PH",
    ],
)
def test_without_a_mobile_the_first_home_number_is_used(field: str) -> None:
    assert number(field) == HOME


@pytest.mark.parametrize(
    "field",
    [
        "",
        '""',
        "271-9000",
        "...",
        "999-999-9999^^CP",
        "000-000-0000^^H",
        "none^^CP",
        "DECLINED 206 555 0142",
        "(206)555-0142 ask for Bob^^H",
        "206-555-CALL^^H",
        "(800)555-0199^^H",
        "(206)555-0142^^W",
        "(206)555-0142^^B",
        "(206)555-0142^WPN",
        "(206)555-0142^^FX",
        "(206)555-0142^EMR^CP",
        "(206)555-0142^T^CP",
        "(206)555-0142^^CP^^^^^^N",
        "(206)555-0142^^CP^^^^^^no",
        "^NET^Internet^ann@patients.example",
        "ann@patients.example",
        "^^^ann@patients.example",
        "5" * 100_00,
    ],
    ids=lambda field: field[:30] or "empty",
)
def test_no_usable_number_is_no_number(field: str) -> None:
    assert number(field) is None


def test_a_consent_flag_holds_for_its_own_number_only() -> None:
    assert number("(206)555-0142^^CP^^^^^^N~(206)555-0111^^H^^^^^^Y") == HOME


def test_a_business_number_in_pid_14_is_never_read() -> None:
    assert number("", business="(206)555-0142^^CP") is None


def test_the_sites_own_codes_win_over_the_usual_ones() -> None:
    field = "(206)555-0111^^XY~(206)555-0142^^ZZ~(206)555-0133^^CP"
    types = {"xy": "home", "ZZ": "mobile", "CP": "skip"}
    assert number(field, types=types) == MOBILE


def test_a_code_mapped_to_a_word_nobody_knows_changes_nothing() -> None:
    assert number("(206)555-0142^^CP", types={"CP": "carrier pigeon"}) == MOBILE


@pytest.mark.parametrize(
    "field",
    [
        "07400 123456^^^MOBILE",
        "07400123456^MOBILE",
        "+447400123456",
        "0044 7400 123456^^CP",
        "020 7946 0123^^^HOME~07400 123456^^^MOBILE~ann@patients.example^^^EMAIL",
        "07400 123456^^^HOME",
    ],
)
def test_british_feeds_name_the_type_elsewhere(field: str) -> None:
    assert number(field, country="GB") == "+447400123456"


@pytest.mark.parametrize(
    "field", ["020 7946 0123", "020 7946 0123^^CP", "07640 123456^^CP", "09012 345678^^CP"]
)
def test_landlines_pagers_and_premium_numbers_get_no_text_where_they_can_be_told(field: str) -> None:
    assert number(field, country="GB") is None


def test_a_number_from_abroad_is_used_with_its_own_country_code() -> None:
    assert number("+44 7400 123456^^CP") == "+447400123456"
    assert number("^^CP^^44^^7400123456") == "+447400123456"


def test_a_country_nobody_knows_gives_no_number() -> None:
    assert number("(206)555-0142^^CP", country="XX") is None
