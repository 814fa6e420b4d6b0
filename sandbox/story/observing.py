"""How the story watches: it asks again until something is seen or its time is over, and prints each step."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

# Asking more often would only load the machine that is watched.
_SECONDS_BETWEEN_LOOKS = 0.2


class NotObserved(Exception):
    """A step that was not seen in time; the text says what was seen instead and where to look."""


async def until(look: Callable[[], Awaitable[T | None]], *, what: str, seconds: float, where: str) -> T:
    """The first answer of `look` that is neither None nor empty, or raise NotObserved."""
    ends = time.monotonic() + seconds
    last: object = None
    while True:
        try:
            seen = await look()
        except (KeyError, ValueError, LookupError) as problem:
            seen, last = None, f"{type(problem).__name__}: {problem}"
        if seen:
            return seen
        if time.monotonic() > ends:
            hint = f" Last: {last}." if last else ""
            raise NotObserved(f"{what} was not observed within {seconds:.0f} s.{hint} Look at {where}.")
        await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)


@dataclass(slots=True)
class Teller:
    """Prints the steps as they are observed, and remembers whether all were."""

    failed: bool = False
    told: list[dict[str, Any]] = field(default_factory=list)

    async def step(self, number: str, title: str, play: Callable[[], Awaitable[str]]) -> bool:
        """Play one step and print what was observed, with its time. False when it was not observed."""
        began = time.monotonic()
        try:
            seen = await play()
        except NotObserved as missing:
            self._say(number, title, str(missing), began, observed=False)
            return False
        except Exception as problem:  # noqa: BLE001 - whatever goes wrong, the step was not observed
            self._say(number, title, f"{type(problem).__name__}: {problem}", began, observed=False)
            return False
        self._say(number, title, seen, began, observed=True)
        return True

    def _say(self, number: str, title: str, seen: str, began: float, *, observed: bool) -> None:
        took = time.monotonic() - began
        mark = "ok  " if observed else "FAIL"
        print(f"{mark} {number:>2}  {title}: {seen} ({took:.1f} s)", flush=True)
        self.failed = self.failed or not observed
        self.told.append({"step": number, "observed": observed, "seen": seen, "seconds": round(took, 2)})
