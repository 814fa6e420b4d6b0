"""The sandbox goes wrong exactly as often and as it was asked to, and says what it cannot do."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox.trouble import Kind, NotATrouble, Service, Troubles
from tests.sandbox.m365_stage import Stage, stage


@pytest_asyncio.fixture
async def m365(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as one:
        yield one


@pytest.mark.parametrize(
    "asked",
    [
        {"service": "graph", "kind": "explode"},
        {"service": "fax", "kind": "drop"},
        {"service": "graph", "kind": "duplicate"},
        {"service": "notifications", "kind": "throttle"},
        {"service": "graph", "kind": "down", "times": 0},
        {"service": "graph", "kind": "down", "often": 2},
        {"kind": "down"},
    ],
    ids=[
        "kind",
        "service",
        "a request twice",
        "a notification throttled",
        "never",
        "unknown word",
        "no service",
    ],
)
async def test_a_trouble_that_cannot_be_made_is_refused(m365: Stage, asked: dict[str, object]) -> None:
    answer = await m365.browser.post("/api/trouble", json=asked)

    assert answer.status_code == 400
    assert (await m365.browser.get("/api/trouble")).json() == []


async def test_a_service_that_is_down_does_nothing_and_comes_back(m365: Stage) -> None:
    await m365.browser.post("/api/trouble", json={"service": "graph", "kind": "down", "match": "createOrGet"})
    body = {"externalId": "visit-1"}
    path = "/users/22222222-aaaa-4aaa-8aaa-000000000004/onlineMeetings/createOrGet"

    other = await m365.graph("GET", "/subscriptions")
    first = await m365.graph("POST", path, body)
    second = await m365.graph("POST", path, body)

    assert [one.status_code for one in (other, first, second)] == [200, 503, 201]


async def test_entra_and_key_vault_can_be_in_trouble_apart(m365: Stage) -> None:
    await m365.browser.post("/api/trouble", json={"service": "key-vault", "kind": "throttle"})

    keys = await m365.behind_tls.get("/common/discovery/v2.0/keys")
    vault = await m365.behind_tls.get("/secrets")

    assert (keys.status_code, vault.status_code) == (200, 429)


async def test_all_trouble_is_cleared_at_once_and_what_happened_is_in_the_log(m365: Stage) -> None:
    await m365.browser.post("/api/trouble", json={"service": "epic", "kind": "down", "times": 3})
    await m365.browser.get("/epic/test/api/FHIR/R4/metadata")
    await m365.browser.post("/api/trouble/clear")

    after = await m365.browser.get("/epic/test/api/FHIR/R4/metadata")
    log = (await m365.browser.get("/api/event-log")).json()

    assert after.status_code == 200
    assert any(one["what"].startswith("trouble: down") for one in log)


def test_troubles_are_taken_in_order_and_only_where_they_match() -> None:
    troubles = Troubles()
    troubles.make({"service": "graph", "kind": "throttle", "match": "createOrGet"})
    troubles.make({"service": "graph", "kind": "delay", "times": 2})

    taken = [
        trouble.kind if trouble else None
        for trouble in (
            troubles.take(Service.GRAPH, "/a"),
            troubles.take(Service.EPIC, "/a"),
            troubles.take(Service.GRAPH, "/createOrGet", kinds=frozenset({Kind.DOWN})),
            troubles.take(Service.GRAPH, "/createOrGet"),
            troubles.take(Service.GRAPH, "/createOrGet"),
            troubles.take(Service.GRAPH, "/createOrGet"),
        )
    ]

    assert taken == [Kind.DELAY, None, None, Kind.THROTTLE, Kind.DELAY, None]


def test_epics_messages_can_be_doubled_and_its_answers_delayed() -> None:
    troubles = Troubles()
    troubles.make({"service": "epic", "kind": "duplicate"})

    with pytest.raises(NotATrouble, match="notifications can only"):
        troubles.make({"service": "notifications", "kind": "down"})
    assert troubles.make({"service": "epic", "kind": "delay"}).seconds == 2.0
