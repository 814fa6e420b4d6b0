"""The versions an environment had: of its connection, each with how far it came, and of its operation."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.domain.environment import Connection, ConnectionVersion, Environment, Operation, Stage
from shared.domain.errors import NotFound


class Half(StrEnum):
    """The two halves of a configuration."""

    CONNECTION = "connection"
    OPERATION = "operation"


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One version. `stage` is None for an operation, which is live at once."""

    kind: Half
    number: int
    saved_by: str
    saved_at: datetime
    stage: Stage | None
    value: Connection | Operation
    decided_by: str = ""
    decided_at: datetime | None = None
    reason: str = ""


def entries(snapshots: Sequence[Environment]) -> list[HistoryEntry]:
    """Every version in `snapshots` (the first one first) as it ended, the newest first."""
    connections: dict[int, HistoryEntry] = {}
    operations: dict[int, HistoryEntry] = {}
    for one in snapshots:
        connections[one.newest.number] = _connection(one.newest)
        if one.operation_version not in operations:
            operations[one.operation_version] = HistoryEntry(
                Half.OPERATION, one.operation_version, one.changed_by, one.changed_at, None, one.operation
            )
    found = [*connections.values(), *operations.values()]
    return sorted(found, key=lambda entry: (entry.saved_at, entry.kind, entry.number), reverse=True)


def version(snapshots: Sequence[Environment], kind: Half, number: int) -> HistoryEntry:
    """One version of one half. Raises NotFound."""
    for entry in entries(snapshots):
        if (entry.kind, entry.number) == (kind, number):
            return entry
    raise NotFound("no such version")


def _connection(one: ConnectionVersion) -> HistoryEntry:
    return HistoryEntry(
        Half.CONNECTION,
        one.number,
        one.saved_by,
        one.saved_at,
        one.stage,
        one.connection,
        one.decided_by,
        one.decided_at,
        one.reason,
    )
