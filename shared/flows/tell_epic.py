"""Tell Epic's status service what it is owed about one visit, in order, until it knows."""

import logging
from dataclasses import dataclass
from datetime import datetime

from shared.domain.environment import LiveEnvironment
from shared.domain.errors import OutOfStep, TryAgain, TurnedDown
from shared.domain.versioned import Versioned
from shared.domain.visit import VisitRef
from shared.domain.write_back import Later, WriteBack, next_step, retry_after
from shared.flows.ports import EpicStatus, Queues, WriteBacks

logger = logging.getLogger(__name__)

_LOOK_AGAIN = 2.0


@dataclass(frozen=True, slots=True)
class Telling:
    """What telling needs besides the visit."""

    environment: LiveEnvironment
    write_backs: WriteBacks
    queues: Queues
    status: EpicStatus


async def tell_epic(visit: VisitRef, *, given: Telling, now: datetime) -> int:
    """Tell every open fact of `visit` and return how many were told. What cannot be told now is tried later."""
    told = 0
    owed = await given.write_backs.of_visit(visit.key)
    while True:
        step = next_step([one.value for one in owed], now=now)
        if step is None:
            return told
        if isinstance(step, Later):
            # Usually the other worker is done in a moment; only a dead one has to be waited for.
            wait = min((step.at - now).total_seconds(), _LOOK_AGAIN)
            await given.queues.tell(visit, after=wait)
            return told
        outcome = await _tell(owed[step.index], given=given, now=now)
        if outcome is None:
            return told
        owed[step.index] = outcome
        told += 1


async def _tell(found: Versioned[WriteBack], *, given: Telling, now: datetime) -> Versioned[WriteBack] | None:
    """One fact; None when the rest of the visit has to wait."""
    row = found.value
    target = given.environment.connection.write_back
    if row.external_id is None or target is None:
        reason = (
            "no status service is configured" if target is None else "Epic's id for this person is not known"
        )
        return await _saved(row.cannot_be_told(reason), found.version, given)
    if row.fact.kind not in target.statuses:
        return await _saved(row.cannot_be_told("no status value is configured"), found.version, given)

    claimed = await _saved(row.telling(now), found.version, given)
    if claimed is None:
        return None  # another worker tells it
    try:
        await given.status.tell(given.environment, row.fact, session=row.session, external_id=row.external_id)
    except TryAgain as away:
        wait = retry_after(claimed.value.attempts, away.after)
        await _saved(claimed.value.failed("Epic was busy or away"), claimed.version, given)
        await given.queues.tell(row.visit, after=wait.total_seconds())
        return None
    except TurnedDown as refusal:
        logger.exception("Epic refused fact %s of a visit with code %s", row.fact.sequence, refusal.code)
        return await _saved(claimed.value.refused(refusal.code or "refused"), claimed.version, given)
    return await _saved(claimed.value.told(now), claimed.version, given)


async def _saved(row: WriteBack, seen: str, given: Telling) -> Versioned[WriteBack] | None:
    try:
        return Versioned(row, await given.write_backs.save(row, seen=seen))
    except OutOfStep:
        return None
