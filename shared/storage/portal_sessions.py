"""Portal sessions: what the random id in an administrator's or approver's cookie stands for, found by its hash."""

from collections.abc import Callable
from typing import Any

from shared.domain.environment import EnvironmentId
from shared.domain.errors import OutOfStep, TryAgain
from shared.domain.portal_session import EpicProof, PortalSession
from shared.domain.tenant import Role, TenantId
from shared.storage.keys import joined, shard_of
from shared.storage.rows import compact, instant, moment, texts
from shared.storage.tables import Row, Table, version_of

# Pages that load at once write at once; this many lost turns in a row mean that something is wrong.
_MOST_ATTEMPTS = 20


class PortalSessionIndex:
    """The portal sessions of all tenants: hashes and ids only."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def insert(self, session: PortalSession) -> None:
        """Raise AlreadyThere. One call."""
        await self._table.insert(_to_row(session))

    async def change(self, id_hash: str, change: Callable[[PortalSession], PortalSession]) -> PortalSession:
        """The session after `change`, which is made of what is stored now: a click never undoes a sign-out.

        Raise NotFound. Two calls, and two more for each writer who was faster.
        """
        for _ in range(_MOST_ATTEMPTS):
            row = await self._table.get(*_key(id_hash))
            changed = change(_from_row(row))
            try:
                await self._table.save(_to_row(changed), seen=version_of(row))
            except OutOfStep:
                continue
            return changed
        raise TryAgain("too much happens in one session at once")

    async def find(self, id_hash: str) -> PortalSession:
        """Raise NotFound. Whether it is over is for the caller to say. One call."""
        return _from_row(await self._table.get(*_key(id_hash)))


def _key(id_hash: str) -> tuple[str, str]:
    return shard_of(id_hash, 256), joined(id_hash)


def _to_row(session: PortalSession) -> dict[str, Any]:
    partition, key = _key(session.id_hash)
    proof = session.proof
    return {
        "PartitionKey": partition,
        "RowKey": key,
        "id_hash": session.id_hash,
        "tenant": session.tenant,
        "object_id": session.object_id,
        "roles": compact(sorted(session.roles)),
        "signed_in_at": instant(session.signed_in_at),
        "seen_at": instant(session.seen_at),
        "expires_at": instant(session.expires_at),
        "proof_environment": proof.environment if proof else "",
        "proof_content_hash": proof.content_hash if proof else "",
        "proof_at": instant(proof.at if proof else None),
    }


def _from_row(row: Row) -> PortalSession:
    proof = None
    if row["proof_at"]:
        proof = EpicProof(
            EnvironmentId(row["proof_environment"]), row["proof_content_hash"], moment(row["proof_at"])
        )
    return PortalSession(
        id_hash=row["id_hash"],
        tenant=TenantId(row["tenant"]),
        object_id=row["object_id"],
        roles=frozenset(Role(one) for one in texts(row["roles"])),
        signed_in_at=moment(row["signed_in_at"]),
        seen_at=moment(row["seen_at"]),
        expires_at=moment(row["expires_at"]),
        proof=proof,
    )
