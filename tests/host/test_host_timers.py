"""Facts about timer functions; the clock is handed in and never waits."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import azure.functions as func
import pytest
from azure.core.exceptions import ServiceRequestError
from azure.data.tables.aio import TableServiceClient

from sandbox.host.app_loader import LoadedFunction, collect_functions
from sandbox.host.clock import SystemClock
from sandbox.host.invocation import Invoker
from sandbox.host.refusals import CannotStart
from sandbox.host.signatures import Binding
from sandbox.host.timer_records import TableTimerRecords, TimerRecord, TimerRecords
from sandbox.host.timers import TimerLoop, is_recorded, schedule_of

NOON = datetime(2026, 3, 2, 12, 0, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class FakeClock:
    """Jumps to the moment waited for, unless it was told to stop instead."""

    def __init__(self, now: datetime = NOON) -> None:
        self.moment = now

    def now(self) -> datetime:
        return self.moment

    async def wait_until(self, moment: datetime, interrupted: asyncio.Event) -> None:
        await asyncio.sleep(0)
        if not interrupted.is_set():
            self.moment = max(self.moment, moment)


class FakeTimerRecords:
    """Timer records in memory; `outages` is how many of the next calls find storage away."""

    def __init__(self) -> None:
        self.rows: dict[str, TimerRecord] = {}
        self.outages = 0

    async def load(self, function: str) -> TimerRecord | None:
        self._fail_while_away()
        return self.rows.get(function)

    async def save(self, function: str, record: TimerRecord) -> None:
        self._fail_while_away()
        self.rows[function] = record

    def _fail_while_away(self) -> None:
        if self.outages > 0:
            self.outages -= 1
            raise ServiceRequestError("away")


class Runs:
    """A timer function that notes its calls and stops the loop after the last one wanted."""

    def __init__(self, clock: FakeClock, *, last: int) -> None:
        self.at: list[datetime] = []
        self.past_due: list[bool] = []
        self.status: list[Any] = []
        self._clock = clock
        self._last = last
        self.loop: TimerLoop | None = None

    def note(self, timer: func.TimerRequest) -> None:
        self.at.append(self._clock.now())
        self.past_due.append(timer.past_due)
        self.status.append(timer.schedule_status)  # type: ignore[attr-defined]
        if len(self.at) == self._last:
            assert self.loop is not None
            self.loop.stop()


def timer_function(call: Callable[..., Any], schedule: str, **options: Any) -> LoadedFunction:
    app = func.FunctionApp()
    app.timer_trigger("timer", schedule=schedule, **options)(call)
    return collect_functions(app.get_functions(), {})[0]


async def run(
    schedule: str,
    clock: FakeClock,
    *,
    last: int,
    records: TimerRecords | None = None,
    body: Callable[[], None] = lambda: None,
    **options: Any,
) -> Runs:
    """Run one timer until its function was called `last` times."""
    runs = Runs(clock, last=last)

    async def tick(timer: func.TimerRequest) -> None:
        runs.note(timer)
        body()

    async def outbox(binding: Binding, messages: list[str | bytes]) -> None: ...

    invoker = Invoker(outbox=outbox)
    function = timer_function(tick, schedule, **options)
    runs.loop = TimerLoop(function, schedule_of(function), invoker=invoker, clock=clock, records=records)
    await runs.loop.run()
    invoker.close()
    return runs


async def test_a_timer_runs_when_its_schedule_says_so() -> None:
    runs = await run("0 */5 * * * *", FakeClock(), last=3)

    assert runs.at == [datetime(2026, 3, 2, 12, minute, tzinfo=UTC) for minute in (5, 10, 15)]
    assert runs.past_due == [False, False, False]


async def test_a_timer_may_run_when_the_host_starts() -> None:
    runs = await run("0 */5 * * * *", FakeClock(), last=2, run_on_startup=True)
    assert runs.at == [NOON, datetime(2026, 3, 2, 12, 5, tzinfo=UTC)]


async def test_the_first_start_of_a_timer_is_never_past_due() -> None:
    records = FakeTimerRecords()
    runs = await run("0 * * * * *", FakeClock(), last=1, records=records)

    assert runs.past_due == [False]
    assert records.rows["tick"].last_at == NOON.replace(second=0) + MINUTE


async def test_a_run_missed_while_the_host_was_off_is_made_up_for_at_once() -> None:
    records = FakeTimerRecords()
    await run("0 */5 * * * *", FakeClock(), last=1, records=records)

    runs = await run("0 */5 * * * *", FakeClock(NOON + 60 * MINUTE), last=2, records=records)

    assert runs.at == [NOON + 60 * MINUTE, datetime(2026, 3, 2, 13, 5, tzinfo=UTC)]
    assert runs.past_due == [True, False]


async def test_a_restart_between_two_runs_misses_nothing() -> None:
    records = FakeTimerRecords()
    await run("0 */5 * * * *", FakeClock(), last=1, records=records)

    runs = await run("0 */5 * * * *", FakeClock(NOON + 6 * MINUTE), last=1, records=records)

    assert runs.at == [datetime(2026, 3, 2, 12, 10, tzinfo=UTC)]
    assert runs.past_due == [False]


async def test_a_timer_that_was_never_due_before_the_host_stopped_is_still_made_up_for() -> None:
    records = FakeTimerRecords()
    records.rows["tick"] = TimerRecord(None, next_at=NOON + 5 * MINUTE, updated_at=NOON)

    runs = await run("0 */5 * * * *", FakeClock(NOON + 60 * MINUTE), last=1, records=records)

    assert runs.past_due == [True]


async def test_a_function_sees_when_it_ran_last_and_runs_next() -> None:
    runs = await run("0 */5 * * * *", FakeClock(), last=2, records=FakeTimerRecords())

    assert runs.status[1]["Last"] == "2026-03-02T12:05:00+00:00"
    assert runs.status[1]["Next"] == "2026-03-02T12:10:00+00:00"


async def test_runs_that_pass_during_a_long_call_are_left_out() -> None:
    clock = FakeClock()

    def takes_long() -> None:
        clock.moment += 12 * MINUTE

    runs = await run("0 */5 * * * *", clock, last=2, body=takes_long)

    assert runs.at == [datetime(2026, 3, 2, 12, minute, tzinfo=UTC) for minute in (5, 20)]


async def test_a_failed_run_does_not_end_the_timer() -> None:
    def fails() -> None:
        raise ValueError

    runs = await run("0 */5 * * * *", FakeClock(), last=3, body=fails)

    assert len(runs.at) == 3


async def test_a_storage_outage_delays_the_first_run_but_never_ends_the_timer() -> None:
    records = FakeTimerRecords()
    records.outages = 5

    runs = await run("0 */5 * * * *", FakeClock(), last=2, records=records)

    assert len(runs.at) == 2
    assert records.rows["tick"].last_at == runs.at[1]


async def test_a_clock_set_back_does_not_repeat_a_run() -> None:
    clock = FakeClock()

    def set_back() -> None:
        clock.moment -= 3 * MINUTE

    runs = await run("0 */5 * * * *", clock, last=2, body=set_back)

    assert runs.at == [datetime(2026, 3, 2, 12, minute, tzinfo=UTC) for minute in (5, 10)]


async def test_only_timers_that_run_at_most_once_a_minute_are_recorded() -> None:
    async def tick(timer: func.TimerRequest) -> None: ...

    def recorded(schedule: str, **options: Any) -> bool:
        function = timer_function(tick, schedule, **options)
        return is_recorded(function, schedule_of(function))

    assert recorded("0 * * * * *")
    assert not recorded("*/10 * * * * *")
    assert not recorded("0 * * * * *", use_monitor=False)


async def test_a_wrong_schedule_is_refused_with_the_functions_name() -> None:
    async def tick(timer: func.TimerRequest) -> None: ...

    with pytest.raises(CannotStart, match="function tick: "):
        schedule_of(timer_function(tick, "every minute"))


async def test_waiting_for_a_moment_that_has_passed_does_not_wait() -> None:
    clock = SystemClock()
    await clock.wait_until(clock.now() - MINUTE, asyncio.Event())


async def test_waiting_ends_when_it_is_interrupted() -> None:
    clock, interrupted = SystemClock(), asyncio.Event()
    waiting = asyncio.create_task(clock.wait_until(clock.now() + 60 * MINUTE, interrupted))
    interrupted.set()
    await waiting


Holding = Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[TimerRecords]]


@asynccontextmanager
async def in_memory(request: pytest.FixtureRequest) -> AsyncIterator[TimerRecords]:
    yield FakeTimerRecords()


@asynccontextmanager
async def in_table_storage(request: pytest.FixtureRequest) -> AsyncIterator[TimerRecords]:
    async with TableServiceClient.from_connection_string(request.getfixturevalue("storage")) as tables:
        yield TableTimerRecords(tables, app=uuid4().hex)


@pytest.mark.parametrize("holding", [in_memory, in_table_storage])
class TestTimerRecords:
    async def test_an_unknown_timer_has_no_record(
        self, holding: Holding, request: pytest.FixtureRequest
    ) -> None:
        async with holding(request) as records:
            assert await records.load("tick") is None

    async def test_what_is_saved_is_read_back_whole(
        self, holding: Holding, request: pytest.FixtureRequest
    ) -> None:
        first = TimerRecord(None, next_at=NOON + MINUTE, updated_at=NOON)
        second = TimerRecord(NOON + MINUTE, next_at=NOON + 2 * MINUTE, updated_at=NOON + MINUTE)
        async with holding(request) as records:
            await records.save("tick", first)
            assert await records.load("tick") == first
            await records.save("tick", second)
            assert await records.load("tick") == second
