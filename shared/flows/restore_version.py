"""Look back at what an environment's settings were, bring an earlier version back, or copy a tested one."""

from dataclasses import dataclass, replace
from datetime import datetime

from shared.domain.certificates import exchanged
from shared.domain.configuration import problems_of_submission
from shared.domain.environment import Connection, Environment, EnvironmentId, EnvironmentKind, Operation
from shared.domain.errors import OutOfStep
from shared.domain.history import Half, HistoryEntry, entries, version
from shared.domain.tenant import Person
from shared.domain.words import said
from shared.flows.configure_environment import change_operation, create_environment
from shared.flows.configuring import (
    Configuring,
    administrator,
    as_seen,
    must_be_unique,
    note,
    saved,
)


async def history(environment: EnvironmentId, given: Configuring) -> list[HistoryEntry]:
    """Every version of both halves, the newest first. Raises NotFound for an unknown environment."""
    await administrator(given)
    await given.environments.get(environment)
    return entries(await given.environments.history(environment))


async def restore(
    environment: EnvironmentId, kind: Half, number: int, *, seen: str, given: Configuring, now: datetime
) -> Environment:
    """An earlier version again: a connection as a new draft to approve, an operation live at once.

    Numbers that may be texted are not in the history: today's stay. Raises NotFound, or ChangedMeanwhile.
    """
    await administrator(given)
    found = await as_seen(environment, seen, given)
    entry = version(await given.environments.history(environment), kind, number)
    after = restored(found.value, entry, by=given.person, at=now)
    if kind is Half.OPERATION:
        return await change_operation(environment, after.operation, seen=found.version, given=given, now=now)
    await must_be_unique(after.newest.connection.fhir_base_url, environment, given)
    facts = {"from": str(number), "version": str(after.newest.number)}
    await note(given, "restored the connection", environment, now, **facts)
    return await saved(after, found, given)


def restored(environment: Environment, entry: HistoryEntry, *, by: Person, at: datetime) -> Environment:
    """`environment` as restoring `entry` makes it; nothing is saved."""
    value = entry.value
    if isinstance(value, Operation):
        kept = replace(value.texts, only_numbers=environment.operation.texts.only_numbers)
        return environment.operated(replace(value, texts=kept), by=by, at=at)
    # A certificate is restored as it was, but for its end: that began with an approval of then. It takes over from
    # what is live as a new one does, so that no message is refused on the day of the approval.
    then = (replace(one, replaced=False, retires_at=None) for one in value.certificates)
    certificates = exchanged(environment, *then, now=at)
    return environment.redrafted(replace(value, certificates=certificates), by=by, at=at)


@dataclass(frozen=True, slots=True)
class Copy:
    """What a production environment would begin with, and what must still be filled in, by field."""

    connection: Connection
    operation: Operation
    missing: dict[str, str]


def for_production(tested: Environment) -> Copy:
    """The settings of a test environment that production takes over.

    Never copied: addresses, client ids, certificates and the numbers that tests may text: mixing up test and
    production is the commonest mistake there is.
    """
    if tested.kind is not EnvironmentKind.TEST or tested.live is None:
        raise OutOfStep(said("Only an approved test environment can be copied to production."))
    source = tested.live.connection
    target = replace(source.write_back, url="") if source.write_back else None
    connection = Connection("", {}, source.approvers, write_back=target)
    texts = replace(tested.operation.texts, only_numbers=())
    operation = replace(tested.operation, texts=texts)
    missing = problems_of_submission(connection)
    if texts.on:
        missing["connection.certificates"] = said("Add the certificate of the production feed")
    return Copy(connection, operation, missing)


async def copy_to_production(
    tested: EnvironmentId, *, to: EnvironmentId, given: Configuring, now: datetime
) -> Environment:
    """A new production environment, a draft, with the settings of the test environment `tested`.

    The same `to` again is the one that was made.
    """
    await administrator(given)
    copy = for_production((await given.environments.get(tested)).value)
    return await create_environment(
        to, EnvironmentKind.PRODUCTION, copy.connection, copy.operation, given=given, now=now
    )
