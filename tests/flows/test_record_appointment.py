"""Messages become appointments: once each, the newest wins, and no stranger's appointment is ever touched."""

import logging

import pytest

from shared.domain.errors import OutOfStep, TryAgain
from shared.domain.inbound import Fate, SealedMessage
from tests.fakes.crashes import Crash, CrashingStamp
from tests.fakes.hospital import ENVIRONMENT, TENANT, Hospital
from tests.hl7v2.siu import Fields, text


def message(event: str, at: str = "101600", id: str = "1002", **changes: Fields) -> str:
    """A message that Epic sent at a clock time of the day of the booking (10:15:00)."""
    return text(event, **{**changes, "MSH": {7: f"20300601{at}", 10: id, **changes.get("MSH", {})}})  # type: ignore[arg-type]


async def booked() -> Hospital:
    hospital = Hospital()
    await hospital.feed(text("S12"))
    await hospital.work_off()
    return hospital


def fates(hospital: Hospital) -> dict[str, Fate]:
    return {row.value.control_id: row.value.fate for row in hospital.stamp.inbound_rows.rows.values()}


async def test_a_duplicate_is_applied_once() -> None:
    hospital = await booked()
    before = hospital.appointment()

    for _ in range(3):
        await hospital.feed(text("S12"))
    await hospital.work_off()

    assert hospital.appointment() == before
    assert hospital.slots() == ["booked-1"]


async def test_an_engine_that_restarts_its_control_ids_does_not_swallow_a_cancellation() -> None:
    hospital = await booked()

    await hospital.feed(message("S15", id="1001"))
    await hospital.work_off()

    assert hospital.slots() == ["booked-1", "cancelled-2"]


async def test_an_older_message_after_a_newer_one_changes_nothing() -> None:
    hospital = await booked()
    await hospital.feed(message("S13", "101700", SCH={11: "^^30^203006121115"}))
    before = hospital.appointment()

    await hospital.feed(message("S15", "101600", "1003"))
    await hospital.work_off()

    assert hospital.appointment() == before.settled()
    assert fates(hospital)["1003"] is Fate.OLD
    assert hospital.slots() == ["booked-1", "changed-2"]


@pytest.mark.parametrize("order", [("S15", "S14"), ("S14", "S15")], ids=["cancel first", "cancel last"])
async def test_in_one_second_the_cancel_wins(order: tuple[str, str]) -> None:
    hospital = await booked()

    for number, event in enumerate(order):
        await hospital.feed(message(event, id=str(2000 + number), SCH={11: "^^30^203006121115"}))
    await hospital.work_off()

    assert hospital.appointment().state == "cancelled"
    assert hospital.slots()[-1].startswith("cancelled")


async def test_a_move_under_an_unknown_csn_moves_the_appointment_its_alias_names() -> None:
    hospital = await booked()

    await hospital.feed(
        message("S13", SCH={1: "360001", 2: "360002", 11: "^^30^203006121115"}, PV1={19: "360002"})
    )
    await hospital.feed(message("S15", "101700", "1003", SCH={1: "360002", 2: "360002"}, PV1={19: "360002"}))
    await hospital.work_off()

    assert len(hospital.stamp.appointment_rows.rows) == 1
    assert hospital.appointment().csn == "360002"
    assert hospital.appointment().state == "cancelled"


async def test_a_constant_in_sch_1_joins_no_strangers() -> None:
    hospital = Hospital()
    constant = "SCHEDULING"
    for number in (1, 2, 3):
        await hospital.feed(
            message(
                "S12",
                id=str(number),
                SCH={1: constant, 2: constant},
                PV1={19: f"36000{number}"},
                PID={3: f"M{number}^^^LAMNA^MRN"},
            )
        )
    await hospital.feed(
        message(
            "S15",
            "101700",
            "9",
            SCH={1: constant, 2: constant},
            PV1={19: "360009"},
            PID={3: "M9^^^LAMNA^MRN"},
        )
    )

    states = {key[-1]: row.value.state for key, row in hospital.stamp.appointment_rows.rows.items()}
    assert states == {"360001": "booked", "360002": "booked", "360003": "booked", "360009": "cancelled"}


async def test_a_constant_seen_once_does_not_join_another_patients_message() -> None:
    hospital = Hospital()
    await hospital.feed(message("S12", id="1", SCH={1: "X", 2: "X"}))

    await hospital.feed(
        message("S13", "101700", "2", SCH={1: "X", 2: "X"}, PV1={19: "360009"}, PID={3: "M9^^^LAMNA^MRN"})
    )

    assert {key[-1] for key in hospital.stamp.appointment_rows.rows} == {"360001", "360009"}


async def test_nor_once_the_first_patient_is_forgotten() -> None:
    hospital = Hospital()
    await hospital.feed(message("S15", id="1", SCH={1: "X", 2: "X"}))

    await hospital.feed(
        message("S13", "101700", "2", SCH={1: "X", 2: "X"}, PV1={19: "360009"}, PID={3: "M9^^^LAMNA^MRN"})
    )

    assert {key[-1] for key in hospital.stamp.appointment_rows.rows} == {"360001", "360009"}


async def test_a_comment_sends_nothing() -> None:
    hospital = await booked()

    await hospital.feed(text("S14", MSH={7: "20300601101600", 10: "1002"}, more=(("NTE", {3: "parking"}),)))
    await hospital.work_off()

    assert fates(hospital)["1002"] is Fate.APPLIED
    assert hospital.slots() == ["booked-1"]


async def test_what_cannot_be_read_is_parked_with_its_reason_and_can_be_opened_again() -> None:
    hospital = Hospital()
    unreadable = message("S12", SCH={1: "", 2: ""}, PV1={19: ""})

    await hospital.feed(unreadable)
    await hospital.read_feed()

    [parked] = await hospital.stamp.parked_messages(TENANT).all(ENVIRONMENT)
    assert parked.reason
    opened = await hospital.stamp.seals.open(parked.sealed, purpose="hl7v2", tenant=TENANT)
    assert opened == b"utf-8\n" + unreadable.encode()
    assert not hospital.stamp.appointment_rows.rows


@pytest.mark.parametrize(
    "event", ["ADT^A08", "SIU^S18", "SIU^S99", "ORM^O01"], ids=["ADT", "S18", "an unknown event", "an order"]
)
async def test_what_is_not_ours_is_ignored_with_its_reason(event: str) -> None:
    hospital = Hospital()

    await hospital.feed(message("S12", MSH={9: event}))

    [row] = hospital.stamp.inbound_rows.rows.values()
    assert row.value.fate is Fate.IGNORED
    assert row.value.reason
    assert not hospital.stamp.appointment_rows.rows


async def test_the_inspector_holds_nothing_of_the_patient() -> None:
    hospital = await booked()

    written = repr(hospital.stamp.inbound_rows.rows)

    assert not [sign for sign in ("EXAMPLE", "5550142", "M100", "E200") if sign in written]


async def test_two_workers_with_one_appointment_take_turns() -> None:
    hospital = await booked()
    hospital.stamp.fail("appointments.save", OutOfStep("changed"), times=3)

    await hospital.feed(message("S13", SCH={11: "^^30^203006121115"}))
    await hospital.work_off()

    assert hospital.slots() == ["booked-1", "changed-2"]


async def test_an_appointment_that_keeps_changing_comes_back_later() -> None:
    hospital = await booked()
    hospital.stamp.fail("appointments.save", OutOfStep("changed"), times=8)

    with pytest.raises(TryAgain):
        await hospital.feed(message("S13", SCH={11: "^^30^203006121115"}))


@pytest.mark.parametrize(
    "unheard",
    [
        message("S15"),
        message("S17"),
        message("S26"),
    ],
    ids=["cancelled", "deleted", "no-show"],
)
async def test_nobody_is_known_of_an_appointment_about_which_nothing_will_be_said(unheard: str) -> None:
    hospital = Hospital()

    await hospital.feed(unheard)
    await hospital.work_off()

    appointment = hospital.appointment()
    assert (appointment.phone, appointment.external_id, appointment.patient_hash) == (None, "", "")
    assert hospital.carrier.sent == []


async def test_a_check_out_after_the_people_were_forgotten_brings_nobody_back() -> None:
    hospital = await booked()
    appointment = hospital.appointment()
    assert appointment.ends_at
    await hospital.until(appointment.ends_at.replace(hour=23))
    assert hospital.appointment().forgotten_at

    await hospital.feed(message("S14", "233000", id="1009", MSH={7: "20300611193000"}))

    assert hospital.appointment().phone is None
    assert hospital.appointment().forgotten_at


async def test_a_booking_cancelled_before_anyone_was_told_is_not_told_at_all() -> None:
    hospital = Hospital()
    stamp = hospital.stamp
    stamp.fail("join_links.put", TryAgain("away"))
    await hospital.post(text("S12"))
    with pytest.raises(TryAgain):
        await hospital.read_feed()

    await hospital.feed(message("S15"))
    await hospital.work_off()

    assert hospital.carrier.sent == []
    assert hospital.appointment().phone is None


JOURNEY = (
    text("S12"),
    message(
        "S13", "101600", "1002", SCH={1: "360001", 2: "360002", 11: "^^30^203006121115"}, PV1={19: "360002"}
    ),
    message(
        "S14", "101700", "1003", SCH={1: "360002", 2: "360002", 11: "^^30^203006121115"}, PV1={19: "360002"}
    ),
    message("S15", "101800", "1004", SCH={1: "360002", 2: "360002"}, PV1={19: "360002"}),
)


async def played(crash_at: int | None) -> tuple[Hospital, bool]:
    """The journey with the process dying before its k-th storage call, and the queue bringing the work back."""
    stamp = CrashingStamp()
    hospital = Hospital(stamp=stamp)
    stamp.fuse.left = crash_at
    for one in JOURNEY:
        for _ in range(2):
            waiting: list[SealedMessage] = []
            try:
                # Epic repeats what was not acknowledged; the queue repeats what was not finished.
                await hospital.post(one)
                waiting = list(stamp.queues.hl7v2_messages)
                await hospital.read_feed()
            except Crash:
                stamp.queues.hl7v2_messages = waiting
                continue
            break
    crashed = stamp.fuse.left is None and crash_at is not None
    stamp.fuse.left = None
    await hospital.work_off()
    return hospital, crashed


async def test_a_crash_before_any_storage_call_changes_nothing_in_the_end() -> None:
    logging.disable(logging.CRITICAL)
    try:
        clean, _ = await played(None)
        for k in range(500):
            hospital, crashed = await played(k)
            assert hospital.appointment() == clean.appointment(), k
            assert {slot: n for slot, n in _counted(hospital).items() if n > 1} == {}, k
            assert hospital.slots()[-1] == clean.slots()[-1], k
            assert hospital.stamp.join_links.table.rows.keys() == clean.stamp.join_links.table.rows.keys(), k
            assert set(hospital.stamp.reminders_due.rows) == set(clean.stamp.reminders_due.rows), k
            if not crashed:
                return
    finally:
        logging.disable(logging.NOTSET)
    raise AssertionError("the journey never ended")


def _counted(hospital: Hospital) -> dict[str, int]:
    slots = hospital.slots()
    return {slot: slots.count(slot) for slot in slots}
