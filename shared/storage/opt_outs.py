"""Opt-outs: who does not want texts from a hospital, kept without keeping a number."""

import hashlib
import hmac
from datetime import datetime
from typing import Protocol

from shared.domain.errors import AlreadyThere
from shared.domain.phone_number import PhoneNumber
from shared.domain.tenant import TenantId
from shared.storage.keys import SHARDS, joined, shard_of
from shared.storage.rows import instant
from shared.storage.tables import Table


class OptOutKeys(Protocol):
    """Where the key of the hashes comes from. It is never renewed: with another key nobody would be known."""

    async def opt_out_key(self) -> bytes: ...


class OptOuts:
    """The opt-outs of one tenant, by keyed hash (HMAC-SHA256). Each method is one storage call.

    The tenant is part of what is hashed, so that one number has no common name in two tenants.
    """

    def __init__(self, table: Table, tenant: TenantId, keys: OptOutKeys) -> None:
        self._table = table
        self._tenant = tenant
        self._keys = keys

    async def contains(self, number: PhoneNumber) -> bool:
        return await self._table.find(*await self._key(number)) is not None

    async def add(self, number: PhoneNumber, *, at: datetime, how: str) -> None:
        """The first opt-out stands until it is removed."""
        partition, key = await self._key(number)
        try:
            await self._table.insert(
                {"PartitionKey": partition, "RowKey": key, "at": instant(at), "how": how}
            )
        except AlreadyThere:
            return

    async def remove(self, number: PhoneNumber) -> None:
        await self._table.remove(*await self._key(number))

    async def _key(self, number: PhoneNumber) -> tuple[str, str]:
        secret = await self._keys.opt_out_key()
        name = hmac.new(secret, f"{self._tenant}|{number.e164}".encode(), hashlib.sha256).hexdigest()
        return joined(self._tenant, shard_of(name, SHARDS)), name
