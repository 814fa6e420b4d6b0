"""Carries what services tell on their own (call events, delivery reports), and tries again when nobody takes it."""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from sandbox.trouble import Kind, Service
from sandbox.world import World

# Graph goes on for four hours and Event Grid for a day; a laptop session does not last that long.
WAITS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)

Carry = Callable[[], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Parcel:
    """Something to deliver. `carry` returns nothing when it was taken, otherwise why it was not."""

    line: str
    what: str
    carry: Carry


class Deliveries:
    """The parcels of one service. First attempts of a line go one after the other; what fails is tried beside."""

    def __init__(self, world: World, service: Service, waits: Sequence[float] = WAITS) -> None:
        self._world = world
        self._service = service
        self._waits = waits
        self._lines: dict[str, deque[Parcel]] = {}
        self._held: dict[str, Parcel] = {}

    def send(self, line: str, what: str, carry: Carry) -> None:
        """Deliver soon. A trouble's `match` is looked for in `what`."""
        parcel = Parcel(line, what, carry)
        trouble = self._world.troubles.take(self._service, what)
        if trouble is not None:
            self._world.log(self._service, f"trouble: {trouble.kind} of {what}")
        match trouble.kind if trouble else None:
            case Kind.DROP:
                return
            case Kind.DELAY if trouble is not None:
                self._world.spawn(self._late(parcel, trouble.delay))
                return
            case Kind.REORDER if trouble is not None:
                self._held[line] = parcel
                self._world.spawn(self._unless_overtaken(parcel, trouble.delay))
                return
            case Kind.DUPLICATE:
                self._enqueue(parcel)
        self._enqueue(parcel)
        overtaken = self._held.pop(line, None)
        if overtaken is not None:
            self._enqueue(overtaken)

    async def _late(self, parcel: Parcel, seconds: float) -> None:
        await self._world.pause(seconds)
        self._enqueue(parcel)

    async def _unless_overtaken(self, parcel: Parcel, seconds: float) -> None:
        await self._world.pause(seconds)
        if self._held.get(parcel.line) is parcel:
            self._enqueue(self._held.pop(parcel.line))

    def _enqueue(self, parcel: Parcel) -> None:
        line = self._lines.setdefault(parcel.line, deque())
        line.append(parcel)
        if len(line) == 1:
            self._world.spawn(self._empty(parcel.line, line))

    async def _empty(self, name: str, line: deque[Parcel]) -> None:
        while line:
            if not await self._taken(line[0], attempt=1):
                self._world.spawn(self._again(line[0]))
            line.popleft()
        self._lines.pop(name, None)

    async def _again(self, parcel: Parcel) -> None:
        for attempt, wait in enumerate(self._waits, start=2):
            await self._world.pause(wait)
            if await self._taken(parcel, attempt=attempt):
                return
        self._world.log(self._service, f"gave up on {parcel.what}")

    async def _taken(self, parcel: Parcel, *, attempt: int) -> bool:
        why_not = await parcel.carry()
        said = f"not taken: {why_not}" if why_not else "taken"
        self._world.log(self._service, f"{parcel.what} {said}", attempt=attempt)
        return not why_not
