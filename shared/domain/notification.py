"""One text message to one patient: what it is about, whether it may go now, and what became of it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from shared.domain import quiet_hours
from shared.domain.appointment import Appointment, AppointmentRef, AppointmentState, News
from shared.domain.environment import EnvironmentKind, LiveEnvironment, Texts


class NotificationKind(StrEnum):
    BOOKED = "booked"
    CHANGED = "changed"
    CANCELLED = "cancelled"
    NO_LONGER_VIDEO = "no-longer-video"
    REMINDER = "reminder"


KIND_OF_NEWS = {
    News.BOOKED: NotificationKind.BOOKED,
    News.CHANGED: NotificationKind.CHANGED,
    News.CANCELLED: NotificationKind.CANCELLED,
    News.NO_LONGER_VIDEO: NotificationKind.NO_LONGER_VIDEO,
}


class NotificationState(StrEnum):
    """The life of a text. `unknown`: sent without an answer, settled by the carrier's report or by a person."""

    PLANNED = "planned"
    CLAIMED = "claimed"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    FAILED = "failed"
    UNKNOWN = "unknown"
    HELD = "held"


class Held(StrEnum):
    """Why a text was never sent: the words the message inspector shows."""

    TEXTS_OFF = "texts are off"
    BACKLOAD = "go-live backload"
    KIND_OFF = "this kind of text is off"
    NOT_BY_VIDEO = "not by video"
    CONFIDENTIAL = "confidential appointment"
    DECEASED = "deceased patient"
    NO_NUMBER = "no mobile number"
    OPTED_OUT = "opted out"
    NOT_ON_LIST = "not on the test environment's list of numbers"
    SUPERSEDED = "a newer change came first"
    CANCELLED = "cancelled meanwhile"
    TOO_LATE = "too late to be useful"
    TIME_NOT_KNOWN = "time not known"
    REFUSED = "refused by the carrier"


@dataclass(frozen=True, slots=True)
class NotificationRef:
    """Where a text's row is. `slot` is the kind with the revision or the reminder's minutes."""

    appointment: AppointmentRef
    slot: str


@dataclass(frozen=True, slots=True)
class Notification:
    """One text. It holds no number: that stays with the appointment, and goes with it."""

    ref: NotificationRef
    kind: NotificationKind
    revision: int
    planned_at: datetime
    state: NotificationState = NotificationState.PLANNED
    reason: str = ""
    claimed_at: datetime | None = None
    accepted_at: datetime | None = None
    settled_at: datetime | None = None
    carrier_id: str = ""
    asked_by: str = ""  # the object id of the person who pressed "send again"

    def claimed(self, at: datetime) -> "Notification":
        return replace(self, state=NotificationState.CLAIMED, claimed_at=at)

    def accepted(self, at: datetime, carrier_id: str) -> "Notification":
        return replace(self, state=NotificationState.ACCEPTED, accepted_at=at, carrier_id=carrier_id)

    def ended(self, state: NotificationState, at: datetime, reason: str = "") -> "Notification":
        return replace(self, state=state, settled_at=at, reason=reason)

    @property
    def settled(self) -> bool:
        """Whether nothing more can become of it."""
        return self.state in (NotificationState.DELIVERED, NotificationState.FAILED, NotificationState.HELD)


def slot_of_news(kind: NotificationKind, revision: int) -> str:
    return f"{kind}-{revision}"


def slot_of_reminder(before: timedelta, starts_at: datetime) -> str:
    """One reminder of one planned time: a moved visit has reminders of its own."""
    return f"{_begins(before)}{starts_at:%Y%m%dT%H%M%S}"


@dataclass(frozen=True, slots=True)
class Send:
    """Text now."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Text later, not before `until`."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Hold:
    """Never send this text."""

    reason: Held


# A reminder that lands when the patient should already be in the visit confuses more than it helps.
LATEST_REMINDER = timedelta(minutes=10)

_ASKED_FOR = {
    NotificationKind.BOOKED: "booked",
    NotificationKind.CHANGED: "changed",
    NotificationKind.CANCELLED: "cancelled",
    NotificationKind.NO_LONGER_VIDEO: "cancelled",
}


def decide(
    notification: Notification,
    appointment: Appointment,
    environment: LiveEnvironment,
    *,
    opted_out: bool,
    now: datetime,
) -> Send | Wait | Hold:
    """What to do with a planned text, seen at `now`."""
    texts = environment.operation.texts
    reason = _never(notification, appointment, environment, opted_out=opted_out, now=now)
    if reason is not None:
        return Hold(reason)
    if notification.asked_by or _too_urgent_to_wait(notification, appointment, texts, now=now):
        return Send()

    send_at = quiet_hours.next_open(
        now, appointment.zone, quiet_from=texts.quiet_from, quiet_until=texts.quiet_until
    )
    if _latest(notification, appointment) < send_at:
        return Hold(Held.TOO_LATE)
    return Send() if send_at == now else Wait(send_at)


def _never(
    notification: Notification,
    appointment: Appointment,
    environment: LiveEnvironment,
    *,
    opted_out: bool,
    now: datetime,
) -> Held | None:
    """The first rule that forbids this text for good."""
    texts = environment.operation.texts
    ends = notification.kind in (NotificationKind.CANCELLED, NotificationKind.NO_LONGER_VIDEO)
    rules = (
        (not texts.on, Held.TEXTS_OFF),
        (texts.backload, Held.BACKLOAD),
        (not _wanted(notification, texts), Held.KIND_OFF),
        (appointment.confidential, Held.CONFIDENTIAL),
        (appointment.deceased, Held.DECEASED),
        (appointment.phone is None, Held.NO_NUMBER),
        (appointment.starts_at is None, Held.TIME_NOT_KNOWN),
        (opted_out, Held.OPTED_OUT),
        (_not_on_list(appointment, environment), Held.NOT_ON_LIST),
        (not ends and appointment.state is not AppointmentState.BOOKED, Held.CANCELLED),
        (not ends and not appointment.by_video, Held.NOT_BY_VIDEO),
        (_superseded(notification, appointment), Held.SUPERSEDED),
        (now > _latest(notification, appointment), Held.TOO_LATE),
    )
    return next((reason for broken, reason in rules if broken), None)


def _wanted(notification: Notification, texts: Texts) -> bool:
    """Whether today's settings ask for this text: they may have changed since it was planned."""
    if notification.kind is NotificationKind.REMINDER:
        return any(notification.ref.slot.startswith(_begins(before)) for before in texts.reminders)
    return bool(getattr(texts, _ASKED_FOR[notification.kind]))


def _begins(before: timedelta) -> str:
    return f"reminder-{int(before.total_seconds() // 60)}-"


def _not_on_list(appointment: Appointment, environment: LiveEnvironment) -> bool:
    if environment.kind is not EnvironmentKind.TEST or appointment.phone is None:
        return False
    return appointment.phone.e164 not in environment.operation.texts.only_numbers


def _superseded(notification: Notification, appointment: Appointment) -> bool:
    if notification.kind is not NotificationKind.REMINDER:
        return notification.revision != appointment.revision
    return appointment.starts_at is None or not notification.ref.slot.endswith(
        f"-{appointment.starts_at:%Y%m%dT%H%M%S}"
    )


def _latest(notification: Notification, appointment: Appointment) -> datetime:
    """After this the text is of no use to the patient. Only asked for appointments with a time."""
    starts_at = appointment.starts_at or notification.planned_at
    if notification.kind is NotificationKind.REMINDER:
        return starts_at - LATEST_REMINDER
    return starts_at


def _too_urgent_to_wait(
    notification: Notification, appointment: Appointment, texts: Texts, *, now: datetime
) -> bool:
    """Whether quiet hours must not hold this text back: the visit concerned starts before they end."""
    if notification.kind is NotificationKind.REMINDER or appointment.starts_at is None:
        return False
    opens = quiet_hours.next_open(
        now, appointment.zone, quiet_from=texts.quiet_from, quiet_until=texts.quiet_until
    )
    same_day = quiet_hours.same_local_day(now, appointment.starts_at, appointment.zone)
    ends = notification.kind in (NotificationKind.CANCELLED, NotificationKind.NO_LONGER_VIDEO)
    return appointment.starts_at <= opens or (ends and same_day)
