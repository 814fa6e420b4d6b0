"""The pin: which geography this storage account belongs to, written once and never changed."""

from datetime import datetime

from shared.domain.errors import AlreadyThere
from shared.domain.geography import Geography
from shared.storage.rows import instant
from shared.storage.tables import Table

_PIN = "pin"


class StampPin:
    """The one row of the table `Stamp`. It belongs to no tenant and holds nothing about one."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def pinned(self, configured: Geography, *, now: datetime) -> Geography:
        """The geography of the pin row, written as `configured` when there is none yet. One or two calls."""
        known = await self._table.find(_PIN, _PIN)
        if known is None:
            row = {
                "PartitionKey": _PIN,
                "RowKey": _PIN,
                "geography": configured.value,
                "created_at": instant(now),
            }
            try:
                await self._table.insert(row)
            except AlreadyThere:
                known = await self._table.get(_PIN, _PIN)  # another instance was first, and its word stands
        return Geography(known["geography"]) if known is not None else configured
