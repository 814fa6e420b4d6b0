"""Held forms: what somebody typed before their session ended, kept sealed until the same person is back."""

from typing import Any

from shared.domain.errors import NotFound, OutOfStep
from shared.domain.portal_session import HeldForm
from shared.domain.tenant import TenantId
from shared.storage.keys import joined, shard_of
from shared.storage.rows import gathered, instant, moment, spread
from shared.storage.seals import Seals
from shared.storage.tables import Table, version_of

_PURPOSE = "held-form"


class HeldFormIndex:
    """The forms held for people of all tenants, by the hash of a random id."""

    def __init__(self, table: Table, seals: Seals) -> None:
        self._table = table
        self._seals = seals

    async def insert(self, form: HeldForm) -> None:
        """Raise AlreadyThere. One call."""
        sealed = await self._seals.seal(form.content.encode(), purpose=_PURPOSE, tenant=form.tenant)
        await self._table.insert(
            {
                **_key(form.id_hash),
                "tenant": form.tenant,
                "object_id": form.object_id,
                "held_at": instant(form.held_at),
                "taken": False,
                **spread("sealed", sealed),
            }
        )

    async def take(self, id_hash: str, *, tenant: TenantId, object_id: str) -> HeldForm:
        """The form, which nobody can take again. Raise NotFound when it is unknown, taken or another's.

        Asking in vain takes nothing. Three calls.
        """
        key = _key(id_hash)
        row = await self._table.get(key["PartitionKey"], key["RowKey"])
        if row["taken"] or (row["tenant"], row["object_id"]) != (tenant, object_id):
            raise NotFound("no such form")
        claimed: dict[str, Any] = {**key, "tenant": tenant, "object_id": object_id, "taken": True}
        try:
            await self._table.save({**claimed, "held_at": row["held_at"]}, seen=version_of(row))
        except OutOfStep as taken:
            raise NotFound("no such form") from taken
        content = await self._seals.open(gathered(row, "sealed"), purpose=_PURPOSE, tenant=tenant)
        await self._table.remove(key["PartitionKey"], key["RowKey"])
        return HeldForm(id_hash, tenant, object_id, content.decode(), moment(row["held_at"]))


def _key(id_hash: str) -> dict[str, str]:
    return {"PartitionKey": shard_of(id_hash, 256), "RowKey": joined(id_hash)}
