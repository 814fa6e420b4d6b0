"""What time it is, and waiting for a time to come; handed in, so that tests need neither."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import Protocol

# A computer that slept wakes with the wall clock ahead of its timers, so a long wait is taken in steps.
_LONGEST_STEP = 30.0


class Clock(Protocol):
    def now(self) -> datetime:
        """The present moment, in UTC."""

    async def wait_until(self, moment: datetime, interrupted: asyncio.Event) -> None:
        """Return at `moment`, or as soon as `interrupted` is set."""


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    async def wait_until(self, moment: datetime, interrupted: asyncio.Event) -> None:
        while not interrupted.is_set():
            left = (moment - self.now()).total_seconds()
            if left <= 0:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, _LONGEST_STEP)):
                    await interrupted.wait()
