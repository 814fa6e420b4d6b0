"""Something that becomes due: an index row with ids only, found by its time and by nothing else."""

from dataclasses import dataclass
from datetime import datetime

from shared.domain.environment import EnvironmentId
from shared.domain.tenant import TenantId


@dataclass(frozen=True, slots=True)
class Due:
    """`key` is an appointment's or a visit's key, `slot` says which of its plans this is."""

    tenant: TenantId
    environment: EnvironmentId
    key: str
    slot: str
    due_at: datetime
