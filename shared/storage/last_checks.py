"""The last look at the address of each environment of a tenant: a row for each, which the next look replaces."""

import json

from shared.domain.environment import EnvironmentId
from shared.domain.last_check import LastCheck
from shared.domain.tenant import TenantId
from shared.domain.words import said
from shared.storage.keys import joined
from shared.storage.rows import compact, instant, moment
from shared.storage.tables import Row, Table

# What a stranger's server says about itself may be of any length; a card shows the beginning.
_MOST = 200


class LastChecks:
    """The last checks of one tenant."""

    def __init__(self, table: Table, tenant: TenantId) -> None:
        self._table = table
        self._partition = joined(tenant)

    async def keep(self, check: LastCheck) -> None:
        """Remember `check` in place of the one before. One call."""
        problem = check.problem
        values = {name: str(value) for name, value in problem.values.items()} if problem else {}
        await self._table.put(
            {
                "PartitionKey": self._partition,
                "RowKey": joined(check.environment),
                "environment": check.environment,
                "url": check.url,
                "at": instant(check.at),
                "fhir_version": check.fhir_version[:_MOST],
                "software": check.software[:_MOST],
                "problem": compact([problem.template, values]) if problem else "",
            }
        )

    async def all(self) -> dict[EnvironmentId, LastCheck]:
        """Those that are kept, by environment. One call."""
        kept = [_from_row(row) async for row in self._table.rows(self._partition)]
        return {one.environment: one for one in kept}


def _from_row(row: Row) -> LastCheck:
    template, values = json.loads(row["problem"]) if row["problem"] else ("", {})
    return LastCheck(
        environment=EnvironmentId(row["environment"]),
        url=row["url"],
        at=moment(row["at"]),
        fhir_version=row["fhir_version"],
        software=row["software"],
        problem=said(template, **values) if template else None,
    )
