"""Join links: what the hash of a patient's link leads to. The link itself is nowhere."""

from typing import Any

from shared.domain.appointment import AppointmentRef
from shared.domain.environment import EnvironmentId
from shared.domain.join_link import JoinLink, LinkRole
from shared.domain.tenant import TenantId
from shared.storage.keys import joined, shard_of
from shared.storage.tables import Row, Table


class JoinLinkIndex:
    """The links of all tenants: hashes and ids only. Each method is one storage call."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def put(self, link: JoinLink) -> None:
        await self._table.put(_to_row(link))

    async def find(self, token_hash: str) -> JoinLink:
        """Raise NotFound."""
        return _from_row(await self._table.get(*_key(token_hash)))


def _key(token_hash: str) -> tuple[str, str]:
    return shard_of(token_hash, 256), joined(token_hash)


def _to_row(link: JoinLink) -> dict[str, Any]:
    partition, key = _key(link.token_hash)
    return {
        "PartitionKey": partition,
        "RowKey": key,
        "token_hash": link.token_hash,
        "tenant": link.appointment.tenant,
        "environment": link.appointment.environment,
        "appointment": link.appointment.key,
        "role": link.role.value,
        "generation": link.generation,
        "revoked": link.revoked,
    }


def _from_row(row: Row) -> JoinLink:
    return JoinLink(
        token_hash=row["token_hash"],
        appointment=AppointmentRef(
            TenantId(row["tenant"]), EnvironmentId(row["environment"]), row["appointment"]
        ),
        role=LinkRole(row["role"]),
        generation=row["generation"],
        revoked=row["revoked"],
    )
