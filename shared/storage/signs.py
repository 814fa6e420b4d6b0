"""Signs of life of an environment: when Epic first and last reached it, by which record. Kinds and times only."""

from datetime import datetime

from shared.domain.environment import EnvironmentId
from shared.domain.errors import AlreadyThere, NotFound
from shared.domain.sign_of_life import NOTED_EVERY, Sign, SignKind, Signs
from shared.domain.tenant import TenantId
from shared.storage.keys import joined
from shared.storage.rows import instant, moment
from shared.storage.tables import Row, Table


class SignTimes:
    """When this process last wrote which sign, so that a busy minute costs one write."""

    def __init__(self) -> None:
        self._written: dict[tuple[str, ...], datetime] = {}

    def due(self, key: tuple[str, ...], *, at: datetime) -> bool:
        """Whether `key` is to be written; whoever is told so has it for the next minute."""
        last = self._written.get(key)
        if last is not None and at - last < NOTED_EVERY:
            return False
        self._written[key] = at
        return True

    def forget(self, key: tuple[str, ...]) -> None:
        self._written.pop(key, None)


class SignsOfLife:
    """The signs of one environment: a row for each kind."""

    def __init__(self, table: Table, tenant: TenantId, environment: EnvironmentId, times: SignTimes) -> None:
        self._table = table
        self._partition = joined(tenant, environment)
        self._times = times

    async def note(self, kind: SignKind, *, at: datetime, other: str = "") -> None:
        """Remember that `kind` came at `at`. No call within a minute of the last; else one, and two the very first
        time: the first row stands, whoever else inserts it."""
        key = (self._partition, kind, other)
        if not self._times.due(key, at=at):
            return
        row = {"PartitionKey": self._partition, "RowKey": kind.value, "last_at": instant(at), "other": other}
        try:
            try:
                await self._table.merge(row)
            except NotFound:
                await self._table.insert({**row, "first_at": instant(at)})
        except AlreadyThere:
            # Another process saw the same first launch; its row says the same minute.
            return
        except BaseException:
            self._times.forget(key)
            raise

    async def all(self) -> Signs:
        """One call."""
        return Signs(tuple([_from_row(row) async for row in self._table.rows(self._partition)]))


def _from_row(row: Row) -> Sign:
    return Sign(
        kind=SignKind(row["RowKey"]),
        first_at=moment(row["first_at"]),
        last_at=moment(row["last_at"]),
        other=row["other"],
    )
