"""The webhook: Graph always gets its 202, but only what is stored is believed, and nothing unproven is kept."""

import json
from datetime import timedelta

import pytest

from shared.domain.errors import TryAgain
from shared.domain.roster import CallEvent, CallEventKind
from shared.domain.visit import Subscription
from tests.fakes.hospital import NOW, Hospital
from tests.hl7v2.siu import START, text

PATHS = ["/graph/notifications", "/graph/lifecycle"]


async def prepared() -> Hospital:
    hospital = Hospital()
    await hospital.feed(text("S12"))
    await hospital.work_off()
    await hospital.until(START - timedelta(minutes=50))
    return hospital


def delivery(hospital: Hospital, *, state: str | None = None, name: str = "e1") -> bytes:
    state = f"state-{hospital.visit_ref().opaque}" if state is None else state
    return json.dumps({"value": [{"clientState": state, "name": name}], "validationTokens": ["t"]}).encode()


@pytest.mark.parametrize("path", PATHS)
async def test_the_handshake_is_answered_in_plain_text(path: str) -> None:
    answer = await Hospital().app.post(f"{path}?validationToken=abc%3Cb%3E")

    assert (answer.status_code, answer.mimetype, answer.get_body()) == (200, "text/plain", b"abc<b>")


@pytest.mark.parametrize("path", PATHS)
async def test_a_handshake_longer_than_graphs_is_not_echoed(path: str) -> None:
    answer = await Hospital().app.post(f"{path}?validationToken={'a' * 5000}")

    assert (answer.status_code, answer.get_body()) == (202, b"")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"garbage",
        b"[]",
        b"1",
        b"\xff\xfe",
        b'{"value": 5}',
        b'{"value": [1, null, {"clientState": 7}]}',
        b"[" * 200_000,
        b'{"value": [' + b" " * (1024 * 1024) + b"]}",
    ],
    ids=[
        "empty",
        "garbage",
        "a list",
        "a number",
        "not text",
        "no items",
        "odd items",
        "nested",
        "too large",
    ],
)
async def test_garbage_gets_its_202_and_leaves_nothing(path: str, body: bytes) -> None:
    hospital = await prepared()
    before = hospital.writes()

    answer = await hospital.app.post(path, body)

    assert answer.status_code == 202
    assert hospital.writes() == before


async def test_a_wrong_client_state_is_dropped_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    hospital = await prepared()

    answer = await hospital.app.post("/graph/notifications", delivery(hospital, state="made up"))

    assert answer.status_code == 202
    assert hospital.stamp.queues.call_events == []
    assert "1 notifications without our client state were dropped" in caplog.text


async def test_what_is_answered_with_202_is_stored_with_its_tokens_and_the_time_it_came() -> None:
    hospital = await prepared()

    answer = await hospital.app.post("/graph/notifications", delivery(hospital))

    assert answer.status_code == 202
    [stored] = map(json.loads, hospital.stamp.queues.call_events)
    assert stored["validationTokens"] == ["t"]
    assert stored["value"]["name"] == "e1"
    assert stored["receivedAt"] == hospital.clock().isoformat()


async def test_graph_is_asked_to_come_again_when_nothing_could_be_stored() -> None:
    hospital = await prepared()
    hospital.stamp.fail("queues.observe", TryAgain("the queue is away"))

    assert (await hospital.app.post("/graph/notifications", delivery(hospital))).status_code == 503
    assert (await hospital.app.post("/graph/notifications", delivery(hospital))).status_code == 202


async def test_a_notification_that_does_not_prove_itself_changes_nothing() -> None:
    hospital = await prepared()
    before = hospital.visit()

    await hospital.app.post("/graph/notifications", delivery(hospital, name="forged"))
    await hospital.work_off()

    assert hospital.visit() == before


async def test_a_proven_notification_reaches_the_visit() -> None:
    hospital = await prepared()

    await hospital.happens("360001", CallEvent("c1", CallEventKind.STARTED, hospital.clock()))

    assert hospital.visit().call_started_at == hospital.clock()


async def test_a_lifecycle_notification_renews_the_watch_at_the_next_tick() -> None:
    hospital = await prepared()
    assert hospital.visit().subscription == Subscription("s1", START + timedelta(minutes=30, hours=2))

    answer = await hospital.app.post("/graph/lifecycle", delivery(hospital))
    await hospital.tick()

    assert answer.status_code == 202
    assert hospital.watch.renewed == ["s1"]


async def test_a_lifecycle_notification_about_a_visit_nobody_knows_is_dropped() -> None:
    hospital = Hospital()

    answer = await hospital.app.post("/graph/lifecycle", delivery(hospital))

    assert answer.status_code == 202
    assert hospital.stamp.plans.visits == hospital.stamp.visits_due
    assert not hospital.stamp.visits_due.plans
    assert hospital.clock() == NOW
