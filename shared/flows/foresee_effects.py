"""Count what a change of settings would stop, before it is saved."""

from datetime import datetime

from shared.domain.effects import AHEAD, Effects, foreseen, longest_reminder, stops
from shared.domain.environment import Environment
from shared.flows.configuring import Configuring


async def foresee(before: Environment, after: Environment, *, given: Configuring, now: datetime) -> Effects:
    """What changing `before` into `after` stops in the next 7 days.

    `after` comes from `before.operated(...)`, `before.redrafted(...)` or `before.removed(...)`. Without anything
    to stop, nothing is counted: no call. Otherwise one for each 1,000 visits ahead.
    """
    if stops(before, after) == Effects() and before.operation.texts == after.operation.texts:
        return Effects()
    until = now + AHEAD + longest_reminder(before, after)
    by_day = given.planning_of(before.id).by_day
    ahead = [line async for line in by_day.starting(after=now, until=until)]
    return foreseen(before, after, ahead, now=now)
