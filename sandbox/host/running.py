"""Puts a host together from an app's functions and keeps its queues and timers going until it is stopped."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from sandbox.host.app_loader import LoadedFunction
from sandbox.host.clock import Clock, SystemClock
from sandbox.host.connections import DEFAULT_CONNECTION, Connections
from sandbox.host.host_json import HostSettings, QueueOptions
from sandbox.host.http_app import HttpApp, Keys
from sandbox.host.invocation import Invoker
from sandbox.host.queues import LEASE, QueueListener, encode, send
from sandbox.host.refusals import CannotStart
from sandbox.host.routes import RouteTable
from sandbox.host.signatures import Binding
from sandbox.host.timer_records import TableTimerRecords
from sandbox.host.timers import TimerLoop, is_recorded, schedule_of

logger = logging.getLogger(__name__)

# How long running calls may take to finish once the host is told to stop.
LAST_CALLS = 10.0


class Host:
    """One app, hosted: `http` answers requests at once, queues and timers run inside `async with running()`."""

    def __init__(
        self,
        functions: Sequence[LoadedFunction],
        host_settings: HostSettings,
        settings: Mapping[str, str],
        *,
        keys: Keys | None = None,
        clock: Clock | None = None,
        lease: timedelta = LEASE,
        show_errors: bool = False,
    ) -> None:
        self._functions = functions
        self._settings = settings
        self._options = host_settings.queues
        self._connections = Connections(settings)
        self._listeners: dict[tuple[str, str], list[QueueListener]] = {}
        self._timers: list[TimerLoop] = []
        self._stopped_at: float | None = None
        threads = settings.get("PYTHON_THREADPOOL_THREAD_COUNT", "")
        self._invoker = Invoker(
            outbox=self._send, threads=int(threads) if threads.isdigit() else None, show_errors=show_errors
        )
        routes: RouteTable[LoadedFunction] = RouteTable(host_settings.route_prefix)
        for function in functions:
            if function.trigger["type"] == "httpTrigger":
                route = str(function.trigger.get("route", function.name))
                routes.add(route, function.trigger.get("methods"), function, name=function.name)
        self.http = HttpApp(routes, self._invoker, keys=keys)
        self._lease = lease
        self._clock = clock or SystemClock()
        self._check()

    @property
    def has_calls_in_threads(self) -> bool:
        """A call in a thread cannot be ended, only left behind by ending the process."""
        return self._invoker.has_calls_in_threads

    def stop(self) -> None:
        """Begin to stop: no further messages, no further timer runs."""
        if self._stopped_at is None:
            self._stopped_at = time.monotonic()
        for listeners in self._listeners.values():
            for listener in listeners:
                listener.stop()
        for timer in self._timers:
            timer.stop()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Queues and timers run inside; leaving lets running calls finish, for at most LAST_CALLS seconds."""
        self._assemble()
        listeners = [each for group in self._listeners.values() for each in group]
        loops = [asyncio.create_task(each.run()) for each in listeners]
        loops += [asyncio.create_task(each.run()) for each in self._timers]
        for loop in loops:
            loop.add_done_callback(_report)
        try:
            yield
        finally:
            self.stop()
            await self._finish(loops)
            self._invoker.close()
            await self._connections.close()

    async def _finish(self, loops: list[asyncio.Task[None]]) -> None:
        if not loops:
            return
        # Counted from the first call of stop: web requests may have used up the time already.
        left = LAST_CALLS - (time.monotonic() - (self._stopped_at or time.monotonic()))
        _, unfinished = await asyncio.wait(loops, timeout=max(left, 0))
        for loop in unfinished:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        if unfinished:
            logger.warning("%s queues or timers did not finish in time", len(unfinished))

    def _check(self) -> None:
        """Find what would fail later, while it can still be said in one sentence."""
        for function in self._functions:
            for bound in (
                function.signature.trigger,
                *function.signature.outputs,
                function.signature.returns,
            ):
                if bound is not None and bound.binding["type"] in ("queueTrigger", "queue"):
                    self._connections.connection_string(str(bound.binding.get("connection", "")))
                    _check_queue_name(str(bound.binding["queueName"]), function.name)
            if function.trigger["type"] == "timerTrigger" and is_recorded(function, schedule_of(function)):
                self._connections.connection_string(DEFAULT_CONNECTION)

    def _assemble(self) -> None:
        # Here and not in __init__, because the storage clients belong to the event loop that uses them.
        for function in self._functions:
            kind = function.trigger["type"]
            if kind == "queueTrigger":
                address = _address(function.trigger)
                listener = QueueListener(
                    function,
                    queue=self._connections.queue(*address),
                    poison=self._connections.queue(address[0], f"{address[1]}-poison"),
                    options=self._options,
                    invoker=self._invoker,
                    lease=self._lease,
                )
                self._listeners.setdefault(address, []).append(listener)
            elif kind == "timerTrigger":
                schedule = schedule_of(function)
                app = self._settings.get("AzureFunctionsWebHost__hostid", "local")
                records = None
                if is_recorded(function, schedule):
                    records = TableTimerRecords(self._connections.tables(), app=app)
                self._timers.append(
                    TimerLoop(function, schedule, invoker=self._invoker, clock=self._clock, records=records)
                )

    async def _send(self, binding: Binding, messages: list[str | bytes]) -> None:
        address = _address(binding)
        queue = self._connections.queue(*address)
        for message in messages:
            await send(queue, encode(message, self._options))
        # The real host, too, asks a queue at once when it has itself put something there.
        for listener in self._listeners.get(address, ()):
            listener.wake()


def _report(loop: asyncio.Task[None]) -> None:
    if not loop.cancelled() and loop.exception() is not None:
        logger.error("a queue or timer loop ended by itself", exc_info=loop.exception())


def with_longest_pause(options: QueueOptions, seconds: float) -> QueueOptions:
    """The options with `maxPollingInterval` cut to what suits a local run, as Core Tools cuts it to 2 seconds."""
    return replace(
        options, max_polling_interval=min(options.max_polling_interval, timedelta(seconds=seconds))
    )


def _address(binding: Binding) -> tuple[str, str]:
    return str(binding.get("connection") or DEFAULT_CONNECTION), str(binding["queueName"])


def _check_queue_name(name: str, function: str) -> None:
    valid = (
        3 <= len(name) <= 63
        and name.replace("-", "").isalnum()
        and name.isascii()
        and name == name.lower()
        and not name.startswith("-")
        and not name.endswith("-")
        and "--" not in name
    )
    if not valid:
        raise CannotStart(f"function {function}: {name} is not a queue name")
