"""The desk of one administrator or approver: what the flows that configure need, over a stamp in memory."""

from shared.domain.environment import EnvironmentId
from shared.domain.tenant import Person, TenantId
from shared.flows.configuring import Configuring
from shared.flows.replan_texts import Planning
from tests.fakes.storage import FakeStamp


def planning(stamp: FakeStamp, tenant: TenantId, environment: EnvironmentId) -> Planning:
    return Planning(stamp.appointments_by_day(tenant, environment), stamp.reminders_due)


def desk(
    stamp: FakeStamp,
    person: Person,
    *,
    names: frozenset[str] = frozenset(),
    organizations: dict[TenantId, str] | None = None,
) -> Configuring:
    """What `person` configures with."""
    tenant = person.tenant
    return Configuring(
        person=person,
        tenants=stamp.tenants(tenant),
        environments=stamp.environments(tenant),
        audit=stamp.audit_log(tenant),
        addresses=stamp.addresses,
        planning_of=lambda environment: planning(stamp, tenant, environment),
        organizations=organizations or {},
        names=names,
    )
