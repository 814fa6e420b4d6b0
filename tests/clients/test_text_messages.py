"""A text is handed over at most once, and nothing about it is ever written down."""

import asyncio
import base64
import hashlib
import hmac
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from azure.core.pipeline.transport import AioHttpTransport

from shared.clients.communication_resource import CommunicationResource
from shared.clients.text_messages import TextMessages
from shared.domain.errors import MayHaveHappened, TryAgain, TurnedDown
from shared.domain.phone_number import PhoneNumber
from tests.clients.tls_server import FakeCredential, serving
from tests.fakes.clock import FixedClock

PATIENT = PhoneNumber("+12065550142")
BODY = "Lamna Healthcare: your video visit is at 9:00. https://visits.example/v/token"
KEY = base64.b64encode(b"the key of the resource").decode()
REPEAT = "3f0c1a52-6c3f-5f0e-9f55-0b9f6a0f1d11"


@dataclass
class Carrier:
    """Communication Services on this machine."""

    status: int = 202
    recipient: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    hang_up: bool = False
    silent: bool = False
    sent: list[dict[str, Any]] = field(default_factory=list)
    requests: list[web.BaseRequest] = field(default_factory=list)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        text = await request.text()
        self.requests.append(request)
        self.sent.append(json.loads(text))
        if self.hang_up:
            assert request.transport is not None
            request.transport.close()
        if self.silent:
            await asyncio.Event().wait()
        if self.status != 202:
            echo = {"error": {"code": "Refused", "message": f"cannot send {text}"}}
            return web.json_response(echo, status=self.status, headers=self.headers)
        accepted = {"messageId": "carrier-1", "httpStatusCode": 202, "successful": True}
        item = {"to": PATIENT.e164, **accepted, **self.recipient}
        return web.json_response({"value": [item]}, status=202)


@asynccontextmanager
async def texts(
    carrier: Carrier,
    tmp_path: Path,
    *,
    clock: FixedClock | None = None,
    key: Callable[[], Awaitable[str]] | None = None,
    transport: AioHttpTransport | None = None,
) -> AsyncIterator[TextMessages]:
    async def read() -> str:
        return KEY

    async with serving(carrier, tmp_path, tls=False) as served:
        resource = CommunicationResource(
            endpoint=f"{served.url}/communication", key=key or read, transport=transport
        )
        client = TextMessages(resource, now=clock or FixedClock())
        try:
            yield client
        finally:
            await client.close()


async def send(client: TextMessages, *, repeat_id: str = REPEAT) -> str:
    return await client.send(sender="+18005550100", to=PATIENT, body=BODY, tag="tag-1", repeat_id=repeat_id)


async def test_a_text_is_handed_over_with_its_tag_and_a_request_for_a_report(tmp_path: Path) -> None:
    carrier = Carrier()
    async with texts(carrier, tmp_path) as client:
        assert await send(client) == "carrier-1"

    assert carrier.requests[0].path_qs == "/communication/sms?api-version=2021-03-07"
    assert carrier.sent == [
        {
            "from": "+18005550100",
            "smsRecipients": [
                {
                    "to": "+12065550142",
                    "repeatabilityRequestId": REPEAT,
                    "repeatabilityFirstSent": "Mon, 02 Mar 2026 15:00:00 GMT",
                }
            ],
            "message": BODY,
            "smsSendOptions": {"enableDeliveryReport": True, "tag": "tag-1"},
        }
    ]


async def test_the_request_is_signed_with_the_key_of_the_resource(tmp_path: Path) -> None:
    carrier = Carrier()
    async with texts(carrier, tmp_path) as client:
        await send(client)

    headers = carrier.requests[0].headers
    signed = ";".join((headers["x-ms-date"], headers["Host"], headers["x-ms-content-sha256"]))
    text = f"POST\n{carrier.requests[0].path_qs}\n{signed}"
    expected = hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()
    assert headers["Authorization"].endswith(f"&Signature={base64.b64encode(expected).decode()}")


async def test_a_text_tried_again_within_minutes_is_recognised_as_the_same(tmp_path: Path) -> None:
    carrier, clock = Carrier(), FixedClock()
    async with texts(carrier, tmp_path, clock=clock) as client:
        for minutes in (0, 3, 3):
            clock.advance(timedelta(minutes=minutes))
            await send(client)
        await send(client, repeat_id="another")

    repeats = [one["smsRecipients"][0] for one in carrier.sent]
    assert len({one["repeatabilityRequestId"] for one in repeats[:3]}) == 1
    assert [one["repeatabilityFirstSent"][17:22] for one in repeats] == ["15:00", "15:00", "15:06", "15:06"]


@pytest.mark.parametrize(
    ("carrier", "expected"),
    [
        (Carrier(status=400), TurnedDown),
        (Carrier(status=401), TryAgain),
        (Carrier(status=403), TurnedDown),
        (Carrier(status=429), TryAgain),
        (Carrier(status=500), MayHaveHappened),
        (Carrier(status=502), MayHaveHappened),
        (Carrier(status=503), TryAgain),
        (Carrier(status=504), MayHaveHappened),
        (Carrier(hang_up=True), MayHaveHappened),
        (Carrier(recipient={"httpStatusCode": 400, "successful": False}), TurnedDown),
        (Carrier(recipient={"httpStatusCode": 404, "successful": False}), TurnedDown),
        (Carrier(recipient={"httpStatusCode": 429, "successful": False}), TryAgain),
        (Carrier(recipient={"httpStatusCode": 503, "successful": False}), TryAgain),
    ],
    ids=[
        "refused",
        "our key changed",
        "not allowed",
        "throttled",
        "broke down",
        "bad gateway",
        "unavailable",
        "gateway gave up",
        "hung up after reading",
        "number refused",
        "number unknown",
        "number throttled",
        "number unavailable",
    ],
)
async def test_a_failure_says_whether_the_text_may_have_gone_out(
    tmp_path: Path, carrier: Carrier, expected: type[Exception]
) -> None:
    async with texts(carrier, tmp_path) as client:
        with pytest.raises(expected):
            await send(client)

    assert len(carrier.sent) == 1


async def test_a_carrier_that_never_answers_may_have_taken_the_text(tmp_path: Path) -> None:
    # A transport of the test's own, so that nobody waits the fifteen seconds a real text is given.
    impatient = AioHttpTransport(read_timeout=0.05)

    async with texts(Carrier(silent=True), tmp_path, transport=impatient) as client:
        with pytest.raises(MayHaveHappened):
            await send(client)


async def test_a_carrier_that_cannot_be_reached_has_not_taken_the_text(tmp_path: Path) -> None:
    async with texts(Carrier(), tmp_path) as client:
        pass
    with pytest.raises(TryAgain):
        await send(client)
    await client.close()


async def test_the_wait_that_the_carrier_asks_for_is_handed_on(tmp_path: Path) -> None:
    async with texts(Carrier(status=429, headers={"Retry-After": "2.128"}), tmp_path) as client:
        with pytest.raises(TryAgain) as busy:
            await send(client)

    assert busy.value.after == 2.128


async def test_a_refusal_keeps_the_status_of_the_number_as_its_code(tmp_path: Path) -> None:
    carrier = Carrier(recipient={"httpStatusCode": 404, "successful": False, "errorMessage": PATIENT.e164})
    async with texts(carrier, tmp_path) as client:
        with pytest.raises(TurnedDown) as refused:
            await send(client)

    assert refused.value.code == "404"


async def test_a_key_changed_in_key_vault_is_used_for_the_next_text(tmp_path: Path) -> None:
    keys = [KEY, base64.b64encode(b"a new key").decode()]
    carrier = Carrier()

    async def key() -> str:
        return keys.pop(0)

    async with texts(carrier, tmp_path, key=key) as client:
        await send(client)
        await send(client)

    assert keys == []
    first, second = (request.headers["Authorization"] for request in carrier.requests)
    assert first != second


@pytest.mark.parametrize(
    "carrier",
    [
        Carrier(),
        Carrier(status=400),
        Carrier(status=500),
        Carrier(hang_up=True),
        Carrier(
            recipient={"httpStatusCode": 400, "successful": False, "errorMessage": f"{PATIENT.e164} {BODY}"}
        ),
    ],
    ids=["sent", "refused", "broken", "hung up", "number refused"],
)
async def test_neither_the_number_nor_the_text_is_ever_written_down(
    tmp_path: Path, carrier: Carrier, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    written = ""
    async with texts(carrier, tmp_path) as client:
        try:
            await send(client)
        except (TurnedDown, MayHaveHappened) as problem:
            written = repr(problem) + repr(problem.__cause__)

    written += caplog.text + repr(PATIENT)
    assert "5550142" not in written
    assert "video visit" not in written


def test_one_proof_is_needed_and_not_two() -> None:
    async def key() -> str:
        return KEY

    for proofs in ({}, {"key": key, "identity": FakeCredential()}):
        with pytest.raises(ValueError, match="either"):
            CommunicationResource(endpoint="https://x.example", **proofs)  # type: ignore[arg-type]
