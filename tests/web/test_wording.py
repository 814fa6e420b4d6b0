"""Texts to patients: short, in their language, and silent about who they are."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.notification import NotificationKind
from shared.domain.text_length import is_gsm7, segments
from shared.flows.ports import Wording
from shared.wording import PatientTexts

STARTS = datetime(2026, 9, 30, 20, 30, tzinfo=UTC)
LINK = "https://visit.lamna.example/v/3fJ0aP2m_wQ-3fJ0aP"
ORGANIZATION = "Lamna Healthcare Inc"
PHONE = "555-555-0100"

LANGUAGES = ("en", "es", "zh-Hant-TW")
WITH_LINK = (NotificationKind.BOOKED, NotificationKind.CHANGED, NotificationKind.REMINDER)


def text(
    kind: NotificationKind,
    language: str = "en",
    *,
    starts_at: datetime | None = STARTS,
    zone: str = "America/Los_Angeles",
) -> str:
    wording: Wording = PatientTexts()
    return wording.compose(
        kind,
        language=language,
        organization=ORGANIZATION,
        phone=PHONE,
        starts_at=starts_at,
        zone=zone,
        link=LINK,
    )


def test_a_booking_says_organization_time_link_and_how_to_get_help() -> None:
    assert text(NotificationKind.BOOKED) == (
        f"Lamna Healthcare Inc: Video visit Wed Sep 30, 1:30 PM PDT. Join: {LINK} "
        "Help 555-555-0100. Reply STOP to opt out"
    )


def test_a_cancellation_says_that_nothing_takes_place() -> None:
    assert text(NotificationKind.CANCELLED) == (
        "Lamna Healthcare Inc: Video visit Wed Sep 30, 1:30 PM PDT was cancelled and will not take place. "
        "Questions? Call 555-555-0100. Reply STOP to opt out"
    )


@pytest.mark.parametrize("language", [*LANGUAGES, "ht", ""])
@pytest.mark.parametrize("kind", NotificationKind)
@pytest.mark.parametrize("starts_at", [STARTS, None], ids=["timed", "time not known"])
class TestEveryText:
    def test_names_organization_and_phone_and_how_to_stop_once(
        self, kind: NotificationKind, language: str, starts_at: datetime | None
    ) -> None:
        said = text(kind, language, starts_at=starts_at)

        assert said.startswith(ORGANIZATION)
        assert said.count(PHONE) == 1
        assert said.count("STOP") == 1

    def test_leads_to_the_visit_only_while_there_is_one(
        self, kind: NotificationKind, language: str, starts_at: datetime | None
    ) -> None:
        words = text(kind, language, starts_at=starts_at).split()

        # A word of its own: phones take a full stop behind a link for a part of it.
        assert any(word.endswith(LINK) for word in words) == (kind in WITH_LINK)


@pytest.mark.parametrize("kind", NotificationKind)
@pytest.mark.parametrize("zone", ["America/Anchorage", "America/New_York", "Europe/London", "Europe/Madrid"])
def test_an_english_text_fits_one_segment_all_year(kind: NotificationKind, zone: str) -> None:
    year = [STARTS + timedelta(days=days, hours=days % 24) for days in range(365)]

    longest = max((text(kind, starts_at=moment, zone=zone) for moment in year), key=len)

    assert is_gsm7(longest), longest
    assert segments(longest) == 1, longest


@pytest.mark.parametrize("kind", NotificationKind)
def test_a_spanish_text_stays_in_the_cheap_alphabet_all_year(kind: NotificationKind) -> None:
    year = [STARTS + timedelta(days=days) for days in range(365)]

    assert all(is_gsm7(text(kind, "es", starts_at=moment)) for moment in year)
    assert segments(text(kind, "es")) <= 2


@pytest.mark.parametrize("kind", NotificationKind)
def test_a_chinese_text_takes_two_segments_at_most(kind: NotificationKind) -> None:
    assert segments(text(kind, "zh-Hant-TW")) <= 2


def test_an_unknown_language_is_answered_in_english() -> None:
    assert text(NotificationKind.BOOKED, "ht") == text(NotificationKind.BOOKED, "en")


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("a" * 152 + "€" + "a" * 152, 3),
        ("é" * 160, 1),
        ("á" * 70, 1),
        ("á" * 71, 2),
        ("看" * 134, 2),
        ("看" * 66 + "😀" + "看" * 66, 3),
    ],
    ids=[
        "nothing",
        "full",
        "one more",
        "two full",
        "three",
        "two places each",
        "one place too many",
        "the euro sign is not split",
        "é is in the alphabet",
        "á is not",
        "and one more",
        "two full of Chinese",
        "the emoji is not split",
    ],
)
def test_segments_are_counted_as_carriers_bill_them(body: str, parts: int) -> None:
    assert segments(body) == parts


@given(st.text(max_size=400), st.text(max_size=20))
def test_a_longer_text_never_takes_fewer_segments(body: str, more: str) -> None:
    assert segments(body + more) >= segments(body) >= 1
