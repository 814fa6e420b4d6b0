"""Send a connection to its approvers, take it back, or decide about it."""

from dataclasses import replace
from datetime import datetime

from shared.domain.approval import check_proof
from shared.domain.configuration import check, problems_of_submission
from shared.domain.environment import Environment, EnvironmentId, EpicClient
from shared.domain.errors import Refused, TryAgain, TurnedDown
from shared.domain.portal_session import EpicProof
from shared.domain.words import said
from shared.flows.configuring import (
    Configuring,
    administrator,
    as_seen,
    claim,
    let_go,
    must_be_shared,
    must_be_unique,
    note,
    saved,
)
from shared.flows.ports import EpicSmart

_UNREACHABLE = said(
    "We could not reach this address. Check the spelling, or ask your Epic technical specialist if the server "
    "allows traffic from the internet."
)
_NOT_FHIR = said("This address answered, but it is not a FHIR R4 server with sign-in addresses.")


async def submit(
    environment: EnvironmentId, *, smart: EpicSmart, given: Configuring, now: datetime, seen: str = ""
) -> Environment:
    """Ask for approval: Epic's endpoints are looked up now and become part of what is approved."""
    await administrator(given)
    found = await as_seen(environment, seen, given)
    connection = found.value.newest.connection
    check(problems_of_submission(connection))
    await must_be_unique(connection.fhir_base_url, environment, given)
    await must_be_shared(connection.fhir_base_url, given)
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
    await note(given, "asked for approval", environment, now, content=pinned.content_hash())
    return await saved(waiting, found, given)


async def withdraw(
    environment: EnvironmentId, *, given: Configuring, now: datetime, seen: str = ""
) -> Environment:
    """Take back what waits for approval; what was approved stays live. Raises OutOfStep when nothing waits."""
    await administrator(given)
    found = await as_seen(environment, seen, given)
    withdrawn = found.value.withdrawn(by=given.person, at=now)
    content = found.value.newest.connection.content_hash()
    await note(given, "withdrew the connection", environment, now, content=content)
    await saved(withdrawn, found, given)
    await let_go(withdrawn, given)
    return withdrawn


async def decide(
    environment: EnvironmentId,
    *,
    approve: bool,
    content_hash: str,
    reason: str,
    given: Configuring,
    now: datetime,
    proof: EpicProof | None = None,
) -> Environment:
    """The named approver approves or rejects exactly the content whose hash they saw.

    Approving needs `proof`: a sign-in at that very Epic, with that content, not older than 15 minutes.
    """
    await given.tenants.get()
    found = await given.environments.get(environment)
    if approve:
        decided = found.value.approved(
            by=given.person, at=now, content_hash=content_hash, names=given.known_as
        )
        check_proof(proof, environment=environment, content_hash=content_hash, now=now)
    else:
        decided = found.value.rejected(
            by=given.person, at=now, content_hash=content_hash, reason=reason, names=given.known_as
        )
    did = "approved the connection" if approve else "rejected the connection"
    await note(given, did, environment, now, content=content_hash)
    if approve:
        # First: two tenants that approve one address at the same moment must not both go live with it.
        await claim(decided, decided.newest.connection.fhir_base_url, given)
    await saved(decided, found, given)
    await let_go(decided, given)
    return decided
