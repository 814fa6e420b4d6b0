"""Looks at everything a hospital needs for video visits, all at once, and says of each thing how it stands."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.domain import readiness
from shared.domain.environment import Environment
from shared.domain.errors import TryAgain, TurnedDown
from shared.domain.readiness import Check, Verdict, checked
from shared.flows.ports import Observers
from shared.flows.probe_readiness import Deployment, Looking, Probe

logger = logging.getLogger(__name__)

# A page without a script waits for the slowest look, so none may take longer.
SECONDS = 10.0
# Enough for every look of several environments at once; more than that must not crowd out the visits of the process.
_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Readiness:
    """All checks, and when they were made."""

    checks: tuple[Check, ...]
    at: datetime


async def check_readiness(
    environments: Sequence[Environment],
    *,
    observers: Observers,
    deployment: Deployment,
    now: Callable[[], datetime],
    names: Mapping[str, str] | None = None,
    seconds: float = SECONDS,
) -> Readiness:
    """Look at everything at once, each look alone and no longer than `seconds`: none can hide another.

    `names` holds people's names by object id, where they are known. Nothing is raised.
    """
    looking = Looking(environments, observers, deployment, now, names or {})
    probes = [
        *looking.microsoft(),
        *(probe for one in environments for probe in looking.of(one)),
        *looking.stamp(),
    ]
    turns = asyncio.Semaphore(_AT_ONCE)

    async def in_turn(probe: Probe) -> Check:
        async with turns:
            return checked(probe.subject, await _alone(probe, seconds))

    return Readiness(tuple(await asyncio.gather(*(in_turn(one) for one in probes))), now())


async def _alone(probe: Probe, seconds: float) -> Verdict:
    """What `probe` sees, or why it saw nothing."""
    try:
        async with asyncio.timeout(seconds):
            return await probe.look()
    except TimeoutError:
        return readiness.too_slow(seconds)
    except TryAgain:
        return readiness.away()
    except TurnedDown as refusal:
        return readiness.turned_down(refusal.code)
    except Exception:
        logger.exception("the readiness check %s failed", probe.subject.id)
        return readiness.broken()
