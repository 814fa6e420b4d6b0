"""Erase what leads to a person once an appointment is over, and put the count into the audit chain first."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.domain.appointment import Appointment
from shared.domain.audit import AuditEntry
from shared.domain.due import Due
from shared.domain.environment import LiveEnvironment
from shared.domain.errors import NotFound
from shared.domain.retention import OWED_AT_MOST, forget_at
from shared.domain.versioned import Versioned
from shared.domain.visit import Visit
from shared.flows.each import each
from shared.flows.ports import AuditLog, DueIndex, EnvironmentStores

logger = logging.getLogger(__name__)

# While facts are still owed to Epic, the ids they need stay; this is how soon the purge looks again.
_LOOK_AGAIN = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Purging:
    """One environment's part of the purge."""

    environment: LiveEnvironment
    stores: EnvironmentStores
    audit: AuditLog


async def forget_people(
    *, forgetting: DueIndex, purging_of: Callable[[Due], Awaitable[Purging]], now: datetime
) -> int:
    """Forget whom nothing is owed any more at `now`; return how many plans were looked at."""

    async def one(due: Due) -> None:
        purging = await purging_of(due)
        again = await _forget(due.key, purging, now=now)
        if again is not None:
            await forgetting.add([replace(due, due_at=again)], now=now)
        # Added before done: a crash in between looks once too often, never once too little.
        if again != due.due_at:
            await forgetting.done(due)

    return await each(_apart(forgetting.due(now=now)), one, what="appointment to forget", log=logger)


async def _apart(plans: AsyncIterator[Due]) -> AsyncIterator[Due]:
    """One plan for each appointment: two at once would erase it twice. The others wait for the next tick."""
    seen: set[tuple[str, str, str]] = set()
    async for due in plans:
        place = (due.tenant, due.environment, due.key)
        if place not in seen:
            seen.add(place)
            yield due


async def _forget(key: str, purging: Purging, *, now: datetime) -> datetime | None:
    """Forget one appointment, or say when to look again."""
    try:
        found = await purging.stores.appointments.get(key)
    except NotFound:
        return None
    visit = await _visit(key, purging)
    at = await _time(found.value, visit.value if visit else None, purging)
    if at > now:
        return at
    if found.value.forgotten_at is None:
        await _erase(found, purging, now=now)
    return await _ids_needed_until(visit, purging, over_at=at, now=now) if visit else None


async def _time(appointment: Appointment, visit: Visit | None, purging: Purging) -> datetime:
    texts = await purging.stores.notifications.of_appointment(appointment.ref.key)
    linger = purging.environment.operation.meetings.linger
    settled = appointment.owed is None and all(text.settled for text in texts)
    return forget_at(appointment, visit, linger=linger, texts_settled=settled)


async def _erase(found: Versioned[Appointment], purging: Purging, *, now: datetime) -> None:
    """Take the person out of the appointment: nothing that is still owed to Epic needs the number."""
    appointment = found.value
    await _audit(
        purging,
        appointment.ref.key,
        {
            "numbers": str(int(appointment.phone is not None)),
            "external ids": str(int(bool(appointment.external_id))),
            "patient hashes": str(int(bool(appointment.patient_hash))),
        },
        now=now,
    )
    for line in appointment.filed:
        await purging.stores.by_day.remove(line)
    await purging.stores.appointments.save(replace(appointment.forgotten(now), filed=()), seen=found.version)


async def _ids_needed_until(
    visit: Versioned[Visit], purging: Purging, *, over_at: datetime, now: datetime
) -> datetime | None:
    """Erase the ids by which Epic knows the people of a visit, or say when to look again.

    They are needed while a fact waits to be told, and for some days where Epic refused one, so that a person
    can have it told again.
    """
    rows = await purging.stores.write_backs.of_visit(visit.value.ref.key)
    holding = [row for row in rows if row.value.external_id is not None]
    if now < over_at + OWED_AT_MOST:
        if visit.value.owed or any(row.value.open for row in rows):
            return now + _LOOK_AGAIN
        if holding:
            return over_at + OWED_AT_MOST
    count = len(holding) + len(visit.value.external_ids)
    if count == 0:
        return None
    await _audit(purging, visit.value.ref.key, {"external ids": str(count)}, now=now)
    for row in rows:
        if row.value.external_id is None and not row.value.open:
            continue
        await purging.stores.write_backs.save(row.value.too_late(), seen=row.version)
    await purging.stores.visits.save(replace(visit.value, external_ids={}), seen=visit.version)
    return None


async def _audit(purging: Purging, key: str, erased: dict[str, str], *, now: datetime) -> None:
    # The audit row comes first: a purge that is not in the chain must not have happened.
    await purging.audit.write(
        AuditEntry(
            at=now,
            who="retention",
            did="erased",
            to=f"environment/{purging.environment.id}/appointment/{key}",
            facts=erased,
        )
    )


async def _visit(key: str, purging: Purging) -> Versioned[Visit] | None:
    try:
        return await purging.stores.visits.get(key)
    except NotFound:
        return None
