"""A colleague as the tenant's directory names them."""

from dataclasses import dataclass
from datetime import datetime

from shared.domain.environment import EnvironmentId


@dataclass(frozen=True, slots=True)
class Colleague:
    """Somebody in the tenant's directory. Name and address are only shown; the object id decides."""

    object_id: str
    name: str
    address: str


@dataclass(frozen=True, slots=True)
class EpicProof:
    """An approver signed in to the Epic of `environment` at `at`, with the content of that hash before them."""

    environment: EnvironmentId
    content_hash: str
    at: datetime
