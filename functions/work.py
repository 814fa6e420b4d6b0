"""What every queue and timer function does before its work: the stamp is ready, and the tenant lives here."""

import logging

from shared.domain.environment import EnvironmentId, LiveEnvironment
from shared.domain.errors import Misdirected, NotAllowed
from shared.domain.tenant import TenantId
from shared.flows.admit_tenant import admitted
from shared.flows.launch_visit import Landing
from shared.flows.note_sign import Noting
from shared.flows.observe_call import Observing
from shared.flows.prepare_visit import Preparing
from shared.flows.record_appointment import Recording
from shared.flows.replan_texts import Planning
from shared.flows.send_notification import Sending
from shared.flows.tell_epic import Telling
from shared.wiring import Services

logger = logging.getLogger(__name__)


def tenant_here(services: Services, tenant: TenantId) -> bool:
    """Whether the tenant lives in this stamp. When it does not, its work is logged and must be dropped."""
    try:
        admitted(tenant, allowed=services.settings.tenants, here=services.settings.public_base_url)
    except (NotAllowed, Misdirected):
        logger.exception("work for a tenant that does not live here was dropped")
        return False
    return True


async def environment_here(
    services: Services, tenant: TenantId, environment: EnvironmentId
) -> LiveEnvironment | None:
    """The environment, or None when its tenant does not live in this stamp: then nothing may be done for it."""
    await services.ready()
    if not tenant_here(services, tenant):
        return None
    # What had begun is finished for a removed environment as well.
    found = await services.environments.kept(environment)
    if found.tenant != tenant:
        logger.error("work names environment %s under another tenant; dropped", environment)
        return None
    return found


def planning(services: Services, tenant: TenantId, environment: EnvironmentId) -> Planning:
    return Planning(services.stores(tenant, environment).by_day, services.plans.reminders)


def preparing(services: Services, environment: LiveEnvironment) -> Preparing:
    return Preparing(
        environment=environment,
        visits=services.stores(environment.tenant, environment.id).visits,
        meetings=services.meetings(environment.tenant),
        call_events=services.call_events(environment.tenant),
    )


def recording(services: Services, environment: LiveEnvironment) -> Recording:
    return Recording(
        environment=environment,
        stores=services.stores(environment.tenant, environment.id),
        parked=services.parked(environment.tenant),
        links=services.links,
        plans=services.plans,
        queues=services.queues,
        seals=services.seals,
        keys=services.keys,
    )


def sending(services: Services, environment: LiveEnvironment) -> Sending:
    return Sending(
        environment=environment,
        stores=services.stores(environment.tenant, environment.id),
        opt_outs=services.opt_outs(environment.tenant),
        plans=services.plans,
        queues=services.queues,
        keys=services.keys,
        carrier_index=services.carrier_index,
        carrier=services.carrier,
        wording=services.wording,
        public_base_url=services.settings.public_base_url,
    )


def observing(services: Services, environment: LiveEnvironment) -> Observing:
    return Observing(
        environment=environment,
        stores=services.stores(environment.tenant, environment.id),
        plans=services.plans,
        queues=services.queues,
        opener=services.opener,
    )


def telling(services: Services, environment: LiveEnvironment) -> Telling:
    return Telling(
        environment=environment,
        write_backs=services.stores(environment.tenant, environment.id).write_backs,
        queues=services.queues,
        status=services.status,
    )


def noting(services: Services) -> Noting:
    return Noting(services.signs, services.environments_of)


def landing(services: Services) -> Landing:
    return Landing(
        environments=services.environments,
        stores_of=lambda environment: services.stores(environment.tenant, environment.id),
        preparing_of=lambda environment: preparing(services, environment),
        smart=services.smart,
        sessions=services.sessions,
        links=services.links,
        plans=services.plans,
        keys=services.keys,
        noting=noting(services),
    )
