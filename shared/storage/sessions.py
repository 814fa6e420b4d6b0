"""Sessions: what the random id in a provider's cookie stands for, found by its hash."""

from typing import Any

from shared.domain.environment import EnvironmentId
from shared.domain.launch import VisitSession
from shared.domain.tenant import TenantId
from shared.storage.keys import joined, shard_of
from shared.storage.rows import instant, moment
from shared.storage.tables import Row, Table


class SessionIndex:
    """The sessions of all tenants: hashes and ids only. Each method is one storage call."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def put(self, session: VisitSession) -> None:
        await self._table.put(_to_row(session))

    async def find(self, id_hash: str) -> VisitSession:
        """Raise NotFound. Whether it has expired is for the caller to say."""
        return _from_row(await self._table.get(*_key(id_hash)))


def _key(id_hash: str) -> tuple[str, str]:
    return shard_of(id_hash, 256), joined(id_hash)


def _to_row(session: VisitSession) -> dict[str, Any]:
    partition, key = _key(session.id_hash)
    return {
        "PartitionKey": partition,
        "RowKey": key,
        "id_hash": session.id_hash,
        "tenant": session.tenant,
        "environment": session.environment,
        "visit": session.visit,
        "participant": session.participant,
        "expires_at": instant(session.expires_at),
    }


def _from_row(row: Row) -> VisitSession:
    return VisitSession(
        id_hash=row["id_hash"],
        tenant=TenantId(row["tenant"]),
        environment=EnvironmentId(row["environment"]),
        visit=row["visit"],
        participant=row["participant"],
        expires_at=moment(row["expires_at"]),
    )
