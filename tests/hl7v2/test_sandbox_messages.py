"""What sandbox Epic writes is what the app reads: two programs that share no code agree on an appointment."""

from datetime import UTC, datetime, timedelta

import pytest

from sandbox.epic.hl7_messages import Trigger, compose
from sandbox.epic.schedule import Booking, Schedule
from shared.domain.appointment import SchedulingMessage
from tests.hl7v2.siu import FEED, read

START = datetime(2030, 6, 11, 15, 15, tzinfo=UTC)


def told(booking: Booking, trigger: Trigger = Trigger.BOOKED) -> SchedulingMessage:
    message = compose(booking, trigger, instance="test", control_id="7", written_at=START - timedelta(days=9))
    return read(message)


def booked(kind: str = "video", patient: str = "elena") -> tuple[Schedule, Booking]:
    schedule = Schedule(next_csn=360001)
    return schedule, schedule.book(
        patient=patient, kind=kind, start=START, zone=FEED.zone, comment="Bring\nlist^of|pills"
    )


def test_a_booking_is_understood() -> None:
    _, booking = booked()
    found = told(booking)

    assert (found.csn, found.starts_at, found.minutes) == (booking.csn, START, 30)
    assert (found.by_video, found.department) == (True, booking.department.id)
    assert booking.provider.record in found.providers
    assert found.phone is not None
    assert found.phone.e164 == f"+1{booking.patient.mobile}"
    assert (found.patient, found.language) == (booking.patient.mrn, "es")


def test_a_move_names_the_old_number() -> None:
    schedule, booking = booked()
    moved = schedule.reschedule(booking.csn, start=START + timedelta(days=1))
    found = told(moved, Trigger.MOVED)

    assert found.csn == "360002"
    assert "360001" in found.aliases
    assert found.starts_at == START + timedelta(days=1)


@pytest.mark.parametrize("trigger", list(Trigger))
def test_every_trigger_is_an_event(trigger: Trigger) -> None:
    assert told(booked()[1], trigger).event.value == trigger.value


def test_surgery_is_told_from_a_video_visit() -> None:
    found = told(booked("surgery")[1])
    assert (found.by_video, found.minutes) == (False, 30)
