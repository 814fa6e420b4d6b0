"""What the clock sets off: due texts, visits to prepare, outcomes to settle, people to forget."""

import logging

import azure.functions as func

from functions.web.approving import telling
from functions.work import environment_here, planning, preparing, tenant_here
from shared.domain.due import Due
from shared.domain.errors import NotFound
from shared.flows.dispatch_due_texts import dispatch_due_texts
from shared.flows.forget_people import Purging, forget_people
from shared.flows.judge_visits import judge_visits
from shared.flows.prepare_due_visits import Room, prepare_due_visits
from shared.flows.replan_texts import replan_texts
from shared.flows.tell_approvers import Reminding, remind_approvers
from shared.wiring import Services

logger = logging.getLogger(__name__)


def ticks(services: Services) -> func.Blueprint:
    """The timers, speaking to `services`."""
    triggers = func.Blueprint()

    @triggers.function_name("dispatch_due_texts")
    @triggers.timer_trigger("timer", schedule="%REMINDER_TICK%")
    async def reminders(timer: func.TimerRequest) -> None:
        """Queue every text that has become due."""
        await services.ready()

        async def replan(due: Due) -> None:
            environment = await environment_here(services, due.tenant, due.environment)
            if environment is not None:
                given = planning(services, due.tenant, due.environment)
                await replan_texts(environment, given=given, now=services.now())

        count = await dispatch_due_texts(
            reminders=services.plans.reminders,
            notifications_of=lambda due: services.stores(due.tenant, due.environment).notifications,
            queues=services.queues,
            replan=replan,
            now=services.now(),
        )
        _summary("due texts queued", count, timer)

    @triggers.function_name("prepare_due_visits")
    @triggers.timer_trigger("timer", schedule="%SUBSCRIPTION_TICK%")
    async def visits(timer: func.TimerRequest) -> None:
        """Prepare the meeting and the watch of visits that start soon."""
        await services.ready()

        async def room_of(due: Due) -> Room:
            environment = await environment_here(services, due.tenant, due.environment)
            if environment is None:
                raise NotFound("the environment does not live here")
            stores = services.stores(due.tenant, due.environment)
            return Room(preparing(services, environment), stores.appointments)

        count = await prepare_due_visits(visits=services.plans.visits, room_of=room_of, now=services.now())
        _summary("visits prepared", count, timer)

    @triggers.function_name("judge_visits")
    @triggers.timer_trigger("timer", schedule="%RECONCILE_TICK%")
    async def outcomes(timer: func.TimerRequest) -> None:
        """Give an outcome to visits whose end no event told."""
        await services.ready()
        count = await judge_visits(
            outcomes=services.plans.outcomes,
            stores_of=lambda due: services.stores(due.tenant, due.environment),
            now=services.now(),
        )
        _summary("visits judged", count, timer)

    @triggers.function_name("remind_approvers")
    @triggers.timer_trigger("timer", schedule="%RECONCILE_TICK%")
    async def approvals(timer: func.TimerRequest) -> None:
        """Tell approvers again of what has waited for two working days."""
        await services.ready()

        async def reminding_of(due: Due) -> Reminding | None:
            if not tenant_here(services, due.tenant):
                return None
            return Reminding(services.environments_of(due.tenant), telling(services, due.tenant))

        count = await remind_approvers(
            approvals=services.plans.approvals, reminding_of=reminding_of, now=services.now()
        )
        _summary("approvals looked at for a reminder", count, timer)

    @triggers.function_name("forget_people")
    @triggers.timer_trigger("timer", schedule="%RETENTION_TICK%")
    async def forgetting(timer: func.TimerRequest) -> None:
        """Erase what leads to a person once nothing is owed to them any more."""
        await services.ready()

        async def purging_of(due: Due) -> Purging:
            environment = await environment_here(services, due.tenant, due.environment)
            if environment is None:
                raise NotFound("the environment does not live here")
            return Purging(
                environment,
                services.stores(due.tenant, due.environment),
                services.audit_log(due.tenant),
            )

        count = await forget_people(
            forgetting=services.plans.forgetting, purging_of=purging_of, now=services.now()
        )
        _summary("appointments looked at for forgetting", count, timer)

    return triggers


def _summary(what: str, count: int, timer: func.TimerRequest) -> None:
    """One line for each tick that did something, or came late."""
    if count or timer.past_due:
        logger.info("%s: %s%s", what, count, " (the timer was late)" if timer.past_due else "")
