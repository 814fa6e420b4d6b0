"""The tables of a stamp, and the few things the app does with a row.

Every method of `Table` is one storage call, except `rows`, which is one call for each 1,000 rows read.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias, cast

from azure.core import MatchConditions
from azure.core.credentials_async import AsyncTokenCredential
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient, TableServiceClient

from shared.domain.errors import NotFound
from shared.storage.refusals import translated

STAMP = "Stamp"
TENANTS = "Tenants"
ENVIRONMENTS = "Environments"
ENVIRONMENT_INDEX = "EnvironmentIndex"
APPOINTMENTS = "Appointments"
APPOINTMENTS_BY_DAY = "AppointmentsByDay"
ISSUERS = "Issuers"
ALIASES = "AppointmentAliases"
INBOUND_MESSAGES = "InboundMessages"
PARKED_MESSAGES = "ParkedMessages"
LARGE_MESSAGES = "LargeMessages"
JOIN_LINKS = "JoinLinks"
REMINDERS_DUE = "RemindersDue"
VISITS_DUE = "VisitsDue"
OUTCOMES_DUE = "OutcomesDue"
FORGET_DUE = "ForgetDue"
APPROVALS_DUE = "ApprovalsDue"
NOTIFICATIONS = "Notifications"
CARRIER_MESSAGES = "CarrierMessages"
OPT_OUTS = "OptOuts"
VISITS = "Visits"
VISIT_INDEX = "VisitIndex"
WRITE_BACKS = "WriteBacks"
LAUNCHES = "Launches"
SESSIONS = "Sessions"
AUDIT_LOG = "AuditLog"
SIGNS = "Signs"
LAST_CHECKS = "LastChecks"
PORTAL_SESSIONS = "PortalSessions"
PEOPLE = "People"
HELD_FORMS = "HeldForms"
MICROSOFT_SIGN_INS = "MicrosoftSignIns"

TABLE_NAMES = (
    STAMP,
    TENANTS,
    ENVIRONMENTS,
    ENVIRONMENT_INDEX,
    APPOINTMENTS,
    APPOINTMENTS_BY_DAY,
    ISSUERS,
    ALIASES,
    INBOUND_MESSAGES,
    PARKED_MESSAGES,
    LARGE_MESSAGES,
    JOIN_LINKS,
    REMINDERS_DUE,
    VISITS_DUE,
    OUTCOMES_DUE,
    FORGET_DUE,
    APPROVALS_DUE,
    NOTIFICATIONS,
    CARRIER_MESSAGES,
    OPT_OUTS,
    VISITS,
    VISIT_INDEX,
    WRITE_BACKS,
    LAUNCHES,
    SESSIONS,
    AUDIT_LOG,
    SIGNS,
    LAST_CHECKS,
    PORTAL_SESSIONS,
    PEOPLE,
    HELD_FORMS,
    MICROSOFT_SIGN_INS,
)

Row: TypeAlias = Mapping[str, Any]
Operation: TypeAlias = tuple[str, dict[str, Any]] | tuple[str, dict[str, Any], dict[str, Any]]

# Azure Tables, scalability targets: what one transaction may hold.
MOST_OPERATIONS = 100

# A request that has not connected or answered by then is tried again, three times at most: a caller who waits
# for an acknowledgement would give up otherwise.
CLIENT_OPTIONS: Mapping[str, Any] = {
    "connection_timeout": 5,
    "read_timeout": 10,
    "retry_total": 3,
    "retry_backoff_factor": 0.3,
    "retry_backoff_max": 5,
}


def table_service(
    address: str, credential: AsyncTokenCredential | None = None, **options: Any
) -> TableServiceClient:
    """A client for `address`: a connection string, or with `credential` the URL of the account's tables.

    Whoever builds it closes it. `options` are the SDK's and win over the app's.
    """
    chosen = {**CLIENT_OPTIONS, **options}
    if credential is None:
        return TableServiceClient.from_connection_string(address, **chosen)
    return TableServiceClient(address, credential=credential, **chosen)


async def ensure_tables(service: TableServiceClient) -> None:
    """Create the tables that are missing. One call when none is; harmless when several instances start."""
    with translated("table"):
        present = {table.name async for table in service.list_tables()}
        missing = [name for name in TABLE_NAMES if name not in present]
        await asyncio.gather(*(service.create_table_if_not_exists(name) for name in missing))


class Table:
    """One table. `noun` is what a row is called in refusals."""

    def __init__(self, client: TableClient, noun: str) -> None:
        self._client = client
        self._noun = noun

    async def get(self, partition: str, key: str) -> Row:
        """The row, or raise NotFound."""
        with translated(self._noun):
            return await self._client.get_entity(partition, key)

    async def find(self, partition: str, key: str) -> Row | None:
        """The row, or None."""
        try:
            return await self.get(partition, key)
        except NotFound:
            return None

    async def insert(self, row: Row) -> str:
        """Write a new row and return its version, or raise AlreadyThere."""
        with translated(self._noun):
            return cast(str, (await self._client.create_entity(row))["etag"])

    async def save(self, row: Row, *, seen: str) -> str:
        """Replace the row and return its new version, or raise OutOfStep when it changed since `seen`."""
        with translated(self._noun):
            answer = await self._client.update_entity(
                row, mode=UpdateMode.REPLACE, etag=seen, match_condition=MatchConditions.IfNotModified
            )
        return cast(str, answer["etag"])

    async def put(self, row: Row) -> None:
        """Write the row whether it is there or not: for index rows, which always say the same."""
        with translated(self._noun):
            await self._client.upsert_entity(row, mode=UpdateMode.REPLACE)

    async def merge(self, row: Row) -> None:
        """Change the columns that `row` names of a row that is there, or raise NotFound. The last one wins."""
        with translated(self._noun):
            await self._client.update_entity(row, mode=UpdateMode.MERGE)

    async def remove(self, partition: str, key: str) -> None:
        """Delete the row. It may be gone already."""
        with translated(self._noun):
            await self._client.delete_entity(partition, key)

    async def together(self, operations: Sequence[Operation]) -> None:
        """Do all `operations`, which share a partition, or none of them."""
        if len(operations) > MOST_OPERATIONS:
            # The SDK leaves this to the service, whose answer depends on which service it is.
            raise ValueError(f"{len(operations)} operations do not fit one transaction")
        with translated(self._noun):
            await self._client.submit_transaction(operations)

    async def rows(
        self, partition: str, *, low: str = "", high: str = "", limit: int | None = None
    ) -> AsyncIterator[Row]:
        """The rows of a partition in the order of their keys, from `low` (included) to `high` (excluded)."""
        query, names = "PartitionKey eq @partition", {"partition": partition}
        if low:
            query, names = f"{query} and RowKey ge @low", {**names, "low": low}
        if high:
            query, names = f"{query} and RowKey lt @high", {**names, "high": high}
        async for row in self._asked(query, names, limit):
            yield row

    async def rows_of_partitions(self, *, low: str, high: str) -> AsyncIterator[Row]:
        """The rows of all partitions from `low` (included) to `high` (excluded), in the order of their keys."""
        query = "PartitionKey ge @low and PartitionKey lt @high"
        async for row in self._asked(query, {"low": low, "high": high}, None):
            yield row

    async def _asked(self, query: str, names: dict[str, str], limit: int | None) -> AsyncIterator[Row]:
        with translated(self._noun):
            found = self._client.query_entities(query, parameters=names, results_per_page=limit)
            count = 0
            async for row in found:
                yield row
                count += 1
                if count == limit:
                    return


def replacing(row: dict[str, Any], seen: str) -> Operation:
    """The part of a transaction that replaces a row seen at version `seen`."""
    condition = {
        "mode": UpdateMode.REPLACE,
        "etag": seen,
        "match_condition": MatchConditions.IfNotModified,
    }
    return ("update", row, condition)


def creating(row: dict[str, Any]) -> Operation:
    """The part of a transaction that inserts a row, which must not be there."""
    return ("create", row)


def upserting(row: dict[str, Any]) -> Operation:
    """The part of a transaction that writes an index row, there or not."""
    return ("upsert", row, {"mode": UpdateMode.REPLACE})


def version_of(row: Row) -> str:
    """The version of a row that was read."""
    return cast(str, row.metadata["etag"])  # type: ignore[attr-defined]


AFTER: Literal["}"] = "}"  # the character after `|`: from `x|` to `x}` lies everything that begins with `x|`
