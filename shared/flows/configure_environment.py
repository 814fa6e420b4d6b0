"""Create, change and remove an environment; each change is in the audit chain before it is made."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from shared.domain.certificates import exchanged, without
from shared.domain.difference import differences, in_words
from shared.domain.environment import (
    Certificate,
    Connection,
    ConnectionVersion,
    Environment,
    EnvironmentId,
    EnvironmentKind,
    Operation,
    Stage,
)
from shared.domain.errors import AlreadyThere, NotAllowed, NotFound, Refused
from shared.domain.reminder import plans_more
from shared.domain.versioned import Versioned
from shared.domain.words import said
from shared.flows.ask_for_approval import decide, submit, withdraw
from shared.flows.configuring import (
    ChangedMeanwhile,
    Configuring,
    administrator,
    as_seen,
    claim,
    let_go,
    must_be_unique,
    note,
    note_all,
    saved,
)
from shared.flows.replan_texts import intend_to_replan, replan_texts

__all__ = [
    "ChangedMeanwhile",
    "Configuring",
    "add_certificate",
    "change_connection",
    "change_operation",
    "create_environment",
    "decide",
    "remove_certificate",
    "remove_environment",
    "submit",
    "visible",
    "withdraw",
]


async def create_environment(
    environment: EnvironmentId,
    kind: EnvironmentKind,
    connection: Connection,
    operation: Operation,
    *,
    given: Configuring,
    now: datetime,
) -> Environment:
    """A new environment as a draft; the same id with the same content again is the one that was made.

    Raises NotAllowed, NotFound before the tenant is pinned, Refused when another has its address, AlreadyThere
    when the id belongs to something else.
    """
    await administrator(given)
    draft = ConnectionVersion(1, connection, Stage.DRAFT, given.person.object_id, now)
    texts = operation.texts.stamped(None, by=given.person.object_id, at=now)
    made = Environment(
        id=environment,
        tenant=given.person.tenant,
        kind=kind,
        newest=draft,
        live=None,
        operation=replace(operation, texts=texts),
        operation_version=1,
        changed_by=given.person.object_id,
        changed_at=now,
    )
    if (before := await _made_before(made, given)) is not None:
        return before
    await must_be_unique(connection.fhir_base_url, environment, given)
    facts = in_words([*differences(None, connection), *differences(None, operation)])
    await note_all(given, "created the environment", environment, now, {"kind": kind.value, **facts})
    try:
        await given.environments.create(made)
    except AlreadyThere:
        if (before := await _made_before(made, given)) is None:
            raise
        return before
    return made


async def _made_before(made: Environment, given: Configuring) -> Environment | None:
    """The environment when it was made already by the same request; raises AlreadyThere for any other."""
    past = await given.environments.history(made.id)
    if not past:
        return None
    first, none = past[0].operation, made.operation
    asked = replace(none, texts=replace(none.texts, only_numbers=(), attested=first.texts.attested))
    same = (past[0].kind, past[0].newest.connection, first) == (made.kind, made.newest.connection, asked)
    if not same:
        raise AlreadyThere(said("There is another environment with this id."))
    return (await given.environments.get(made.id)).value


async def change_connection(
    environment: EnvironmentId, connection: Connection, *, seen: str, given: Configuring, now: datetime
) -> Environment:
    """A new draft of the connection; what was approved stays live. Certificates are kept.

    Saving what is the newest already changes nothing. Raises ChangedMeanwhile, or Refused.
    """
    await administrator(given)

    def changed(one: Environment) -> Connection:
        newest = one.newest.connection
        content = replace(connection, certificates=newest.certificates)
        # Endpoints belong to an address: they are looked up again when this draft is sent for approval.
        pinned = {
            name: getattr(newest, name) for name in ("authorize_url", "token_url", "issuer", "keys_url")
        }
        return newest if replace(content, **pinned) == newest else content

    return await _redraft(environment, changed, "changed the connection", seen=seen, given=given, now=now)


async def change_operation(
    environment: EnvironmentId, operation: Operation, *, seen: str, given: Configuring, now: datetime
) -> Environment:
    """A new operation, live at once; reminders of visits that are booked follow it.

    Saving what is there already changes nothing. Raises ChangedMeanwhile.
    """
    await administrator(given)
    found = await given.environments.get(environment)
    changed = found.value.operated(operation, by=given.person, at=now)
    if _same(found.value.operation, changed.operation):
        return found.value
    found = _seen(found, seen)
    facts = in_words(differences(found.value.operation, changed.operation))
    version = str(changed.operation_version)
    await note_all(given, "changed the operation", environment, now, {"version": version, **facts})
    if changed.live is None or not plans_more(found.value.operation.texts, changed.operation.texts):
        return await saved(changed, found, given)  # no visit was booked yet, or each has its plans already
    planning = given.planning_of(environment)
    await intend_to_replan(changed, given=planning, now=now)
    await saved(changed, found, given)
    await replan_texts(changed, given=planning, now=now)
    return changed


def _same(one: Operation, other: Operation) -> bool:
    """Whether both say the same. A stamp that was missing is no change of what is said."""
    texts = replace(other.texts, attested=one.texts.attested)
    return one == replace(other, texts=texts)


def _seen(found: Versioned[Environment], seen: str) -> Versioned[Environment]:
    if seen and seen != found.version:
        raise ChangedMeanwhile(found)
    return found


async def add_certificate(
    environment: EnvironmentId, certificate: Certificate, *, given: Configuring, now: datetime
) -> Environment:
    """A certificate that takes over, in a new draft; what is live is accepted for a week after its approval."""
    await administrator(given)

    def changed(one: Environment) -> Connection:
        return replace(one.newest.connection, certificates=exchanged(one, certificate, now=now))

    return await _redraft(environment, changed, "added a certificate", seen="", given=given, now=now)


async def remove_certificate(
    environment: EnvironmentId, fingerprint: str, *, seen: str = "", given: Configuring, now: datetime
) -> Environment:
    """A new draft without that certificate; what is live stays accepted until the draft is approved."""
    await administrator(given)

    def changed(one: Environment) -> Connection:
        newest = one.newest.connection
        if all(each.fingerprint != fingerprint for each in newest.certificates):
            raise NotFound("no such certificate")
        return replace(newest, certificates=without(newest.certificates, fingerprint))

    return await _redraft(environment, changed, "removed a certificate", seen=seen, given=given, now=now)


async def _redraft(
    environment: EnvironmentId,
    change: Callable[[Environment], Connection],
    did: str,
    *,
    seen: str,
    given: Configuring,
    now: datetime,
) -> Environment:
    found = await given.environments.get(environment)
    before = found.value.newest.connection
    content = change(found.value)
    if content == before:
        return found.value
    found = _seen(found, seen)
    await must_be_unique(content.fhir_base_url, environment, given)
    changed = found.value.redrafted(content, by=given.person, at=now)
    facts = in_words(differences(before, content))
    await note_all(given, did, environment, now, {"version": str(changed.newest.number), **facts})
    return await saved(changed, found, given)


async def remove_environment(
    environment: EnvironmentId, *, confirmed: str, seen: str, given: Configuring, now: datetime
) -> None:
    """Nothing starts from this environment any more; `confirmed` is the organization's name, typed.

    What had begun is finished: facts owed to Epic are told, people are forgotten when they would have been.
    Planned texts are held back when they become due.
    """
    await administrator(given)
    found = await as_seen(environment, seen, given)
    if confirmed.strip() != found.value.operation.organization:
        raise Refused({"organization": said("Type the organization name to confirm")})
    await note(given, "removed the environment", environment, now, kind=found.value.kind.value)
    # Before it is gone: a removal that dies here is repeated, and releases nothing twice.
    await let_go(found.value, given, keep_live=False)
    try:
        await saved(found.value.removed(by=given.person, at=now), found, given)
    except ChangedMeanwhile as changed:
        # It stays, and nobody else may go live with the address that it uses.
        if (live := changed.newest.value.live) is not None:
            await claim(changed.newest.value, live.connection.fhir_base_url, given)
        raise


async def visible(given: Configuring) -> list[Environment]:
    """The environments a person may see: all for those with a role, else the ones they may approve."""
    await given.tenants.get()
    every = await given.environments.all()
    if given.person.roles:
        return every
    mine = [one for one in every if one.names_as_approver(given.known_as)]
    if not mine:
        raise NotAllowed(
            said("Ask an administrator of your organization to give you a role or name you as approver.")
        )
    return mine
