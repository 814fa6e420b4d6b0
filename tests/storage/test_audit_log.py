"""The audit chain cannot fork, and whatever is changed, dropped or moved in it is noticed."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from shared.domain.audit import FIRST_LINK, AuditEntry, link
from shared.domain.tenant import TenantId
from shared.storage.stamp import Stamp
from shared.storage.tables import AUDIT_LOG, table_service
from tests.storage.made_up import NOW
from tests.storage.stores import Stores


def entry(number: int) -> AuditEntry:
    return AuditEntry(
        NOW + timedelta(seconds=number),
        "admin-1",
        "saved",
        f"environment/{number}",
        {"version": "2", "à": "b"},
    )


class TestAuditLog:
    async def test_what_is_written_is_read_in_order_and_proves_itself(
        self, stamp: Stores, tenant: TenantId
    ) -> None:
        log = stamp.audit_log(tenant)
        for number in range(4):
            await log.write(entry(number))

        assert await log.entries(NOW) == [entry(number) for number in range(4)]
        assert await log.proven(NOW)

    async def test_a_day_on_which_nothing_happened_is_whole(self, stamp: Stores, tenant: TenantId) -> None:
        assert await stamp.audit_log(tenant).entries(NOW) == []
        assert await stamp.audit_log(tenant).proven(NOW)

    async def test_each_day_has_a_chain_of_its_own(self, stamp: Stores, tenant: TenantId) -> None:
        log, tomorrow = stamp.audit_log(tenant), NOW + timedelta(days=1)
        await log.write(entry(1))
        await log.write(replace(entry(2), at=tomorrow))

        assert await log.entries(tomorrow) == [replace(entry(2), at=tomorrow)]
        assert await log.proven(NOW)
        assert await log.proven(tomorrow)

    async def test_writers_at_the_same_moment_cannot_fork_the_chain(
        self, stamp: Stores, tenant: TenantId
    ) -> None:
        await asyncio.gather(*(stamp.audit_log(tenant).write(entry(number)) for number in range(12)))

        entries = await stamp.audit_log(tenant).entries(NOW)

        assert sorted(one.at for one in entries) == [entry(number).at for number in range(12)]
        assert await stamp.audit_log(tenant).proven(NOW)

    async def test_the_same_act_done_twice_is_written_twice(self, stamp: Stores, tenant: TenantId) -> None:
        await asyncio.gather(*(stamp.audit_log(tenant).write(entry(1)) for _ in range(5)))

        assert await stamp.audit_log(tenant).entries(NOW) == [entry(1)] * 5

    async def test_another_tenants_log_is_not_seen(self, stamp: Stores, tenant: TenantId) -> None:
        await stamp.audit_log(tenant).write(entry(1))

        assert await stamp.audit_log(TenantId("somebody-else")).entries(NOW) == []


@pytest.fixture
async def table(azurite: str) -> AsyncIterator[TableClient]:
    async with table_service(azurite) as service:
        yield service.get_table_client(AUDIT_LOG)


async def _rows(table: TableClient, tenant: TenantId) -> list[dict[str, Any]]:
    found = table.query_entities("PartitionKey ge @t and RowKey ge 'entry|'", parameters={"t": tenant})
    rows = [dict(row) async for row in found]
    return sorted(
        (row for row in rows if row["PartitionKey"].startswith(tenant)), key=lambda row: int(row["number"])
    )


class TestTampering:
    @pytest.fixture
    async def rows(self, in_azure: Stamp, tenant: TenantId, table: TableClient) -> list[dict[str, Any]]:
        for number in range(4):
            await in_azure.audit_log(tenant).write(entry(number))
        return await _rows(table, tenant)

    @pytest.mark.parametrize("column", ["who", "did", "to", "at", "facts"])
    async def test_a_changed_entry_is_noticed(
        self,
        in_azure: Stamp,
        tenant: TenantId,
        table: TableClient,
        rows: list[dict[str, Any]],
        column: str,
    ) -> None:
        changed = {"at": (NOW + timedelta(days=-1)).isoformat(), "facts": '{"version":"3"}'}.get(column, "x")
        await table.update_entity({**rows[1], column: changed}, mode=UpdateMode.REPLACE)

        assert not await in_azure.audit_log(tenant).proven(NOW)

    @pytest.mark.parametrize("index", [0, 2, 3], ids=["first", "middle", "last"])
    async def test_a_dropped_entry_is_noticed(
        self, in_azure: Stamp, tenant: TenantId, table: TableClient, rows: list[dict[str, Any]], index: int
    ) -> None:
        await table.delete_entity(rows[index]["PartitionKey"], rows[index]["RowKey"])

        assert not await in_azure.audit_log(tenant).proven(NOW)

    async def test_a_changed_entry_with_a_link_made_to_fit_is_noticed(
        self, in_azure: Stamp, tenant: TenantId, table: TableClient, rows: list[dict[str, Any]]
    ) -> None:
        forged = replace(entry(0), who="somebody-else")
        await table.update_entity(
            {**rows[0], "who": forged.who, "link": link(FIRST_LINK, forged)}, mode=UpdateMode.REPLACE
        )

        assert not await in_azure.audit_log(tenant).proven(NOW)

    async def test_an_added_entry_is_noticed(
        self, in_azure: Stamp, tenant: TenantId, table: TableClient, rows: list[dict[str, Any]]
    ) -> None:
        forged = entry(9)
        await table.create_entity(
            {
                **rows[3],
                "RowKey": "entry|9999",
                "number": 5,
                "at": forged.at.isoformat(),
                "link": link(rows[3]["link"], forged),
            }
        )

        assert not await in_azure.audit_log(tenant).proven(NOW)

    async def test_a_chain_without_its_head_is_noticed(
        self, in_azure: Stamp, tenant: TenantId, table: TableClient, rows: list[dict[str, Any]]
    ) -> None:
        await table.delete_entity(rows[0]["PartitionKey"], "head")

        assert not await in_azure.audit_log(tenant).proven(NOW)
