"""Decide about one planned text and send it, at most once."""

import logging
import uuid
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.domain.appointment import Appointment
from shared.domain.attested import spoken_to
from shared.domain.due import Due
from shared.domain.environment import LiveEnvironment
from shared.domain.errors import MayHaveHappened, NotFound, OutOfStep, TryAgain, TurnedDown
from shared.domain.join_link import LinkRole, token
from shared.domain.notification import (
    Held,
    Hold,
    Notification,
    NotificationRef,
    NotificationState,
    Wait,
    decide,
)
from shared.domain.phone_number import PhoneNumber
from shared.domain.versioned import Versioned
from shared.flows.ports import (
    CarrierMessageIndex,
    EnvironmentStores,
    Keys,
    OptOuts,
    Plans,
    Queues,
    TextMessages,
    Wording,
)
from shared.flows.settle_appointment import FORGET

logger = logging.getLogger(__name__)

# Names this product's texts for the carrier: the same text gets the same id however often it is tried.
_TEXTS = uuid.UUID("5f1d3c1e-8f5a-4c53-9d6a-6a5f0f2f6d11")

# A worker that claimed a text and died has either sent it or not: nobody can know before the carrier reports.
_SENDING_TAKES_AT_MOST = timedelta(seconds=90)


@dataclass(frozen=True, slots=True)
class Sending:
    """What sending needs besides the text."""

    environment: LiveEnvironment
    stores: EnvironmentStores
    opt_outs: OptOuts
    plans: Plans
    queues: Queues
    keys: Keys
    carrier_index: CarrierMessageIndex
    carrier: TextMessages
    wording: Wording
    public_base_url: str


async def send_notification(ref: NotificationRef, *, given: Sending, now: datetime) -> NotificationState:
    """Send, hold back or put off the text behind `ref`, and return what it has become."""
    found = await given.stores.notifications.get(ref)
    if found.value.state is NotificationState.CLAIMED:
        return await _left_behind(found, given=given, now=now)
    if found.value.state is not NotificationState.PLANNED:
        return found.value.state

    appointment = (await given.stores.appointments.get(ref.appointment.key)).value
    opted_out = appointment.phone is not None and await given.opt_outs.contains(appointment.phone)
    decision = decide(found.value, appointment, given.environment, opted_out=opted_out, now=now)
    if isinstance(decision, Hold):
        return await _hold(found, appointment, decision.reason, given=given, now=now)
    if isinstance(decision, Wait):
        await given.plans.reminders.add([_later(ref, decision.until)], now=now)
        return NotificationState.PLANNED
    if appointment.phone is None:  # decide() holds such a text; this tells the type checker so
        raise TurnedDown("no number", code="no-number")
    return await _send(found, appointment, appointment.phone, given=given, now=now)


async def _send(
    found: Versioned[Notification],
    appointment: Appointment,
    phone: PhoneNumber,
    *,
    given: Sending,
    now: datetime,
) -> NotificationState:
    notification = found.value
    tag = str(uuid.uuid5(_TEXTS, _spelled(notification.ref)))
    body = await _body(notification, appointment, given=given)
    await given.carrier_index.put(tag, notification.ref)
    try:
        claim = await given.stores.notifications.save(notification.claimed(now), seen=found.version)
    except OutOfStep:
        return NotificationState.CLAIMED  # another worker was first

    claimed = Versioned(notification.claimed(now), claim)
    try:
        carrier_id = await given.carrier.send(
            sender=given.environment.operation.texts.sender, to=phone, body=body, tag=tag, repeat_id=tag
        )
    except TryAgain as busy:
        after = busy.after if busy.after is not None else _patience(notification, now)
        again = replace(notification, state=NotificationState.PLANNED, claimed_at=None)
        await _settle(claimed, again, given=given)
        await given.queues.text(notification.ref, after=after)
        return NotificationState.PLANNED
    except TurnedDown as refusal:
        logger.info("a text was refused by the carrier with code %s", refusal.code)
        reason = f"{Held.REFUSED} ({refusal.code})"
        return await _settle(claimed, claimed.value.ended(NotificationState.FAILED, now, reason), given=given)
    except MayHaveHappened:
        return await _settle(claimed, replace(claimed.value, state=NotificationState.UNKNOWN), given=given)
    return await _settle(claimed, claimed.value.accepted(now, carrier_id), given=given)


async def _settle(
    claimed: Versioned[Notification], after: Notification, *, given: Sending
) -> NotificationState:
    # The carrier's report may have been faster than its answer, and knows better.
    with suppress(OutOfStep):
        await given.stores.notifications.save(after, seen=claimed.version)
    return after.state


async def _hold(
    found: Versioned[Notification], appointment: Appointment, reason: Held, *, given: Sending, now: datetime
) -> NotificationState:
    try:
        await given.stores.notifications.save(
            found.value.ended(NotificationState.HELD, now, reason), seen=found.version
        )
    except OutOfStep:
        return NotificationState.CLAIMED
    await forget_soon(appointment, plans=given.plans, now=now)
    return NotificationState.HELD


async def _left_behind(found: Versioned[Notification], *, given: Sending, now: datetime) -> NotificationState:
    """A claimed text seen again: still being sent, or its worker died and nobody knows what became of it."""
    claimed_at = found.value.claimed_at or now
    if now - claimed_at < _SENDING_TAKES_AT_MOST:
        await given.queues.text(found.value.ref, after=_SENDING_TAKES_AT_MOST.total_seconds())
        return NotificationState.CLAIMED
    try:
        await given.stores.notifications.save(
            replace(found.value, state=NotificationState.UNKNOWN), seen=found.version
        )
    except OutOfStep:
        return NotificationState.CLAIMED
    return NotificationState.UNKNOWN


async def forget_soon(appointment: Appointment, *, plans: Plans, now: datetime) -> None:
    """Once its last text is settled, an appointment that will not take place needs its number no more."""
    if not appointment.takes_place:
        ref = appointment.ref
        await plans.forgetting.add([Due(ref.tenant, ref.environment, ref.key, FORGET, now)], now=now)


async def _body(notification: Notification, appointment: Appointment, *, given: Sending) -> str:
    secret = token(
        await given.keys.link_key(), appointment.ref, LinkRole.PATIENT, appointment.link_generation
    )
    operation = given.environment.operation
    department = operation.departments.get(appointment.department)
    return given.wording.compose(
        notification.kind,
        language=spoken_to(operation.texts, appointment.language),
        organization=operation.organization,
        phone=(department.phone if department else "") or operation.phone,
        starts_at=appointment.starts_at,
        zone=appointment.zone,
        link=f"{given.public_base_url}/v/{secret}",
    )


def _later(ref: NotificationRef, at: datetime) -> Due:
    return Due(ref.appointment.tenant, ref.appointment.environment, ref.appointment.key, ref.slot, at)


def _patience(notification: Notification, now: datetime) -> float:
    """Seconds until the next try: half the time already spent, so that the tries thin out."""
    spent = (now - notification.planned_at).total_seconds()
    return min(300.0, max(5.0, spent / 2))


def _spelled(ref: NotificationRef) -> str:
    where = ref.appointment
    return "|".join((where.tenant, where.environment, where.key, ref.slot))


async def settle_delivery(
    ref: NotificationRef, *, delivered: bool, reason: str, given: Sending, now: datetime
) -> None:
    """Note what the carrier reported of a text. Reports repeat and may come before the answer to sending."""
    state = NotificationState.DELIVERED if delivered else NotificationState.FAILED
    for _ in range(5):
        try:
            found = await given.stores.notifications.get(ref)
        except NotFound:
            return
        if found.value.settled:
            return
        try:
            await given.stores.notifications.save(found.value.ended(state, now, reason), seen=found.version)
        except OutOfStep:
            continue
        appointment = (await given.stores.appointments.get(ref.appointment.key)).value
        await forget_soon(appointment, plans=given.plans, now=now)
        return
    raise TryAgain("a text kept changing while its delivery report was noted")
