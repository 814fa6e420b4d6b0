"""Keys that follow each other: at every moment what signs is published, and was for a day."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.key_rotation import (
    OVERLAP,
    PUBLISHED_BEFORE_USE,
    KeyState,
    KeyVersion,
    may_renew,
    published,
    signing,
    standing,
)

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
FIRST, SECOND = KeyVersion("v1", NOW), KeyVersion("v2", NOW + timedelta(days=300))


def at(**span: float) -> datetime:
    return SECOND.made_at + timedelta(**span)


def made(hours: list[int]) -> list[KeyVersion]:
    return [KeyVersion(f"v{n}", NOW + timedelta(hours=at)) for n, at in enumerate(sorted(hours))]


@given(st.lists(st.integers(0, 2000), min_size=1, max_size=8), st.integers(0, 3000))
def test_what_signs_is_always_published(hours: list[int], later: int) -> None:
    versions = made(hours)
    now = max(versions[0].made_at, NOW + timedelta(hours=later))
    known = [one for one in versions if one.made_at <= now]

    assert signing(known, now=now) in published(known, now=now)


@given(st.lists(st.integers(0, 2000), min_size=2, max_size=8), st.integers(0, 3000))
def test_what_signs_was_published_for_a_day_unless_it_is_the_first(hours: list[int], later: int) -> None:
    versions = made(hours)
    now = max(versions[0].made_at, NOW + timedelta(hours=later))
    known = [one for one in versions if one.made_at <= now]
    used = signing(known, now=now)

    assert used == known[0] or now - used.made_at >= PUBLISHED_BEFORE_USE


def test_both_keys_are_published_for_a_week() -> None:
    versions = [FIRST, SECOND]

    assert published(versions, now=at(days=6, hours=23)) == versions
    assert published(versions, now=SECOND.made_at + OVERLAP) == [SECOND]


def test_the_new_key_signs_after_a_day() -> None:
    assert signing([FIRST, SECOND], now=at(hours=23)) == FIRST
    assert signing([FIRST, SECOND], now=at(hours=24)) == SECOND


def test_the_very_first_key_signs_at_once() -> None:
    assert signing([FIRST], now=NOW) == FIRST


def test_a_second_click_makes_no_second_key() -> None:
    assert may_renew([FIRST, SECOND], now=at(hours=23)) is False
    assert may_renew([FIRST, SECOND], now=at(hours=24)) is True


def test_two_instances_that_made_a_key_at_once_end_with_the_newer_one() -> None:
    twin = KeyVersion("v3", SECOND.made_at)
    versions = [FIRST, SECOND, twin]

    assert signing(versions, now=at(hours=1)) == FIRST
    assert published(versions, now=at(hours=1)) == versions
    assert signing(versions, now=at(days=2)) == twin
    assert published(versions, now=at(days=8)) == [twin]


def test_each_key_says_what_it_is_for() -> None:
    def states(now: datetime) -> list[tuple[str, KeyState]]:
        versions = [FIRST, SECOND]
        ids = [one.version for one in published(versions, now=now)]
        return [(one.id, one.state) for one in standing(versions, ids, now=now)]

    assert states(at(hours=1)) == [("v1", KeyState.SIGNING), ("v2", KeyState.WAITING)]
    assert states(at(days=2)) == [("v1", KeyState.LEAVING), ("v2", KeyState.SIGNING)]
    assert states(at(days=8)) == [("v2", KeyState.SIGNING)]
