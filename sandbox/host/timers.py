"""Calls a timer function when its schedule says so, one call at a time, and makes up for a run that was missed.

As in the real host: a timer that runs no more than once a minute has its runs recorded (`useMonitor`), and when the
host starts after a missed one, the function is called at once with `past_due` set. Occurrences that pass while a call
is still running are left out, and there is no retry after a failure.
"""

import asyncio
import json
import logging
from contextlib import suppress
from datetime import datetime, timedelta

from azure.functions import meta

from sandbox.host.app_loader import LoadedFunction
from sandbox.host.clock import Clock
from sandbox.host.connections import OUTAGES
from sandbox.host.invocation import Invoker
from sandbox.host.ncrontab import Schedule, UnreadableSchedule, parse
from sandbox.host.refusals import CannotStart
from sandbox.host.timer_records import TimerRecord, TimerRecords

logger = logging.getLogger(__name__)

_RELOAD_PAUSE = timedelta(seconds=2)


def schedule_of(function: LoadedFunction) -> Schedule:
    """A timer function's schedule, or CannotStart naming the function and what is wrong with it."""
    try:
        return parse(str(function.trigger["schedule"]))
    except UnreadableSchedule as wrong:
        raise CannotStart(f"function {function.name}: {wrong}") from wrong


def is_recorded(function: LoadedFunction, schedule: Schedule) -> bool:
    return bool(function.trigger.get("useMonitor", True)) and not schedule.more_than_once_a_minute


class TimerLoop:
    """Runs one timer function; `records` is None for a timer that keeps none. `run` ends only after `stop`."""

    def __init__(
        self,
        function: LoadedFunction,
        schedule: Schedule,
        *,
        invoker: Invoker,
        clock: Clock,
        records: TimerRecords | None,
    ) -> None:
        self._function = function
        self._schedule = schedule
        self._invoker = invoker
        self._clock = clock
        self._records = records
        self._record: TimerRecord | None = None
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        if self._records is not None:
            self._record = await self._load(self._records)
        now = self._clock.now()
        past_due = self._record is not None and self._was_missed(self._record, now)
        if self._stopping.is_set():
            return
        if self._record is None:
            await self._remember(last_at=None, now=now)
        if past_due or self._function.trigger.get("runOnStartup"):
            await self._call(past_due=past_due)
        due_at = now
        while True:
            # Never before the occurrence just served, even if the clock was set back meanwhile.
            due_at = self._schedule.after(max(due_at, self._clock.now()))
            await self._clock.wait_until(due_at, self._stopping)
            if self._stopping.is_set():
                return
            await self._call(past_due=False)

    def _was_missed(self, record: TimerRecord, now: datetime) -> bool:
        # Worked out anew rather than taken from the record: the schedule may have been changed since.
        return self._schedule.after(record.last_at or record.updated_at) <= now

    async def _call(self, *, past_due: bool) -> None:
        started_at = self._clock.now()
        await self._invoker.attempt(self._function, self._data(past_due))
        await self._remember(last_at=started_at, now=self._clock.now())

    def _data(self, past_due: bool) -> meta.Datum:
        status = None
        if self._record is not None:
            last = self._record.last_at
            status = {
                # What .NET writes for a time that was never set.
                "Last": "0001-01-01T00:00:00+00:00" if last is None else last.isoformat(),
                "Next": self._record.next_at.isoformat(),
                "LastUpdated": self._record.updated_at.isoformat(),
            }
        information = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": past_due}
        return meta.Datum(json.dumps(information), "json")

    async def _load(self, records: TimerRecords) -> TimerRecord | None:
        while not self._stopping.is_set():
            try:
                return await records.load(self._function.name)
            except OUTAGES as outage:
                logger.warning("timer %s: no record, %s", self._function.name, type(outage).__name__)
            await self._clock.wait_until(self._clock.now() + _RELOAD_PAUSE, self._stopping)
        return None

    async def _remember(self, *, last_at: datetime | None, now: datetime) -> None:
        if self._records is None:
            return
        self._record = TimerRecord(last_at, next_at=self._schedule.after(now), updated_at=now)
        with suppress(*OUTAGES):
            await self._records.save(self._function.name, self._record)
            return
        logger.warning("timer %s: its run could not be recorded", self._function.name)
