"""Messages too large for a queue: ciphertext in a few rows, until the message has been processed."""

from uuid import uuid4

from shared.domain.errors import NotFound
from shared.storage.envelopes import LargeRef
from shared.storage.keys import joined
from shared.storage.tables import Table

# A binary column takes 64 KiB.
_PART_TAKES = 60 * 1024


class LargeMessages:
    """Rows of parts. `owner` is the tenant, or the queue when what came names no tenant readably."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def put(self, owner: str, content: str) -> LargeRef:
        """Store `content`. One call for each 60 KiB."""
        partition = joined(owner, uuid4().hex)
        whole = content.encode()
        parts = [whole[at : at + _PART_TAKES] for at in range(0, len(whole), _PART_TAKES)]
        for number, part in enumerate(parts):
            await self._table.insert({"PartitionKey": partition, "RowKey": f"{number:04d}", "content": part})
        return LargeRef(partition, len(parts))

    async def get(self, ref: LargeRef) -> str:
        """What was stored, or raise NotFound when it was removed."""
        parts = [bytes(row["content"]) async for row in self._table.rows(ref.partition)]
        if len(parts) != ref.parts:
            raise NotFound("no such large message")
        return b"".join(parts).decode()

    async def remove(self, ref: LargeRef) -> None:
        """Remove all parts; they may be gone already."""
        for number in range(ref.parts):
            await self._table.remove(ref.partition, f"{number:04d}")
