"""Let two organizations use one Epic server: one asks, the other allows, and each one's own analyst approves."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from shared.domain.address_use import AddressUse, ShareStage, address_hash
from shared.domain.audit import AuditEntry
from shared.domain.environment import EnvironmentId
from shared.domain.errors import NotFound, OutOfStep, TryAgain
from shared.domain.tenant import TenantId
from shared.domain.words import said
from shared.flows.configuring import Configuring, administrator
from shared.flows.ports import AuditLog

_ROUNDS = 8

_DID = {
    ShareStage.ALLOWED: "allowed an address to be shared",
    ShareStage.REFUSED: "refused to share an address",
    ShareStage.WITHDRAWN: "withdrew the sharing of an address",
}


@dataclass(frozen=True, slots=True)
class Sharing:
    """Who acts, and where both sides' audit chains are. Of the other side nothing else can be reached."""

    given: Configuring
    audit_of: Callable[[TenantId], AuditLog]


@dataclass(frozen=True, slots=True)
class SharedAddress:
    """One request as the page of one side shows it. `theirs`: the other side asks this one."""

    address: str  # the hash, by which it is answered
    fhir_base_url: str  # of an environment of this tenant
    tenant: TenantId  # who asked
    organization: str  # the other side's name
    theirs: bool
    stage: ShareStage
    at: datetime
    live: bool


async def requests(given: Configuring) -> list[SharedAddress]:
    """What this tenant asked for and is asked for. One call, and one for each address of its environments."""
    await administrator(given)
    ours = given.person.tenant
    every = await given.environments.all()
    urls = {
        address_hash(version.connection.fhir_base_url): version.connection.fhir_base_url
        for one in every
        for version in (one.live, one.newest)
        if version is not None and version.connection.fhir_base_url
    }
    found: list[SharedAddress] = []
    for address, url in urls.items():
        use = await given.addresses.find(address)
        if use is None or use.value.tenant is None:
            continue
        holds = use.value.tenant == ours
        for share in use.value.shares:
            if not holds and share.tenant != ours:
                continue
            other = share.tenant if holds else use.value.tenant
            name, live = given.organizations.get(other, ""), share.environment is not None
            found.append(SharedAddress(address, url, share.tenant, name, holds, share.stage, share.at, live))
    return sorted(found, key=lambda one: one.at, reverse=True)


async def ask_to_share(environment: EnvironmentId, *, sharing: Sharing, now: datetime) -> None:
    """Ask the organization that uses the newest address of `environment`. Asking twice asks once."""
    given = sharing.given
    await administrator(given)
    url = (await given.environments.get(environment)).value.newest.connection.fhir_base_url
    ours = given.person.tenant

    def asked(use: AddressUse) -> AddressUse:
        return use.asked(ours, at=now)

    await _change(address_hash(url), asked, "asked to share an address", sharing=sharing, now=now)


async def answer_share(
    address: str, tenant: TenantId, stage: ShareStage, *, sharing: Sharing, now: datetime
) -> None:
    """The holder allows or refuses what `tenant` asked, or either side withdraws. Raises NotFound, OutOfStep."""
    given = sharing.given
    await administrator(given)
    if stage not in _DID:
        raise NotFound("no such answer")

    def answered(use: AddressUse) -> AddressUse:
        return use.answered(tenant, by=given.person.tenant, stage=stage, at=now)

    await _change(address, answered, _DID[stage], sharing=sharing, now=now, asker=tenant)


async def _change(
    address: str,
    change: Callable[[AddressUse], AddressUse],
    did: str,
    *,
    sharing: Sharing,
    now: datetime,
    asker: TenantId | None = None,
) -> None:
    given = sharing.given
    for _ in range(_ROUNDS):
        found = await given.addresses.find(address)
        if found is None or found.value.tenant is None:
            raise OutOfStep(said("No other organization uses this FHIR base URL."))
        changed = change(found.value)
        if changed == found.value:
            return
        sides = {found.value.tenant, given.person.tenant, *({asker} if asker else ())}
        for side in sorted(sides):
            entry = AuditEntry(
                now,
                given.person.object_id,
                did,
                f"address/{address[:16]}",
                {"by": given.person.tenant, "holder": found.value.tenant},
            )
            await sharing.audit_of(side).write(entry)
        with suppress(OutOfStep):
            await given.addresses.save(changed, seen=found.version)
            return
    raise TryAgain("an address kept changing hands")
