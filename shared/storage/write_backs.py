"""Write-backs: one row for each fact owed to Epic, in the order in which it must be told."""

import json
from typing import Any

from shared.domain.environment import EnvironmentId
from shared.domain.tenant import TenantId
from shared.domain.versioned import Versioned
from shared.domain.visit import ExternalId, VisitRef
from shared.domain.write_back import WriteBack, WriteBackState
from shared.storage.keys import Scope, joined
from shared.storage.rows import compact, instant, moment, moment_or_none
from shared.storage.seals import Seals
from shared.storage.tables import AFTER, Row, Table, version_of
from shared.storage.visits import fact_in, fact_out

_PURPOSE = "external-id"


class WriteBacks:
    """The facts owed to Epic by one environment. Each method is one storage call."""

    def __init__(self, table: Table, tenant: TenantId, environment: EnvironmentId, seals: Seals) -> None:
        self._table = table
        self._scope = Scope(tenant, environment)
        self._seals = seals

    async def insert(self, write_back: WriteBack) -> None:
        """Raise AlreadyThere."""
        await self._table.insert(await self._row(write_back))

    async def of_visit(self, visit: str) -> list[Versioned[WriteBack]]:
        """In the order of their sequence."""
        rows = self._table.rows(
            self._scope.partition(visit), low=f"{joined(visit)}|", high=joined(visit) + AFTER
        )
        return [
            Versioned(from_row(row, self._scope, await self._opened(row)), version_of(row))
            async for row in rows
        ]

    async def save(self, write_back: WriteBack, *, seen: str) -> str:
        """Raise OutOfStep; return the new version."""
        return await self._table.save(await self._row(write_back), seen=seen)

    async def _row(self, write_back: WriteBack) -> dict[str, Any]:
        self._scope.must_hold(write_back.visit.tenant, write_back.visit.environment)
        external_id, sealed = write_back.external_id, ""
        if external_id is not None:
            content = compact([external_id.value, external_id.type]).encode()
            sealed = await self._seals.seal(content, purpose=_PURPOSE, tenant=self._scope.tenant)
        return to_row(write_back, external_id=sealed)

    async def _opened(self, row: Row) -> ExternalId | None:
        if not row["external_id"]:
            return None
        content = await self._seals.open(row["external_id"], purpose=_PURPOSE, tenant=self._scope.tenant)
        value, kind = json.loads(content)
        return ExternalId(value, kind)


def to_row(write_back: WriteBack, *, external_id: str) -> dict[str, Any]:
    """The row of a fact whose `external_id` is sealed already, or empty."""
    visit = write_back.visit
    return {
        "PartitionKey": Scope(visit.tenant, visit.environment).partition(visit.key),
        # Six digits: rows sort as numbers do.
        "RowKey": joined(visit.key, f"{write_back.fact.sequence:06d}"),
        "visit": visit.key,
        "session": write_back.session,
        "fact": compact(fact_out(write_back.fact)),
        "external_id": external_id,
        "owed_at": instant(write_back.owed_at),
        "state": write_back.state.value,
        "attempts": write_back.attempts,
        "last_answer": write_back.last_answer,
        "tried_at": instant(write_back.tried_at),
        "told_at": instant(write_back.told_at),
    }


def from_row(row: Row, scope: Scope, external_id: ExternalId | None) -> WriteBack:
    """The fact that `row` holds; `external_id` is opened already."""
    return WriteBack(
        visit=VisitRef(scope.tenant, scope.environment, row["visit"]),
        session=row["session"],
        fact=fact_in(json.loads(row["fact"])),
        external_id=external_id,
        owed_at=moment(row["owed_at"]),
        state=WriteBackState(row["state"]),
        attempts=row["attempts"],
        last_answer=row["last_answer"],
        tried_at=moment_or_none(row["tried_at"]),
        told_at=moment_or_none(row["told_at"]),
    )
