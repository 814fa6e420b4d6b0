"""Remembers when each timer last ran, so that a run missed while the host was off is made up for."""

import contextlib
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, cast

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableServiceClient

TABLE = "BuiltInHostTimers"


@dataclass(frozen=True, slots=True)
class TimerRecord:
    """One timer's last run (None before the first), its next one as then foreseen, and when this was written."""

    last_at: datetime | None
    next_at: datetime
    updated_at: datetime


class TimerRecords(Protocol):
    async def load(self, function: str) -> TimerRecord | None: ...

    async def save(self, function: str, record: TimerRecord) -> None: ...


class TableTimerRecords:
    """Timer records in Table Storage, apart for each app; the table is created when it does not exist."""

    def __init__(self, tables: TableServiceClient, *, app: str) -> None:
        self._tables = tables
        self._table = tables.get_table_client(TABLE)
        self._app = app

    async def load(self, function: str) -> TimerRecord | None:
        try:
            row = await self._table.get_entity(self._app, function)
        except ResourceNotFoundError:
            return None
        return TimerRecord(
            last_at=cast("datetime | None", row.get("last_at")),
            next_at=row["next_at"],
            updated_at=row["updated_at"],
        )

    async def save(self, function: str, record: TimerRecord) -> None:
        row: dict[str, object] = {
            "PartitionKey": self._app,
            "RowKey": function,
            "next_at": record.next_at,
            "updated_at": record.updated_at,
        }
        if record.last_at is not None:
            row["last_at"] = record.last_at
        try:
            await self._table.upsert_entity(row, mode=UpdateMode.REPLACE)
        except ResourceNotFoundError:
            with contextlib.suppress(ResourceExistsError):
                await self._tables.create_table(TABLE)
            await self._table.upsert_entity(row, mode=UpdateMode.REPLACE)
