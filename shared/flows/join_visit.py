"""The patient's side of a link: see where the visit stands, and join it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from shared.domain.appointment import Appointment
from shared.domain.environment import LiveEnvironment
from shared.domain.errors import NotAllowed, NotFound, OutOfStep, TryAgain, TurnedDown
from shared.domain.join_link import PageState, Window, page_state, token_hash, window
from shared.domain.participant import Presence
from shared.domain.versioned import Versioned
from shared.domain.visit import Visit
from shared.flows.ports import EnvironmentIndex, EnvironmentStores, JoinLinkIndex
from shared.flows.prepare_visit import Preparing, visit_of, with_meeting


@dataclass(frozen=True, slots=True)
class Link:
    """What a link leads to just now."""

    environment: LiveEnvironment
    appointment: Appointment
    visit: Versioned[Visit] | None
    window: Window | None
    state: PageState


async def look(
    secret: str,
    *,
    links: JoinLinkIndex,
    environments: EnvironmentIndex,
    stores_of: Callable[[LiveEnvironment], EnvironmentStores],
    now: datetime,
) -> Link:
    """See where the visit behind a link stands; changes nothing. Raises NotFound, for a deleted link too."""
    link = await links.find(token_hash(secret))
    if link.revoked:
        raise NotFound("no such link")
    environment = await environments.find(link.appointment.environment)
    stores = stores_of(environment)
    appointment = (await stores.appointments.get(link.appointment.key)).value
    try:
        visit = await stores.visits.get(link.appointment.key)
    except NotFound:
        visit = None
    meetings = environment.operation.meetings
    open_window = window(appointment, opens_before=meetings.opens_before, closes_after=meetings.closes_after)
    state = page_state(appointment, visit.value if visit else None, open_window, now=now)
    return Link(environment, appointment, visit, open_window, state)


_JOINABLE = frozenset({PageState.READY, PageState.LATE})


async def join(seen: Link, *, preparing: Preparing, now: datetime) -> str | None:
    """The address of the meeting for this patient, or None while Teams is slow to make it.

    Raises NotAllowed outside the link's window.
    """
    if seen.state not in _JOINABLE:
        raise NotAllowed("this link is not open now")
    try:
        found = seen.visit or await visit_of(seen.appointment, given=preparing, provider=None, now=now)
        found = await with_meeting(found, seen.appointment, given=preparing, provider=None)
    except TryAgain:
        return None
    except TurnedDown as refusal:
        raise NotAllowed("the meeting cannot be made") from refusal
    await _counted(found, preparing)
    return found.value.meeting.guest_url if found.value.meeting else None


async def _counted(found: Versioned[Visit], preparing: Preparing) -> None:
    """Note that the patient pressed Join: the one thing known of them when no call event ever comes."""
    for _ in range(8):
        try:
            await preparing.visits.save(replace(found.value, joins=found.value.joins + 1), seen=found.version)
        except OutOfStep:
            found = await preparing.visits.get(found.value.ref.key)
            continue
        return


def presence_of_patient(seen: Link) -> Presence:
    """Where the patient is in the call, as far as Teams told."""
    patient = seen.visit.value.participant("patient") if seen.visit else None
    return patient.presence if patient else Presence.ABSENT
