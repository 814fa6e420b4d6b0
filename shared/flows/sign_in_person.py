"""Signing somebody in to the portal: away to Microsoft and back, into a session of their own."""

import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.domain.audit import AuditEntry
from shared.domain.errors import DomainError, NotFound, NotListed, NotSignedIn, Unsealable
from shared.domain.portal_session import PortalSession, SignInBegun, new_session
from shared.domain.tenant import AllowedTenant, Person, TenantId
from shared.flows.admit_tenant import admitted
from shared.flows.know_person import approver_names, named_on_any
from shared.flows.launch_visit import Begun, hashed
from shared.flows.ports import (
    AuditLog,
    Environments,
    MicrosoftSignIn,
    MicrosoftSignInIndex,
    People,
    PortalSessionIndex,
)

logger = logging.getLogger(__name__)


class SignInFailure(StrEnum):
    EXPIRED = "expired"  # never begun here, used before, or longer ago than ten minutes
    OTHER_BROWSER = "other-browser"
    REFUSED = "refused"  # Microsoft or the person said no, or the token is not what was asked for
    NOT_LISTED = "not-listed"


class SignInFailed(DomainError):
    """Nobody was signed in."""

    def __init__(self, cause: SignInFailure) -> None:
        super().__init__(cause.value)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class SigningIn:
    """What signing in needs. Stores of a tenant are made once it is proven whose person it is."""

    microsoft: MicrosoftSignIn
    under_way: MicrosoftSignInIndex
    sessions: PortalSessionIndex
    people: Callable[[TenantId], People]
    environments: Callable[[TenantId], Environments]
    audit: Callable[[TenantId], AuditLog]
    allowed: Mapping[TenantId, AllowedTenant]
    here: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who came, the id for their cookie, and the path of ours they wanted."""

    person: Person
    session: PortalSession
    session_id: str
    to: str


async def begin_sign_in(
    *,
    to: str,
    choose: bool,
    browser: str,
    redirect_uri: str,
    given: SigningIn,
    random: Callable[[int], str] = secrets.token_urlsafe,
    now: datetime,
) -> Begun:
    """Remember where somebody wants to go, and say where to send them.

    `browser` is the id this browser has already from a sign-in in another tab, or empty. Raises TryAgain.
    """
    state, cookie = random(32), browser or random(32)
    url, flow = await given.microsoft.begin(state=state, redirect_uri=redirect_uri, choose=choose)
    await given.under_way.insert(SignInBegun(hashed(state), hashed(cookie), flow, to, now))
    return Begun(url, cookie)


async def finish_sign_in(
    answer: Mapping[str, str],
    *,
    browser: str,
    given: SigningIn,
    random: Callable[[int], str] = secrets.token_urlsafe,
    now: datetime,
) -> SignedIn:
    """The new session of whoever came back. Raises SignInFailed, Misdirected, TryAgain or TurnedDown.

    The session's id is always a new one, so nobody can have chosen it for them.
    """
    try:
        begun = await given.under_way.claim(hashed(answer.get("state", "")))
    except (NotFound, Unsealable) as unknown:
        raise _failed(SignInFailure.EXPIRED) from unknown
    if not browser or not secrets.compare_digest(hashed(browser), begun.browser_hash):
        raise _failed(SignInFailure.OTHER_BROWSER)
    if begun.expired(now):
        raise _failed(SignInFailure.EXPIRED)
    try:
        person = await given.microsoft.finish(begun.flow, answer)
        admitted(person.tenant, allowed=given.allowed, here=given.here)
    except NotListed as unlisted:
        raise _failed(SignInFailure.NOT_LISTED) from unlisted
    except NotSignedIn as refused:
        raise _failed(SignInFailure.REFUSED) from refused
    session_id = random(32)
    session = new_session(
        hashed(session_id), tenant=person.tenant, object_id=person.object_id, roles=person.roles, now=now
    )
    await _welcomed(person, given, now)
    await given.sessions.insert(session)
    return SignedIn(person, session, session_id, begun.to)


async def end_session(
    session: PortalSession, *, sessions: PortalSessionIndex, audit: AuditLog, now: datetime
) -> None:
    """Sign out. Signing out twice is harmless."""
    if session.over(now):
        return
    await audit.write(AuditEntry(now, session.object_id, "signed out", "portal", {}))
    await sessions.change(session.id_hash, lambda one: one.ended(now))


async def _welcomed(person: Person, given: SigningIn, now: datetime) -> None:
    """Remember what the person is called, bind a typed address, and write down that they came."""
    people = given.people(person.tenant)
    await people.remember(person, at=now)
    environments = await given.environments(person.tenant).all()
    names = await approver_names(person, people, environments)
    if person.roles or named_on_any(names, environments):
        did, facts = "signed in", {"roles": ",".join(sorted(person.roles))}
    else:
        # They get a page that says who can help, and nothing else.
        did, facts = "was refused at sign-in", {"reason": "no-role"}
    await given.audit(person.tenant).write(AuditEntry(now, person.object_id, did, "portal", facts))


def _failed(cause: SignInFailure) -> SignInFailed:
    # Nobody is proven: there is no audit chain that this could be written to.
    logger.info("a sign-in was refused: %s", cause)
    return SignInFailed(cause)
