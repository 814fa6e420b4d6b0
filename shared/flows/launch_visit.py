"""A SMART launch from Epic: check who sends, send them to sign in, and bring them to their visit."""

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from shared.domain.appointment import Appointment, AppointmentState
from shared.domain.due import Due
from shared.domain.environment import EnvironmentId, EpicClient, LiveEnvironment
from shared.domain.errors import NotFound, OutOfStep, Refused, TryAgain, TurnedDown
from shared.domain.launch import (
    BEGUN_BY_EPIC,
    SESSION_LIVES,
    Launch,
    LaunchContext,
    LaunchFailed,
    LaunchFailure,
    LaunchRole,
    VisitSession,
)
from shared.domain.versioned import Versioned
from shared.domain.visit import ExternalId, Visit
from shared.flows.note_sign import Noting, note_launch, note_other_epic, note_other_record
from shared.flows.ports import (
    EnvironmentIndex,
    EnvironmentStores,
    EpicSmart,
    JoinLinkIndex,
    Keys,
    LaunchIndex,
    Plans,
    SessionIndex,
)
from shared.flows.prepare_visit import Preparing, visit_of, with_meeting
from shared.flows.settle_appointment import PREPARE, PREPARED_BEFORE, put_link

logger = logging.getLogger(__name__)

_CLIENT = {
    LaunchRole.PROVIDER: EpicClient.PROVIDER,
    LaunchRole.PATIENT: EpicClient.PATIENT,
    LaunchRole.DEVICE_TEST: EpicClient.PATIENT,
}


def hashed(secret: str) -> str:
    """How secrets of a launch or a session rest."""
    return hashlib.sha256(secret.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Begun:
    """Where to send the browser, and the cookie that ties the launch to it."""

    authorize_url: str
    cookie: str


async def begin_launch(
    environment_id: EnvironmentId,
    role: LaunchRole,
    *,
    iss: str,
    epic_launch: str,
    redirect_uri: str,
    environments: EnvironmentIndex,
    smart: EpicSmart,
    launches: LaunchIndex,
    noting: Noting,
    random: Callable[[int], str] = secrets.token_urlsafe,
    now: datetime,
) -> Begun:
    """Check the sender before anything is fetched, remember the launch and say where to go.

    `iss` comes from whoever made the URL: only the approved address of this very environment passes.
    Raises LaunchFailed.
    """
    environment = await _environment(environments, environment_id)
    if iss.rstrip("/") != environment.connection.fhir_base_url.rstrip("/"):
        # Nothing is fetched from there; only our own table is asked whose address it is.
        mix_up = await note_other_epic(iss, environment, given=noting, now=now)
        raise LaunchFailed(LaunchFailure.WRONG_EPIC, mix_up)
    if not epic_launch:
        raise LaunchFailed(LaunchFailure.MISSING_LAUNCH)
    state, cookie = random(32), random(32)
    launch = Launch(
        state_hash=hashed(state),
        browser_hash=hashed(cookie),
        tenant=environment.tenant,
        environment=environment.id,
        role=role,
        verifier=random(48),
        nonce=random(24),
        redirect_uri=redirect_uri,
        begun_at=now,
    )
    await launches.insert(launch)
    url = smart.authorize_url(
        environment.connection, _CLIENT[role], launch, epic_launch=epic_launch, state=state
    )
    return Begun(url, cookie)


@dataclass(frozen=True, slots=True)
class Landing:
    """What coming back from Epic needs."""

    environments: EnvironmentIndex
    stores_of: Callable[[LiveEnvironment], EnvironmentStores]
    preparing_of: Callable[[LiveEnvironment], Preparing]
    smart: EpicSmart
    sessions: SessionIndex
    links: JoinLinkIndex
    plans: Plans
    keys: Keys
    noting: Noting


@dataclass(frozen=True, slots=True)
class ToVisit:
    """A provider goes on to the live page."""

    visit: str
    session: str


@dataclass(frozen=True, slots=True)
class ToJoinPage:
    """A patient goes on to their own page, from which a device test will start as well."""

    token: str


async def claim_launch(state: str, *, launches: LaunchIndex) -> Launch:
    """The launch that `state` was made for, good for this one try. Raises LaunchFailed."""
    try:
        return await launches.claim(hashed(state))
    except NotFound as unknown:
        raise LaunchFailed(LaunchFailure.UNKNOWN_STATE) from unknown


async def finish_launch(
    launch: Launch, *, code: str, error: str, cookie: str, given: Landing, now: datetime
) -> ToVisit | ToJoinPage:
    """Finish what `begin_launch` began, when it was claimed. Raises LaunchFailed."""
    if launch.role not in BEGUN_BY_EPIC:
        raise LaunchFailed(LaunchFailure.UNKNOWN_STATE)
    if not cookie or not secrets.compare_digest(hashed(cookie), launch.browser_hash):
        raise LaunchFailed(LaunchFailure.OTHER_BROWSER)
    if launch.expired(now):
        raise LaunchFailed(LaunchFailure.EXPIRED)
    if error or not code:
        raise LaunchFailed(LaunchFailure.EPIC_SAID_NO)

    environment = await _environment(given.environments, launch.environment)
    context = await _context(environment, launch, code, given.smart)
    if context.environment and context.environment != environment.id:
        mix_up = await note_other_record(context.environment, environment, given=given.noting, now=now)
        raise LaunchFailed(LaunchFailure.OTHER_ENVIRONMENT, mix_up)
    # The sign of life is noted beside the rest, so that nobody waits for it, and both end before the answer, so
    # that a launch without a visit leaves its sign as well.
    going, noted = await asyncio.gather(
        _arrived(launch.role, environment, context, given=given, now=now),
        note_launch(launch.role, context, environment, given=given.noting, now=now),
        return_exceptions=True,
    )
    if isinstance(going, BaseException):
        raise going
    if isinstance(noted, BaseException):
        raise noted
    return going


async def _arrived(
    role: LaunchRole, environment: LiveEnvironment, context: LaunchContext, *, given: Landing, now: datetime
) -> ToVisit | ToJoinPage:
    """Bring whoever Epic confirmed to their visit."""
    appointment = await _appointment(context, given.stores_of(environment))
    if role is LaunchRole.PROVIDER:
        return await _provider(environment, context, appointment, given=given, now=now)
    return await _patient(environment, context, appointment, given=given, now=now)


async def _environment(environments: EnvironmentIndex, environment: EnvironmentId) -> LiveEnvironment:
    try:
        return await environments.find(environment)
    except NotFound as unknown:
        raise LaunchFailed(LaunchFailure.UNKNOWN_ENVIRONMENT) from unknown
    except Refused as not_approved:
        raise LaunchFailed(LaunchFailure.NOT_APPROVED) from not_approved


async def _context(
    environment: LiveEnvironment, launch: Launch, code: str, smart: EpicSmart
) -> LaunchContext:
    try:
        return await smart.exchange(environment, _CLIENT[launch.role], launch, code=code)
    except TryAgain as away:
        raise LaunchFailed(LaunchFailure.EPIC_AWAY) from away
    except TurnedDown as refusal:
        logger.warning("Epic refused to redeem a launch with code %s", refusal.code or "none")
        raise LaunchFailed(LaunchFailure.EPIC_SAID_NO) from refusal


async def _appointment(context: LaunchContext, stores: EnvironmentStores) -> Appointment:
    if not context.session:
        raise LaunchFailed(LaunchFailure.NO_VISIT)
    keys = await stores.aliases.keys_of([context.session])
    try:
        found = await stores.appointments.get(keys.get(context.session, context.session))
    except NotFound as unknown:
        raise LaunchFailed(LaunchFailure.NO_VISIT) from unknown
    if found.value.state is AppointmentState.CANCELLED:
        raise LaunchFailed(LaunchFailure.CANCELLED)
    return found.value


async def _provider(
    environment: LiveEnvironment,
    context: LaunchContext,
    appointment: Appointment,
    *,
    given: Landing,
    now: datetime,
) -> ToVisit:
    if context.role is not LaunchRole.PROVIDER:
        raise LaunchFailed(LaunchFailure.NOT_A_PROVIDER)
    person = _person(context, environment)
    preparing = given.preparing_of(environment)
    name = f"provider:{person}" if person else "provider"
    # A visit that is made now is made with Epic's id in it, which saves a write.
    known = {name: external} if (external := _external(context)).value else {}
    try:
        found = await visit_of(appointment, given=preparing, provider=person, now=now, known=known)
        found = await with_meeting(found, appointment, given=preparing, provider=person)
    except TryAgain as away:
        raise LaunchFailed(LaunchFailure.TEAMS_AWAY) from away
    except TurnedDown as refusal:
        logger.warning("Teams refused a meeting with code %s", refusal.code or "none")
        raise LaunchFailed(LaunchFailure.TEAMS_SAID_NO) from refusal
    visit = await _known_to_epic(found, name, context, preparing)
    await _watch_soon(visit, appointment, given.plans, now=now)

    session = secrets.token_urlsafe(32)
    await given.sessions.put(
        VisitSession(
            id_hash=hashed(session),
            tenant=environment.tenant,
            environment=environment.id,
            visit=visit.ref.key,
            participant=name,
            expires_at=now + SESSION_LIVES,
        )
    )
    return ToVisit(visit.ref.opaque, session)


async def _patient(
    environment: LiveEnvironment,
    context: LaunchContext,
    appointment: Appointment,
    *,
    given: Landing,
    now: datetime,
) -> ToJoinPage:
    if context.role is LaunchRole.PROVIDER:
        raise LaunchFailed(LaunchFailure.NOT_A_PROVIDER)
    secret = await put_link(appointment, links=given.links, keys=given.keys)
    if context.external_id:
        preparing = given.preparing_of(environment)
        try:
            found = await visit_of(appointment, given=preparing, provider=None, now=now)
        except TurnedDown:
            logger.info("a patient launched before anyone could organize the meeting")
        else:
            await _known_to_epic(found, "patient", context, preparing)
    return ToJoinPage(secret)


def _person(context: LaunchContext, environment: LiveEnvironment) -> str | None:
    """The Entra object id behind an Epic user, by the environment's own mapping."""
    mapped = environment.operation.meetings.providers
    for name in (context.external_id, context.user.rpartition("/")[2], context.username):
        if name and name in mapped:
            return mapped[name]
    return None


def _external(context: LaunchContext) -> ExternalId:
    return ExternalId(context.external_id, context.external_id_type)


async def _known_to_epic(
    found: Versioned[Visit], name: str, context: LaunchContext, preparing: Preparing
) -> Visit:
    """Remember the id by which Epic wants to hear about this participant."""
    external = _external(context)
    for _ in range(8):
        visit = found.value
        if not external.value or visit.external_ids.get(name) == external:
            return visit
        known = replace(visit, external_ids={**visit.external_ids, name: external})
        try:
            await preparing.visits.save(known, seen=found.version)
        except OutOfStep:
            found = await preparing.visits.get(visit.ref.key)
            continue
        return known
    raise LaunchFailed(LaunchFailure.TEAMS_AWAY)


async def _watch_soon(visit: Visit, appointment: Appointment, plans: Plans, *, now: datetime) -> None:
    """Have the next tick subscribe to the call, when it has not been: that takes Graph several seconds.

    Before the time at which every visit is prepared, the plan for that stands, and a tick would do nothing.
    """
    starts_at = appointment.starts_at
    early = starts_at is not None and now < starts_at - PREPARED_BEFORE
    if visit.subscription is None and not early:
        ref = visit.ref
        await plans.visits.add([Due(ref.tenant, ref.environment, ref.key, PREPARE, now)], now=now)
