"""What Teams tells about a call, and what follows from it for a visit.

Graph repeats deltas, reorders them and gives a guest a new id at every join (Microsoft Graph,
meetingCallEvents), so nothing here counts events: states follow from the earliest arrival and the departure
seen for each id, in whatever order they came.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from shared.domain.outcome import Outcome
from shared.domain.participant import Participant, ParticipantRole, Presence, Stay
from shared.domain.visit import Fact, FactKind, Visit


class CallEventKind(StrEnum):
    STARTED = "call started"
    ENDED = "call ended"
    ROSTER = "roster updated"


@dataclass(frozen=True, slots=True)
class Sighting:
    """One participant as one event shows it. `object_id` is set for people of a Microsoft tenant only."""

    id: str
    object_id: str
    tenant: str
    in_lobby: bool
    left: bool


@dataclass(frozen=True, slots=True)
class CallEvent:
    id: str
    kind: CallEventKind
    at: datetime
    sightings: tuple[Sighting, ...] = ()


# A redelivered event is dropped by its id; more than these are not needed, since states do not count events.
_EVENTS_REMEMBERED = 64


def observe(visit: Visit, event: CallEvent, *, connected_when_waiting: bool) -> Visit:
    """`visit` after `event`, with the facts that Epic is owed because of it."""
    if event.id and event.id in visit.events_seen:
        return visit
    seen = (*visit.events_seen, event.id)[-_EVENTS_REMEMBERED:] if event.id else visit.events_seen
    after = replace(visit, events_seen=seen)

    if event.kind is CallEventKind.STARTED:
        first = min(filter(None, (visit.call_started_at, event.at)))
        return replace(after, call_started_at=first, ended_at=None, outcome=Outcome.RUNNING)
    for sighting in event.sightings:
        after = _sighted(after, sighting, event.at)
    if event.kind is CallEventKind.ENDED:
        after = _everyone_left(after, event.at)
    after = _owing(after, connected_when_waiting=connected_when_waiting)
    return _judged(after, ended_at=event.at if event.kind is CallEventKind.ENDED else None)


def _who(visit: Visit, sighting: Sighting) -> tuple[str, ParticipantRole]:
    """Whoever belongs to the hospital's tenant is a provider; in a visit with one patient the rest is the patient.

    No field of Graph's names a guest, so nothing better can be known.
    """
    if sighting.object_id and sighting.tenant == visit.ref.tenant:
        return f"provider:{sighting.object_id}", ParticipantRole.PROVIDER
    return "patient", ParticipantRole.PATIENT


def _sighted(visit: Visit, sighting: Sighting, at: datetime) -> Visit:
    known = next((one for one in visit.participants if any(s.id == sighting.id for s in one.stays)), None)
    if known is None:
        name, role = _who(visit, sighting)
        known = visit.participant(name) or Participant(name, role)
    old = next((stay for stay in known.stays if stay.id == sighting.id), Stay(sighting.id))
    stays = (*(stay for stay in known.stays if stay.id != sighting.id), _updated(old, sighting, at))
    others = tuple(one for one in visit.participants if one.id != known.id)
    return replace(visit, participants=(*others, replace(known, stays=stays)))


def _updated(stay: Stay, sighting: Sighting, at: datetime) -> Stay:
    if sighting.left:
        return replace(stay, left_at=min(filter(None, (stay.left_at, at))))
    if stay.left_at is not None and at > stay.left_at:
        # Graph also calls someone gone who was only inactive, and shows them again under the same id.
        stay = replace(stay, left_at=None, told=False)
    if sighting.in_lobby:
        return replace(stay, waiting_since=min(filter(None, (stay.waiting_since, at))))
    return replace(stay, connected_at=min(filter(None, (stay.connected_at, at))))


def _everyone_left(visit: Visit, at: datetime) -> Visit:
    def gone(stay: Stay) -> Stay:
        return stay if stay.left_at else replace(stay, left_at=at)

    return replace(
        visit,
        participants=tuple(
            replace(one, stays=tuple(gone(stay) for stay in one.stays)) for one in visit.participants
        ),
    )


def _owing(visit: Visit, *, connected_when_waiting: bool) -> Visit:
    """Owe an arrival when the first stay of a person begins and a departure when the last one ends."""
    for person in sorted(visit.participants, key=lambda one: one.id):
        visit = _owing_for(visit, person, connected_when_waiting=connected_when_waiting)
    return visit


def _owing_for(visit: Visit, person: Participant, *, connected_when_waiting: bool) -> Visit:
    def arrival(stay: Stay) -> datetime | None:
        return stay.arrived_at if connected_when_waiting else stay.connected_at

    arrived = [stay for stay in person.stays if arrival(stay)]
    untold = [stay for stay in arrived if not stay.told]
    open_stays = [stay for stay in arrived if stay.left_at is None]
    told_open = visit.told.get(person.id) is FactKind.CONNECTED

    facts: list[tuple[FactKind, datetime]] = []
    if untold and not told_open:
        first = min(moment for stay in untold if (moment := arrival(stay)))
        facts.append((FactKind.CONNECTED, first))
        told_open = True
    if told_open and not open_stays:
        facts.append((FactKind.DISCONNECTED, max(stay.left_at for stay in arrived if stay.left_at)))
    if untold:
        told = tuple(replace(stay, told=True) if arrival(stay) else stay for stay in person.stays)
        others = tuple(one for one in visit.participants if one.id != person.id)
        visit = replace(visit, participants=(*others, replace(person, stays=told)))
    for kind, at in facts:
        visit = _owe(visit, person, kind, at)
    return visit


def _owe(visit: Visit, person: Participant, kind: FactKind, at: datetime) -> Visit:
    number = visit.facts_counted + 1
    return replace(
        visit,
        facts_counted=number,
        owed=(*visit.owed, Fact(number, person.id, person.role, kind, at)),
        told={**visit.told, person.id: kind},
    )


def _judged(visit: Visit, *, ended_at: datetime | None) -> Visit:
    """The outcome as it stands: running while anyone is there, final once the visit is over.

    It is over when the call has ended, or when everyone left after a provider had been in: the event that
    the call ended may be lost. A patient who leaves the lobby before anyone came may come back.
    """
    if any(one.presence in (Presence.WAITING, Presence.CONNECTED) for one in visit.participants):
        return replace(visit, ended_at=None, outcome=Outcome.RUNNING)
    ends = [moment for moment in (visit.ended_at, ended_at, _left_after_a_provider(visit)) if moment]
    if not ends:
        return visit
    return replace(visit, ended_at=max(ends), outcome=outcome_of(visit))


def _left_after_a_provider(visit: Visit) -> datetime | None:
    if not any(one.role is ParticipantRole.PROVIDER and one.ever_connected for one in visit.participants):
        return None
    return max(stay.left_at for one in visit.participants for stay in one.stays if stay.left_at)


def outcome_of(visit: Visit) -> Outcome:
    """How the visit went, from who was seen in it."""
    patients = [one for one in visit.participants if one.role is not ParticipantRole.PROVIDER]
    providers = [one for one in visit.participants if one.role is ParticipantRole.PROVIDER]
    patient_in = any(one.ever_connected for one in patients)
    provider_in = any(one.ever_connected for one in providers)
    if patient_in and provider_in:
        return Outcome.HELD if _together(patients, providers) else Outcome.LEFT_BEFORE_ADMISSION
    if provider_in:
        return Outcome.LEFT_BEFORE_ADMISSION if patients else Outcome.PATIENT_ABSENT
    if patients:
        return Outcome.PROVIDER_ABSENT
    return Outcome.NOT_KNOWN


def _together(patients: list[Participant], providers: list[Participant]) -> bool:
    """Whether any patient and any provider were in the call at one time."""
    return any(
        _overlap(a, b)
        for patient in patients
        for provider in providers
        for a in patient.stays
        for b in provider.stays
    )


def _overlap(a: Stay, b: Stay) -> bool:
    if a.connected_at is None or b.connected_at is None:
        return False
    begins = max(a.connected_at, b.connected_at)
    return all(stay.left_at is None or begins <= stay.left_at for stay in (a, b))
