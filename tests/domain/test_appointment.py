"""How one message changes an appointment, and what becomes of a text, a link and a person because of it."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared.domain.appointment import (
    Appointment,
    AppointmentRef,
    AppointmentState,
    News,
    SchedulingMessage,
    apply,
)
from shared.domain.environment import Texts, live
from shared.domain.join_link import LinkRole, PageState, page_state, token, token_hash, window
from shared.domain.notification import (
    Held,
    Hold,
    Notification,
    NotificationKind,
    NotificationRef,
    Send,
    Wait,
    decide,
    slot_of_reminder,
)
from shared.domain.outcome import Outcome
from shared.domain.phone_number import PhoneNumber, UnusablePhoneNumber
from shared.domain.reminder import plan
from shared.domain.retention import forget_at
from shared.domain.visit import Visit, VisitRef
from tests.fakes.hospital import ENVIRONMENT, NOW, TENANT, environment, operation
from tests.hl7v2.siu import START, siu

REF = AppointmentRef(TENANT, ENVIRONMENT, "360001")
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def told(known: Appointment | None, message: SchedulingMessage, *, after: float = 0) -> Appointment:
    received = NOW + timedelta(seconds=after)
    return apply(known, message, ref=REF, received_at=received, patient_hash="h1")


def sent(event: str = "S14", second: int = 16, **changes: dict[int, str]) -> SchedulingMessage:
    return siu(event, **{"MSH": {7: f"203006011015{second:02}", 10: str(second)}, **changes})  # type: ignore[arg-type]


BOOKED = told(None, siu())
SETTLED = BOOKED.settled()


class TestApply:
    def test_a_booking_is_news(self) -> None:
        assert (BOOKED.owed, BOOKED.revision, BOOKED.starts_at) == (News.BOOKED, 1, START)

    def test_the_same_message_gives_the_same_object(self) -> None:
        assert told(SETTLED, siu(), after=9) is SETTLED

    def test_an_older_message_gives_the_same_object(self) -> None:
        newer = told(SETTLED, sent(second=30))

        assert told(newer, sent("S15", second=20), after=9) is newer

    @pytest.mark.parametrize("event", ["S15", "S17"])
    def test_an_ending_is_news(self, event: str) -> None:
        ended = told(SETTLED, sent(event))

        assert (ended.state, ended.owed, ended.revision) == (AppointmentState.CANCELLED, News.CANCELLED, 2)

    def test_a_no_show_is_known_to_the_patient_already(self) -> None:
        assert told(SETTLED, sent("S26")).owed is None

    def test_a_cancellation_without_a_number_keeps_it_for_its_text(self) -> None:
        assert told(SETTLED, sent("S15", PID={13: ""})).phone == SETTLED.phone

    def test_a_later_message_without_a_number_takes_it_away(self) -> None:
        assert told(SETTLED, sent(PID={13: ""})).phone is None

    def test_in_one_second_the_later_arrival_wins_unless_it_undoes_a_cancel(self) -> None:
        cancelled = told(SETTLED, sent("S15", second=16), after=1)

        assert (
            told(cancelled, sent("S14", second=16, MSH={7: "20300601101516", 10: "x"}), after=2) is cancelled
        )

    def test_a_change_before_the_booking_was_told_is_still_a_booking(self) -> None:
        moved = told(BOOKED, sent("S13", SCH={11: "^^30^203006121115"}))

        assert (moved.owed, moved.revision) == (News.BOOKED, 2)

    def test_a_cancel_and_rebooking_before_either_was_told_is_a_change(self) -> None:
        cancelled = told(SETTLED, sent("S15", second=16))

        assert told(cancelled, sent("S12", second=17)).owed is News.CHANGED

    def test_what_nobody_will_hear_of_holds_nobody(self) -> None:
        for appointment in (told(None, sent("S15")), told(BOOKED, sent("S15"))):
            assert (appointment.owed, appointment.phone, appointment.external_id) == (None, None, "")
            assert appointment.forgotten_at

    def test_after_forgetting_only_news_brings_people_back(self) -> None:
        forgotten = SETTLED.forgotten(NOW)

        assert told(forgotten, sent()).phone is None
        moved = told(forgotten, sent("S13", SCH={11: "^^30^203006121115"}))
        assert (moved.phone, moved.forgotten_at) == (SETTLED.phone, None)


def decision(
    kind: NotificationKind = NotificationKind.BOOKED,
    *,
    appointment: Appointment = SETTLED,
    texts: Texts | None = None,
    now: datetime = NOW,
    slot: str = "",
    revision: int = 1,
    asked_by: str = "",
    opted_out: bool = False,
) -> Send | Wait | Hold:
    text = Notification(
        NotificationRef(REF, slot or f"{kind}-1"), kind, revision, planned_at=now, asked_by=asked_by
    )
    known = live(environment(operates=operation(texts=texts)))
    return decide(text, appointment, known, opted_out=opted_out, now=now)


NIGHT = datetime.fromisoformat("2030-06-11T02:00:00+00:00")  # 22:00 in New York, the evening before
TOMORROW = slot_of_reminder(timedelta(days=1), START)


class TestDecide:
    def test_by_day_it_goes(self) -> None:
        assert decision() == Send()

    def test_at_night_it_waits_for_eight(self) -> None:
        assert decision(now=NIGHT) == Wait(datetime.fromisoformat("2030-06-11T12:00:00+00:00"))

    def test_a_person_who_asks_does_not_wait(self) -> None:
        assert decision(now=NIGHT, asked_by="oid-avery") == Send()

    def test_a_cancellation_of_today_does_not_wait(self) -> None:
        cancelled = told(SETTLED, sent("S15"))
        small_hours = datetime.fromisoformat("2030-06-11T05:00:00+00:00")
        kind = NotificationKind.CANCELLED

        assert decision(kind, appointment=cancelled, now=small_hours, revision=2) == Send()
        assert isinstance(decision(kind, appointment=cancelled, now=NIGHT, revision=2), Wait)

    @pytest.mark.parametrize(("minutes", "goes"), [(11, True), (10, True), (9, False)])
    def test_a_reminder_is_of_no_use_in_the_last_ten_minutes(self, minutes: int, goes: bool) -> None:
        found = decision(NotificationKind.REMINDER, now=START - minutes * MINUTE, slot=TOMORROW)

        assert found == (Send() if goes else Hold(Held.TOO_LATE))

    def test_a_reminder_of_another_time_is_superseded(self) -> None:
        earlier = slot_of_reminder(timedelta(days=1), START - HOUR)

        assert decision(NotificationKind.REMINDER, slot=earlier) == Hold(Held.SUPERSEDED)

    def test_a_text_about_a_visit_that_began_is_too_late(self) -> None:
        assert decision(now=START) == Send()
        assert decision(now=START + MINUTE) == Hold(Held.TOO_LATE)

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"phone": None}, Held.NO_NUMBER),
            ({"confidential": True}, Held.CONFIDENTIAL),
            ({"deceased": True}, Held.DECEASED),
            ({"by_video": False}, Held.NOT_BY_VIDEO),
            ({"state": AppointmentState.CANCELLED}, Held.CANCELLED),
            ({"starts_at": None}, Held.TIME_NOT_KNOWN),
            ({"revision": 2}, Held.SUPERSEDED),
        ],
        ids=lambda value: str(value),
    )
    def test_what_is_never_sent(self, changes: dict[str, object], reason: Held) -> None:
        assert decision(appointment=replace(SETTLED, **changes)) == Hold(reason)  # type: ignore[arg-type]

    def test_no_one_who_opted_out_is_texted_even_when_someone_asks(self) -> None:
        assert decision(opted_out=True, asked_by="oid-avery") == Hold(Held.OPTED_OUT)


def test_reminders_ahead_are_planned_longest_first_and_once() -> None:
    texts = Texts(on=True, reminders=(HOUR, timedelta(days=1), HOUR, timedelta(days=14)))

    assert [one.due_at for one in plan(SETTLED, texts, now=NOW)] == [START - timedelta(days=1), START - HOUR]
    assert plan(SETTLED, replace(texts, on=False), now=NOW) == ()


VISIT = Visit(
    VisitRef(TENANT, ENVIRONMENT, "360001"), "360001", ("360001",), START, START + 30 * MINUTE, "oid"
)
WINDOW = window(SETTLED, opens_before=30 * MINUTE, closes_after=HOUR)


@pytest.mark.parametrize(
    ("minutes", "state"),
    [
        (-31, PageState.EARLY),
        (-30, PageState.READY),
        (15, PageState.READY),
        (16, PageState.LATE),
        (90, PageState.LATE),
        (91, PageState.ENDED),
    ],
)
def test_the_page_follows_the_clock(minutes: int, state: PageState) -> None:
    assert page_state(SETTLED, VISIT, WINDOW, now=START + minutes * MINUTE) is state


@pytest.mark.parametrize(
    ("ended", "outcome", "over"),
    [
        (20, Outcome.HELD, True),
        (20, Outcome.NOT_KNOWN, True),
        (-5, Outcome.HELD, True),
        (-5, Outcome.PATIENT_ABSENT, False),
        (-61, Outcome.HELD, False),
    ],
    ids=["held", "not held", "held early", "looked in", "held at another time"],
)
def test_which_end_of_a_call_ends_the_visit(ended: int, outcome: Outcome, over: bool) -> None:
    visit = replace(VISIT, ended_at=START + ended * MINUTE, outcome=outcome)

    assert visit.over(START) is over
    page = page_state(SETTLED, visit, WINDOW, now=START + max(0, ended) * MINUTE)
    assert page is (
        PageState.ENDED if over else page_state(SETTLED, None, WINDOW, now=START + max(0, ended) * MINUTE)
    )


def test_when_people_are_forgotten() -> None:
    linger = 15 * MINUTE
    held = replace(VISIT, ended_at=START + 20 * MINUTE, outcome=Outcome.HELD)
    cancelled = told(SETTLED, sent("S15"))

    assert forget_at(SETTLED, None, linger=linger, texts_settled=True) == START + 30 * MINUTE + 4 * HOUR
    assert forget_at(SETTLED, held, linger=linger, texts_settled=False) == START + 35 * MINUTE
    assert forget_at(cancelled, None, linger=linger, texts_settled=True) == NOW
    assert forget_at(cancelled, None, linger=linger, texts_settled=False) == NOW + 24 * HOUR


def test_a_link_says_nothing_and_changes_with_everything_it_stands_for() -> None:
    key = b"k" * 32
    links = {
        token(key, REF, LinkRole.PATIENT, 1),
        token(key, REF, LinkRole.PATIENT, 2),
        token(key, REF, LinkRole.GUEST, 1),
        token(key, replace(REF, key="360002"), LinkRole.PATIENT, 1),
        token(b"l" * 32, REF, LinkRole.PATIENT, 1),
    }

    assert len(links) == 5
    assert {len(one) for one in links} == {22}
    assert token(key, REF, LinkRole.PATIENT, 1) in links
    assert token_hash("a") != token_hash("b")


def test_a_phone_number_never_prints_itself() -> None:
    number = PhoneNumber("+12065550142")

    assert f"{number} {number!r} {number!s} {[number]} {SETTLED}".count("5550142") == 0
    for wrong in ("2065550187", "+02065550187", "+1 206 555 0187", "+1206555018712345", ""):
        with pytest.raises(UnusablePhoneNumber) as refused:
            PhoneNumber(wrong)
        assert not wrong or wrong not in str(refused.value)
