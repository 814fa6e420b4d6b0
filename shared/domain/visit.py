"""A visit: the Teams meeting side of an appointment, who is in it, and what Epic is owed about it."""

import base64
import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from shared.domain.environment import EnvironmentId
from shared.domain.outcome import Outcome
from shared.domain.participant import Participant, ParticipantRole
from shared.domain.tenant import TenantId


@dataclass(frozen=True, slots=True)
class VisitRef:
    """Where a visit is. `key` is the appointment's key, or the conference id of a group."""

    tenant: TenantId
    environment: EnvironmentId
    key: str

    @property
    def opaque(self) -> str:
        """A name for the visit that says nothing: for URLs, Graph's external id and the client state."""
        digest = hashlib.sha256(f"visit|{self.tenant}|{self.environment}|{self.key}".encode()).digest()[:16]
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class GuestsMay:
    """What people from outside may do in a meeting."""

    chat: bool = True
    share: bool = False  # their screen; Teams makes them presenters for it


@dataclass(frozen=True, slots=True)
class Meeting:
    """The Teams meeting. `join_url` names the organizer and is for people of the tenant; guests get `guest_url`."""

    id: str
    join_url: str
    guest_url: str
    guest_url_opens_in_browser: bool


@dataclass(frozen=True, slots=True)
class Subscription:
    """The watch kept on the meeting's call events."""

    id: str
    expires_at: datetime


class FactKind(StrEnum):
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    NO_SHOW = "no-show"


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing Epic is owed: numbered in the order in which it must be told."""

    sequence: int
    participant: str
    role: ParticipantRole
    kind: FactKind
    at: datetime


@dataclass(frozen=True, slots=True)
class ExternalId:
    """The id Epic's status service knows a participant by, echoed from the launch or the feed."""

    value: str
    type: str = ""


# Visits are prepared an hour ahead; nobody holds one earlier.
_EARLY = timedelta(minutes=60)


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit. Its organizer never changes, because another organizer would mean another meeting."""

    ref: VisitRef
    session: str  # what Epic calls it: the CSN of the launch or the feed
    appointments: tuple[str, ...]
    starts_at: datetime
    ends_at: datetime
    organizer: str
    meeting: Meeting | None = None
    meeting_starts_at: datetime | None = None  # the time Graph was last told
    co_organizers: frozenset[str] = frozenset()
    subscription: Subscription | None = None
    participants: tuple[Participant, ...] = ()
    external_ids: dict[str, ExternalId] = field(default_factory=dict)
    events_seen: tuple[str, ...] = ()
    facts_counted: int = 0
    owed: tuple[Fact, ...] = ()
    told: dict[str, FactKind] = field(default_factory=dict)  # the last fact owed about each participant
    call_started_at: datetime | None = None
    ended_at: datetime | None = None
    outcome: Outcome = Outcome.NOT_KNOWN
    joins: int = 0  # how often the patient pressed Join: known even when no call event comes

    def participant(self, name: str) -> Participant | None:
        return next((one for one in self.participants if one.id == name), None)

    def over(self, starts_at: datetime | None) -> bool:
        """Whether the call of a visit at `starts_at` has ended.

        A call that ended before that was for an earlier time of a visit that has moved, or somebody looked in:
        only when patient and provider met shortly before the time was it the visit itself.
        """
        if self.ended_at is None or starts_at is None:
            return self.ended_at is not None
        met_early = _EARLY if self.outcome is Outcome.HELD else timedelta()
        return self.ended_at >= starts_at - met_early

    def settled(self) -> "Visit":
        """The same visit once every fact it owes has a row of its own."""
        return replace(self, owed=())
