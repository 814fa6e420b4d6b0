"""What every change of an environment needs: who acts, where it is kept, and who else uses the Epic address."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from shared.domain.address_use import AddressUse, address_hash
from shared.domain.audit import AuditEntry
from shared.domain.environment import Environment, EnvironmentId, EnvironmentKind
from shared.domain.errors import AlreadyThere, OutOfStep, Refused, TryAgain
from shared.domain.tenant import Person, Role, TenantId
from shared.domain.versioned import Versioned
from shared.domain.words import Said, said
from shared.flows.ports import AddressIndex, AuditLog, Environments, Tenants
from shared.flows.replan_texts import Planning

# Two organizations that approve one address at the same moment each read it again.
_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Configuring:
    """What configuring needs besides the change. `tenants` refuses anyone whose tenant is not pinned yet.

    `names` are the addresses bound to the person: an environment may name its approvers by them.
    """

    person: Person
    tenants: Tenants
    environments: Environments
    audit: AuditLog
    addresses: AddressIndex
    planning_of: Callable[[EnvironmentId], Planning]
    organizations: Mapping[TenantId, str]  # what the deployment calls each tenant
    names: frozenset[str] = field(default_factory=frozenset)

    @property
    def known_as(self) -> frozenset[str]:
        """Every name by which an environment may know this person as approver."""
        return self.names | {self.person.object_id}


class ChangedMeanwhile(OutOfStep):
    """Somebody else was faster. `newest` is what they saved, for the person to compare with their own."""

    def __init__(self, newest: Versioned[Environment]) -> None:
        super().__init__(said("Somebody changed this meanwhile. Review the newest values."))
        self.newest = newest


async def administrator(given: Configuring) -> None:
    """Raise NotAllowed for anyone else, NotFound before the tenant is pinned."""
    given.person.must_be(Role.ADMINISTRATOR)
    await given.tenants.get()


async def as_seen(environment: EnvironmentId, seen: str, given: Configuring) -> Versioned[Environment]:
    """The environment as the person saw it, or raise ChangedMeanwhile. Without `seen`: as it is."""
    found = await given.environments.get(environment)
    if seen and seen != found.version:
        raise ChangedMeanwhile(found)
    return found


async def saved(changed: Environment, found: Versioned[Environment], given: Configuring) -> Environment:
    """Save what was made of `found`, or raise ChangedMeanwhile."""
    try:
        await given.environments.save(changed, seen=found.version)
    except OutOfStep as late:
        raise ChangedMeanwhile(await given.environments.get(changed.id)) from late
    return changed


async def note(given: Configuring, did: str, environment: EnvironmentId, now: datetime, **facts: str) -> None:
    """Write down what is about to be done: a change that is not in the audit chain must not have happened."""
    await note_all(given, did, environment, now, facts)


async def note_all(
    given: Configuring, did: str, environment: EnvironmentId, now: datetime, facts: Mapping[str, str]
) -> None:
    """The same, with facts whose names are words a person reads."""
    entry = AuditEntry(now, given.person.object_id, did, f"environment/{environment}", dict(facts))
    await given.audit.write(entry)


def used_by(organization: str, kind: EnvironmentKind) -> Said:
    """That another environment of the same tenant has this address."""
    if kind is EnvironmentKind.TEST:
        return said(
            "This FHIR base URL is already used by %(organization)s (Test)", organization=organization
        )
    return said(
        "This FHIR base URL is already used by %(organization)s (Production)", organization=organization
    )


async def must_be_unique(fhir_base_url: str, environment: EnvironmentId, given: Configuring) -> None:
    """Raise Refused when another environment of this tenant has, or is about to have, this address."""
    if not fhir_base_url:
        return
    wanted = address_hash(fhir_base_url)
    for other in await given.environments.all():
        if other.id != environment and wanted in {address_hash(url) for url in _addresses([other])}:
            problem = used_by(other.operation.organization, other.kind)
            raise Refused({"connection.fhir_base_url": problem})


async def must_be_shared(fhir_base_url: str, given: Configuring) -> None:
    """Raise Refused when another tenant holds this address and has not allowed this one to use it."""
    found = await given.addresses.find(address_hash(fhir_base_url))
    if found is not None and not found.value.may_use(given.person.tenant):
        raise Refused({"connection.fhir_base_url": _held_by(found.value, given)})


def _held_by(use: AddressUse, given: Configuring) -> Said:
    holder = given.organizations.get(use.tenant, "") if use.tenant else ""
    return said(
        "This FHIR base URL is already used by %(organization)s. Ask them to share it with you.",
        organization=holder,
    )


async def claim(environment: Environment, fhir_base_url: str, given: Configuring) -> None:
    """Let that address be known as in use by `environment`. Harmless to repeat; raises Refused."""

    def claimed(use: AddressUse) -> AddressUse:
        if not use.may_use(environment.tenant):
            raise Refused({"connection.fhir_base_url": _held_by(use, given)})
        return use.claimed(environment.tenant, environment.id)

    await _change_use(address_hash(fhir_base_url), claimed, given)


async def let_go(environment: Environment, given: Configuring, *, keep_live: bool = True) -> None:
    """Release every address that `environment` ever had, but the one that is live. Harmless to repeat."""

    def released(use: AddressUse) -> AddressUse:
        return use.released(environment.tenant, environment.id)

    past = await given.environments.history(environment.id)
    live = environment.live.connection.fhir_base_url if environment.live and keep_live else ""
    addresses = {address_hash(url) for url in _addresses([*past, environment])} - {address_hash(live)}
    for address in sorted(addresses):
        await _change_use(address, released, given)


async def _change_use(address: str, change: Callable[[AddressUse], AddressUse], given: Configuring) -> None:
    """Save what `change` makes of the use of `address`; nothing is written when it stays as it is."""
    for _ in range(_ROUNDS):
        found = await given.addresses.find(address)
        use = found.value if found else AddressUse(address, None, None)
        changed = change(use)
        if changed == use:
            return
        with suppress(AlreadyThere, OutOfStep):
            if found is None:
                await given.addresses.insert(changed)
            else:
                await given.addresses.save(changed, seen=found.version)
            return
    raise TryAgain("an address kept changing hands")


def _addresses(environments: Iterable[Environment]) -> set[str]:
    versions = (version for one in environments for version in (one.newest, one.live) if version is not None)
    return {version.connection.fhir_base_url for version in versions} - {""}
