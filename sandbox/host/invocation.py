"""Calls one function: turns the trigger's data into its arguments and its answer back into data.

Decoding and encoding are the azure-functions library's own converters, the ones that run in Azure. Async functions
run on the event loop, others in a pool of threads that see the caller's context variables.
"""

import asyncio
import contextvars
import functools
import json
import logging
import threading
import traceback
import uuid
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import azure.functions as func
from azure.functions import meta

from sandbox.host.app_loader import LoadedFunction
from sandbox.host.signatures import PLAIN, Binding, Bound, converter_of

logger = logging.getLogger(__name__)

_NO_METADATA: Mapping[str, meta.Datum] = {}

# Takes an output binding and the messages to send with it; raises when they could not be sent.
Outbox = Callable[[Binding, list[str | bytes]], Awaitable[None]]


class ResultRefused(TypeError):
    """The function's answer does not fit its bindings, as the real worker would say too."""


class _Output(func.Out[Any]):
    def __init__(self) -> None:
        self.value: Any = None

    def set(self, val: Any) -> None:
        self.value = val

    def get(self) -> Any:
        return self.value


@func.Context.register
class InvocationContext:
    """What a function sees when it asks for `context`."""

    thread_local_storage = threading.local()

    def __init__(self, function: LoadedFunction, invocation_id: str) -> None:
        self.invocation_id = invocation_id
        self.function_name = function.name
        self.function_directory = function.directory
        self.trace_context = _Trace()
        self.retry_context = _Retry()


class _Trace:
    trace_state = ""
    trace_parent = ""
    attributes: Mapping[str, str] = {}

    # The worker of Python 3.12 and older offers these spellings too.
    Tracestate = ""
    Traceparent = ""
    Attributes: Mapping[str, str] = {}


class _Retry:
    retry_count = 0
    max_retry_count = 0
    exception = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended: whether it failed, and otherwise its encoded HTTP answer, if it has one."""

    failed: bool = False
    answer: meta.Datum | None = None


class Invoker:
    """Runs functions one call at a time, many at once."""

    def __init__(self, *, outbox: Outbox, threads: int | None = None, show_errors: bool = False) -> None:
        self._outbox = outbox
        self._show_errors = show_errors
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="function")
        self._in_threads: set[Future[Any]] = set()

    @property
    def has_calls_in_threads(self) -> bool:
        """Whether a thread is still busy, even one whose caller has given up."""
        return bool(self._in_threads)

    async def attempt(
        self,
        function: LoadedFunction,
        data: meta.Datum,
        metadata: Mapping[str, meta.Datum] = _NO_METADATA,
    ) -> Outcome:
        """Call the function and send its queue outputs; whatever it raises is written to the log."""
        try:
            return Outcome(answer=await self._invoke(function, data, metadata))
        except Exception as failure:  # noqa: BLE001 - the host outlives whatever a function raises
            _log_failure(function.name, failure, with_message=self._show_errors)
            return Outcome(failed=True)

    async def _invoke(
        self, function: LoadedFunction, data: meta.Datum, metadata: Mapping[str, meta.Datum]
    ) -> meta.Datum | None:
        signature = function.signature
        arguments = {signature.trigger.name: _decode(signature.trigger, data, metadata)}
        outputs = [(bound, _Output()) for bound in signature.outputs]
        for bound, holder in outputs:
            arguments[bound.name] = holder
        if signature.wants_context:
            arguments["context"] = InvocationContext(function, str(uuid.uuid4()))

        if function.is_async:
            result = await function.call(**arguments)
        else:
            result = await self._in_thread(functools.partial(function.call, **arguments))

        if result is not None and signature.returns is None:
            raise ResultRefused(f"function {function.name} returned a value but has no $return binding")
        for bound, holder in outputs:
            if holder.value is not None:
                await self._outbox(bound.binding, messages_of(_encode(bound, holder.value)))
        if signature.returns is None:
            return None
        if signature.returns.kind == "http":
            return _encode(signature.returns, result)
        if result is not None:
            await self._outbox(signature.returns.binding, messages_of(_encode(signature.returns, result)))
        return None

    def close(self) -> None:
        """Give the threads back; a call that is still running is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _in_thread(self, call: Callable[[], Any]) -> Any:
        future = self._pool.submit(contextvars.copy_context().run, call)
        self._in_threads.add(future)
        future.add_done_callback(self._in_threads.discard)
        return await asyncio.wrap_future(future)


def _decode(bound: Bound, data: meta.Datum, metadata: Mapping[str, meta.Datum]) -> Any:
    if bound.kind == PLAIN:
        return data.value
    return converter_of(bound.kind).decode(data, trigger_metadata=metadata)


def _encode(bound: Bound, value: Any) -> meta.Datum:
    if bound.kind == PLAIN:
        return meta.Datum(value, "bytes" if isinstance(value, (bytes, bytearray)) else "string")
    converter = converter_of(bound.kind)
    try:
        encoded: meta.Datum = converter.encode(value, expected_type=bound.annotation)
    except NotImplementedError as unsupported:
        raise ResultRefused(f"a {bound.kind} binding cannot carry a {type(value).__name__}") from unsupported
    return encoded


def messages_of(data: meta.Datum) -> list[str | bytes]:
    """The queue messages an encoded output stands for: a JSON array is one message for each element."""
    if data.type != "json":
        return [data.value]
    content = json.loads(data.value)
    return [_text(element) for element in (content if isinstance(content, list) else [content])]


def _text(element: Any) -> str:
    if isinstance(element, str):
        return element
    # A QueueMessage arrives as an object of which only the body is a message.
    if isinstance(element, dict) and "body" in element:
        return str(element["body"])
    return json.dumps(element)


def _log_failure(function: str, failure: BaseException, *, with_message: bool) -> None:
    """Write where a call failed and with what, but not the exception's text: it may quote what a patient sent."""
    frames = [frame for frame in traceback.extract_tb(failure.__traceback__) if frame.filename != __file__]
    # Of a library's forty frames only the last one tells anything; the app's own all do.
    frames = [each for each in frames[:-1] if "site-packages" not in each.filename] + frames[-1:]
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(frames)]
    cause: BaseException | None = failure
    while cause is not None:
        text = f": {cause}" if with_message or isinstance(cause, ResultRefused) else ""
        lines.append(f"{type(cause).__module__}.{type(cause).__qualname__}{text}\n")
        cause = cause.__cause__
    logger.error("function %s failed\n%s", function, "".join(lines).rstrip())
