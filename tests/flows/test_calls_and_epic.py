"""What happens around a call: one meeting for everybody, Epic told in order and once, people forgotten in time."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from functions.work import preparing, telling
from shared.domain.errors import TryAgain, TurnedDown
from shared.domain.outcome import Outcome
from shared.domain.roster import CallEvent, CallEventKind, Sighting
from shared.domain.visit import FactKind
from shared.domain.write_back import WriteBackState
from shared.flows.prepare_visit import visit_of, with_meeting
from shared.flows.tell_epic import tell_epic
from shared.storage.envelopes import visit_message
from tests.fakes.hospital import CARTER, TENANT, Hospital
from tests.functions.test_patient_pages import heading
from tests.hl7v2.siu import START, text

MINUTE = timedelta(minutes=1)
MOVED = text("S13", MSH={7: "20300601101600", 10: "1002"}, SCH={11: "^^30^203006121115"})


def patient(id: str = "g1", *, lobby: bool = False, left: bool = False) -> Sighting:
    return Sighting(id, "", "", in_lobby=lobby, left=left)


def provider(*, left: bool = False) -> Sighting:
    return Sighting("p1", CARTER, TENANT, in_lobby=False, left=left)


def event(id: str, minutes: float, *sightings: Sighting) -> CallEvent:
    return CallEvent(id, CallEventKind.ROSTER, START + minutes * MINUTE, sightings)


async def prepared() -> Hospital:
    """A hospital with a visit that starts in 50 minutes, its provider known to Epic."""
    hospital = Hospital()
    await hospital.feed(text("S12"))
    await hospital.work_off()
    await hospital.until(START - 50 * MINUTE)
    return hospital


def told(hospital: Hospital) -> list[tuple[str, FactKind]]:
    return [(one.participant.partition(":")[0], one.kind) for one in hospital.status.told]


class TestOneMeeting:
    async def test_fifty_launches_at_once_make_one_meeting(self) -> None:
        hospital = Hospital()
        await hospital.feed(text("S12"))
        given, appointment = preparing(hospital.services, hospital.environment), hospital.appointment()

        async def launch(number: int) -> None:
            who = f"oid-{number % 5}"
            found = await visit_of(appointment, given=given, provider=who, now=hospital.clock())
            await with_meeting(found, appointment, given=given, provider=who)

        results = await asyncio.gather(*(launch(number) for number in range(50)), return_exceptions=True)

        # Whoever lost too many races is asked to try again; nobody gets another meeting.
        assert {type(one) for one in results} <= {type(None), TryAgain}
        assert None in results
        assert len(hospital.teams.made) == 1
        assert hospital.visit().organizer == CARTER

    async def test_a_move_sets_the_same_meeting_up_again(self) -> None:
        hospital = await prepared()
        await hospital.feed(MOVED)
        await hospital.work_off()

        await hospital.until(START + timedelta(days=1) - 50 * MINUTE)

        assert len(hospital.teams.made) == 1
        assert [one.starts_at for one in hospital.teams.set_ups] == [START, START + timedelta(days=1)]

    async def test_while_graph_is_busy_the_visit_stays_due(self) -> None:
        hospital = Hospital()
        await hospital.feed(text("S12"))
        await hospital.work_off()
        hospital.teams.fail(TryAgain("throttled"))

        await hospital.until(START - 50 * MINUTE)
        assert not hospital.watch.watched
        await hospital.until(START - 49 * MINUTE)

        assert len(hospital.teams.made) == len(hospital.watch.watched) == 1


class TestWhatEpicHears:
    async def test_repeated_and_reordered_events_tell_each_fact_once(self) -> None:
        hospital = await prepared()
        arrived, left = event("c1", 0, patient()), event("c2", 20, patient(left=True))

        for one in (arrived, arrived, left, arrived, left):
            await hospital.happens("360001", one)

        assert told(hospital) == [("patient", FactKind.CONNECTED), ("patient", FactKind.DISCONNECTED)]

    async def test_a_guest_who_comes_back_under_a_new_id_is_the_same_patient(self) -> None:
        hospital = await prepared()

        await hospital.happens("360001", event("c1", 0, patient("g1")))
        await hospital.happens("360001", event("c2", 1, patient("g1", left=True), patient("g2")))
        await hospital.happens("360001", event("c3", 9, patient("g2", left=True)))

        assert told(hospital) == [("patient", FactKind.CONNECTED), ("patient", FactKind.DISCONNECTED)]

    async def test_waiting_counts_as_connected_unless_the_hospital_says_otherwise(self) -> None:
        hospital = await prepared()
        meetings = replace(hospital.environment.operation.meetings, connected_when_waiting=False)
        hospital.operate(meetings=meetings)

        await hospital.happens("360001", event("c1", 0, patient(lobby=True)))
        assert told(hospital) == []
        await hospital.happens("360001", event("c2", 1, patient()))
        assert told(hospital) == [("patient", FactKind.CONNECTED)]

    async def test_someone_inactive_and_back_has_disconnected_and_connected(self) -> None:
        hospital = await prepared()

        for one in (event("c1", 0, patient()), event("c2", 5, patient(left=True)), event("c3", 6, patient())):
            await hospital.happens("360001", one)

        kinds = [kind for _, kind in told(hospital)]
        assert kinds == [FactKind.CONNECTED, FactKind.DISCONNECTED, FactKind.CONNECTED]

    async def test_the_end_of_the_call_ends_everybodys_stay(self) -> None:
        hospital = await prepared()
        await hospital.happens("360001", event("c1", 0, patient(), provider()))

        await hospital.happens("360001", CallEvent("c2", CallEventKind.ENDED, START + 20 * MINUTE))

        assert told(hospital)[-1] == ("patient", FactKind.DISCONNECTED)
        assert hospital.visit().outcome is Outcome.HELD

    async def test_while_epic_is_away_facts_wait_in_order(self) -> None:
        hospital = await prepared()
        hospital.status.fail(TryAgain("away", after=30))
        await hospital.happens("360001", event("c1", 0, patient()))
        await hospital.happens("360001", event("c2", 5, patient(left=True)))
        await hospital.work_off()

        kinds = [kind for _, kind in told(hospital)]
        assert kinds == [FactKind.CONNECTED, FactKind.DISCONNECTED]

    async def test_a_refused_fact_is_shown_and_blocks_nothing(self) -> None:
        hospital = await prepared()
        hospital.status.fail(TurnedDown("no", code="400"))

        await hospital.happens("360001", event("c1", 0, patient()))
        await hospital.happens("360001", event("c2", 5, patient(left=True)))

        rows = [row.value for row in hospital.stamp.write_back_rows.rows.values()]
        assert [(one.state, one.last_answer) for one in rows] == [
            (WriteBackState.REFUSED, "400"),
            (WriteBackState.TOLD, ""),
        ]

    async def test_a_person_without_an_id_at_epic_cannot_be_told_and_is_not_retried(self) -> None:
        hospital = await prepared()

        await hospital.happens("360001", event("c1", 0, provider()))

        [row] = [one.value for one in hospital.stamp.write_back_rows.rows.values()]
        assert row.state is WriteBackState.CANNOT_BE_TOLD
        assert hospital.status.told == []

    async def test_two_workers_never_tell_one_fact_twice(self) -> None:
        hospital = await prepared()
        await owes_an_arrival(hospital)
        given = telling(hospital.services, hospital.environment)

        await asyncio.gather(
            *(tell_epic(hospital.visit_ref(), given=given, now=hospital.clock()) for _ in range(10))
        )

        assert told(hospital) == [("patient", FactKind.CONNECTED)]

    async def test_a_worker_that_died_while_telling_is_followed_by_another_after_a_minute(self) -> None:
        hospital = await prepared()
        await owes_an_arrival(hospital)
        message = visit_message(hospital.visit_ref())
        hospital.status.fail(RuntimeError("killed"))
        with pytest.raises(RuntimeError):
            await hospital.app.queue("tell_epic", message)

        await hospital.app.queue("tell_epic", message)
        assert told(hospital) == []
        assert len(hospital.stamp.queues.write_backs) == 1  # looked at again, until the minute is over
        hospital.clock.advance(MINUTE)
        await hospital.app.queue("tell_epic", message)
        assert told(hospital) == [("patient", FactKind.CONNECTED)]

    @pytest.mark.parametrize(
        "call",
        ["visits.save", "write_backs.insert", "queues.tell", "write_backs.of_visit", "write_backs.save"],
    )
    async def test_a_failure_of_storage_changes_nothing_in_the_end(self, call: str) -> None:
        hospital = await prepared()
        hospital.stamp.fail(call, RuntimeError("killed"))
        happened = event("c1", 0, patient())

        with pytest.raises(RuntimeError):
            await hospital.happens("360001", happened)
        await hospital.happens("360001", happened)
        hospital.clock.advance(2 * MINUTE)
        await hospital.app.queue("tell_epic", visit_message(hospital.visit_ref()))

        assert told(hospital) == [("patient", FactKind.CONNECTED)]


async def owes_an_arrival(hospital: Hospital) -> None:
    """Let the patient arrive and leave the telling to the test."""
    hospital.status.fail(TryAgain("away"))
    await hospital.happens("360001", event("c1", 0, patient()))
    [(key, row)] = hospital.stamp.write_back_rows.rows.items()
    hospital.status.told.clear()
    owed = replace(row.value, state=WriteBackState.OWED, told_at=None, external_id=external(hospital))
    hospital.stamp.write_back_rows.put(owed, *key)
    hospital.stamp.queues.take_write_backs()


def external(hospital: Hospital) -> Any:
    return hospital.visit().external_ids["patient"]


class TestForgetting:
    async def test_the_number_goes_in_time_and_the_id_stays_while_epic_is_owed_something(self) -> None:
        hospital = await prepared()
        await hospital.happens("360001", event("c1", 0, patient(), provider()))
        await owes_again(hospital)
        await hospital.happens("360001", event("c2", 20, patient(left=True), provider(left=True)))

        hospital.clock.set(START + 40 * MINUTE)
        await hospital.app.tick("forget_people")
        assert hospital.appointment().phone is None
        assert held_ids(hospital) > 0
        await hospital.work_off()
        hospital.clock.advance(6 * MINUTE)
        await hospital.app.tick("forget_people")
        assert held_ids(hospital) == 0

    async def test_an_epic_that_stays_away_for_a_week_keeps_nobody_s_id(self) -> None:
        hospital = await prepared()
        await hospital.happens("360001", event("c1", 0, patient(), provider()))
        await owes_again(hospital)
        hospital.status.fail(TryAgain("away"), times=10_000)
        await hospital.happens("360001", event("c2", 20, patient(left=True), provider(left=True)))
        hospital.clock.set(START + 40 * MINUTE)
        await hospital.app.tick("forget_people")

        hospital.clock.set(START + timedelta(days=7, hours=1))
        await hospital.app.tick("forget_people")

        rows = [row.value for row in hospital.stamp.write_back_rows.rows.values()]
        assert held_ids(hospital) == 0
        assert WriteBackState.CANNOT_BE_TOLD in {row.state for row in rows}
        assert not any(row.open for row in rows)

    async def test_the_id_of_a_refused_fact_goes_after_a_week(self) -> None:
        hospital = await prepared()
        hospital.status.fail(TurnedDown("no", code="400"))
        await hospital.happens("360001", event("c1", 0, patient(), provider()))
        await hospital.happens("360001", event("c2", 20, patient(left=True), provider(left=True)))
        await hospital.until(START + timedelta(days=1))
        assert held_ids(hospital) > 0

        await hospital.until(START + timedelta(days=8))

        assert held_ids(hospital) == 0

    async def test_the_audit_row_comes_before_the_erasure(self) -> None:
        hospital = await prepared()
        hospital.stamp.fail("appointments.save", RuntimeError("killed"))
        await hospital.until(START + timedelta(hours=5))

        log = hospital.stamp.audit_log(TENANT)
        assert [one.did for one in await log.entries(hospital.clock())] == ["erased"]
        assert hospital.appointment().phone is not None
        await hospital.tick()
        assert hospital.appointment().phone is None

    async def test_without_an_audit_row_nothing_is_erased(self) -> None:
        hospital = await prepared()
        hospital.stamp.fail("audit_log.write", TryAgain("away"))

        await hospital.until(START + timedelta(hours=5))

        assert hospital.appointment().phone is not None


def held_ids(hospital: Hospital) -> int:
    rows = [row.value for row in hospital.stamp.write_back_rows.rows.values()]
    return len(hospital.visit().external_ids) + sum(row.external_id is not None for row in rows)


async def owes_again(hospital: Hospital) -> None:
    rows = hospital.stamp.write_back_rows.rows
    for key, row in list(rows.items()):
        if row.value.fact.participant == "patient":
            owed = replace(row.value, state=WriteBackState.OWED, external_id=external(hospital))
            hospital.stamp.write_back_rows.put(owed, *key)
    hospital.status.fail(TryAgain("away"), times=25)


class TestLookingInAndMoving:
    async def test_a_provider_who_looks_in_early_ends_nothing(self) -> None:
        hospital = await prepared()
        await hospital.happens("360001", event("c1", -40, provider()))
        await hospital.happens("360001", event("c2", -35, provider(left=True)))

        await hospital.until(START - 10 * MINUTE)

        assert heading(await hospital.app.get(await hospital.link())) == "Your video visit"
        assert hospital.appointment().phone is not None

    async def test_a_visit_that_is_moved_after_its_call_is_open_at_its_new_time(self) -> None:
        hospital = await prepared()
        await hospital.happens("360001", event("c1", 0, patient(), provider()))
        await hospital.happens("360001", event("c2", 5, patient(left=True), provider(left=True)))
        hospital.clock.set(START + 6 * MINUTE)
        await hospital.feed(text("S13", MSH={7: "20300611111900", 10: "1002"}, SCH={11: "^^30^203006121115"}))
        await hospital.work_off()

        await hospital.until(START + timedelta(hours=1))
        assert hospital.appointment().phone is not None
        await hospital.until(START + timedelta(days=1))

        assert heading(await hospital.app.get(await hospital.link())) == "Your video visit"
        assert hospital.visit().outcome is not Outcome.HELD

    async def test_a_visit_that_is_moved_after_it_was_prepared_is_not_judged_at_its_old_time(self) -> None:
        hospital = await prepared()
        await hospital.feed(MOVED)
        await hospital.work_off()

        await hospital.until(START + timedelta(hours=3))

        assert heading(await hospital.app.get(await hospital.link())) == "You are early"
        assert hospital.appointment().phone is not None

    async def test_a_visit_that_nobody_told_about_is_judged_after_its_window(self) -> None:
        hospital = await prepared()

        await hospital.until(START + timedelta(hours=2))

        assert hospital.visit().ended_at == START + 30 * MINUTE
        assert hospital.visit().outcome is Outcome.NOT_KNOWN
