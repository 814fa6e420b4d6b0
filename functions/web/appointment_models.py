"""The shapes of the API that looks: what became of Epic's messages, and where one appointment stands."""

from datetime import datetime

from pydantic import Field

from functions.web.portal_models import Model
from shared.domain.inbound import InboundMessage
from shared.domain.notification import Notification
from shared.domain.visit import Visit
from shared.domain.write_back import WriteBack


class MessageOut(Model):
    received_at: datetime
    event: str
    control_id: str
    sending_application: str
    fate: str
    reason: str
    appointment: str
    doubtful_time: str


class ParkedOut(Model):
    id: str
    queue: str
    reason: str
    parked_at: datetime


class MessagesOut(Model):
    messages: list[MessageOut]
    parked: list[ParkedOut]


class TextOut(Model):
    slot: str
    kind: str
    state: str
    reason: str


class ParticipantOut(Model):
    who: str
    presence: str
    since: datetime | None


class VisitOut(Model):
    id: str
    meeting: str | None
    opens_in_browser: bool | None
    watched: bool
    outcome: str | None
    ended_at: datetime | None
    participants: list[ParticipantOut]


class WriteBackStateOut(Model):
    sequence: int
    who: str
    what: str
    at: datetime
    state: str
    attempts: int
    last_answer: str
    told_at: datetime | None


class AppointmentOut(Model):
    csn: str
    state: str
    by_video: bool
    starts_at: datetime | None
    doubtful_time: str
    forgotten_at: datetime | None
    link: str | None = Field(description="The patient's own page; for administrators only")
    texts: list[TextOut]
    visit: VisitOut | None
    write_backs: list[WriteBackStateOut]


def message_out(one: InboundMessage) -> MessageOut:
    return MessageOut(
        received_at=one.received_at,
        event=one.event,
        control_id=one.control_id,
        sending_application=one.sending_application,
        fate=one.fate,
        reason=one.reason,
        appointment=one.appointment,
        doubtful_time=one.doubtful_time,
    )


def text_out(one: Notification) -> TextOut:
    return TextOut(slot=one.ref.slot, kind=one.kind, state=one.state, reason=one.reason)


def visit_out(one: Visit) -> VisitOut:
    return VisitOut(
        id=one.ref.opaque,
        meeting=one.meeting.id if one.meeting else None,
        opens_in_browser=one.meeting.guest_url_opens_in_browser if one.meeting else None,
        watched=one.subscription is not None,
        outcome=one.outcome,
        ended_at=one.ended_at,
        participants=[
            ParticipantOut(who=person.role, presence=person.presence, since=person.since)
            for person in one.participants
        ],
    )


def write_back_out(one: WriteBack) -> WriteBackStateOut:
    return WriteBackStateOut(
        sequence=one.fact.sequence,
        who=one.fact.role,
        what=one.fact.kind,
        at=one.fact.at,
        state=one.state,
        attempts=one.attempts,
        last_answer=one.last_answer,
        told_at=one.told_at,
    )
