"""Let the reminders of visits that are booked already follow new settings, at once and whatever crashes."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.appointment import AppointmentRef
from shared.domain.due import Due
from shared.domain.environment import Environment, EnvironmentId, LiveEnvironment, Texts
from shared.domain.reminder import planned
from shared.domain.tenant import TenantId
from shared.flows.ports import AppointmentsByDay, DueIndex

# The plan to look again is kept beside the reminders, under a name that no text has.
REPLAN = "replan-"

# The second look: by then no process remembers the settings from before the change.
_AGAIN_AFTER = timedelta(minutes=2)

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Planning:
    """Where an environment's visits and its planned reminders are."""

    by_day: AppointmentsByDay
    reminders: DueIndex


async def intend_to_replan(environment: Environment, *, given: Planning, now: datetime) -> None:
    """Have the tick plan again in two minutes, whatever becomes of this process. Before the change is saved."""
    slot = f"{REPLAN}{environment.operation_version}"
    again = Due(environment.tenant, environment.id, "", slot, now + _AGAIN_AFTER)
    await given.reminders.add([again], now=now)


async def replan_texts(environment: Environment | LiveEnvironment, *, given: Planning, now: datetime) -> int:
    """Plan the reminders of every visit still ahead and return how many. Planning twice plans once.

    What the new settings no longer want stays planned: a due reminder is held when they do not ask for it.
    """
    count = 0
    plans: list[Due] = []
    async for line in given.by_day.starting(after=now):
        plans += _plans(
            environment.tenant, environment.id, line.key, line.starts_at, environment.operation.texts, now
        )
        if len(plans) >= _AT_ONCE:
            await given.reminders.add(plans, now=now)
            count, plans = count + len(plans), []
    if plans:
        await given.reminders.add(plans, now=now)
    return count + len(plans)


def _plans(
    tenant: TenantId, environment: EnvironmentId, key: str, starts_at: datetime, texts: Texts, now: datetime
) -> list[Due]:
    ref = AppointmentRef(tenant, environment, key)
    return [
        Due(tenant, environment, key, reminder.slot, reminder.due_at)
        for reminder in planned(ref, starts_at, texts, now=now)
    ]
