"""Aliases: every id Epic used for an appointment leads to the appointment, as long as it leads to one only."""

import asyncio
from collections.abc import Sequence

from shared.domain.environment import EnvironmentId
from shared.domain.errors import AlreadyThere, OutOfStep
from shared.domain.tenant import TenantId
from shared.storage.keys import Scope, joined
from shared.storage.tables import Table, version_of

# An alias that two appointments claimed, such as an SCH-1 that is the same in every message.
_NOWHERE = ""


class Aliases:
    """The aliases of one environment's appointments."""

    def __init__(self, table: Table, tenant: TenantId, environment: EnvironmentId) -> None:
        self._table = table
        self._scope = Scope(tenant, environment)

    async def keys_of(self, aliases: Sequence[str]) -> dict[str, str]:
        """The keys of those that are known and lead to one appointment only.

        One call for each alias, all at once: a message has three at most.
        """
        wanted = list(dict.fromkeys(aliases))
        rows = await asyncio.gather(*(self._table.find(*self._key(alias)) for alias in wanted))
        return {
            alias: row["key"]
            for alias, row in zip(wanted, rows, strict=True)
            if row is not None and row["key"] != _NOWHERE
        }

    async def claim(self, alias: str, key: str, *, own: bool) -> str:
        """Let `alias` lead to `key` and return the key it leads to. One call, or two when it was claimed before.

        The first claim stands, and its key is returned. When another appointment claims the alias and it is not
        `own`, the alias leads nowhere from then on, and `key` is returned.
        """
        partition, name = self._key(alias)
        row = {"PartitionKey": partition, "RowKey": name, "key": key}
        try:
            await self._table.insert(row)
        except AlreadyThere:
            return await self._claimed_before(alias, key, own=own)
        return key

    async def _claimed_before(self, alias: str, key: str, *, own: bool) -> str:
        partition, name = self._key(alias)
        while True:
            standing = await self._table.get(partition, name)
            if standing["key"] in (key, _NOWHERE):
                return key
            if own:
                return str(standing["key"])
            nowhere = {"PartitionKey": partition, "RowKey": name, "key": _NOWHERE}
            try:
                await self._table.save(nowhere, seen=version_of(standing))
            except OutOfStep:
                continue  # somebody else changed it, and the only change there is ends this loop
            return key

    def _key(self, alias: str) -> tuple[str, str]:
        return self._scope.partition(alias), joined(alias)
