"""Store everything that a change of an appointment sets off, so that a crash half-way is only a repeat."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Protocol

from shared.domain.appointment import Appointment
from shared.domain.due import Due
from shared.domain.environment import LiveEnvironment
from shared.domain.errors import AlreadyThere, OutOfStep
from shared.domain.join_link import JoinLink, LinkRole, token, token_hash
from shared.domain.notification import KIND_OF_NEWS, Notification, NotificationRef, slot_of_news
from shared.domain.reminder import plan
from shared.domain.retention import CANCELLED_KEEPS, NEVER_STARTED_KEEPS
from shared.domain.versioned import Versioned
from shared.flows.ports import AppointmentsByDay, EnvironmentStores, JoinLinkIndex, Keys, Plans, Queues

PREPARE = "prepare"
JUDGE = "judge"
FORGET = "forget"

# Graph needs some seconds to start sending events, and a call-event subscription lives three days at most.
PREPARED_BEFORE = timedelta(minutes=60)


class Settling(Protocol):
    @property
    def environment(self) -> LiveEnvironment: ...
    @property
    def stores(self) -> EnvironmentStores: ...
    @property
    def links(self) -> JoinLinkIndex: ...
    @property
    def plans(self) -> Plans: ...
    @property
    def queues(self) -> Queues: ...
    @property
    def keys(self) -> Keys: ...


async def settle_appointment(found: Versioned[Appointment], *, given: Settling, now: datetime) -> None:
    """Plan, link and announce what `found` owes. Every step may be repeated; the last one ends the debt."""
    appointment = found.value
    if appointment.owed is None:
        if appointment.misfiled:
            await _file(appointment, given.stores.by_day)
            with suppress(OutOfStep):
                await given.stores.appointments.save(appointment.settled(), seen=found.version)
        return
    await put_link(appointment, links=given.links, keys=given.keys)
    await _plan(appointment, given=given, now=now)
    await _file(appointment, given.stores.by_day)

    kind = KIND_OF_NEWS[appointment.owed]
    ref = NotificationRef(appointment.ref, slot_of_news(kind, appointment.revision))
    # There already after a crash: the text was planned, but may not have been queued.
    with suppress(AlreadyThere):
        await given.stores.notifications.insert(Notification(ref, kind, appointment.revision, planned_at=now))
    await given.queues.text(ref)

    # When a newer message took over, it took over what is owed as well.
    with suppress(OutOfStep):
        await given.stores.appointments.save(appointment.settled(), seen=found.version)


async def put_link(appointment: Appointment, *, links: JoinLinkIndex, keys: Keys) -> str:
    """The patient's own link to the visit, the same for every time the appointment moves to."""
    secret = token(await keys.link_key(), appointment.ref, LinkRole.PATIENT, appointment.link_generation)
    await links.put(
        JoinLink(token_hash(secret), appointment.ref, LinkRole.PATIENT, appointment.link_generation)
    )
    return secret


async def _file(appointment: Appointment, by_day: AppointmentsByDay) -> None:
    """Bring the lists of days up to date: the appointment knows every line that may still be of it."""
    wanted = appointment.expected
    if wanted is not None:
        await by_day.put(wanted)
    for line in appointment.filed:
        if wanted is None or not line.same_line(wanted):
            await by_day.remove(line)


async def _plan(appointment: Appointment, *, given: Settling, now: datetime) -> None:
    ref = appointment.ref
    reminders = [
        Due(ref.tenant, ref.environment, ref.key, reminder.slot, reminder.due_at)
        for reminder in plan(appointment, given.environment.operation.texts, now=now)
    ]
    if reminders:
        await given.plans.reminders.add(reminders, now=now)

    def due(slot: str, at: datetime) -> list[Due]:
        return [Due(ref.tenant, ref.environment, ref.key, slot, at)]

    if appointment.takes_place and appointment.starts_at and appointment.ends_at:
        await given.plans.visits.add(due(PREPARE, appointment.starts_at - PREPARED_BEFORE), now=now)
        closes_after = given.environment.operation.meetings.closes_after
        await given.plans.outcomes.add(due(JUDGE, appointment.ends_at + closes_after), now=now)
        await given.plans.forgetting.add(due(FORGET, appointment.ends_at + NEVER_STARTED_KEEPS), now=now)
    else:
        await given.plans.forgetting.add(due(FORGET, now + CANCELLED_KEEPS), now=now)
