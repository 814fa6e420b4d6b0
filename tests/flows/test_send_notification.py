"""A text goes out once or not at all: every decision, every answer of the carrier, and a death at every step."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.domain.environment import EnvironmentKind
from shared.domain.errors import MayHaveHappened, TryAgain, TurnedDown
from shared.domain.notification import NotificationState
from shared.domain.phone_number import PhoneNumber
from shared.storage.envelopes import text_message
from tests.fakes.hospital import NOW, Hospital, environment
from tests.hl7v2.siu import START, text

NIGHT = datetime.fromisoformat("2030-06-02T03:00:00+00:00")  # 23:00 in New York
CANCEL = text("S15", MSH={7: "20300601101600", 10: "1002"})
BOOKED = "booked-1"


async def read(message: str = text("S12"), *, at: datetime = NOW, of: Hospital | None = None) -> Hospital:
    """A hospital whose confirmation is planned and waits in the queue."""
    hospital = of or Hospital()
    hospital.clock.set(at)
    await hospital.feed(message)
    return hospital


async def send(hospital: Hospital, slot: str = BOOKED) -> NotificationState:
    hospital.stamp.queues.take_texts()
    await hospital.app.queue("send_text", text_message(hospital.text_ref(slot)))
    return hospital.notification(slot).state


async def report(hospital: Hospital, status: str = "Delivered", *, tag: str = "", details: str = "") -> None:
    data = {
        "tag": tag or hospital.carrier.repeat_ids[-1],
        "deliveryStatus": status,
        "deliveryStatusDetails": details,
    }
    event = {"eventType": "Microsoft.Communication.SMSDeliveryReportReceived", "data": data}
    await hospital.app.queue("note_delivery", json.dumps(event))


async def test_a_text_says_the_organization_the_time_and_the_link_and_no_more() -> None:
    hospital = await read()

    assert await send(hospital) is NotificationState.ACCEPTED

    [sent] = hospital.carrier.sent
    assert (sent.to, sent.sender) == ("+12065550142", "+12065550111")
    assert "Lamna Healthcare" in sent.body
    assert f"https://visits.lamna.example{await hospital.link()}" in sent.body
    assert not [word for word in ("ANN", "EXAMPLE", "CARTER", "FAMILY", "360001") if word in sent.body]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"on": False}, "texts are off"),
        ({"backload": True}, "go-live backload"),
        ({"booked": False}, "this kind of text is off"),
    ],
)
async def test_a_text_that_is_not_wanted_is_held_with_its_reason(
    changes: dict[str, Any], reason: str
) -> None:
    hospital = await read()
    hospital.operate(texts=replace(hospital.environment.operation.texts, **changes))

    assert await send(hospital) is NotificationState.HELD
    assert hospital.notification(BOOKED).reason == reason
    assert hospital.carrier.sent == []


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (text("S12", PID={13: ""}), "no mobile number"),
        (text("S12", PID={30: "Y"}), "deceased patient"),
        (text("S12", ZPL={3: "Yes"}), "confidential appointment"),
    ],
    ids=["no number", "deceased", "confidential"],
)
async def test_who_is_never_texted(message: str, reason: str) -> None:
    hospital = await read(message)

    assert await send(hospital) is NotificationState.HELD
    assert hospital.notification(BOOKED).reason == reason


async def test_who_opted_out_hears_nothing() -> None:
    hospital = await read()
    opt_outs = hospital.stamp.opt_outs(hospital.environment.tenant)
    await opt_outs.add(PhoneNumber("+12065550142"), at=NOW, how="STOP")

    assert await send(hospital) is NotificationState.HELD
    assert hospital.notification(BOOKED).reason == "opted out"


@pytest.mark.parametrize(("listed", "sent"), [((), 0), (("+12065550142",), 1)])
async def test_a_test_environment_texts_only_the_numbers_on_its_list(
    listed: tuple[str, ...], sent: int
) -> None:
    hospital = await read(of=Hospital(environment(kind=EnvironmentKind.TEST)))
    hospital.operate(texts=replace(hospital.environment.operation.texts, only_numbers=listed))

    await send(hospital)

    assert len(hospital.carrier.sent) == sent


async def test_a_change_is_said_instead_of_what_it_replaces() -> None:
    hospital = await read()
    moved = text("S13", MSH={7: "20300601101600", 10: "1002"}, SCH={11: "^^30^203006121115"})
    await send(hospital)
    await hospital.feed(moved)
    again = text("S13", MSH={7: "20300601101700", 10: "1003"}, SCH={11: "^^30^203006131115"})
    await hospital.feed(again)
    await hospital.work_off()

    assert hospital.slots() == [BOOKED, "changed-3"]
    assert hospital.notification("changed-2").reason == "a newer change came first"


async def test_at_night_a_text_waits_for_morning_and_then_goes_once() -> None:
    hospital = await read(at=NIGHT)
    await hospital.work_off()
    assert hospital.slots() == []

    await hospital.until(NIGHT + timedelta(hours=8, minutes=59))
    assert hospital.slots() == []
    await hospital.until(NIGHT + timedelta(hours=9))
    await hospital.until(NIGHT + timedelta(hours=9, minutes=1))

    assert hospital.slots() == [BOOKED]


async def test_a_booking_for_a_visit_before_morning_is_not_held_back() -> None:
    early = text("S12", SCH={11: "^^30^203006020730"})
    hospital = await read(early, at=NIGHT + timedelta(hours=5))

    assert await send(hospital) is NotificationState.ACCEPTED


class TestWhatTheCarrierAnswers:
    async def test_throttled_it_is_tried_again_as_the_same_text(self) -> None:
        hospital = await read()
        hospital.carrier.fail(TryAgain("throttled", after=7.5))

        assert await send(hospital) is NotificationState.PLANNED
        assert [one.after for one in hospital.stamp.queues.texts] == [7.5]
        assert await send(hospital) is NotificationState.ACCEPTED
        assert len(hospital.carrier.repeat_ids) == 2
        assert len(set(hospital.carrier.repeat_ids)) == 1

    async def test_refused_it_has_failed_with_the_carriers_code(self) -> None:
        hospital = await read()
        hospital.carrier.fail(TurnedDown("no", code="4000"))

        assert await send(hospital) is NotificationState.FAILED
        assert hospital.notification(BOOKED).reason == "refused by the carrier (4000)"

    async def test_without_an_answer_it_is_unknown_never_sent_again_and_settled_by_the_report(self) -> None:
        hospital = await read()
        hospital.carrier.fail(MayHaveHappened("no answer"), after=True)

        assert await send(hospital) is NotificationState.UNKNOWN
        assert await send(hospital) is NotificationState.UNKNOWN
        assert len(hospital.carrier.sent) == 1
        await report(hospital)
        assert hospital.notification(BOOKED).state is NotificationState.DELIVERED

    async def test_a_report_that_is_faster_than_the_answer_stands(self) -> None:
        hospital = await read()
        send_it, carrier = hospital.carrier.send, hospital.carrier

        async def slow(**given: Any) -> str:
            answer = await send_it(**given)
            await report(hospital)
            return answer

        carrier.send = slow  # type: ignore[method-assign]
        await send(hospital)

        assert hospital.notification(BOOKED).state is NotificationState.DELIVERED

    async def test_reports_repeat_and_the_first_stands(self) -> None:
        hospital = await read()
        await send(hospital)

        await report(hospital, "Failed", details="Number +12065550142 is unreachable")
        await report(hospital)

        settled = hospital.notification(BOOKED)
        assert (settled.state, settled.reason) == (NotificationState.FAILED, "unreachable")

    async def test_a_report_about_nothing_of_ours_is_ignored(self) -> None:
        hospital = await read()

        await report(hospital, tag="someone else's")
        await hospital.app.queue("note_delivery", json.dumps({"eventType": "other", "data": {}}))

        assert hospital.notification(BOOKED).state is NotificationState.PLANNED


class TestDeaths:
    async def test_a_worker_that_died_after_its_claim_leaves_it_unknown_and_nothing_is_sent_again(
        self,
    ) -> None:
        hospital = await read()
        hospital.carrier.fail(RuntimeError("killed"), after=True)

        with pytest.raises(RuntimeError):
            await send(hospital)
        assert await send(hospital) is NotificationState.CLAIMED
        hospital.clock.advance(timedelta(seconds=90))
        assert await send(hospital) is NotificationState.UNKNOWN
        assert await send(hospital) is NotificationState.UNKNOWN
        assert len(hospital.carrier.repeat_ids) == 1

    async def test_two_workers_with_one_text_send_it_once(self) -> None:
        hospital = await read()
        message = text_message(hospital.text_ref(BOOKED))

        for _ in range(3):
            await hospital.app.queue("send_text", message)

        assert len(hospital.carrier.repeat_ids) == 1

    async def test_what_is_due_twice_is_one_text(self) -> None:
        hospital = await read()
        await hospital.work_off()
        hospital.clock.set(START - timedelta(days=1))
        hospital.stamp.fail("reminders_due.done", TryAgain("away"))

        await hospital.app.tick("dispatch_due_texts")
        await hospital.app.tick("dispatch_due_texts")
        await hospital.work_off()

        assert len(hospital.slots()) == 2


async def test_a_cancelled_appointment_keeps_its_number_until_its_text_is_settled() -> None:
    hospital = await read()
    await send(hospital)
    await report(hospital)
    await hospital.feed(CANCEL)
    await hospital.work_off()

    await hospital.tick()
    assert hospital.appointment().phone is not None
    await report(hospital)
    await hospital.tick()

    assert hospital.slots() == [BOOKED, "cancelled-2"]
    assert hospital.appointment().phone is None


async def test_a_cancellation_that_is_never_settled_keeps_the_number_a_day_at_most() -> None:
    hospital = await read()
    await send(hospital)
    await hospital.feed(CANCEL)
    await hospital.work_off()

    await hospital.until(NOW + timedelta(hours=23))
    assert hospital.appointment().phone is not None
    await hospital.until(NOW + timedelta(hours=24))
    assert hospital.appointment().phone is None
