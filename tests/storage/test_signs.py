"""Signs of life: the first time stands, the last time follows, a busy minute costs one write."""

import asyncio
from datetime import timedelta

import pytest

from shared.domain.environment import EnvironmentId
from shared.domain.errors import TryAgain
from shared.domain.sign_of_life import NOTED_EVERY, Sign, SignKind
from shared.domain.tenant import TenantId
from shared.storage.signs import SignsOfLife, SignTimes
from tests.fakes.clock import FixedClock
from tests.storage.made_up import NOW
from tests.storage.real import Requests, real_stamp
from tests.storage.stores import Stores


async def test_nothing_is_known_before_anything_came(
    stamp: Stores, tenant: TenantId, environment: EnvironmentId
) -> None:
    assert (await stamp.signs(tenant, environment).all()).every == ()


async def test_the_first_time_stands_and_the_last_follows(
    stamp: Stores, tenant: TenantId, environment: EnvironmentId
) -> None:
    signs = stamp.signs(tenant, environment)
    for minutes in (0, 5, 9):
        await signs.note(SignKind.PROVIDER, at=NOW + timedelta(minutes=minutes))
    await signs.note(SignKind.OTHER_EPIC, at=NOW, other="env-2")

    found = await signs.all()

    assert found.of(SignKind.PROVIDER) == Sign(SignKind.PROVIDER, NOW, NOW + timedelta(minutes=9))
    assert found.of(SignKind.OTHER_EPIC) == Sign(SignKind.OTHER_EPIC, NOW, NOW, "env-2")


async def test_instances_that_see_the_first_launch_together_keep_one_first_time(
    stamp: Stores, tenant: TenantId, environment: EnvironmentId
) -> None:
    await asyncio.gather(*(stamp.signs(tenant, environment).note(SignKind.PATIENT, at=NOW) for _ in range(9)))

    assert (await stamp.signs(tenant, environment).all()).of(SignKind.PATIENT) == Sign(
        SignKind.PATIENT, NOW, NOW
    )


async def test_an_environment_sees_its_own_signs_only(
    stamp: Stores, tenant: TenantId, environment: EnvironmentId
) -> None:
    await stamp.signs(tenant, environment).note(SignKind.PROVIDER, at=NOW)

    assert (await stamp.signs(TenantId("another"), environment).all()).every == ()
    assert (await stamp.signs(tenant, EnvironmentId("another")).all()).every == ()


async def test_a_busy_minute_costs_one_write(
    azurite: str, clock: FixedClock, tenant: TenantId, environment: EnvironmentId
) -> None:
    requests = Requests()
    async with real_stamp(azurite, clock, requests) as stamp:
        for second in range(60):
            await stamp.signs(tenant, environment).note(SignKind.PROVIDER, at=NOW + timedelta(seconds=second))
        assert len(requests.made) == 2  # there was no row to change, so one was made

        requests.clear()
        await stamp.signs(tenant, environment).note(SignKind.PROVIDER, at=NOW + NOTED_EVERY)
        assert len(requests.made) == 1


async def test_two_processes_that_make_the_row_at_once_both_go_on(
    azurite: str, clock: FixedClock, tenant: TenantId, environment: EnvironmentId
) -> None:
    async with real_stamp(azurite, clock) as one, real_stamp(azurite, clock) as two:
        await asyncio.gather(
            one.signs(tenant, environment).note(SignKind.MESSAGE, at=NOW),
            two.signs(tenant, environment).note(SignKind.MESSAGE, at=NOW + timedelta(seconds=1)),
        )
        message = (await one.signs(tenant, environment).all()).message

    assert message is not None
    assert message.first_at in (NOW, NOW + timedelta(seconds=1))


class _Away:
    """A table that does not answer once, then does."""

    def __init__(self) -> None:
        self.asked = 0

    async def merge(self, row: object) -> None:
        self.asked += 1
        if self.asked == 1:
            raise TryAgain("storage is away")


async def test_a_sign_that_could_not_be_written_is_written_the_next_time(
    tenant: TenantId, environment: EnvironmentId
) -> None:
    table = _Away()
    signs = SignsOfLife(table, tenant, environment, SignTimes())  # type: ignore[arg-type]

    with pytest.raises(TryAgain):
        await signs.note(SignKind.PROVIDER, at=NOW)
    await signs.note(SignKind.PROVIDER, at=NOW)
    await signs.note(SignKind.PROVIDER, at=NOW)

    assert table.asked == 2
