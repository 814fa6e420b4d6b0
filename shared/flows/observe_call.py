"""Open what Graph told about a call, bring the visit up to date, and owe Epic what follows."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from shared.domain.due import Due
from shared.domain.environment import LiveEnvironment
from shared.domain.errors import AlreadyThere, OutOfStep, TryAgain, TurnedDown
from shared.domain.roster import CallEvent, observe
from shared.domain.versioned import Versioned
from shared.domain.visit import Visit, VisitRef
from shared.domain.write_back import WriteBack
from shared.flows.ports import EnvironmentStores, NotificationOpener, Plans, Queues
from shared.flows.prepare_due_visits import CLOSE
from shared.flows.settle_appointment import FORGET

logger = logging.getLogger(__name__)

_ROUNDS = 16


@dataclass(frozen=True, slots=True)
class Observing:
    """What observing needs besides the notification."""

    environment: LiveEnvironment
    stores: EnvironmentStores
    plans: Plans
    queues: Queues
    opener: NotificationOpener


async def observe_call(notification: str, ref: VisitRef, *, given: Observing, now: datetime) -> bool:
    """Observe one stored notification about the visit `ref`; False when it did not prove itself."""
    try:
        events = await given.opener.open(notification, tenant=ref.tenant)
    except TurnedDown as forged:
        logger.warning("a call notification was dropped: %s", forged.code)
        return False
    found = await _observed(ref, events, given)
    await settle_visit(found, given=given, now=now)
    return True


async def _observed(ref: VisitRef, events: Sequence[CallEvent], given: Observing) -> Versioned[Visit]:
    connected_when_waiting = given.environment.operation.meetings.connected_when_waiting
    for _ in range(_ROUNDS):
        found = await given.stores.visits.get(ref.key)
        after = found.value
        for event in events:
            after = observe(after, event, connected_when_waiting=connected_when_waiting)
        if after == found.value:
            return found
        try:
            return Versioned(after, await given.stores.visits.save(after, seen=found.version))
        except OutOfStep:
            continue
    raise TryAgain("a visit kept changing while an event was observed")


async def settle_visit(found: Versioned[Visit], *, given: Observing, now: datetime) -> None:
    """Give every fact the visit owes a row of its own, then have them told. Harmless to repeat."""
    visit = found.value
    if visit.owed:
        for fact in visit.owed:
            row = WriteBack(
                visit=visit.ref,
                session=visit.session,
                fact=fact,
                external_id=visit.external_ids.get(fact.participant),
                owed_at=now,
            )
            try:
                await given.stores.write_backs.insert(row)
            except AlreadyThere:
                continue
        await given.queues.tell(visit.ref)
    if visit.ended_at is not None:
        await _wind_up(visit, visit.ended_at, given=given, now=now)
    if visit.owed:
        # Whoever changed it meanwhile carries the debt on; the rows that exist are not written twice.
        with suppress(OutOfStep):
            await given.stores.visits.save(visit.settled(), seen=found.version)


async def _wind_up(visit: Visit, ended_at: datetime, *, given: Observing, now: datetime) -> None:
    """After a call: chat off, and the people forgotten once a rejoin is no longer likely."""
    ref = visit.ref
    await given.plans.visits.add([Due(ref.tenant, ref.environment, ref.key, CLOSE, now)], now=now)
    linger = given.environment.operation.meetings.linger
    await given.plans.forgetting.add(
        [Due(ref.tenant, ref.environment, key, FORGET, ended_at + linger) for key in visit.appointments],
        now=now,
    )
