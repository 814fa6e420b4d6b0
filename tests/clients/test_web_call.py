"""Calls to other services say whether trying again can help, and never repeat what the service sent."""

import gzip
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest

from shared.clients.web_call import LARGEST_ANSWER, Answer, asked_wait, call, failure
from shared.domain.errors import TryAgain, TurnedDown

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


async def ask(answer: httpx.Response | Exception, **options: str) -> Answer:
    def handle(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as http:
        return await call(http, "GET", options.get("url", "https://ehr.example/x"), service="Epic")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": "2.128"}, 2.128),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "Mon, 02 Mar 2026 15:00:30 GMT"}, 30.0),
        ({"Retry-After": "Mon, 02 Mar 2026 14:00:00 GMT"}, 0.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"Retry-After": "1e12"}, 86_400.0),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "Mon, 02 Mar 2026 15:00:30 +99999999999999999999"}, None),
        ({}, None),
    ],
)
def test_the_wait_a_service_asks_for_is_read_in_every_form_it_comes_in(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert asked_wait(headers, now=NOW) == seconds


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_busy_or_broken_service_is_worth_another_try(status: int) -> None:
    problem = failure("Epic", status, {"Retry-After": "2.128"}, now=NOW)

    assert isinstance(problem, TryAgain)
    assert problem.after == 2.128


@pytest.mark.parametrize("status", [301, 302, 400, 401, 403, 404, 409, 422, 501])
def test_a_refusal_is_final_and_keeps_its_status_as_code(status: int) -> None:
    problem = failure("Epic", status, {}, now=NOW)

    assert isinstance(problem, TurnedDown)
    assert problem.code == str(status)


@pytest.mark.parametrize(
    "problem",
    [httpx.ConnectError("x"), httpx.ReadTimeout("x"), httpx.RemoteProtocolError("x"), httpx.ReadError("x")],
    ids=["unreachable", "slow", "broken off", "lost"],
)
async def test_no_answer_is_worth_another_try(problem: httpx.TransportError) -> None:
    with pytest.raises(TryAgain):
        await ask(problem)


class Stream(httpx.AsyncByteStream):
    """An answer on its way, not read yet."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.read = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.read = True
        yield self.content


async def test_an_answer_that_is_compressed_twice_is_never_unpacked() -> None:
    stream = Stream(gzip.compress(gzip.compress(b"{}")))

    with pytest.raises(TurnedDown) as refused:
        await ask(httpx.Response(200, headers={"Content-Encoding": "gzip, gzip"}, stream=stream))

    assert refused.value.code == "not-readable"
    assert not stream.read


async def test_a_server_that_compresses_unasked_is_understood() -> None:
    stream = Stream(gzip.compress(b'{"a": 1}'))

    answer = await ask(httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=stream))

    assert answer.json() == {"a": 1}


async def test_json_that_is_nested_without_end_is_no_answer() -> None:
    answer = await ask(httpx.Response(200, content=b'{"a":' + b"[" * 100_000))

    with pytest.raises(TurnedDown) as refused:
        answer.json()

    assert refused.value.code == "not-readable"


async def test_an_answer_larger_than_anything_needed_is_not_read_to_its_end() -> None:
    with pytest.raises(TurnedDown) as refused:
        await ask(httpx.Response(200, content=b"x" * (LARGEST_ANSWER + 1)))

    assert refused.value.code == "too-large"


async def test_a_redirect_is_not_followed() -> None:
    answer = await ask(httpx.Response(302, headers={"Location": "https://elsewhere.example/"}))

    assert not answer.good
    assert isinstance(answer.failure(now=NOW), TurnedDown)


@pytest.mark.parametrize("url", ["ftp://ehr.example/", "not an address", "https://"])
async def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(TurnedDown) as refused:
        await ask(httpx.Response(200), url=url)

    assert refused.value.code == "bad-address"


@pytest.mark.parametrize("body", [b"<html>Dr Ruiz</html>", b"[]", b'"Dr Ruiz"', b"\xff"])
async def test_a_body_that_is_no_json_object_is_refused_without_repeating_it(body: bytes) -> None:
    answer = await ask(httpx.Response(200, content=body))

    with pytest.raises(TurnedDown) as refused:
        answer.json()

    assert refused.value.code == "not-readable"
    assert refused.value.__cause__ is None
    assert "Ruiz" not in repr(refused.value) + repr(answer)


async def test_addresses_and_their_queries_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    await ask(httpx.Response(200), url="https://ehr.example/x?ExternalID=E17")

    assert "E17" not in caplog.text
