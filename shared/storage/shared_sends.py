"""Lets messages that wait at the same moment share one storage call (group commit).

What an acknowledgement costs is the call, not the message: sixteen messages in one call cost little more than
one. Nothing runs in the background: the first to arrive waits a few milliseconds and sends for all.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum, auto

from shared.domain.errors import OutsideError, TryAgain

Send = Callable[[Sequence[str]], Awaitable[None]]


class _Fate(Enum):
    SENT = auto()
    ABANDONED = auto()  # whoever was to send was cancelled; the others try again


class _Batch:
    """Entries that leave together, and what became of them."""

    def __init__(self, first: str) -> None:
        loop = asyncio.get_running_loop()
        self.entries = [first]
        self.size = len(first)
        self.leaves: asyncio.Future[None] = loop.create_future()
        self.fate: asyncio.Future[_Fate | OutsideError] = loop.create_future()

    def takes(self, entry: str, room: int) -> bool:
        return self.size + 1 + len(entry) <= room

    def add(self, entry: str) -> None:
        self.entries.append(entry)
        self.size += 1 + len(entry)

    def leave(self) -> None:
        """Send now: the wait is over, or there is no more room."""
        if not self.leaves.done():
            self.leaves.set_result(None)


class SharedSends:
    """Collects entries (ASCII) into sends of at most `room` characters, commas included."""

    def __init__(self, send: Send, *, room: int, wait: float) -> None:
        self._send = send
        self._room = room
        self._wait = wait
        self._open: _Batch | None = None

    async def send(self, entry: str) -> None:
        """Return once `entry` was sent; raise what the send raised. Entries leave in the order they came."""
        while True:
            batch = self._open
            if batch is None or not batch.takes(entry, self._room):
                return await self._lead(entry)
            batch.add(entry)
            # Shielded: one that stops waiting must not end the wait of the others.
            fate = await asyncio.shield(batch.fate)
            if fate is _Fate.SENT:
                return None
            if isinstance(fate, OutsideError):
                raise TryAgain("the shared send failed") from fate

    async def _lead(self, entry: str) -> None:
        """Open a batch, wait for others, and send for all of them."""
        if self._open is not None:
            self._open.leave()
        batch = self._open = _Batch(entry)
        timer = asyncio.get_running_loop().call_later(self._wait, batch.leave)
        fate: _Fate | OutsideError = _Fate.ABANDONED
        try:
            await batch.leaves
            self._close(batch)
            await self._send(batch.entries)
            fate = _Fate.SENT
        except OutsideError as failure:
            fate = failure
            raise
        finally:
            timer.cancel()
            self._close(batch)
            batch.fate.set_result(fate)

    def _close(self, batch: _Batch) -> None:
        if self._open is batch:
            self._open = None
