"""Gathers, for a person who asks, what the flows that configure need besides the change."""

from functions.work import planning
from shared.domain.tenant import Person
from shared.flows.configuring import Configuring
from shared.wiring import Services


def configuring(services: Services, person: Person, names: frozenset[str]) -> Configuring:
    """What the flows need to configure on behalf of `person`, whom an environment may know by `names`."""
    tenant = person.tenant
    return Configuring(
        person=person,
        tenants=services.tenants(tenant),
        environments=services.environments_of(tenant),
        audit=services.audit_log(tenant),
        addresses=services.addresses,
        planning_of=lambda environment: planning(services, tenant, environment),
        organizations={one.id: one.name for one in services.settings.tenants.values()},
        names=names,
    )
