"""Hand over every text that has become due: planned reminders, and texts that waited for morning."""

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime

from shared.domain.appointment import AppointmentRef
from shared.domain.due import Due
from shared.domain.errors import AlreadyThere
from shared.domain.notification import Notification, NotificationKind, NotificationRef
from shared.flows.each import each
from shared.flows.ports import DueIndex, Notifications, Queues
from shared.flows.replan_texts import REPLAN

logger = logging.getLogger(__name__)

_REMINDER = "reminder-"


async def dispatch_due_texts(
    *,
    reminders: DueIndex,
    notifications_of: Callable[[Due], Notifications],
    queues: Queues,
    replan: Callable[[Due], Awaitable[None]],
    now: datetime,
) -> int:
    """Queue what is due at `now` and return how many. A crash repeats a step, never a text.

    `replan` plans an environment's reminders again: changed settings leave a plan for that beside the reminders.
    """

    async def one(due: Due) -> None:
        if due.slot.startswith(REPLAN):
            await replan(due)
            await reminders.done(due)
            return
        ref = NotificationRef(AppointmentRef(due.tenant, due.environment, due.key), due.slot)
        if due.slot.startswith(_REMINDER):
            planned = Notification(ref, NotificationKind.REMINDER, revision=0, planned_at=now)
            # There already when a tick before this one died between two steps.
            with suppress(AlreadyThere):
                await notifications_of(due).insert(planned)
        await queues.text(ref)
        await reminders.done(due)

    return await each(reminders.due(now=now), one, what="due text", log=logger)
