"""Tenants: one row each, written when their first administrator pins them to this geography."""

from shared.domain.errors import NotFound
from shared.domain.geography import Geography
from shared.domain.tenant import Tenant, TenantId
from shared.storage.keys import joined
from shared.storage.rows import instant, moment
from shared.storage.tables import Row, Table

_ROW = "tenant"


class Tenants:
    """The row of one tenant."""

    def __init__(self, table: Table, tenant: TenantId) -> None:
        self._table = table
        self._tenant = tenant

    async def get(self) -> Tenant:
        """Raise NotFound before the first sign-in. One call."""
        return _from_row(await self._table.get(joined(self._tenant), _ROW))

    async def create(self, tenant: Tenant) -> None:
        """Raise AlreadyThere when the tenant is pinned already. One call."""
        if tenant.id != self._tenant:
            raise NotFound("no such tenant")
        await self._table.insert(_to_row(tenant))


def _to_row(tenant: Tenant) -> dict[str, object]:
    return {
        "PartitionKey": joined(tenant.id),
        "RowKey": _ROW,
        "id": tenant.id,
        "name": tenant.name,
        "geography": tenant.geography.value,
        "pinned_at": instant(tenant.pinned_at),
        "pinned_by": tenant.pinned_by,
    }


def _from_row(row: Row) -> Tenant:
    return Tenant(
        id=TenantId(row["id"]),
        name=row["name"],
        geography=Geography(row["geography"]),
        pinned_at=moment(row["pinned_at"]),
        pinned_by=row["pinned_by"],
    )
