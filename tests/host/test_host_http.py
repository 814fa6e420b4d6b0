"""Facts about web requests, sent to the sample app by a real client."""

import gzip
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from sandbox.host.app_loader import LoadedFunction
from sandbox.host.http_app import HttpApp, Keys
from sandbox.host.invocation import Invoker
from sandbox.host.routes import RouteTable
from sandbox.host.signatures import Binding

Clients = Callable[..., httpx.AsyncClient]


@pytest.fixture
def sent() -> list[str | bytes]:
    return []


@pytest.fixture
async def clients(sample: Mapping[str, LoadedFunction], sent: list[str | bytes]) -> AsyncIterator[Clients]:
    """Makes a client of the sample app hosted with the given options."""

    async def outbox(binding: Binding, messages: list[str | bytes]) -> None:
        sent.extend(messages)

    invoker = Invoker(outbox=outbox)
    async with AsyncExitStack() as open_clients:

        def client(**options: Any) -> httpx.AsyncClient:
            routes: RouteTable[LoadedFunction] = RouteTable()
            for function in sample.values():
                if function.trigger["type"] == "httpTrigger":
                    methods = function.trigger.get("methods")
                    routes.add(function.trigger["route"], methods, function, name=function.name)
            made = httpx.AsyncClient(
                # The client and the server of these tests are one program, so its failures would be raised here.
                transport=httpx.ASGITransport(
                    HttpApp(routes, invoker, **options), raise_app_exceptions=False
                ),
                base_url="http://clinic.example",
            )
            open_clients.push_async_callback(made.aclose)
            return made

        yield client
    invoker.close()


async def test_a_function_sees_the_request_as_it_was_sent(clients: Clients) -> None:
    answer = await clients().post(
        "/Echo/hello?x=1&y=%C3%A9+b&x=2&z=",
        content=b"12345",
        headers=[("X-Clinic", "north"), ("X-Clinic", "south"), ("Cookie", "a=1"), ("Cookie", "b=2")],
    )

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "method": "POST",
        "url": "http://clinic.example/Echo/hello?x=1&y=%C3%A9+b&x=2&z=",
        "word": "hello",
        "params": {"x": "1,2", "y": "é b", "z": ""},
        "header": "north,south",
        "cookie": "a=1; b=2",
        "length": 5,
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nowhere"),
        ("PUT", "/echo/hello"),
        ("GET", "/echo/he11o"),
        ("GET", "/rooms/lobby"),
        ("GET", "/"),
    ],
    ids=["unknown", "wrong method", "a constraint not met", "a disabled function", "the root"],
)
async def test_what_no_function_answers_is_404(clients: Clients, method: str, path: str) -> None:
    answer = await clients().request(method, path)
    assert (answer.status_code, answer.content) == (404, b"")


async def test_an_address_is_decoded_once_and_its_escaped_slash_stays(clients: Clients) -> None:
    answer = await clients().get("/files/a%2Fb/c%20d/%252e/%C3%A9")
    assert answer.json()["rest"] == "a%2Fb/c d/%2e/é"


async def test_optional_segments_may_be_left_away(clients: Clients) -> None:
    assert (await clients().get("/rooms/7")).json() == {"function": "room", "room": "7"}
    assert (await clients().get("/rooms/7/2")).json() == {"function": "room", "room": "7", "seat": "2"}


async def test_bodies_are_bytes_both_ways(clients: Clients) -> None:
    every_byte = bytes(range(256)) * 300
    answer = await clients().post("/reverse", content=every_byte)
    assert answer.content == every_byte[::-1]
    assert answer.headers["content-length"] == str(len(every_byte))


async def test_a_body_sent_in_chunks_arrives_whole(clients: Clients) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for chunk in (b"one ", b"two ", b"three"):
            yield chunk

    assert (await clients().post("/reverse", content=chunks())).content == b"eerht owt eno"


async def test_a_compressed_body_is_passed_on_as_it_is(clients: Clients) -> None:
    compressed = gzip.compress(b"hello", mtime=0)
    answer = await clients().post("/reverse", content=compressed, headers={"Content-Encoding": "gzip"})
    assert answer.content == compressed[::-1]


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "found on the way"])
async def test_a_body_over_the_limit_is_413(clients: Clients, announced: bool) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"123456"
        yield b"78901"

    client = clients(largest_body=10)

    answer = await client.post("/reverse", content=b"12345678901" if announced else chunks())

    assert answer.status_code == 413
    assert (await client.post("/reverse", content=b"1234567890")).status_code == 200


async def test_several_cookies_arrive_as_several_headers(clients: Clients) -> None:
    answer = await clients().get("/cookies")

    assert answer.status_code == 302
    assert answer.headers["location"] == "/echo/here"
    # ASP.NET Core, which writes them in Azure, escapes the value.
    assert answer.headers.get_list("set-cookie") == [
        "session=a%2Fb%3D; max-age=60; path=/; samesite=Lax; secure; httponly",
        "language=en",
    ]


async def test_a_string_is_plain_text(clients: Clients) -> None:
    answer = await clients().get("/text")
    assert (answer.status_code, answer.text) == (200, "plain")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


async def test_one_request_does_not_see_what_another_left_in_the_context(clients: Clients) -> None:
    client = clients()
    await client.get("/text")
    assert (await client.get("/caller")).text == "who nobody"


async def test_a_failure_is_500_and_says_nothing_of_the_request(
    clients: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await clients().get("/fails?name=Ruiz")

    assert (answer.status_code, answer.content) == (500, b"")
    assert "function fails failed" in caplog.text
    assert "Ruiz" not in caplog.text


async def test_a_function_without_an_answer_binding_is_204(clients: Clients) -> None:
    answer = await clients().get("/quiet")
    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-length" not in answer.headers


async def test_no_answer_where_one_is_due_is_500_as_in_azure(clients: Clients) -> None:
    # tests/host/test_conformance.py shows that Microsoft's runtime refuses the same function's result.
    assert (await clients().get("/nothing")).status_code == 500


async def test_a_queue_output_is_sent_before_the_answer(clients: Clients, sent: list[str | bytes]) -> None:
    answer = await clients().post("/orders", content=b"one table")
    assert answer.status_code == 202
    assert sent == ["one table"]


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [
        ("/closed", None, 401),
        ("/closed", "wrong", 401),
        ("/closed", "function-key", 200),
        ("/closed", "master-key", 200),
        ("/text", None, 200),
    ],
)
async def test_keys_are_asked_for_when_the_host_is_told_to(
    clients: Clients, path: str, key: str | None, status: int
) -> None:
    client = clients(keys=Keys(master="master-key", function="function-key"))
    headers = {} if key is None else {"x-functions-key": key}

    assert (await client.get(path, headers=headers)).status_code == status
    assert (await client.get(path, params={} if key is None else {"code": key})).status_code == status


async def test_keys_are_not_asked_for_by_default(clients: Clients) -> None:
    assert (await clients().get("/closed")).status_code == 200


def test_only_the_master_key_opens_an_admin_function() -> None:
    keys = Keys(master="master-key", function="function-key")
    assert keys.admit("ADMIN", "master-key")
    assert not keys.admit("ADMIN", "function-key")


async def test_a_caller_who_hangs_up_early_starts_nothing(
    clients: Clients, sample: Mapping[str, LoadedFunction], sent: list[str | bytes]
) -> None:
    transport = clients()._transport
    assert isinstance(transport, httpx.ASGITransport)
    messages = [
        {"type": "http.request", "body": b"half", "more_body": True},
        {"type": "http.disconnect"},
    ]
    answers: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        answers.append(message)

    scope = {"type": "http", "method": "POST", "path": "/orders", "raw_path": b"/orders", "headers": []}
    await transport.app(scope, receive, send)

    assert answers == []
    assert sent == []
