"""Storage tells nobody a number, a patient's id or a secret, and says nothing of what it was asked."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from azure.core.exceptions import (
    HttpResponseError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseTimeoutError,
)

from shared.domain.environment import EnvironmentId
from shared.domain.errors import (
    AlreadyThere,
    NotFound,
    OutOfStep,
    TryAgain,
    TurnedDown,
    Unsealable,
)
from shared.domain.tenant import TenantId
from shared.storage.refusals import translated
from shared.storage.seals import Seals
from shared.storage.stamp import Stamp
from shared.storage.tables import Table, creating, table_service
from tests.fakes.clock import FixedClock
from tests.fakes.keys import FakeDataKeys, FakeKeys
from tests.storage.made_up import (
    EXTERNAL_ID,
    NOW,
    PHONE,
    an_environment,
    appointment,
    launch,
    notification,
    visit,
    write_back,
)
from tests.storage.real import Requests, raw_rows, real_stamp

SECRETS = (
    PHONE.e164,
    PHONE.e164[1:],
    "2065550142",
    "206-555-0142",
    EXTERNAL_ID,
    "a-secret-verifier",
    "a-secret-nonce",
)


async def test_no_row_holds_a_number_an_id_of_a_patient_or_a_secret(
    in_azure: Stamp, azurite: str, tenant: TenantId, environment: EnvironmentId
) -> None:
    ours = appointment(tenant, environment)
    await in_azure.environments(tenant).create(an_environment(tenant, environment))
    version = await in_azure.appointments(tenant, environment).insert(ours)
    await in_azure.appointments(tenant, environment).save(ours.settled(), seen=version)
    await in_azure.visits(tenant, environment).insert(visit(tenant, environment))
    await in_azure.write_backs(tenant, environment).insert(write_back(visit(tenant, environment).ref, 1))
    await in_azure.notifications(tenant, environment).insert(notification(ours.ref))
    await in_azure.opt_outs(tenant).add(PHONE, at=NOW, how="STOP")
    await in_azure.launches.insert(launch(tenant, environment, f"{tenant}-state"))

    rows = await raw_rows(azurite)

    assert sum(tenant in row for row in rows) >= 8
    assert [row for row in rows if any(secret in row for secret in SECRETS)] == []


async def test_after_forgetting_even_the_sealed_values_are_gone(
    in_azure: Stamp, azurite: str, tenant: TenantId, environment: EnvironmentId
) -> None:
    appointments, visits = in_azure.appointments(tenant, environment), in_azure.visits(tenant, environment)
    seen = await appointments.insert(appointment(tenant, environment))
    await appointments.save(appointment(tenant, environment).forgotten(NOW), seen=seen)
    seen = await visits.insert(visit(tenant, environment))
    await visits.save(replace(visit(tenant, environment), external_ids={}), seen=seen)

    ours = [row for row in await raw_rows(azurite) if tenant in row]

    assert len(ours) == 3
    assert [row for row in ours if "sealed.1." in row] == []


async def test_a_claimed_launch_leaves_nothing_behind(
    in_azure: Stamp, azurite: str, tenant: TenantId, environment: EnvironmentId
) -> None:
    await in_azure.launches.insert(launch(tenant, environment, f"{tenant}-state"))
    await in_azure.launches.claim(f"{tenant}-state")

    assert [row for row in await raw_rows(azurite) if tenant in row] == []


async def test_every_row_of_a_tenant_is_named_by_the_tenant_first(
    in_azure: Stamp, azurite: str, tenant: TenantId, environment: EnvironmentId
) -> None:
    await in_azure.appointments(tenant, environment).insert(appointment(tenant, environment))
    await in_azure.environments(tenant).create(an_environment(tenant, environment))
    await in_azure.opt_outs(tenant).add(PHONE, at=NOW, how="STOP")

    rows = [
        row for row in await raw_rows(azurite) if tenant in row and not row.startswith("EnvironmentIndex")
    ]

    assert len(rows) == 4
    assert [row for row in rows if f"'PartitionKey': '{tenant}" not in row] == []


class TestLostKeys:
    @pytest.fixture
    def keys(self) -> FakeDataKeys:
        return FakeDataKeys()

    async def test_an_appointment_whose_key_is_gone_says_so(
        self,
        azurite: str,
        clock: FixedClock,
        tenant: TenantId,
        environment: EnvironmentId,
        keys: FakeDataKeys,
    ) -> None:
        async with _stamp_with(azurite, clock, keys) as stamp:
            await stamp.appointments(tenant, environment).insert(appointment(tenant, environment))
            keys.renew()
            keys.lose("v1")

            with pytest.raises(Unsealable):
                await stamp.appointments(tenant, environment).get("0001001")

    async def test_an_environment_whose_key_is_gone_texts_nobody_and_still_opens(
        self,
        azurite: str,
        clock: FixedClock,
        tenant: TenantId,
        environment: EnvironmentId,
        keys: FakeDataKeys,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        async with _stamp_with(azurite, clock, keys) as stamp:
            await stamp.environments(tenant).create(an_environment(tenant, environment))
            keys.renew()
            keys.lose("v1")

            found = await stamp.environment_index.find(environment)

        assert found.operation.texts.only_numbers == ()
        assert "does not open" in caplog.text


def _stamp_with(azurite: str, clock: FixedClock, keys: FakeDataKeys) -> "_WithSeals":
    return _WithSeals(azurite, clock, Seals(keys))


class _WithSeals:
    """A real stamp that seals with other keys than usual."""

    def __init__(self, azurite: str, clock: FixedClock, seals: Seals) -> None:
        self._real = real_stamp(azurite, clock)
        self._clock = clock
        self._seals = seals

    async def __aenter__(self) -> Stamp:
        usual = await self._real.__aenter__()
        return Stamp(
            usual._table_service, usual._queue_service, seals=self._seals, keys=FakeKeys(), clock=self._clock
        )

    async def __aexit__(self, *error: object) -> None:
        await self._real.__aexit__(None, None, None)


class TestMemoryOfEnvironments:
    async def test_an_environment_is_read_once_in_five_seconds(
        self, azurite: str, clock: FixedClock, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        requests = Requests()
        async with real_stamp(azurite, clock, requests) as stamp:
            await stamp.environments(tenant).create(an_environment(tenant, environment))
            requests.clear()

            await asyncio.gather(*(stamp.environment_index.find(environment) for _ in range(20)))
            rows = [call for call in requests.made if "/Environments(" in call]
            assert len(rows) == 1

            requests.clear()
            clock.advance(timedelta(seconds=4.9))
            await stamp.environment_index.find(environment)
            assert requests.made == []

            clock.advance(timedelta(seconds=0.1))
            await stamp.environment_index.find(environment)
            assert len(requests.made) == 1

    async def test_every_version_that_was_saved_is_kept_without_the_numbers_it_allowed(
        self, in_azure: Stamp, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        environments, first = in_azure.environments(tenant), an_environment(tenant, environment)
        await environments.create(first)
        second = replace(first, operation_version=2, changed_at=NOW + timedelta(minutes=1))
        await environments.save(second, seen=(await environments.get(environment)).version)

        history = await environments.history(environment)
        assert [one.operation_version for one in history] == [1, 2]
        assert [one.newest for one in history] == [first.newest, second.newest]
        assert [one.operation.texts.only_numbers for one in history] == [(), ()]
        assert await environments.all() == [second]

    async def test_a_number_taken_off_the_list_is_nowhere_any_more(
        self, in_azure: Stamp, azurite: str, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        environments, ours = in_azure.environments(tenant), an_environment(tenant, environment)
        await environments.create(ours)
        operation = replace(ours.operation, texts=replace(ours.operation.texts, only_numbers=()))
        seen = await environments.get(environment)
        await environments.save(replace(ours, operation=operation), seen=seen.version)

        rows = [row for row in await raw_rows(azurite) if tenant in row]

        assert len(rows) == 4
        assert [row for row in rows if "sealed.1." in row] == []


class TestCalls:
    async def test_what_hot_paths_cost_in_storage_calls(
        self, azurite: str, clock: FixedClock, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        requests = Requests()
        async with real_stamp(azurite, clock, requests) as stamp:
            appointments, visits = stamp.appointments(tenant, environment), stamp.visits(tenant, environment)
            seen = await appointments.insert(appointment(tenant, environment))
            await appointments.save((await appointments.get("0001001")).value, seen=seen)
            assert len(requests.made) == 3

            requests.clear()
            seen = await visits.insert(visit(tenant, environment))
            await visits.save((await visits.get("0001001")).value, seen=seen)
            assert len(requests.made) == 4


class TestRefusals:
    @pytest.mark.parametrize(
        ("status", "meaning"),
        [
            (404, NotFound),
            (409, AlreadyThere),
            (412, OutOfStep),
            (400, TurnedDown),
            (413, TurnedDown),
            (401, TryAgain),
            (403, TryAgain),
            (408, TryAgain),
            (429, TryAgain),
            (500, TryAgain),
            (503, TryAgain),
        ],
    )
    def test_each_answer_means_one_thing_and_shows_nothing_of_the_row(
        self, status: int, meaning: type[Exception]
    ) -> None:
        answer = HttpResponseError("the row holds +12065550142")
        answer.status_code = status

        with pytest.raises(meaning) as refused, translated("appointment"):
            raise answer

        assert "appointment" in str(refused.value)
        assert "5550142" not in str(refused.value)
        assert refused.value.__cause__ is answer

    @pytest.mark.parametrize(
        "failure",
        [ServiceRequestError("no"), ServiceResponseTimeoutError("slow")],
        ids=["no way", "too slow"],
    )
    def test_a_request_without_an_answer_may_be_tried_again(self, failure: Exception) -> None:
        with pytest.raises(TryAgain), translated("appointment"):
            raise failure

    def test_a_missing_table_is_not_a_missing_row(self) -> None:
        answer = ResourceNotFoundError("TableNotFound")
        answer.status_code = 404

        with pytest.raises(TryAgain), translated("appointment"):
            raise answer

    async def test_a_table_that_is_not_there_yet_may_be_asked_again(self, azurite: str) -> None:
        async with table_service(azurite) as service:
            table = Table(service.get_table_client("neverCreated"), "appointment")

            with pytest.raises(TryAgain):
                await table.get("p", "r")
            with pytest.raises(TryAgain):
                await table.insert({"PartitionKey": "p", "RowKey": "r"})

    async def test_more_than_a_hundred_operations_are_never_sent(self, azurite: str) -> None:
        async with table_service(azurite) as service:
            table = Table(service.get_table_client("Appointments"), "appointment")

            with pytest.raises(ValueError, match="101"):
                await table.together(
                    [creating({"PartitionKey": "p", "RowKey": f"{number}"}) for number in range(101)]
                )
