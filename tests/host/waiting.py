"""Waits for an outcome instead of for a time: asks again and again, up to a bound, and says what it waited for."""

import asyncio
import time
from collections.abc import Awaitable, Callable


def until_true(is_true: Callable[[], bool], *, what: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.05)


async def until(is_true: Callable[[], Awaitable[bool]], *, what: str, seconds: float = 20) -> None:
    try:
        async with asyncio.timeout(seconds):
            while not await is_true():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"waited {seconds} s for {what}") from None
