"""Prepare the meeting and the call-event subscription of each visit that starts within the hour."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.domain.due import Due
from shared.domain.errors import NotFound, TurnedDown
from shared.domain.versioned import Versioned
from shared.flows.each import each
from shared.flows.ports import Appointments, DueIndex
from shared.flows.prepare_visit import Preparing, visit_of, with_meeting, with_watch
from shared.flows.settle_appointment import PREPARED_BEFORE

logger = logging.getLogger(__name__)

CLOSE = "close"
RENEW = "renew"


@dataclass(frozen=True, slots=True)
class Room:
    """One environment's part of the preparation."""

    preparing: Preparing
    appointments: Appointments


async def prepare_due_visits(
    *, visits: DueIndex, room_of: Callable[[Due], Awaitable[Room]], now: datetime
) -> int:
    """Prepare what is due at `now`; a visit that Graph cannot prepare yet stays due."""

    async def one(due: Due) -> None:
        room = await room_of(due)
        if due.slot == CLOSE:
            await _close(due, room)
        elif due.slot == RENEW:
            await _renew(due, room, now=now)
        else:
            await _prepare(due, room, now=now)
        await visits.done(due)

    return await each(visits.due(now=now), one, what="visit to prepare", log=logger)


async def _prepare(due: Due, room: Room, *, now: datetime) -> None:
    appointment = (await room.appointments.get(due.key)).value
    if not appointment.takes_place or appointment.starts_at is None or room.preparing.environment.removed:
        return  # cancelled since it was planned, or nothing starts from its environment any more
    if appointment.starts_at - PREPARED_BEFORE > now:
        return  # moved: another plan stands for the new time
    try:
        found = await visit_of(appointment, given=room.preparing, provider=None, now=now)
        found = await with_meeting(found, appointment, given=room.preparing, provider=None)
        await with_watch(found, given=room.preparing, now=now)
    except TurnedDown as refusal:
        # Asking again cannot help; a launch tries once more and tells the person who can act.
        logger.exception("a visit could not be prepared: %s", refusal.code or "refused")


async def _renew(due: Due, room: Room, *, now: datetime) -> None:
    """Graph asked for a sign of life, or lost the subscription: renew it, or make another."""
    found = await room.preparing.visits.get(due.key)
    visit = found.value
    if visit.ended_at is not None or visit.subscription is None:
        return
    lapsed = replace(visit, subscription=replace(visit.subscription, expires_at=now + timedelta(seconds=1)))
    try:
        await with_watch(Versioned(lapsed, found.version), given=room.preparing, now=now)
    except TurnedDown:
        gone = replace(visit, subscription=None)
        await with_watch(Versioned(gone, found.version), given=room.preparing, now=now)


async def _close(due: Due, room: Room) -> None:
    try:
        visit = (await room.preparing.visits.get(due.key)).value
    except NotFound:
        return
    if visit.meeting is not None and visit.over(visit.starts_at):
        try:
            await room.preparing.meetings.close(visit.meeting, organizer=visit.organizer)
        except TurnedDown as refusal:
            logger.exception("chat could not be switched off after a visit: %s", refusal.code or "refused")
