"""One visit from the signed message to the forgotten number, in memory: what `dev.py run` plays over real HTTP."""

import json
from datetime import timedelta

from shared.domain.outcome import Outcome
from shared.domain.roster import CallEvent, CallEventKind, Sighting
from shared.domain.visit import FactKind
from shared.domain.write_back import WriteBackState
from tests.fakes.hospital import CARTER, TENANT, Hospital
from tests.fakes.outside import Told
from tests.functions.test_visit_launch import CONTEXT, SENT, comes_back, launch_path
from tests.hl7v2.siu import START, text

MINUTE = timedelta(minutes=1)
LATER = START + timedelta(days=1)


def patient(id: str = "g1", *, lobby: bool = False, left: bool = False) -> Sighting:
    return Sighting(id, "", "", in_lobby=lobby, left=left)


def provider(*, left: bool = False) -> Sighting:
    return Sighting("p1", CARTER, TENANT, in_lobby=False, left=left)


async def test_one_visit_from_the_booking_to_the_forgotten_number() -> None:
    hospital = Hospital()

    # Booked, then moved under another CSN, then only commented on.
    await hospital.feed(text("S12"))
    await hospital.work_off()
    to = {1: "360002", 2: "360001", 11: "^^30^203006121115"}
    await hospital.feed(text("S13", MSH={7: "20300601101600", 10: "1002"}, SCH=to, PV1={19: "360002"}))
    await hospital.work_off()
    comment = (("NTE", {3: "parking"}),)
    await hospital.feed(
        text("S14", MSH={7: "20300601101700", 10: "1003"}, SCH=to, PV1={19: "360002"}, more=comment)
    )
    await hospital.work_off()
    assert hospital.slots() == ["booked-1", "changed-2"]
    assert "EXAMPLE" not in "".join(one.body for one in hospital.carrier.sent)

    # Reminded of the new time only, once each.
    await hospital.until(START - timedelta(hours=1))
    assert hospital.slots() == ["booked-1", "changed-2"]
    await hospital.until(LATER - timedelta(days=1) + MINUTE)
    await hospital.until(LATER - timedelta(hours=1))
    await hospital.until(LATER - timedelta(minutes=50))
    assert [slot.split("-")[1] for slot in hospital.slots()[2:]] == ["1440", "60"]

    # The meeting was prepared and is watched; the patient joins and waits, the provider launches and admits.
    assert len(hospital.teams.made) == len(hospital.watch.watched) == 1
    hospital.clock.set(LATER)
    await hospital.app.post(f"{await hospital.link()}/join")
    hospital.smart.contexts[SENT[1]] = CONTEXT
    landed = await comes_back(hospital, await hospital.app.get(launch_path()))
    assert landed.status_code == 303
    assert len(hospital.teams.made) == 1
    roster = CallEventKind.ROSTER
    await hospital.happens("360001", CallEvent("c0", CallEventKind.STARTED, LATER))
    await hospital.happens("360001", CallEvent("c1", roster, LATER, (patient(lobby=True),)))
    await hospital.happens(
        "360001", CallEvent("c2", roster, LATER + MINUTE, (provider(), patient(lobby=True)))
    )
    await hospital.happens("360001", CallEvent("c3", roster, LATER + 2 * MINUTE, (patient(),)))
    await hospital.happens("360001", CallEvent("c4", roster, LATER + 20 * MINUTE, (patient(left=True),)))
    await hospital.happens("360001", CallEvent("c5", roster, LATER + 21 * MINUTE, (provider(left=True),)))

    # Epic heard of each arrival and departure once, in order, under the newest CSN.
    assert hospital.status.told == [
        Told("360002", "patient", FactKind.CONNECTED, "E200"),
        Told("360002", f"provider:{CARTER}", FactKind.CONNECTED, "P77"),
        Told("360002", "patient", FactKind.DISCONNECTED, "E200"),
        Told("360002", f"provider:{CARTER}", FactKind.DISCONNECTED, "P77"),
    ]
    assert hospital.visit().outcome is Outcome.HELD

    # Chat is closed, the number and the ids are gone, and the audit chain says so.
    await hospital.until(LATER + 37 * MINUTE)
    assert hospital.teams.closed == ["m1"]
    appointment = hospital.appointment()
    assert appointment.phone is None
    assert (appointment.external_id, appointment.patient_hash) == ("", "")
    assert not hospital.visit().external_ids
    rows = [row.value for row in hospital.stamp.write_back_rows.rows.values()]
    assert {row.state for row in rows} == {WriteBackState.TOLD}
    assert {row.external_id for row in rows} == {None}
    log = hospital.stamp.audit_log(TENANT)
    person, ids = await log.entries(hospital.clock())
    assert (person.did, ids.did) == ("erased", "erased")
    assert person.facts == {"numbers": "1", "external ids": "1", "patient hashes": "1"}
    assert ids.facts == {"external ids": "2"}
    assert await log.proven(hospital.clock())


async def test_a_cancelled_visit_is_said_once_and_nobody_is_reminded() -> None:
    hospital = Hospital()
    await hospital.feed(text("S12"))
    await hospital.work_off()
    await hospital.feed(text("S15", MSH={7: "20300601101600", 10: "1002"}))
    await hospital.work_off()

    await hospital.until(START - timedelta(minutes=59))

    assert hospital.slots() == ["booked-1", "cancelled-2"]
    assert hospital.teams.asked == 0


async def test_a_booked_confirmed_and_reminded_appointment_costs_at_most_thirty_storage_calls() -> None:
    hospital = Hospital()
    await hospital.feed(text("S12"))
    await hospital.work_off()
    await hospital.until(START - timedelta(days=1))

    # A process remembers the pin and the environment, a message that fits the queue is read from it alone, a
    # sign of life is written once a minute, and the ticks' looks at what is due are shared by all appointments.
    remembered: tuple[str, ...] = ("stamp_pin.pinned", "environment_index.find", "environment_index.kept")
    remembered += ("queues.accepted", "queues.finished", "signs.note")
    looks = sum(n for name, n in hospital.calls.items() if name in remembered or name.endswith("_due.due"))
    assert hospital.slots()[0] == "booked-1"
    assert len(hospital.slots()) == 2
    assert hospital.calls.total() - looks <= 30


async def test_a_notification_is_stored_as_received() -> None:
    hospital = Hospital()
    await hospital.feed(text("S12"))
    await hospital.work_off()
    await hospital.until(START - timedelta(minutes=50))
    state = f"state-{hospital.visit_ref().opaque}"
    item = {"clientState": state, "name": "x", "encryptedContent": {"data": "c2VjcmV0"}}

    await hospital.app.post("/graph/notifications", json.dumps({"value": [item]}))

    [stored] = hospital.stamp.queues.call_events
    assert json.loads(stored)["value"] == item
