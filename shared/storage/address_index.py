"""Which tenant uses which FHIR base URL, so that one Epic server does not serve two organizations unasked."""

import json
from typing import Any

from shared.domain.address_use import AddressUse, Share, ShareStage
from shared.domain.environment import EnvironmentId
from shared.domain.errors import NotFound
from shared.domain.tenant import TenantId
from shared.domain.versioned import Versioned
from shared.storage.keys import joined
from shared.storage.rows import compact, gathered, instant, moment, spread
from shared.storage.tables import Row, Table, version_of

_USE = "use"


class AddressIndex:
    """The uses of all addresses, of all tenants: hashes and ids only. Each method is one storage call."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def find(self, address: str) -> Versioned[AddressUse] | None:
        try:
            row = await self._table.get(joined(address), _USE)
        except NotFound:
            return None
        return Versioned(_from_row(row), version_of(row))

    async def insert(self, use: AddressUse) -> None:
        """Raise AlreadyThere."""
        await self._table.insert(_to_row(use))

    async def save(self, use: AddressUse, *, seen: str) -> None:
        """Raise OutOfStep."""
        await self._table.save(_to_row(use), seen=seen)


def _to_row(use: AddressUse) -> dict[str, Any]:
    shares = [
        {
            "tenant": one.tenant,
            "stage": one.stage.value,
            "at": instant(one.at),
            "environment": one.environment,
        }
        for one in use.shares
    ]
    return {
        "PartitionKey": joined(use.address),
        "RowKey": _USE,
        "address": use.address,
        "tenant": use.tenant or "",
        "environment": use.environment or "",
        **spread("shares", compact(shares)),
    }


def _from_row(row: Row) -> AddressUse:
    return AddressUse(
        address=row["address"],
        tenant=TenantId(row["tenant"]) if row["tenant"] else None,
        environment=EnvironmentId(row["environment"]) if row["environment"] else None,
        shares=tuple(
            Share(
                tenant=TenantId(one["tenant"]),
                stage=ShareStage(one["stage"]),
                at=moment(one["at"]),
                environment=EnvironmentId(one["environment"]) if one["environment"] else None,
            )
            for one in json.loads(gathered(row, "shares"))
        ),
    )
