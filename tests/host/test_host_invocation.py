"""Facts about calling one function."""

import asyncio
import contextvars
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import azure.functions as func
import pytest
from azure.functions import meta

from sandbox.host.app_loader import LoadedFunction, collect_functions
from sandbox.host.invocation import Invoker, Outcome, messages_of
from sandbox.host.signatures import Binding

Sent = list[tuple[str, list[str | bytes]]]
QUEUE: dict[str, Any] = {"queue_name": "orders", "connection": "AzureWebJobsStorage"}
MESSAGE = meta.Datum("hello", "string")


@pytest.fixture
def sent() -> Sent:
    return []


@pytest.fixture
def invoker(sent: Sent) -> Iterator[Invoker]:
    async def outbox(binding: Binding, messages: list[str | bytes]) -> None:
        sent.append((binding["queueName"], messages))

    invoker = Invoker(outbox=outbox, threads=2)
    yield invoker
    invoker.close()


def queue_function(call: Callable[..., Any], *, output: str | None = None) -> LoadedFunction:
    """A function triggered by a queue, with one queue output if it is named."""
    app = func.FunctionApp()
    decorated: Any = call
    if output is not None:
        decorated = app.queue_output(output, queue_name="copies", connection="AzureWebJobsStorage")(decorated)
    app.queue_trigger("message", **QUEUE)(decorated)
    return collect_functions(app.get_functions(), {})[0]


async def test_an_async_function_gets_its_message(invoker: Invoker) -> None:
    seen: list[Any] = []

    async def read(message: func.QueueMessage) -> None:
        seen.append((message.get_body(), message.dequeue_count, message.insertion_time))

    metadata = {
        "DequeueCount": meta.Datum(2, "int"),
        "InsertionTime": meta.Datum("2026-03-02T10:00:00+00:00", "string"),
    }
    outcome = await invoker.attempt(queue_function(read), MESSAGE, metadata)

    assert outcome == Outcome()
    assert seen[0][:2] == (b"hello", 2)
    assert seen[0][2].isoformat() == "2026-03-02T10:00:00+00:00"


async def test_sync_functions_run_at_the_same_time_in_threads(invoker: Invoker) -> None:
    both_here = threading.Barrier(2, timeout=20)

    def read(message: str) -> None:
        both_here.wait()

    function = queue_function(read)
    outcomes = await asyncio.gather(*(invoker.attempt(function, MESSAGE) for _ in range(2)))

    assert outcomes == [Outcome(), Outcome()]
    assert not invoker.has_calls_in_threads


async def test_a_sync_function_sees_the_callers_context_and_keeps_its_own_changes(invoker: Invoker) -> None:
    who = contextvars.ContextVar("who", default="nobody")
    seen: list[str] = []

    def read(message: str) -> None:
        seen.append(who.get())
        who.set("the function")

    who.set("the caller")
    await invoker.attempt(queue_function(read), MESSAGE)

    assert seen == ["the caller"]
    assert who.get() == "the caller"


async def test_a_function_may_ask_for_its_context(invoker: Invoker) -> None:
    seen: list[func.Context] = []

    async def read(message: func.QueueMessage, context: func.Context) -> None:
        seen.append(context)

    function = queue_function(read)
    await invoker.attempt(function, MESSAGE, {"Id": meta.Datum("1", "string")})
    await invoker.attempt(function, MESSAGE, {"Id": meta.Datum("1", "string")})

    assert [context.function_name for context in seen] == ["read", "read"]
    assert seen[0].invocation_id != seen[1].invocation_id
    assert isinstance(seen[0], func.Context)


@pytest.mark.parametrize(
    ("value", "messages"),
    [
        ("one", ["one"]),
        (b"\xff", [b"\xff"]),
        (["one", "two"], ["one", "two"]),
        (func.QueueMessage(body="one"), ["one"]),
        (None, []),
    ],
    ids=["text", "bytes", "a list", "a queue message", "nothing"],
)
async def test_what_a_function_puts_out_is_sent(
    value: Any, messages: list[str | bytes], invoker: Invoker, sent: Sent
) -> None:
    async def read(message: str, copies) -> None:  # type: ignore[no-untyped-def]
        copies.set(value)

    assert not (await invoker.attempt(queue_function(read, output="copies"), MESSAGE)).failed
    assert sent == ([("copies", messages)] if messages else [])


async def test_a_returned_value_is_sent_when_its_binding_is_a_queue(invoker: Invoker, sent: Sent) -> None:
    def read(message: str) -> str:
        return message.upper()

    assert not (await invoker.attempt(queue_function(read, output="$return"), MESSAGE)).failed
    assert sent == [("copies", ["HELLO"])]


async def test_a_value_without_a_return_binding_is_a_failure(
    invoker: Invoker, caplog: pytest.LogCaptureFixture
) -> None:
    async def read(message: str):  # type: ignore[no-untyped-def]
        return 1

    assert (await invoker.attempt(queue_function(read), MESSAGE)).failed
    assert "no $return binding" in caplog.text


async def test_an_output_that_cannot_be_sent_is_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    async def outbox(binding: Binding, messages: list[str | bytes]) -> None:
        raise ConnectionError

    async def read(message: str, copies: func.Out[str]) -> None:
        copies.set("one")

    invoker = Invoker(outbox=outbox)
    assert (await invoker.attempt(queue_function(read, output="copies"), MESSAGE)).failed
    assert "ConnectionError" in caplog.text


async def fails(message: str) -> None:
    try:
        raise KeyError(message)
    except KeyError as missing:
        raise ValueError(f"no such patient: {message}") from missing


async def test_the_log_of_a_failure_says_where_but_not_what_was_sent(
    invoker: Invoker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    outcome = await invoker.attempt(queue_function(fails), meta.Datum("Ruiz", "string"))

    assert outcome.failed
    assert "function fails failed" in caplog.text
    assert "test_host_invocation.py" in caplog.text
    assert "ValueError" in caplog.text
    assert "KeyError" in caplog.text
    assert "Ruiz" not in caplog.text


async def test_a_developer_may_ask_for_the_texts_of_exceptions(caplog: pytest.LogCaptureFixture) -> None:
    async def outbox(binding: Binding, messages: list[str | bytes]) -> None: ...

    await Invoker(outbox=outbox, show_errors=True).attempt(queue_function(fails), MESSAGE)

    assert "no such patient: hello" in caplog.text


def test_an_array_is_one_message_for_each_element() -> None:
    array = meta.Datum('["a", {"id": null, "body": "b"}, {"n": 1}]', "json")
    assert messages_of(array) == ["a", "b", '{"n": 1}']


async def test_a_cancelled_caller_does_not_hide_the_thread_that_is_still_busy(invoker: Invoker) -> None:
    started, finish = threading.Event(), threading.Event()

    def read(message: str) -> None:
        started.set()
        finish.wait(20)

    call = asyncio.create_task(invoker.attempt(queue_function(read), MESSAGE))
    await asyncio.to_thread(started.wait, 20)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)

    assert invoker.has_calls_in_threads
    finish.set()


def test_the_sample_app_returns_by_the_bindings_it_names(sample: Mapping[str, LoadedFunction]) -> None:
    returns = {name: each.signature.returns.kind for name, each in sample.items() if each.signature.returns}
    assert returns["echo"] == "http"
    assert returns["copy_line"] == "queue"
    assert "quiet" not in returns
