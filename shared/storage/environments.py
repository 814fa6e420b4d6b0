"""Environments: each with the connection an analyst approved, its operation, and every version it ever had."""

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from shared.domain.environment import Environment, EnvironmentId, LiveEnvironment, kept, live
from shared.domain.errors import AlreadyThere, NotFound, Unsealable
from shared.domain.tenant import TenantId
from shared.domain.versioned import Versioned
from shared.storage.environment_rows import columns, environment_of
from shared.storage.keys import joined, shard_of
from shared.storage.rows import compact, gathered, instant
from shared.storage.seals import Seals
from shared.storage.tables import AFTER, Operation, Row, Table, creating, replacing, version_of

logger = logging.getLogger(__name__)

# Two kinds of rows in a tenant's partition: what is, and everything that ever was.
_NOW, _EVER = "now", "ever"

# Even the numbers that a test environment may text lead to people: they rest sealed.
_PURPOSE = "allowed-numbers"


class Environments:
    """The environments of one tenant."""

    def __init__(self, table: Table, index: Table, tenant: TenantId, seals: Seals) -> None:
        self._table = table
        self._index = index
        self._tenant = tenant
        self._seals = seals

    async def get(self, environment: EnvironmentId) -> Versioned[Environment]:
        """Raise NotFound for a removed one as well. One call."""
        row = await self._table.get(joined(self._tenant), joined(_NOW, environment))
        found = await self._from_row(row)
        if found.removed_at is not None:
            raise NotFound("no such environment")
        return Versioned(found, version_of(row))

    async def all(self) -> list[Environment]:
        """Those that were not removed. One call."""
        rows = self._table.rows(joined(self._tenant), low=f"{_NOW}|", high=_NOW + AFTER)
        every = [await self._from_row(row) async for row in rows]
        return [one for one in every if one.removed_at is None]

    async def create(self, environment: Environment) -> None:
        """Raise AlreadyThere. Two calls.

        The index row is first: without its environment it leads nowhere, and a second try finds it as its own.
        """
        self._must_own(environment)
        try:
            await self._index.insert(_index_row(environment))
        except AlreadyThere:
            if (await self._index.get(*_index_key(environment.id)))["tenant"] != self._tenant:
                raise
        content = await self._columns(environment)
        await self._table.together([creating(self._now(environment, content)), self._ever(environment)])

    async def save(self, environment: Environment, *, seen: str) -> None:
        """Raise OutOfStep when it changed since `seen`. One call, which also writes the history row."""
        self._must_own(environment)
        content = await self._columns(environment)
        await self._table.together(
            [replacing(self._now(environment, content), seen), self._ever(environment)]
        )

    async def history(self, environment: EnvironmentId) -> list[Environment]:
        """Every version that was ever saved, the first one first, without the numbers it allowed to text."""
        prefix = joined(_EVER, environment)
        rows = self._table.rows(joined(self._tenant), low=f"{prefix}|", high=prefix + AFTER)
        return [await self._from_row(row) async for row in rows]

    def _must_own(self, environment: Environment) -> None:
        if environment.tenant != self._tenant:
            raise NotFound("no such environment")

    def _now(self, environment: Environment, content: dict[str, object]) -> dict[str, object]:
        keys = {"PartitionKey": joined(self._tenant), "RowKey": joined(_NOW, environment.id)}
        return {**keys, **content}

    def _ever(self, environment: Environment) -> Operation:
        name = joined(_EVER, environment.id, instant(environment.changed_at), uuid4().hex)
        # History is kept for good; numbers are kept for as long as the environment lists them.
        kept = columns(environment, only_numbers="")
        return creating({"PartitionKey": joined(self._tenant), "RowKey": name, **kept})

    async def _columns(self, environment: Environment) -> dict[str, object]:
        numbers = environment.operation.texts.only_numbers
        sealed = ""
        if numbers:
            content = compact(list(numbers)).encode()
            sealed = await self._seals.seal(content, purpose=_PURPOSE, tenant=self._tenant)
        return columns(environment, only_numbers=sealed)

    async def _from_row(self, row: Row) -> Environment:
        return environment_of(row, only_numbers=await _numbers(row, self._tenant, self._seals))


async def _numbers(row: Row, tenant: TenantId, seals: Seals) -> tuple[str, ...]:
    sealed = gathered(row, "only_numbers")
    if not sealed:
        return ()
    try:
        return tuple(json.loads(await seals.open(sealed, purpose=_PURPOSE, tenant=tenant)))
    except Unsealable:
        # Without the list a test environment texts nobody, which is the safe side, and the portal still
        # opens for whoever enters the numbers again.
        logger.exception("environment %s: its list of allowed numbers does not open", row["id"])
        return ()


def _index_key(environment: EnvironmentId) -> tuple[str, str]:
    return shard_of(environment, 16), joined(environment)


def _index_row(environment: Environment) -> dict[str, object]:
    partition, key = _index_key(environment.id)
    return {"PartitionKey": partition, "RowKey": key, "tenant": environment.tenant}


@dataclass(frozen=True, slots=True)
class _Remembered:
    environment: Environment
    until: datetime


# Changes of an environment reach visits, feeds and texts within this.
REMEMBERED_FOR = timedelta(seconds=5)


class EnvironmentIndex:
    """Leads from an environment's id, which every Epic record carries, to what is live of it.

    Remembers an answer for `REMEMBERED_FOR`, because each message, launch and text asks. What is not approved
    or not known is asked for again every time, so that an approval counts at once.
    """

    def __init__(self, index: Table, table: Table, seals: Seals, clock: Callable[[], datetime]) -> None:
        self._index = index
        self._table = table
        self._seals = seals
        self._clock = clock
        self._tenants: dict[EnvironmentId, TenantId] = {}
        self._remembered: dict[EnvironmentId, _Remembered] = {}
        self._asking: dict[EnvironmentId, asyncio.Lock] = {}

    async def find(self, environment: EnvironmentId) -> LiveEnvironment:
        """Raise NotFound for an unknown id or a removed environment, Refused when nothing is approved yet.

        No call while remembered; otherwise one, and one more at the first sight of an id.
        """
        return live(await self._found(environment))

    async def kept(self, environment: EnvironmentId) -> LiveEnvironment:
        """The same for work that had begun: a removed one is found too, and texts nobody."""
        return kept(await self._found(environment))

    async def _found(self, environment: EnvironmentId) -> Environment:
        if (known := self._fresh(environment)) is not None:
            return known
        tenant = await self._tenant_of(environment)
        # Many requests miss at the same moment: one of them asks.
        async with self._asking.setdefault(environment, asyncio.Lock()):
            if (known := self._fresh(environment)) is not None:
                return known
            row = await self._table.get(joined(tenant), joined(_NOW, environment))
            found = environment_of(row, only_numbers=await _numbers(row, tenant, self._seals))
            if found.live is not None:
                self._remembered[environment] = _Remembered(found, self._clock() + REMEMBERED_FOR)
            return found

    def _fresh(self, environment: EnvironmentId) -> Environment | None:
        known = self._remembered.get(environment)
        return known.environment if known is not None and self._clock() < known.until else None

    async def _tenant_of(self, environment: EnvironmentId) -> TenantId:
        # An environment never changes hands, so this is remembered for good.
        if environment not in self._tenants:
            row = await self._index.get(*_index_key(environment))
            self._tenants[environment] = TenantId(row["tenant"])
        return self._tenants[environment]
