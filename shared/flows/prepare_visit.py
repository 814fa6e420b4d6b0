"""Make sure that a visit has its meeting, the right people in it, and a watch on its call events."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.domain.appointment import Appointment
from shared.domain.environment import LiveEnvironment
from shared.domain.errors import AlreadyThere, NotFound, OutOfStep, TryAgain, TurnedDown
from shared.domain.organizer import organizer_of
from shared.domain.outcome import Outcome
from shared.domain.versioned import Versioned
from shared.domain.visit import ExternalId, GuestsMay, Visit, VisitRef
from shared.flows.ports import CallEvents, TeamsMeetings, Visits

_ROUNDS = 8

# A subscription that ends sooner than this after the visit is renewed; Graph rounds short ones up to 45 minutes.
_WATCHED_AFTER = timedelta(hours=2)
_WATCHED_AT_MOST = timedelta(minutes=4200)


@dataclass(frozen=True, slots=True)
class Preparing:
    """What preparing needs besides the visit."""

    environment: LiveEnvironment
    visits: Visits
    meetings: TeamsMeetings
    call_events: CallEvents


async def visit_of(
    appointment: Appointment,
    *,
    given: Preparing,
    provider: str | None,
    now: datetime,
    known: Mapping[str, ExternalId] | None = None,
) -> Versioned[Visit]:
    """The visit of `appointment`, made now when nobody was there before; `known` are ids to make it with.

    Raises TurnedDown with code `no-organizer` when neither the provider nor a scheduling account can
    organize its meeting.
    """
    ref = VisitRef(appointment.ref.tenant, appointment.ref.environment, appointment.ref.key)
    for _ in range(_ROUNDS):
        try:
            return await given.visits.get(ref.key)
        except NotFound:
            pass
        organizer = organizer_of(appointment, given.environment.operation.meetings, launched_by=provider)
        if organizer is None:
            raise TurnedDown("nobody can organize this meeting", code="no-organizer")
        visit = _new(appointment, ref, organizer, environment=given.environment, now=now)
        visit = replace(visit, external_ids={**visit.external_ids, **(known or {})})
        try:
            return Versioned(visit, await given.visits.insert(visit))
        except AlreadyThere:
            continue
    raise TryAgain("a visit could neither be read nor made")


def _new(
    appointment: Appointment, ref: VisitRef, organizer: str, *, environment: LiveEnvironment, now: datetime
) -> Visit:
    external = {"patient": _known_as(appointment, environment)} if appointment.external_id else {}
    starts_at = appointment.starts_at or now
    return Visit(
        ref=ref,
        session=appointment.csn,
        appointments=(ref.key,),
        starts_at=starts_at,
        ends_at=appointment.ends_at or starts_at + timedelta(minutes=appointment.minutes),
        organizer=organizer,
        external_ids=external,
    )


async def with_meeting(
    found: Versioned[Visit], appointment: Appointment, *, given: Preparing, provider: str | None
) -> Versioned[Visit]:
    """`found` with its meeting as it should be: made once, at today's time, open to `provider`.

    Costs two Graph calls when the meeting is new, one when a provider or the time is, none otherwise.
    """
    for _ in range(_ROUNDS):
        visit = found.value
        wanted = _wanted(visit, appointment, provider)
        if wanted == visit and visit.meeting is not None:
            return found
        meeting = visit.meeting or await given.meetings.make(
            organizer=visit.organizer,
            external_id=visit.ref.opaque,
            subject=_subject(given.environment),
            starts_at=wanted.starts_at,
            ends_at=wanted.ends_at,
        )
        await given.meetings.set_up(
            meeting,
            organizer=visit.organizer,
            subject=_subject(given.environment),
            starts_at=wanted.starts_at,
            ends_at=wanted.ends_at,
            co_organizers=wanted.co_organizers,
            guests_may=_guests_may(given.environment),
        )
        made = replace(wanted, meeting=meeting, meeting_starts_at=wanted.starts_at)
        try:
            return Versioned(made, await given.visits.save(made, seen=found.version))
        except OutOfStep:
            # Someone else prepared it or an event came in. Graph keeps one meeting for one external id, so
            # going round again changes nothing there.
            found = await given.visits.get(visit.ref.key)
    raise TryAgain("a visit kept changing while its meeting was prepared")


def _wanted(visit: Visit, appointment: Appointment, provider: str | None) -> Visit:
    invited = visit.co_organizers
    if provider and provider != visit.organizer:
        invited = invited | {provider}
    starts_at = appointment.starts_at or visit.starts_at
    if starts_at != visit.starts_at and visit.ended_at is not None:
        # What ended was the call at the earlier time.
        visit = replace(visit, ended_at=None, outcome=Outcome.NOT_KNOWN)
    return replace(
        visit,
        session=appointment.csn,
        starts_at=starts_at,
        ends_at=appointment.ends_at or visit.ends_at,
        meeting_starts_at=starts_at if visit.meeting else None,
        co_organizers=invited,
    )


def _known_as(appointment: Appointment, environment: LiveEnvironment) -> ExternalId:
    """The patient as the feed names them: the id with the type by which it was found."""
    return ExternalId(appointment.external_id, environment.operation.feed.external_id_type)


def _guests_may(environment: LiveEnvironment) -> GuestsMay:
    meetings = environment.operation.meetings
    return GuestsMay(chat=meetings.guests_may_chat, share=meetings.guests_may_share)


def _subject(environment: LiveEnvironment) -> str:
    """What calendars and lobbies show: never a person, a department or a reason."""
    return f"Video visit, {environment.operation.organization}"


async def with_watch(found: Versioned[Visit], *, given: Preparing, now: datetime) -> Versioned[Visit]:
    """`found` with a subscription to its call events that outlives the visit."""
    visit = found.value
    until = min(max(visit.ends_at, now) + _WATCHED_AFTER, now + _WATCHED_AT_MOST)
    watch = visit.subscription
    if visit.meeting is None or (watch is not None and watch.expires_at >= visit.ends_at):
        return found
    if watch is not None and watch.expires_at > now:
        watch = await given.call_events.renew(watch, until=until)
    else:
        watch = await given.call_events.subscribe(visit.meeting, visit=visit.ref.opaque, until=until)
    for _ in range(_ROUNDS):
        watched = replace(found.value, subscription=watch)
        try:
            return Versioned(watched, await given.visits.save(watched, seen=found.version))
        except OutOfStep:
            found = await given.visits.get(visit.ref.key)
    raise TryAgain("a visit kept changing while its watch was noted")
