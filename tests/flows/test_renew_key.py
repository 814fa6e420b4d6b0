"""A new key for Epic: who may make one, that it is written down first, and that a crash loses nothing."""

from datetime import timedelta

import pytest

from functions.web.configuring import configuring
from shared.domain.environment import EnvironmentId, EpicClient
from shared.domain.errors import NotAllowed, NotFound, TryAgain
from shared.domain.key_rotation import KeyState
from shared.flows.renew_key import keys_of, renew_key
from tests.fakes.hospital import AVERY, ENVIRONMENT, LENA, RILEY, Hospital


async def renew(hospital: Hospital, who: object = AVERY, of: str = ENVIRONMENT) -> bool:
    return await renew_key(
        EnvironmentId(of),
        EpicClient.BACKEND,
        rotation=hospital.services.rotation,
        given=configuring(hospital.services, who, frozenset()),  # type: ignore[arg-type]
        now=hospital.clock(),
    )


async def states(hospital: Hospital) -> list[KeyState]:
    keys = await keys_of(ENVIRONMENT, rotation=hospital.services.rotation)
    return [one.state for one in keys[EpicClient.BACKEND]]


async def audited(hospital: Hospital) -> list[str]:
    entries = await hospital.services.audit_log(AVERY.tenant).entries(hospital.clock())
    return [one.did for one in entries]


async def test_a_new_key_waits_a_day_beside_the_old_one() -> None:
    hospital = Hospital()
    assert await states(hospital) == [KeyState.SIGNING]
    hospital.clock.advance(timedelta(days=30))

    assert await renew(hospital)

    assert await states(hospital) == [KeyState.SIGNING, KeyState.WAITING]
    assert await audited(hospital) == ["made a new key"]


async def test_a_repeat_makes_no_second_key() -> None:
    hospital = Hospital()
    await states(hospital)
    hospital.clock.advance(timedelta(days=30))

    assert [await renew(hospital), await renew(hospital)] == [True, False]

    assert len(await states(hospital)) == 2


async def test_a_crash_after_the_audit_row_is_mended_by_doing_it_again() -> None:
    hospital = Hospital()
    await states(hospital)
    hospital.clock.advance(timedelta(days=30))
    hospital.rotation.failure = TryAgain("key vault is away")
    with pytest.raises(TryAgain):
        await renew(hospital)
    assert await states(hospital) == [KeyState.SIGNING]
    hospital.rotation.failure = None

    assert await renew(hospital)

    assert await states(hospital) == [KeyState.SIGNING, KeyState.WAITING]
    assert await audited(hospital) == ["made a new key"] * 2


async def test_only_an_administrator_of_this_tenant_makes_keys() -> None:
    hospital = Hospital()

    with pytest.raises(NotAllowed):
        await renew(hospital, RILEY)
    with pytest.raises(NotFound):
        await renew(hospital, LENA)
    with pytest.raises(NotFound):
        await renew(hospital, AVERY, "env-none")
    assert await states(hospital) == [KeyState.SIGNING]
