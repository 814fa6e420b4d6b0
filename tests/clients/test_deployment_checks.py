"""Another clock, Azure's word about the region and the linked number are read as they are, or not at all."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from aiohttp import web

from shared.clients.communication_resource import CommunicationResource
from shared.clients.linked_numbers import LinkedNumbers
from shared.clients.outside_clock import OutsideClock
from shared.clients.own_resource import OwnResource
from shared.domain.errors import TryAgain, TurnedDown
from shared.domain.readiness import LinkedNumber
from tests.clients.tls_server import FakeCredential, serving
from tests.fakes.clock import FixedClock

KEY = base64.b64encode(b"the key of the resource").decode()


def answering(answer: httpx.Response | Exception, asked: list[httpx.Request]) -> httpx.AsyncClient:
    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return httpx.AsyncClient(transport=httpx.MockTransport(handler))


@pytest.mark.parametrize("status", [200, 401, 404, 503])
async def test_any_answer_tells_the_time(status: int) -> None:
    date = {"Date": "Tue, 24 Nov 2026 14:30:05 GMT"}
    asked: list[httpx.Request] = []
    async with answering(httpx.Response(status, headers=date), asked) as http:
        clock = OutsideClock(http, service="Microsoft Graph", url="https://graph.example/v1.0/")
        assert await clock.read() == datetime(2026, 11, 24, 14, 30, 5, tzinfo=UTC)

    assert "authorization" not in asked[0].headers


@pytest.mark.parametrize("headers", [{}, {"Date": "yesterday"}], ids=["no date", "no readable date"])
async def test_an_answer_without_a_time_tells_none(headers: dict[str, str]) -> None:
    async with answering(httpx.Response(200, headers=headers), []) as http:
        with pytest.raises(TurnedDown):
            await OutsideClock(http, service="x", url="https://graph.example").read()


async def test_a_clock_that_cannot_be_reached_is_worth_another_look() -> None:
    async with answering(httpx.ConnectError("away"), []) as http:
        with pytest.raises(TryAgain):
            await OutsideClock(http, service="x", url="https://graph.example").read()


async def region(answer: httpx.Response | Exception, asked: list[httpx.Request]) -> str:
    async with answering(answer, asked) as http:
        url = "https://management.example/subscriptions/s/sites/visits"
        resource = OwnResource(http, url=url, identity=FakeCredential(), now=FixedClock())
        return await resource.region()


async def test_the_region_is_read_by_its_short_name() -> None:
    asked: list[httpx.Request] = []

    assert await region(httpx.Response(200, json={"location": "East US 2"}), asked) == "eastus2"
    assert asked[0].headers["Authorization"] == "Bearer a-token"
    assert asked[0].url.params["api-version"] == "2023-12-01"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.Response(403, json={"error": {"code": "AuthorizationFailed"}}), TurnedDown),
        (httpx.Response(404, json={}), TurnedDown),
        (httpx.Response(200, json={"id": "x"}), TurnedDown),
        (httpx.Response(200, text="<html>"), TurnedDown),
        (httpx.Response(429, headers={"Retry-After": "5"}), TryAgain),
        (httpx.ConnectError("away"), TryAgain),
    ],
    ids=["not a reader", "not there", "no region", "no JSON", "throttled", "unreachable"],
)
async def test_azure_may_not_say_where_the_app_runs(
    answer: httpx.Response | Exception, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        await region(answer, [])


Handler = Callable[[web.BaseRequest], web.Response]


async def number(folder: Path, handler: Handler) -> LinkedNumber | None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        assert request.headers["Authorization"].startswith("HMAC-SHA256 ")
        return handler(request)

    async def key() -> str:
        return KEY

    async with serving(answer, folder) as served:
        resource = CommunicationResource(endpoint=served.url, key=key, transport=served.transport())
        numbers = LinkedNumbers(resource, now=FixedClock())
        return await numbers.find("+18335550142")


def told(sms: str) -> Handler:
    content = {
        "id": "18335550142",
        "phoneNumber": "+18335550142",
        "phoneNumberType": "tollFree",
        "capabilities": {"calling": "none", "sms": sms},
    }
    return lambda _: web.Response(text=json.dumps(content), content_type="application/json")


@pytest.mark.parametrize(
    ("sms", "sends"), [("inbound+outbound", True), ("outbound", True), ("inbound", False), ("none", False)]
)
async def test_a_linked_number_sends_texts_or_not(tmp_path: Path, sms: str, sends: bool) -> None:
    assert await number(tmp_path, told(sms)) == LinkedNumber("tollFree", sends=sends)


async def test_a_number_of_somebody_else_is_not_linked(tmp_path: Path) -> None:
    assert await number(tmp_path, lambda _: web.Response(status=404)) is None


@pytest.mark.parametrize(("status", "kind"), [(429, TryAgain), (503, TryAgain), (403, TurnedDown)])
async def test_a_failed_look_says_whether_another_helps_and_names_no_number(
    tmp_path: Path, status: int, kind: type[Exception]
) -> None:
    with pytest.raises(kind) as failed:
        await number(tmp_path, lambda _: web.Response(status=status))
    assert "5550142" not in str(failed.value)
