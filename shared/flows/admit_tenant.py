"""Decide whether a tenant may use this stamp, and pin it to the stamp's geography at first sign-in."""

from collections.abc import Mapping
from datetime import datetime

from shared.domain.audit import AuditEntry
from shared.domain.errors import AlreadyThere, Misdirected, NotAllowed, NotFound, Refused
from shared.domain.geography import Geography
from shared.domain.tenant import AllowedTenant, Person, Role, Tenant, TenantId
from shared.flows.ports import AuditLog, Tenants


def admitted(tenant: TenantId, *, allowed: Mapping[TenantId, AllowedTenant], here: str) -> AllowedTenant:
    """The tenant's line in the deployment's list; NotAllowed without one, Misdirected when it lives elsewhere."""
    line = allowed.get(tenant)
    if line is None:
        raise NotAllowed("this organization is not on the list of this deployment")
    if line.home != here:
        raise Misdirected("this organization's data lives in another region", home=line.home)
    return line


async def pin_tenant(
    person: Person,
    *,
    confirmed: str,
    geography: Geography,
    name: str,
    tenants: Tenants,
    audit: AuditLog,
    now: datetime,
) -> Tenant:
    """Pin the person's tenant to `geography`, which the person has read and confirmed. Repeating it is harmless."""
    person.must_be(Role.ADMINISTRATOR)
    if confirmed != geography:
        raise Refused({"geography": f"Confirm that the data will live in {geography}"})
    try:
        return await tenants.get()
    except NotFound:
        pass
    tenant = Tenant(person.tenant, name, geography, pinned_at=now, pinned_by=person.object_id)
    await audit.write(
        AuditEntry(now, person.object_id, "pinned the tenant", "tenant", {"geography": geography})
    )
    try:
        await tenants.create(tenant)
    except AlreadyThere:
        return await tenants.get()
    return tenant
