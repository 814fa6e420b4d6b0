"""Sandbox Communication Services takes texts as the real one does, and its phone network reports what came of them."""

import base64
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from azure.storage.queue.aio import QueueClient

from sandbox.communication import CONTRACT, segments
from sandbox.contract_check import read_contract
from sandbox.event_grid import QUEUE
from tests.sandbox.m365_stage import Stage, stage

EVENTS = read_contract("event_grid")
PATIENT = "+12065550142"
SENDER = "+18335550142"
PATH = "/communication/sms?api-version=2021-03-07"


@pytest_asyncio.fixture
async def m365(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as one:
        yield one


async def texts(m365: Stage) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await m365.browser.get("/api/texts")).json()
    return found


async def test_a_text_reaches_the_phone(m365: Stage) -> None:
    answer = await m365.text(message="Your visit is on Friday.")
    await m365.world.settled()

    (result,) = answer.json()["value"]
    (text,) = await texts(m365)
    assert answer.status_code == 202
    assert CONTRACT.problems("smsResponse", answer.json()) == []
    assert (result["successful"], result["httpStatusCode"], result["to"]) == (True, 202, PATIENT)
    assert (text["to"], text["from"], text["body"]) == (PATIENT, SENDER, "Your visit is on Friday.")
    assert (text["id"], text["state"]) == (result["messageId"], "delivered")


@pytest.mark.parametrize(
    "changes",
    [
        {"key": base64.b64encode(b"another key").decode()},
        {"digest": base64.b64encode(b"x" * 32).decode()},
        {"date": "Fri, 15 Jan 2027 16:50:00 GMT"},
        {"date": "yesterday"},
        {"signature": ""},
    ],
    ids=["another key", "another body", "too old", "no date", "no signature"],
)
async def test_a_request_that_does_not_prove_itself_is_denied(m365: Stage, changes: dict[str, str]) -> None:
    body = b'{"from": "+18335550142", "smsRecipients": [{"to": "+12065550142"}], "message": "x"}'

    answer = await m365.browser.post(PATH, content=body, headers=m365.signed("POST", PATH, body, **changes))

    assert answer.status_code == 401
    assert await texts(m365) == []
    assert len(await m365.refusals()) == 1


async def test_a_signature_over_another_address_is_denied(m365: Stage) -> None:
    body = b'{"from": "+18335550142", "smsRecipients": [{"to": "+12065550142"}], "message": "x"}'

    answer = await m365.browser.post(
        PATH, content=body, headers=m365.signed("POST", "/sms?api-version=2021-03-07", body)
    )

    assert answer.status_code == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"from": "+18335550199"},
        {"message": "x" * 2049},
        {"smsRecipients": []},
        {"smsRecipients": [{"to": PATIENT, "name": "Elena"}]},
        {"deliveryReportTimeoutInSeconds": 60},
        {"smsSendOptions": {"tag": "t-1"}},
    ],
    ids=["not our number", "too long", "nobody", "unknown deep inside", "unknown", "option missing"],
)
async def test_a_text_outside_the_contract_is_refused(m365: Stage, changes: dict[str, Any]) -> None:
    answer = await m365.text(**changes)

    assert answer.status_code == 400
    assert await texts(m365) == []


async def test_one_bad_number_is_refused_in_a_good_request(m365: Stage) -> None:
    answer = await m365.text(smsRecipients=[{"to": "2065550142"}, {"to": PATIENT}])

    assert answer.status_code == 202
    assert [one["httpStatusCode"] for one in answer.json()["value"]] == [400, 202]
    assert len(await texts(m365)) == 1


async def test_a_repeat_within_five_minutes_is_one_text(m365: Stage) -> None:
    first = await m365.text(request_id="r-1")
    m365.later(minutes=4)
    again = await m365.text(request_id="r-1", first_sent=m365.now[0] - timedelta(minutes=4))
    other = await m365.text(request_id="r-1", message="Something else")
    m365.later(minutes=2)
    too_old = await m365.text(request_id="r-1", first_sent=m365.now[0] - timedelta(minutes=6))
    later = await m365.text(request_id="r-1")

    assert again.json() == first.json()
    assert [one.json()["value"][0]["httpStatusCode"] for one in (other, too_old, later)] == [400, 412, 202]
    assert len(await texts(m365)) == 2


async def test_more_than_the_number_may_send_in_a_minute_is_throttled(m365: Stage) -> None:
    await m365.browser.post("/api/switches", json={"texts_per_minute": 2})

    statuses = [(await m365.text()).status_code for _ in range(3)]
    busy = await m365.text()
    m365.later(seconds=61)

    assert statuses == [202, 202, 429]
    assert busy.headers["Retry-After"] == "60"
    assert (await m365.text()).status_code == 202


async def test_whoever_answered_stop_gets_nothing_until_start(m365: Stage) -> None:
    reply = {"from": PATIENT, "to": SENDER}
    await m365.browser.post("/api/texts/reply", json={**reply, "message": "Stop"})
    await m365.text()
    await m365.world.settled()
    await m365.browser.post("/api/texts/reply", json={**reply, "message": "START"})
    await m365.text()
    await m365.world.settled()

    assert [(one["state"], one["details"]) for one in await texts(m365)] == [
        ("received", ""),
        ("failed", "Sender blocked for given recipient."),
        ("received", ""),
        ("delivered", "Message successfully delivered."),
    ]


async def test_a_token_for_the_service_is_as_good_as_a_signature(m365: Stage) -> None:
    body = {"from": SENDER, "smsRecipients": [{"to": PATIENT}], "message": "Hello"}
    statuses = []
    for resource in ("https://communication.azure.com", "https://graph.microsoft.com"):
        token = m365.sandbox.tokens.for_app(tenant="t", resource=resource, roles=())
        headers = {"Authorization": f"Bearer {token}"}
        statuses.append((await m365.browser.post(PATH, json=body, headers=headers)).status_code)

    assert statuses == [202, 401]


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("[" * 81, 2),
        ("é" * 160, 1),
        ("您" * 70, 1),
        ("您" * 71, 2),
        ("😀" * 36, 2),
    ],
    ids=["160", "161", "escaped", "accents of GSM", "70 wide", "71 wide", "surrogate pairs"],
)
def test_segments_are_counted_as_carriers_bill_them(body: str, count: int) -> None:
    assert segments(body) == count


@pytest_asyncio.fixture
async def queue(azurite: str) -> AsyncIterator[QueueClient]:
    async with QueueClient.from_connection_string(azurite, QUEUE) as one:
        yield one
        await one.delete_queue()


async def test_event_grid_reports_on_the_queue_once_it_is_there(
    m365: Stage, azurite: str, queue: QueueClient
) -> None:
    m365.world.storage = azurite
    waits = m365.pauses

    async def pause(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            # Event Grid does not make the queue: whoever listens does, here while a retry is waited for.
            await queue.create_queue()

    m365.world.pause = pause
    await m365.text(message="Hello")
    await m365.browser.post("/api/texts/reply", json={"from": PATIENT, "to": SENDER, "message": "Yes"})
    await m365.world.settled()

    events = [json.loads(base64.b64decode(one.content)) async for one in queue.receive_messages()]
    by_type = {one["eventType"].rpartition(".")[2]: one for one in events}
    report, received = by_type["SMSDeliveryReportReceived"]["data"], by_type["SMSReceived"]["data"]
    assert all(EVENTS.problems("event", one) == [] for one in events)
    assert (report["Tag"], report["deliveryStatus"]) == ("t-1", "Delivered")
    assert (report["from"], report["to"]) == (SENDER.lstrip("+"), PATIENT)
    assert (received["message"], received["from"]) == ("Yes", PATIENT.lstrip("+"))


async def test_the_sandbox_can_own_more_numbers(m365: Stage) -> None:
    await m365.browser.post("/api/phone-numbers", json={"number": "+18335550177"})

    assert (await m365.text(**{"from": "+18335550177"})).status_code == 202


async def test_the_answer_can_be_lost_after_the_text_was_taken(m365: Stage) -> None:
    trouble = {"service": "communication", "kind": "timeout-after-accept", "seconds": 0.01}
    await m365.browser.post("/api/trouble", json=trouble)

    lost = await m365.text(request_id="r-1")
    again = await m365.text(request_id="r-1")

    assert lost.status_code == 504
    assert again.status_code == 202
    assert len(await texts(m365)) == 1


async def test_throttling_says_how_long_even_in_decimals(m365: Stage) -> None:
    trouble = {
        "service": "communication",
        "kind": "throttle",
        "times": 2,
        "retry_after": "2.128",
        "match": "/sms",
    }
    await m365.browser.post("/api/trouble", json=trouble)

    answers: list[httpx.Response] = [await m365.text() for _ in range(3)]

    assert [one.status_code for one in answers] == [429, 429, 202]
    assert answers[0].headers["Retry-After"] == "2.128"
