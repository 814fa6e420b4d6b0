"""Give an outcome to each visit whose window has closed and whose end no call event told."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from shared.domain.due import Due
from shared.domain.errors import NotFound, OutOfStep
from shared.domain.roster import outcome_of
from shared.flows.each import each
from shared.flows.ports import DueIndex, EnvironmentStores

logger = logging.getLogger(__name__)


async def judge_visits(
    *, outcomes: DueIndex, stores_of: Callable[[Due], EnvironmentStores], now: datetime
) -> int:
    """Judge what is due at `now` and return how many visits were looked at."""

    async def one(due: Due) -> None:
        await _judge(due, stores_of(due), now=now)
        await outcomes.done(due)

    return await each(outcomes.due(now=now), one, what="visit to judge", log=logger)


async def _judge(due: Due, stores: EnvironmentStores, *, now: datetime) -> None:
    try:
        found = await stores.visits.get(due.key)
    except NotFound:
        return
    visit = found.value
    if visit.ended_at is not None or visit.ends_at > now:
        return  # judged by its own call, or moved to a later time
    try:
        await stores.visits.save(
            replace(visit, ended_at=visit.ends_at, outcome=outcome_of(visit)), seen=found.version
        )
    except OutOfStep:
        return  # something is still happening in it; its call will end it
