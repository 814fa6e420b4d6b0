"""Health, published keys, static files and the parking of what no worker could process."""

import json

import pytest

from shared.domain.environment import EnvironmentId
from shared.domain.errors import TryAgain
from shared.domain.geography import Geography
from shared.storage.envelopes import entry_of, pack
from tests.fakes.hospital import ENVIRONMENT, TENANT, Hospital, environment
from tests.hl7v2.siu import text


async def test_a_living_process_says_so_without_asking_anyone() -> None:
    hospital = Hospital()

    assert (await hospital.app.get("/health/live")).status_code == 200
    assert not hospital.calls


async def test_a_ready_stamp_names_what_it_checked() -> None:
    answer = await Hospital().app.get("/health/ready")

    assert answer.status_code == 200
    assert json.loads(answer.get_body())["checks"] == {"storage": "ready", "keys": "ready"}


async def test_a_stamp_without_storage_is_not_ready_and_says_why() -> None:
    hospital = Hospital()
    hospital.stamp.fail("stamp_pin.pinned", TryAgain("storage is away"))

    answer = await hospital.app.get("/health/ready")

    assert answer.status_code == 503
    assert json.loads(answer.get_body())["checks"] == {"storage": "storage is away", "keys": "ready"}
    assert hospital.stamp.stamp_pin.geography is not Geography.EMEA


async def test_keys_are_published_for_each_client_even_before_approval() -> None:
    hospital = Hospital()
    hospital.put(environment(EnvironmentId("env-2"), approved=False))

    for name in (ENVIRONMENT, "env-2"):
        for path in (".well-known/jwks.json", "jwks.json"):
            answer = await hospital.app.get(f"/keys/{name}/backend/{path}")
            assert json.loads(answer.get_body())["keys"][0]["kid"] == "backend"


@pytest.mark.parametrize("path", ["/keys/env-9/backend/jwks.json", f"/keys/{ENVIRONMENT}/surgeon/jwks.json"])
async def test_no_keys_are_made_for_what_does_not_exist(path: str) -> None:
    assert (await Hospital().app.get(path)).status_code == 404


async def test_the_front_page_opens_and_files_are_a_closed_list() -> None:
    hospital = Hospital()

    assert (await hospital.app.get("/")).status_code == 200
    assert (await hospital.app.get("/static/host.json")).status_code == 404


async def test_a_poison_message_is_parked_sealed_for_its_tenant() -> None:
    hospital = Hospital()
    await hospital.post(text("S12"))
    [sealed] = hospital.stamp.queues.take_hl7v2_messages()

    await hospital.app.queue("park_appointment_message", pack([entry_of(sealed)]))
    await hospital.app.queue("park_appointment_message", pack([entry_of(sealed)]))

    [parked] = await hospital.stamp.parked_messages(TENANT).all(ENVIRONMENT)
    assert parked.queue == "hl7v2-messages"
    opened = await hospital.stamp.seals.open(parked.sealed, purpose="parked", tenant=TENANT)
    assert opened == pack([entry_of(sealed)]).encode()


@pytest.mark.parametrize(
    "name",
    ["park_appointment_message", "park_text", "park_delivery_report", "park_call_event", "park_write_back"],
)
@pytest.mark.parametrize("body", ["garbage", "[]", "{}", '{"visit": "nobody"}'])
async def test_a_poison_message_that_says_nothing_is_parked_too(name: str, body: str) -> None:
    hospital = Hospital()

    await hospital.app.queue(name, body)

    assert len(hospital.stamp.parked_rows.rows) == 1
