"""Create, change, submit and decide about an environment; each change is in the audit chain before it is made."""

from dataclasses import dataclass, replace
from datetime import datetime

from shared.domain.audit import AuditEntry
from shared.domain.configuration import check, problems_of_submission
from shared.domain.environment import (
    Certificate,
    Connection,
    ConnectionVersion,
    Environment,
    EnvironmentId,
    EnvironmentKind,
    EpicClient,
    Operation,
    Stage,
)
from shared.domain.errors import NotAllowed, Refused, TryAgain, TurnedDown
from shared.domain.tenant import Person, Role
from shared.domain.versioned import Versioned
from shared.flows.ports import AuditLog, Environments, EpicSmart, Tenants


@dataclass(frozen=True, slots=True)
class Configuring:
    """What configuring needs besides the change. `tenants` refuses anyone whose tenant is not pinned yet."""

    person: Person
    tenants: Tenants
    environments: Environments
    audit: AuditLog


async def create_environment(
    environment: EnvironmentId,
    kind: EnvironmentKind,
    connection: Connection,
    operation: Operation,
    *,
    given: Configuring,
    now: datetime,
) -> Environment:
    """A new environment as a draft. Raises NotAllowed, or NotFound before the tenant is pinned."""
    await _administrator(given)
    draft = ConnectionVersion(1, connection, Stage.DRAFT, given.person.object_id, now)
    made = Environment(
        id=environment,
        tenant=given.person.tenant,
        kind=kind,
        newest=draft,
        live=None,
        operation=operation,
        operation_version=1,
        changed_by=given.person.object_id,
        changed_at=now,
    )
    await _audit(given, "created the environment", environment, now, kind=kind)
    await given.environments.create(made)
    return made


async def change_connection(
    environment: EnvironmentId, connection: Connection, *, seen: str, given: Configuring, now: datetime
) -> Environment:
    """A new draft of the connection; what was approved stays live. Certificates are kept."""
    await _administrator(given)
    found = await _as_seen(environment, seen, given)
    kept = replace(connection, certificates=found.value.newest.connection.certificates)
    changed = found.value.redrafted(kept, by=given.person, at=now)
    await _audit(given, "changed the connection", environment, now, version=str(changed.newest.number))
    await given.environments.save(changed, seen=found.version)
    return changed


async def change_operation(
    environment: EnvironmentId, operation: Operation, *, seen: str, given: Configuring, now: datetime
) -> Environment:
    """A new operation, live at once."""
    await _administrator(given)
    found = await _as_seen(environment, seen, given)
    changed = found.value.operated(operation, by=given.person, at=now)
    await _audit(given, "changed the operation", environment, now, version=str(changed.operation_version))
    await given.environments.save(changed, seen=found.version)
    return changed


async def add_certificate(
    environment: EnvironmentId, certificate: Certificate, *, given: Configuring, now: datetime
) -> Environment:
    """One more certificate that may prove the sender, beside those it has, as part of a new draft."""
    await _administrator(given)
    found = await given.environments.get(environment)
    connection = found.value.newest.connection
    others = tuple(one for one in connection.certificates if one.fingerprint != certificate.fingerprint)
    with_it = replace(connection, certificates=(*others, certificate))
    changed = found.value.redrafted(with_it, by=given.person, at=now)
    await _audit(given, "added a certificate", environment, now, fingerprint=certificate.fingerprint)
    await given.environments.save(changed, seen=found.version)
    return changed


async def submit(
    environment: EnvironmentId, *, smart: EpicSmart, given: Configuring, now: datetime
) -> Environment:
    """Ask for approval: Epic's endpoints are looked up now and become part of what is approved."""
    await _administrator(given)
    found = await given.environments.get(environment)
    connection = found.value.newest.connection
    check(problems_of_submission(connection))
    client = connection.clients.get(EpicClient.PROVIDER, "")
    try:
        endpoints = await smart.discover(connection.fhir_base_url, client_id=client)
    except TryAgain as away:
        raise Refused({"connection.fhir_base_url": _UNREACHABLE}) from away
    except TurnedDown as wrong:
        raise Refused({"connection.fhir_base_url": _NOT_FHIR}) from wrong
    pinned = replace(
        connection,
        authorize_url=endpoints["authorize_url"],
        token_url=endpoints["token_url"],
        issuer=endpoints["issuer"],
        keys_url=endpoints["keys_url"],
    )
    waiting = found.value.submitted(by=given.person, at=now, connection=pinned)
    await _audit(given, "asked for approval", environment, now, content=pinned.content_hash())
    await given.environments.save(waiting, seen=found.version)
    return waiting


_UNREACHABLE = (
    "We could not reach this address. Check the spelling, or ask your Epic technical specialist if the server "
    "allows traffic from the internet."
)
_NOT_FHIR = "This address answered, but it is not a FHIR R4 server with sign-in addresses."


async def decide(
    environment: EnvironmentId,
    *,
    approve: bool,
    content_hash: str,
    reason: str,
    given: Configuring,
    now: datetime,
) -> Environment:
    """The named approver approves or rejects exactly the content whose hash they saw."""
    await given.tenants.get()
    found = await given.environments.get(environment)
    if approve:
        decided = found.value.approved(by=given.person, at=now, content_hash=content_hash)
    else:
        decided = found.value.rejected(by=given.person, at=now, content_hash=content_hash, reason=reason)
    did = "approved the connection" if approve else "rejected the connection"
    await _audit(given, did, environment, now, content=content_hash)
    await given.environments.save(decided, seen=found.version)
    return decided


async def _administrator(given: Configuring) -> None:
    given.person.must_be(Role.ADMINISTRATOR)
    await given.tenants.get()


async def _as_seen(environment: EnvironmentId, seen: str, given: Configuring) -> Versioned[Environment]:
    """The environment, which the save will refuse when it is no longer the version that the person saw."""
    found = await given.environments.get(environment)
    return Versioned(found.value, seen) if seen else found


async def _audit(
    given: Configuring, did: str, environment: EnvironmentId, now: datetime, **facts: str
) -> None:
    entry = AuditEntry(now, given.person.object_id, did, f"environment/{environment}", facts)
    await given.audit.write(entry)


async def visible(given: Configuring) -> list[Environment]:
    """The environments a person may see: all for those with a role, else the ones they may approve."""
    await given.tenants.get()
    every = await given.environments.all()
    if given.person.roles:
        return every
    mine = [one for one in every if given.person.object_id in one.newest.connection.approvers]
    if not mine:
        raise NotAllowed(
            "ask an administrator of your organization to give you a role or name you as approver"
        )
    return mine
