"""A certificate takes over from another without a gap, and stops counting when its time is up."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.certificates import OVERLAP, Urgency, accepted, exchanged, expiry, without
from shared.domain.environment import Certificate, Environment
from tests.fakes.hospital import AVERY, NOW, PRIYA, environment

DAY = timedelta(days=1)


def certificate(name: str, *, starts: timedelta = -DAY, lasts: timedelta = 365 * DAY) -> Certificate:
    return Certificate(f"pem-{name}", name * 8, f"CN={name}", NOW + starts, NOW + lasts)


OLD, NEW, NEWER = certificate("a"), certificate("b"), certificate("c")


def having(*certificates: Certificate) -> Environment:
    made = environment()
    version = replace(made.newest, connection=replace(made.newest.connection, certificates=certificates))
    return replace(made, newest=version, live=version)


def changed_to(new: Certificate, of: Environment) -> Environment:
    connection = replace(of.newest.connection, certificates=exchanged(of, new, now=NOW))
    return of.redrafted(connection, by=AVERY, at=NOW)


def approved(one: Environment, *, at: timedelta = timedelta()) -> Environment:
    waiting = one.submitted(by=AVERY, at=NOW, connection=one.newest.connection)
    return waiting.approved(by=PRIYA, at=NOW + at, content_hash=waiting.newest.connection.content_hash())


def names(one: Environment, *, after: timedelta) -> set[str]:
    assert one.live is not None
    return {held.subject for held in accepted(one.live.connection.certificates, now=NOW + after)}


def test_the_old_certificate_counts_alone_until_the_new_one_is_approved() -> None:
    assert names(changed_to(NEW, having(OLD)), after=30 * DAY) == {"CN=a"}


def test_both_count_for_seven_days_after_the_approval_however_late_it_comes() -> None:
    late = approved(changed_to(NEW, having(OLD)), at=20 * DAY)

    assert names(late, after=20 * DAY) == {"CN=a", "CN=b"}
    assert names(late, after=27 * DAY - timedelta(seconds=1)) == {"CN=a", "CN=b"}
    assert names(late, after=20 * DAY + OVERLAP) == {"CN=b"}


def test_a_later_approval_of_something_else_does_not_prolong_the_overlap() -> None:
    first = approved(changed_to(NEW, having(OLD)))
    again = approved(first.redrafted(first.newest.connection, by=AVERY, at=NOW), at=5 * DAY)

    assert names(again, after=6 * DAY) == {"CN=a", "CN=b"}
    assert names(again, after=OVERLAP) == {"CN=b"}


def test_a_certificate_that_never_went_live_is_dropped_when_another_is_chosen() -> None:
    twice = approved(changed_to(NEWER, changed_to(NEW, having(OLD))))
    assert names(twice, after=DAY) == {"CN=a", "CN=c"}


def test_uploading_the_live_certificate_again_changes_nothing_about_it() -> None:
    same = approved(changed_to(OLD, having(OLD)))
    assert names(same, after=30 * DAY) == {"CN=a"}


def test_a_certificate_that_has_ended_is_not_carried_along() -> None:
    ended = certificate("e", starts=-30 * DAY, lasts=-DAY)
    assert exchanged(having(ended), NEW, now=NOW) == (NEW,)


def test_what_is_approved_does_not_include_the_day_of_retirement() -> None:
    draft = changed_to(NEW, having(OLD))
    live = approved(draft).live
    assert live is not None
    assert live.connection.content_hash() == draft.newest.connection.content_hash()
    assert live.connection.certificates[0].retires_at == NOW + OVERLAP


def test_a_certificate_counts_only_within_its_own_dates() -> None:
    early = certificate("f", starts=2 * DAY)
    short = certificate("s", lasts=DAY)

    assert accepted([early, short], now=NOW) == (short,)
    assert accepted([early, short], now=NOW + 3 * DAY) == (early,)
    assert accepted([], now=NOW) == ()


def test_removing_the_new_certificate_lets_the_old_one_stay() -> None:
    live = approved(changed_to(NEW, having(OLD)))
    left = without(live.newest.connection.certificates, NEW.fingerprint)

    assert [one.subject for one in left] == ["CN=a"]
    assert accepted(left, now=NOW + 30 * DAY) == left
    assert without(left, OLD.fingerprint) == ()


@pytest.mark.parametrize(
    ("days", "urgency"),
    [
        (61, Urgency.FINE),
        (60, Urgency.SOON),
        (31, Urgency.SOON),
        (30, Urgency.URGENT),
        (8, Urgency.URGENT),
        (7, Urgency.NOW),
        (0, Urgency.NOW),
        (-1, Urgency.OVER),
    ],
)
def test_the_end_is_announced_at_sixty_thirty_and_seven_days(days: int, urgency: Urgency) -> None:
    seen = expiry([certificate("a", lasts=days * DAY)], now=NOW)
    assert seen is not None
    assert (seen.days, seen.urgency) == (days, urgency)


def test_the_end_of_a_replaced_certificate_alarms_nobody() -> None:
    replaced = replace(certificate("a", lasts=DAY), replaced=True)
    seen = expiry([replaced, NEW], now=NOW)
    assert seen is not None
    assert seen.urgency is Urgency.FINE
    assert expiry([], now=NOW) is None


def test_the_days_left_are_said_as_a_person_would() -> None:
    left = [expiry([certificate("a", lasts=days * DAY)], now=NOW) for days in (9, 1, 0)]
    assert [str(one.said) for one in left if one] == [
        "The certificate expires in 9 days.",
        "The certificate expires in 1 day.",
        "The certificate expires in less than a day.",
    ]
