"""People of a hospital's staff: what the portal calls them, and whose a typed address became for good."""

import hashlib
from collections.abc import Collection
from datetime import datetime
from typing import Any

from shared.domain.errors import AlreadyThere
from shared.domain.portal_session import Colleague
from shared.domain.tenant import Person, Role, TenantId
from shared.storage.keys import joined
from shared.storage.rows import compact, instant, texts
from shared.storage.tables import AFTER, Table, creating, upserting

# The kinds of rows, which share the partition of their tenant.
_CALLED, _SIGNED_IN, _BOUND, _NAMES = "called", "signed-in", "bound", "names"


class People:
    """The staff of one tenant that the portal met or was told of. Names and addresses are only shown."""

    def __init__(self, table: Table, tenant: TenantId) -> None:
        self._table = table
        self._tenant = tenant
        self._partition = joined(tenant)

    async def remember(self, person: Person, *, at: datetime) -> None:
        """Write down what a person who signed in is called, and their roles. One call."""
        called = self._called(Colleague(person.object_id, person.name, person.address))
        signed_in = self._row(
            joined(_SIGNED_IN, person.object_id),
            object_id=person.object_id,
            roles=compact(sorted(person.roles)),
            at=instant(at),
        )
        await self._table.together([upserting(called), upserting(signed_in)])

    async def put(self, colleague: Colleague) -> None:
        """Write down what the directory calls somebody. One call."""
        await self._table.put(self._called(colleague))

    async def named(self, object_ids: Collection[str]) -> dict[str, Colleague]:
        """Those of `object_ids` that are known. One call for each."""
        known: dict[str, Colleague] = {}
        for one in dict.fromkeys(object_ids):
            row = await self._table.find(self._partition, joined(_CALLED, one))
            if row is not None:
                known[one] = Colleague(row["object_id"], row["name"], row["address"])
        return known

    async def administrators(self) -> list[Colleague]:
        """Who was an administrator at their last sign-in, by name."""
        beginning = joined(_SIGNED_IN, "")
        held = [
            row["object_id"]
            async for row in self._table.rows(self._partition, low=beginning, high=beginning[:-1] + AFTER)
            if Role.ADMINISTRATOR in texts(row["roles"])
        ]
        return sorted((await self.named(held)).values(), key=lambda one: (one.name, one.object_id))

    async def bind(self, address: str, object_id: str) -> str:
        """Let `address` mean that person from now on; return whom it means. The first binding stands for good."""
        name = _hashed(address)
        bound = self._row(joined(_BOUND, name), object_id=object_id)
        names = self._row(joined(_NAMES, object_id, name), address=address.strip().lower())
        try:
            await self._table.together([creating(bound), upserting(names)])
        except AlreadyThere:
            row = await self._table.get(self._partition, joined(_BOUND, name))
            return str(row["object_id"])
        return object_id

    async def bound(self, address: str) -> str | None:
        """Whom `address` means, or None while nobody signed in with it. One call."""
        row = await self._table.find(self._partition, joined(_BOUND, _hashed(address)))
        return None if row is None else str(row["object_id"])

    async def addresses_of(self, object_id: str) -> frozenset[str]:
        """The addresses that were bound to that person, in lower case."""
        beginning = joined(_NAMES, object_id, "")
        rows = self._table.rows(self._partition, low=beginning, high=beginning[:-1] + AFTER)
        return frozenset([str(row["address"]) async for row in rows])

    def _called(self, colleague: Colleague) -> dict[str, Any]:
        return self._row(
            joined(_CALLED, colleague.object_id),
            object_id=colleague.object_id,
            name=colleague.name,
            address=colleague.address,
        )

    def _row(self, key: str, **columns: str) -> dict[str, Any]:
        return {"PartitionKey": self._partition, "RowKey": key, **columns}


def _hashed(address: str) -> str:
    # An address may hold anything; its hash always fits a key.
    return hashlib.sha256(address.strip().lower().encode()).hexdigest()
