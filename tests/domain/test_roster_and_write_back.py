"""Whatever order Graph's events come in, the states are the same, and Epic is told in order."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.outcome import Outcome
from shared.domain.participant import ParticipantRole, Presence
from shared.domain.roster import CallEvent, CallEventKind, Sighting, observe, outcome_of
from shared.domain.visit import Fact, FactKind, Visit, VisitRef
from shared.domain.write_back import Later, Tell, WriteBack, WriteBackState, next_step, retry_after
from tests.fakes.hospital import CARTER, ENVIRONMENT, TENANT
from tests.hl7v2.siu import START

MINUTE = timedelta(minutes=1)
REF = VisitRef(TENANT, ENVIRONMENT, "360001")
VISIT = Visit(REF, "360001", ("360001",), START, START + 30 * MINUTE, CARTER)


def seen(who: str, *, lobby: bool = False, left: bool = False) -> Sighting:
    ours = who.startswith("p")
    return Sighting(who, CARTER if ours else "", TENANT if ours else "", in_lobby=lobby, left=left)


def event(minute: int, *sightings: Sighting) -> CallEvent:
    return CallEvent(f"e{minute}", CallEventKind.ROSTER, START + minute * MINUTE, sightings)


def after(*events: CallEvent) -> Visit:
    visit = VISIT
    for one in events:
        visit = observe(visit, one, connected_when_waiting=True)
    return visit


CALL = (
    event(0, seen("g1", lobby=True)),
    event(1, seen("p1")),
    event(2, seen("g1")),
    event(20, seen("g1", left=True)),
    event(21, seen("p1", left=True)),
)


@given(st.permutations(CALL), st.lists(st.sampled_from(CALL)))
def test_order_and_repetition_do_not_matter(order: list[CallEvent], again: list[CallEvent]) -> None:
    visit = after(*order, *again)

    stays = {stay.id: stay for one in visit.participants for stay in one.stays}
    assert (stays["g1"].waiting_since, stays["g1"].connected_at) == (START, START + 2 * MINUTE)
    assert (stays["g1"].left_at, stays["p1"].left_at) == (START + 20 * MINUTE, START + 21 * MINUTE)
    assert visit.outcome is Outcome.HELD
    assert visit.ended_at == START + 21 * MINUTE
    told = {who: [one.kind for one in visit.owed if one.participant == who] for who in visit.told}
    assert set(map(tuple, told.values())) == {(FactKind.CONNECTED, FactKind.DISCONNECTED)}
    assert [one.sequence for one in visit.owed] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("events", "outcome"),
    [
        (CALL, Outcome.HELD),
        (CALL[:3], Outcome.RUNNING),
        ((event(0, seen("p1")), event(9, seen("p1", left=True))), Outcome.PATIENT_ABSENT),
        (
            (
                event(0, seen("g1", lobby=True)),
                event(5, seen("p1")),
                event(6, seen("g1", left=True)),
                event(9, seen("p1", left=True)),
            ),
            Outcome.LEFT_BEFORE_ADMISSION,
        ),
    ],
    ids=["held", "running", "patient absent", "left before admission"],
)
def test_how_a_visit_went(events: tuple[CallEvent, ...], outcome: Outcome) -> None:
    assert after(*events).outcome is outcome


def test_a_patient_who_leaves_the_lobby_before_anyone_came_may_come_back() -> None:
    visit = after(event(0, seen("g1", lobby=True)), event(1, seen("g1", left=True)))

    assert visit.ended_at is None
    assert outcome_of(visit) is Outcome.PROVIDER_ABSENT
    assert visit.participants[0].presence is Presence.LEFT


def test_someone_of_another_tenant_is_the_patient() -> None:
    visitor = Sighting("x", "oid-elsewhere", "another-tenant", in_lobby=False, left=False)

    assert after(event(0, visitor)).participants[0].role is ParticipantRole.PATIENT


def row(number: int, state: WriteBackState = WriteBackState.OWED) -> WriteBack:
    fact = Fact(number, "patient", ParticipantRole.PATIENT, FactKind.CONNECTED, START)
    return WriteBack(REF, "360001", fact, None, START, state=state)


def test_nothing_overtakes_an_open_fact() -> None:
    done, refused = row(1, WriteBackState.TOLD), row(2, WriteBackState.REFUSED)
    telling = replace(row(3, WriteBackState.TELLING), tried_at=START)

    assert next_step([done, refused], now=START) is None
    assert next_step([done, row(2), row(3)], now=START) == Tell(1)
    assert next_step([done, telling, row(4)], now=START + 59 * MINUTE / 60) == Later(START + MINUTE)
    assert next_step([done, telling, row(4)], now=START + MINUTE) == Tell(1)


@pytest.mark.parametrize(
    ("attempts", "asked", "seconds"),
    [
        (1, None, 5),
        (2, None, 10),
        (5, None, 80),
        (60, None, 3600),
        (1, 30.0, 30),
        (4, 3.0, 40),
        (1, 9000.0, 9000),
    ],
)
def test_tries_thin_out_and_wait_as_long_as_epic_asks(
    attempts: int, asked: float | None, seconds: float
) -> None:
    assert retry_after(attempts, asked) == timedelta(seconds=seconds)
