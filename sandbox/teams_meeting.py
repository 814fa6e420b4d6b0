"""A Teams meeting, the people in it, its calls, and whom its lobby lets in."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sandbox.world import TENANT, Row, User

# What a tenant's policy gives a new meeting until somebody says otherwise.
_LOBBY_BY_POLICY = "organization"
_TENANT_MEMBERS = frozenset({"organization", "organizationAndFederated", "organizationExcludingGuests"})
_ROLES_OF_ORGANIZERS = ("coorganizer",)


class State(StrEnum):
    WAITING = "lobby"
    CONNECTED = "connected"
    LEFT = "left"


class CannotJoin(Exception):
    """What was asked of a meeting cannot be done. The text says why."""


class EventKind(StrEnum):
    """The three call events, in the words of Graph."""

    STARTED = "callStarted"
    ENDED = "callEnded"
    ROSTER = "rosterUpdated"


@dataclass(slots=True)
class Participant:
    """One stay of somebody in a meeting: whoever comes back is a new participant, as in Graph."""

    id: str
    name: str
    user: User | None
    role: str
    state: State
    at: datetime
    joined_at: datetime
    connected_at: datetime | None = None
    left_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CallEvent:
    """Something that subscribers of a meeting are told, with the people it is about as they are at that moment."""

    kind: EventKind
    at: datetime
    people: tuple[tuple[Participant, bool, bool], ...] = ()  # who, waits in the lobby, has left


@dataclass(slots=True)
class Call:
    """From the first person in the call to the last one out."""

    id: str
    started_at: datetime
    participants: list[Participant] = field(default_factory=list)
    ended_at: datetime | None = None


@dataclass(slots=True)
class Meeting:
    """A meeting as Graph keeps it. `settings` holds everything that only Graph shows."""

    id: str
    short_id: str
    thread: str
    organizer: User
    join_url: str
    created_at: datetime
    subject: str
    starts_at: datetime
    ends_at: datetime
    expires_at: datetime
    external_id: str | None = None
    attendees: list[Row] = field(default_factory=list)
    settings: Row = field(default_factory=dict)
    participants: list[Participant] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)

    @property
    def lobby(self) -> str:
        settings = self.settings.get("lobbyBypassSettings") or {}
        return str(settings.get("scope") or _LOBBY_BY_POLICY)

    @property
    def running(self) -> Call | None:
        return next((call for call in self.calls if call.ended_at is None), None)

    def role_of(self, user: User | None) -> str:
        """The role somebody joins with; people from outside can only attend."""
        if user is None or user.tenant != TENANT:
            return "attendee"
        return "organizer" if user == self.organizer else self._invited_as(user) or "attendee"

    def _invited_as(self, user: User) -> str:
        for one in self.attendees:
            identity = ((one.get("identity") or {}).get("user") or {}).get("id")
            if user.oid == identity or user.address == one.get("upn"):
                return str(one.get("role") or "attendee")
        return ""

    def passes_lobby(self, user: User | None) -> bool:
        """Whether somebody goes straight in: organizers always, the others as the lobby says."""
        if self.lobby == "everyone":
            return True
        if user is None or user.tenant != TENANT:
            return False
        if self.role_of(user) in ("organizer", *_ROLES_OF_ORGANIZERS):
            return True
        return self.lobby in _TENANT_MEMBERS or (self.lobby == "invited" and bool(self._invited_as(user)))
