"""Work through what a tick found, a few at a time and each alone: one bad item never stops the others."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

# Enough to overlap waits for storage, few enough not to crowd out the requests of the same process.
_AT_ONCE = 8


async def each(
    items: AsyncIterator[T], work: Callable[[T], Awaitable[None]], *, what: str, log: logging.Logger
) -> int:
    """Do `work` for all `items` and return how many succeeded. A failure is logged; its item stays due."""
    done = 0

    async def alone(item: T) -> None:
        nonlocal done
        try:
            await work(item)
            done += 1
        except Exception:
            log.exception("one %s failed and will be tried again at the next tick", what)

    batch: list[T] = []
    async for item in items:
        batch.append(item)
        if len(batch) == _AT_ONCE:
            await asyncio.gather(*(alone(one) for one in batch))
            batch = []
    await asyncio.gather(*(alone(one) for one in batch))
    return done
