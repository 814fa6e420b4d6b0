"""The lists of days, the uses of addresses, removed environments, and rows written before there were such things."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.address_use import AddressUse, Share, ShareStage
from shared.domain.environment import EnvironmentId, EnvironmentKind, FeedStatus
from shared.domain.errors import AlreadyThere, NotFound, OutOfStep
from shared.domain.expected import Expected
from shared.domain.tenant import Person, TenantId
from shared.storage.environment_rows import columns, environment_of
from tests.fakes.hospital import environment as an_environment
from tests.storage.stores import Stores

NOON = datetime(2030, 6, 1, 16, 0, tzinfo=UTC)
BY = Person(TenantId("t"), "admin-1", "Avery", "avery@lamna.example", frozenset())


def line(key: str, days: float, zone: str = "America/New_York", *, textable: bool = True) -> Expected:
    return Expected(key, NOON + timedelta(days=days), zone, textable)


async def every(lines: AsyncIterator[Expected]) -> list[Expected]:
    return [one async for one in lines]


class TestDays:
    async def test_what_starts_in_a_span_is_found_earliest_day_first(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        days = stamp.appointments_by_day(tenant, environment)
        lines = [line("c", 3), line("a", 1), line("b", 1.01), line("past", -1), line("d", 20)]
        for one in lines:
            await days.put(one)

        found = await every(days.starting(after=NOON, until=NOON + timedelta(days=3)))

        assert found == [line("a", 1), line("b", 1.01), line("c", 3)]
        assert [one.key for one in await every(days.starting(after=NOON))] == ["a", "b", "c", "d"]

    async def test_clinics_at_both_ends_of_the_world_are_found(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        days = stamp.appointments_by_day(tenant, environment)
        lines = [line("k", 0.01, "Pacific/Kiritimati"), line("p", 0.02, "Pacific/Pago_Pago")]
        for one in lines:
            await days.put(one)

        found = await every(days.starting(after=NOON, until=NOON + timedelta(days=1)))

        assert sorted(found, key=lambda one: one.key) == lines

    async def test_a_line_is_put_twice_as_one_and_taken_away_twice(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        days = stamp.appointments_by_day(tenant, environment)
        await days.put(line("a", 1))
        await days.put(line("a", 1, textable=False))

        assert await every(days.starting(after=NOON)) == [line("a", 1, textable=False)]
        for _ in range(2):
            await days.remove(line("a", 1))
        assert await every(days.starting(after=NOON)) == []

    async def test_another_environments_day_is_not_seen(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        await stamp.appointments_by_day(tenant, environment).put(line("a", 1))
        other = stamp.appointments_by_day(tenant, EnvironmentId(f"{environment}x"))

        assert await every(other.starting(after=NOON)) == []


class TestAddresses:
    async def test_a_use_is_read_back_whole_and_a_stale_writer_is_refused(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        use = AddressUse(
            f"hash-{environment}",
            tenant,
            environment,
            (Share(TenantId("other"), ShareStage.ALLOWED, NOON, EnvironmentId("e2")),),
        )
        assert await stamp.addresses.find(use.address) is None
        await stamp.addresses.insert(use)
        with pytest.raises(AlreadyThere):
            await stamp.addresses.insert(use)

        found = await stamp.addresses.find(use.address)
        assert found is not None
        assert found.value == use
        free = replace(use, tenant=None, environment=None, shares=())
        await stamp.addresses.save(free, seen=found.version)
        with pytest.raises(OutOfStep):
            await stamp.addresses.save(use, seen=found.version)
        after = await stamp.addresses.find(use.address)
        assert after is not None
        assert after.value == free


class TestRemoved:
    async def test_a_removed_environment_is_found_by_what_had_begun_only(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        environments = stamp.environments(tenant)
        await environments.create(an_environment(environment, tenant=tenant))
        found = await environments.get(environment)
        await environments.save(found.value.removed(by=BY, at=NOON), seen=found.version)

        assert await environments.all() == []
        with pytest.raises(NotFound):
            await environments.get(environment)
        with pytest.raises(NotFound):
            await stamp.environment_index.find(environment)
        kept = await stamp.environment_index.kept(environment)
        assert (kept.removed, kept.operation.texts.on) == (True, False)
        assert len(await environments.history(environment)) == 2


def test_a_row_from_before_these_settings_is_still_read() -> None:
    known = an_environment(kind=EnvironmentKind.TEST)
    newer = replace(
        known,
        operation=replace(
            known.operation, feed=replace(known.operation.feed, statuses={"X": FeedStatus.IGNORE})
        ),
    )
    row = {name: value for name, value in columns(newer, only_numbers="").items() if name != "removed_at"}
    old = str(row["operation"])
    for added in (
        ',"statuses":{"X":"ignore"}',
        ',"guests_may_chat":true',
        ',"guests_may_share":false',
    ):
        assert added in old
        old = old.replace(added, "")
    row["operation"] = old

    assert environment_of(row, only_numbers=()) == known
