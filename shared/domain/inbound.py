"""What became of each HL7v2 message: shown to staff, without anything that leads to a person."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.domain.environment import EnvironmentId
from shared.domain.tenant import TenantId


class Fate(StrEnum):
    APPLIED = "applied"
    OLD = "older than what is known"
    IGNORED = "ignored"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class SealedMessage:
    """An accepted message on its way through the queue: ciphertext and the little that finds its keys."""

    tenant: TenantId
    environment: EnvironmentId
    received_at: datetime
    sealed: str


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """A row of the message inspector. Only allow-listed MSH fields are kept."""

    dedupe_key: str
    received_at: datetime
    event: str  # MSH-9.2
    control_id: str  # MSH-10
    sending_application: str  # MSH-3
    sending_facility: str  # MSH-4
    fate: Fate
    reason: str = ""
    appointment: str = ""
    doubtful_time: str = ""


@dataclass(frozen=True, slots=True)
class Parked:
    """Something that could not be processed, kept sealed with its reason until a person decides."""

    id: str
    tenant: TenantId
    environment: EnvironmentId
    queue: str
    reason: str
    parked_at: datetime
    sealed: str
