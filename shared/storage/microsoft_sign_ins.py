"""Sign-ins on their way: what must be remembered while somebody is away at Microsoft, for minutes and one return."""

import json

from shared.domain.errors import NotFound, OutOfStep
from shared.domain.portal_session import SignInBegun
from shared.domain.tenant import TenantId
from shared.storage.keys import joined, shard_of
from shared.storage.rows import compact, gathered, instant, moment, spread
from shared.storage.seals import Seals
from shared.storage.tables import Table, version_of

# Nobody is known yet, so the seal is bound to no tenant; the purpose keeps it apart from everything else.
_NOBODY = TenantId("00000000-0000-0000-0000-000000000000")
_PURPOSE = "sign-in"


class MicrosoftSignInIndex:
    """The sign-ins under way, by the hash of their state."""

    def __init__(self, table: Table, seals: Seals) -> None:
        self._table = table
        self._seals = seals

    async def insert(self, begun: SignInBegun) -> None:
        """Raise AlreadyThere. One call."""
        content = compact([begun.flow, begun.to]).encode()
        sealed = await self._seals.seal(content, purpose=_PURPOSE, tenant=_NOBODY)
        await self._table.insert(
            {
                **_key(begun.state_hash),
                "browser_hash": begun.browser_hash,
                "begun_at": instant(begun.begun_at),
                "used": False,
                **spread("sealed", sealed),
            }
        )

    async def claim(self, state_hash: str) -> SignInBegun:
        """The sign-in, which nobody can claim again. Raise NotFound when unknown or claimed. Three calls."""
        key = _key(state_hash)
        row = await self._table.get(key["PartitionKey"], key["RowKey"])
        if row["used"]:
            raise NotFound("no such sign-in")
        try:
            # The conditional update is the claim; a delete would succeed twice.
            await self._table.save({**key, "used": True}, seen=version_of(row))
        except OutOfStep as claimed:
            raise NotFound("no such sign-in") from claimed
        content = await self._seals.open(gathered(row, "sealed"), purpose=_PURPOSE, tenant=_NOBODY)
        await self._table.remove(key["PartitionKey"], key["RowKey"])
        flow, to = json.loads(content)
        return SignInBegun(state_hash, row["browser_hash"], flow, to, moment(row["begun_at"]))


def _key(state_hash: str) -> dict[str, str]:
    return {"PartitionKey": shard_of(state_hash, 256), "RowKey": joined(state_hash)}
