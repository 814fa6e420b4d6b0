"""The audit chain cannot fork, and whatever is changed, dropped or moved in it is noticed."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from shared.audit_check import main
from shared.domain.audit import FIRST_LINK, AuditEntry, link
from shared.domain.tenant import TenantId
from shared.flows.prove_audit import prove_audit
from shared.storage.stamp import Stamp
from shared.storage.tables import AUDIT_LOG, table_service
from tests.fakes.hospital import SETTINGS
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

    async def test_each_day_begins_where_the_last_one_with_entries_ends(
        self, stamp: Stores, tenant: TenantId
    ) -> None:
        log, later = stamp.audit_log(tenant), NOW + timedelta(days=3)
        for at in (NOW, NOW, later, later):
            await log.write(replace(entry(1), at=at))

        before, after = await log.chain(NOW.date()), await log.chain(later.date())

        assert [one.after for one in before.entries] == [None, None]
        assert [one.after for one in after.entries] == [before.head, None]
        assert await log.days() == [NOW.date(), later.date()]
        assert await log.days(first=later.date()) == [later.date()]
        assert await log.days(last=NOW.date()) == [NOW.date()]
        assert (await prove_audit(log)).fault is None

    async def test_writers_who_begin_a_day_together_tie_it_to_the_same_place(
        self, stamp: Stores, tenant: TenantId
    ) -> None:
        await stamp.audit_log(tenant).write(entry(1))
        later = NOW + timedelta(days=1)

        await asyncio.gather(*(stamp.audit_log(tenant).write(replace(entry(n), at=later)) for n in range(8)))

        proof = await prove_audit(stamp.audit_log(tenant))
        assert (proof.days, proof.entries, proof.fault) == (2, 9, None)

    async def test_an_entry_that_comes_late_for_an_empty_day_is_kept_in_the_chain(
        self, stamp: Stores, tenant: TenantId
    ) -> None:
        log, yesterday = stamp.audit_log(tenant), NOW - timedelta(days=1)
        await log.write(replace(entry(1), at=NOW - timedelta(days=5)))
        await log.write(entry(2))
        await log.write(replace(entry(3), at=yesterday))

        assert [one.at for one in await log.entries(NOW)] == [entry(2).at, yesterday]
        assert await log.entries(yesterday) == []
        assert (await prove_audit(log)).fault is None

    async def test_an_entry_that_comes_late_for_a_day_with_entries_joins_it(
        self, stamp: Stores, tenant: TenantId
    ) -> None:
        log, tomorrow = stamp.audit_log(tenant), NOW + timedelta(days=1)
        for at in (NOW, tomorrow, NOW):
            await log.write(replace(entry(1), at=at))

        assert len(await log.entries(NOW)) == 2
        assert (await prove_audit(log)).fault is None

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


def _entries(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["RowKey"].startswith("entry|")]


class TestTamperingAcrossDays:
    @pytest.fixture
    async def rows(self, in_azure: Stamp, tenant: TenantId, table: TableClient) -> list[dict[str, Any]]:
        """Three days of two entries each."""
        for day in range(3):
            for number in range(2):
                await in_azure.audit_log(tenant).write(
                    replace(entry(number), at=NOW + timedelta(days=day, seconds=number))
                )
        return await _rows(table, tenant)

    async def test_a_day_that_is_taken_out_whole_is_named_by_the_next(
        self, in_azure: Stamp, tenant: TenantId, table: TableClient, rows: list[dict[str, Any]]
    ) -> None:
        day = f"{NOW + timedelta(days=1):%Y-%m-%d}"
        for row in [one for one in rows if one["PartitionKey"].endswith(day)]:
            await table.delete_entity(row["PartitionKey"], row["RowKey"])
        await table.delete_entity(f"{tenant}|{day}", "head")
        await table.delete_entity(f"{tenant}|days", day)

        proof = await prove_audit(in_azure.audit_log(tenant))

        assert proof.fault is not None
        assert proof.fault.day == (NOW + timedelta(days=2)).date()
        assert day in proof.fault.why

    async def test_a_day_that_is_written_anew_is_named_by_the_next(
        self, in_azure: Stamp, tenant: TenantId, table: TableClient, rows: list[dict[str, Any]]
    ) -> None:
        first = sorted(
            (row for row in _entries(rows) if row["PartitionKey"].endswith(f"{NOW:%Y-%m-%d}")),
            key=lambda row: int(row["number"]),
        )
        previous = FIRST_LINK
        for number, row in enumerate(first):
            forged = replace(entry(number), who="somebody-else")
            previous = link(previous, forged)
            await table.update_entity({**row, "who": forged.who, "link": previous}, mode=UpdateMode.REPLACE)
        head = await table.get_entity(first[0]["PartitionKey"], "head")
        await table.update_entity({**head, "link": previous}, mode=UpdateMode.REPLACE)

        assert await in_azure.audit_log(tenant).proven(NOW)
        proof = await prove_audit(in_azure.audit_log(tenant))

        assert proof.fault is not None
        assert proof.fault.day == (NOW + timedelta(days=1)).date()

    async def test_the_command_names_the_first_broken_row_and_ends_with_1(
        self,
        azurite: str,
        in_azure: Stamp,
        tenant: TenantId,
        table: TableClient,
        rows: list[dict[str, Any]],
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        file = tmp_path / "settings.json"
        file.write_text(json.dumps({"Values": {**SETTINGS, "AzureWebJobsStorage": azurite}}))
        asked = ["--tenant", tenant, "--settings", str(file)]

        assert await asyncio.to_thread(main, asked) == 0
        assert f"{tenant}: whole, 6 entries on 3 days; ends with entry 2 of" in capsys.readouterr().out

        [broken] = [
            row
            for row in _entries(rows)
            if row["number"] == 2 and row["PartitionKey"].endswith(f"{NOW:%Y-%m-%d}")
        ]
        await table.update_entity({**broken, "did": "nothing"}, mode=UpdateMode.REPLACE)
        later = f"{NOW + timedelta(days=2):%Y-%m-%d}"

        assert await asyncio.to_thread(main, asked) == 1
        assert f"{tenant}: BROKEN at entry 2 of {NOW:%Y-%m-%d}" in capsys.readouterr().out
        assert await asyncio.to_thread(main, [*asked, "--from", later]) == 0


def test_the_command_says_which_settings_are_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "settings.json"
    file.write_text('{"Values": {}}')

    assert main(["--settings", str(file)]) == 2
    assert "GEOGRAPHY is missing" in capsys.readouterr().err
