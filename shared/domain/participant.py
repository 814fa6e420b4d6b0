"""Someone in a visit, and when they waited, connected and left."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class ParticipantRole(StrEnum):
    PROVIDER = "provider"
    PATIENT = "patient"
    GUEST = "guest"
    INTERPRETER = "interpreter"


class Presence(StrEnum):
    ABSENT = "absent"
    WAITING = "waiting"
    CONNECTED = "connected"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Stay:
    """One stay of a participant, under the id Graph gave it: a guest who comes back gets a new id."""

    id: str
    waiting_since: datetime | None = None
    connected_at: datetime | None = None
    left_at: datetime | None = None
    told: bool = False  # whether Epic has been owed the arrival of this stay

    @property
    def arrived_at(self) -> datetime | None:
        known = [moment for moment in (self.waiting_since, self.connected_at) if moment]
        return min(known) if known else None


@dataclass(frozen=True, slots=True)
class Participant:
    """A person as far as it can be told. `id` is `patient`, or `provider:` and an object id."""

    id: str
    role: ParticipantRole
    stays: tuple[Stay, ...] = ()

    @property
    def presence(self) -> Presence:
        here = [stay for stay in self.stays if stay.left_at is None]
        if any(stay.connected_at for stay in here):
            return Presence.CONNECTED
        if any(stay.waiting_since for stay in here):
            return Presence.WAITING
        return Presence.LEFT if self.stays else Presence.ABSENT

    @property
    def since(self) -> datetime | None:
        """When the present state began, as far as it was seen."""
        if self.presence is Presence.LEFT:
            return max((stay.left_at for stay in self.stays if stay.left_at), default=None)
        here = [stay for stay in self.stays if stay.left_at is None]
        if self.presence is Presence.CONNECTED:
            return min((stay.connected_at for stay in here if stay.connected_at), default=None)
        return min((stay.waiting_since for stay in here if stay.waiting_since), default=None)

    @property
    def ever_connected(self) -> bool:
        return any(stay.connected_at for stay in self.stays)
