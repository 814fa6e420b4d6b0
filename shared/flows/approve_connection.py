"""An approver signs in at the very Epic they are asked about: what that proves, and nothing else, is kept."""

import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.domain.approval import ApprovalFailed, ApprovalFailure
from shared.domain.audit import AuditEntry
from shared.domain.environment import Environment, EnvironmentId, EpicClient, LiveEnvironment, Stage
from shared.domain.errors import NotAllowed, NotFound, OutOfStep, TryAgain, TurnedDown
from shared.domain.launch import EpicUser, Launch, LaunchFailed, LaunchFailure, LaunchRole
from shared.domain.portal_session import EpicProof
from shared.domain.tenant import Person
from shared.domain.words import said
from shared.flows.launch_visit import Begun, hashed
from shared.flows.ports import AuditLog, Environments, EpicSignIn, LaunchIndex

logger = logging.getLogger(__name__)

_DENIED = frozenset({"access_denied", "interaction_required", "login_required", "consent_required"})


@dataclass(frozen=True, slots=True)
class Approver:
    """Somebody in the portal, in one session. `names` are what an environment may call them by."""

    person: Person
    names: frozenset[str]
    session_hash: str


@dataclass(frozen=True, slots=True)
class Approving:
    """What approving needs: the approver's own tenant's environments and audit chain, and the way to Epic."""

    environments: Environments
    audit: AuditLog
    epic: EpicSignIn
    launches: LaunchIndex


def waiting_for(names: frozenset[str], environments: Sequence[Environment]) -> list[Environment]:
    """What waits for somebody who goes by `names`, the oldest first."""
    mine = [one for one in environments if one.newest.stage is Stage.WAITING and one.names_as_approver(names)]
    return sorted(mine, key=lambda one: one.newest.saved_at)


async def begin_epic_sign_in(
    environment: EnvironmentId,
    *,
    approver: Approver,
    given: Approving,
    redirect_uri: str,
    random: Callable[[int], str] = secrets.token_urlsafe,
    now: datetime,
) -> Begun:
    """Remember who begins, in which session and browser and about which content, and say where to go.

    Raises NotFound, NotAllowed when they are not named, OutOfStep when nothing waits.
    """
    found = (await given.environments.get(environment)).value
    _must_be_named(found, approver)
    if found.newest.stage is not Stage.WAITING:
        raise OutOfStep(said("Nothing is waiting for approval here any more."))
    state, cookie = random(32), random(32)
    launch = Launch(
        state_hash=hashed(state),
        browser_hash=hashed(cookie),
        tenant=found.tenant,
        environment=found.id,
        role=LaunchRole.APPROVAL,
        verifier=random(48),
        nonce=random(24),
        redirect_uri=redirect_uri,
        begun_at=now,
        session_hash=approver.session_hash,
        content_hash=found.newest.connection.content_hash(),
    )
    await given.launches.insert(launch)
    # Without Epic's own launch this is a standalone one: Epic asks for a sign-in at its pinned address.
    url = given.epic.authorize_url(
        found.newest.connection, EpicClient.PROVIDER, launch, epic_launch="", state=state
    )
    return Begun(url, cookie)


@dataclass(frozen=True, slots=True)
class Returned:
    """What a browser brought back from Epic."""

    code: str
    error: str
    issuer: str  # RFC 9207; empty from servers that do not say it
    cookie: str


async def finish_epic_sign_in(
    launch: Launch, returned: Returned, *, approver: Approver, given: Approving, now: datetime
) -> EpicProof:
    """What the sign-in proves, or raise ApprovalFailed. `launch` was claimed: it is good for this one try.

    Either way the audit chain says so. All tokens are dropped before anything else happens.
    """
    to = f"environment/{launch.environment}"
    try:
        proof = await _proof(launch, returned, approver=approver, given=given, now=now)
    except ApprovalFailed as failed:
        facts = {"cause": failed.cause.value, **({"code": failed.code} if failed.code else {})}
        logger.warning("an approver's Epic sign-in did not count: %s", failed.cause)
        await given.audit.write(
            AuditEntry(now, approver.person.object_id, "was not accepted by Epic", to, facts)
        )
        raise
    await given.audit.write(
        AuditEntry(now, approver.person.object_id, "signed in to Epic", to, {"content": proof.content_hash})
    )
    return proof


async def _proof(
    launch: Launch, returned: Returned, *, approver: Approver, given: Approving, now: datetime
) -> EpicProof:
    if not _same(hashed(returned.cookie), launch.browser_hash) or not returned.cookie:
        raise ApprovalFailed(ApprovalFailure.OTHER_SESSION)
    if approver.person.tenant != launch.tenant or not _same(approver.session_hash, launch.session_hash):
        raise ApprovalFailed(ApprovalFailure.OTHER_SESSION)
    if launch.expired(now):
        raise ApprovalFailed(ApprovalFailure.TIMED_OUT)
    if returned.error:
        refused = returned.error in _DENIED
        cause = ApprovalFailure.EPIC_REFUSED if refused else ApprovalFailure.OAUTH_ERROR
        raise ApprovalFailed(cause, "" if refused else returned.error)
    if not returned.code:
        raise ApprovalFailed(ApprovalFailure.NOT_PROVEN)
    environment = await _as_begun(launch, approver, given)
    connection = environment.newest.connection
    if returned.issuer and returned.issuer != connection.issuer:
        raise ApprovalFailed(ApprovalFailure.OTHER_EPIC)
    user = await _user(environment, launch, returned.code, given.epic)
    # fhirUser is an absolute address at the server that knows the person; old versions send the last two parts.
    if user.server and user.server != connection.fhir_base_url.rstrip("/"):
        raise ApprovalFailed(ApprovalFailure.OTHER_EPIC)
    if user.kind != "Practitioner":
        raise ApprovalFailed(ApprovalFailure.NOT_A_PRACTITIONER)
    return EpicProof(environment.id, launch.content_hash, now)


async def _as_begun(launch: Launch, approver: Approver, given: Approving) -> Environment:
    """The environment, when it still waits with the content that was before the approver."""
    try:
        found = (await given.environments.get(launch.environment)).value
    except NotFound as gone:
        raise ApprovalFailed(ApprovalFailure.CHANGED) from gone
    if found.newest.stage is not Stage.WAITING:
        raise ApprovalFailed(ApprovalFailure.CHANGED)
    if not found.names_as_approver(approver.names):
        raise ApprovalFailed(ApprovalFailure.NOT_NAMED)
    if found.newest.connection.content_hash() != launch.content_hash:
        raise ApprovalFailed(ApprovalFailure.CHANGED)
    return found


async def _user(environment: Environment, launch: Launch, code: str, epic: EpicSignIn) -> EpicUser:
    waiting = LiveEnvironment(
        id=environment.id,
        tenant=environment.tenant,
        kind=environment.kind,
        connection=environment.newest.connection,
        operation=environment.operation,
        operation_version=environment.operation_version,
    )
    try:
        return await epic.identify(waiting, EpicClient.PROVIDER, launch, code=code)
    except TryAgain as away:
        raise ApprovalFailed(ApprovalFailure.AWAY) from away
    except TurnedDown as refused:
        raise ApprovalFailed(ApprovalFailure.OAUTH_ERROR, refused.code or "unknown") from refused
    except LaunchFailed as unproven:
        other = unproven.cause is LaunchFailure.WRONG_EPIC
        cause = ApprovalFailure.OTHER_EPIC if other else ApprovalFailure.NOT_PROVEN
        raise ApprovalFailed(cause) from unproven


def _must_be_named(environment: Environment, approver: Approver) -> None:
    if not environment.names_as_approver(approver.names):
        raise NotAllowed(
            said("You are not named as an approver of this environment. Ask an administrator to add you.")
        )


def _same(one: str, other: str) -> bool:
    return secrets.compare_digest(one, other)
