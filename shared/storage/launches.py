"""Launches: what must be remembered while someone is away at Epic, for minutes and for one return."""

import json
import logging
from typing import Any

from shared.domain.environment import EnvironmentId
from shared.domain.errors import NotFound, OutOfStep, TryAgain
from shared.domain.launch import Launch, LaunchRole
from shared.domain.tenant import TenantId
from shared.storage.keys import joined, shard_of
from shared.storage.rows import compact, instant, moment
from shared.storage.seals import Seals
from shared.storage.tables import Row, Table, version_of

logger = logging.getLogger(__name__)

# The PKCE verifier and the nonce are secrets for as long as the launch lives.
_PURPOSE = "launch"


class LaunchIndex:
    """The launches under way in all tenants, by the hash of their state."""

    def __init__(self, table: Table, seals: Seals) -> None:
        self._table = table
        self._seals = seals

    async def insert(self, launch: Launch) -> None:
        """Raise AlreadyThere. One call."""
        secrets = compact([launch.verifier, launch.nonce]).encode()
        sealed = await self._seals.seal(secrets, purpose=_PURPOSE, tenant=launch.tenant)
        await self._table.insert(_to_row(launch, secrets=sealed))

    async def claim(self, state_hash: str) -> Launch:
        """The launch, which nobody else can claim from now on; raise NotFound when unknown or claimed.

        Three calls. The claim is the conditional update; a delete would succeed twice.
        """
        row = await self._table.get(*_key(state_hash))
        if row["used"]:
            raise NotFound("no such launch")
        try:
            await self._table.save({**row, "used": True, "secrets": ""}, seen=version_of(row))
        except OutOfStep as claimed:
            raise NotFound("no such launch") from claimed
        secrets = await self._seals.open(row["secrets"], purpose=_PURPOSE, tenant=TenantId(row["tenant"]))
        verifier, nonce = json.loads(secrets)
        await self._forget(state_hash)
        return _from_row(row, verifier=verifier, nonce=nonce)

    async def _forget(self, state_hash: str) -> None:
        try:
            await self._table.remove(*_key(state_hash))
        except TryAgain:
            # It is claimed and holds no secret any more: whoever launched need not wait for the tidying.
            logger.warning("a claimed launch could not be deleted")


def _key(state_hash: str) -> tuple[str, str]:
    return shard_of(state_hash, 256), joined(state_hash)


def _to_row(launch: Launch, *, secrets: str) -> dict[str, Any]:
    partition, key = _key(launch.state_hash)
    return {
        "PartitionKey": partition,
        "RowKey": key,
        "state_hash": launch.state_hash,
        "browser_hash": launch.browser_hash,
        "tenant": launch.tenant,
        "environment": launch.environment,
        "role": launch.role.value,
        "secrets": secrets,
        "redirect_uri": launch.redirect_uri,
        "session_hash": launch.session_hash,
        "content_hash": launch.content_hash,
        "begun_at": instant(launch.begun_at),
        "used": False,
    }


def _from_row(row: Row, *, verifier: str, nonce: str) -> Launch:
    return Launch(
        state_hash=row["state_hash"],
        browser_hash=row["browser_hash"],
        tenant=TenantId(row["tenant"]),
        environment=EnvironmentId(row["environment"]),
        role=LaunchRole(row["role"]),
        verifier=verifier,
        nonce=nonce,
        redirect_uri=row["redirect_uri"],
        begun_at=moment(row["begun_at"]),
        # Launches that began before these columns existed have none.
        session_hash=row.get("session_hash", ""),
        content_hash=row.get("content_hash", ""),
    )
