"""A reminder: a plan to text a patient some time before a visit."""

from dataclasses import dataclass
from datetime import datetime

from shared.domain.appointment import Appointment, AppointmentRef
from shared.domain.environment import Texts
from shared.domain.notification import slot_of_reminder


@dataclass(frozen=True, slots=True)
class Reminder:
    """One planned reminder. `slot` is the name of the text it becomes, so planning twice plans once."""

    appointment: AppointmentRef
    slot: str
    due_at: datetime


def plan(appointment: Appointment, texts: Texts, *, now: datetime) -> tuple[Reminder, ...]:
    """The reminders still ahead of `appointment` at `now`."""
    if not appointment.takes_place or appointment.starts_at is None:
        return ()
    return planned(appointment.ref, appointment.starts_at, texts, now=now)


def planned(ref: AppointmentRef, starts_at: datetime, texts: Texts, *, now: datetime) -> tuple[Reminder, ...]:
    """The reminders still ahead of a visit that takes place at `starts_at`."""
    if not texts.on:
        return ()
    return tuple(
        Reminder(ref, slot_of_reminder(before, starts_at), starts_at - before)
        for before in sorted(set(texts.reminders), reverse=True)
        if starts_at - before > now
    )


def plans_more(before: Texts, after: Texts) -> bool:
    """Whether `after` asks for reminders that were not planned under `before`."""
    known = before.reminders if before.on else ()
    return after.on and not set(after.reminders) <= set(known)
