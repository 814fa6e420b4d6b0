"""One fact owed to Epic about a visit, with what was tried and what Epic answered."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from shared.domain.visit import ExternalId, Fact, VisitRef


class WriteBackState(StrEnum):
    OWED = "owed"
    TELLING = "telling"
    TOLD = "told"
    REFUSED = "refused"
    CANNOT_BE_TOLD = "cannot be told"


@dataclass(frozen=True, slots=True)
class WriteBack:
    """A fact as a row of its own: it is stored before Epic is called."""

    visit: VisitRef
    session: str
    fact: Fact
    external_id: ExternalId | None
    owed_at: datetime
    state: WriteBackState = WriteBackState.OWED
    attempts: int = 0
    last_answer: str = ""
    tried_at: datetime | None = None
    told_at: datetime | None = None

    @property
    def open(self) -> bool:
        return self.state in (WriteBackState.OWED, WriteBackState.TELLING)

    def telling(self, at: datetime) -> "WriteBack":
        return replace(self, state=WriteBackState.TELLING, attempts=self.attempts + 1, tried_at=at)

    def told(self, at: datetime) -> "WriteBack":
        # The external id has served its purpose and goes.
        return replace(self, state=WriteBackState.TOLD, told_at=at, last_answer="", external_id=None)

    def failed(self, answer: str) -> "WriteBack":
        return replace(self, state=WriteBackState.OWED, last_answer=answer)

    def refused(self, answer: str) -> "WriteBack":
        return replace(self, state=WriteBackState.REFUSED, last_answer=answer)

    def cannot_be_told(self, reason: str) -> "WriteBack":
        return replace(self, state=WriteBackState.CANNOT_BE_TOLD, last_answer=reason, external_id=None)

    def too_late(self) -> "WriteBack":
        """The id it needs is erased: an open fact ends here, a refused one can no longer be tried again."""
        if self.open:
            return self.cannot_be_told("Epic did not take it in time")
        return replace(self, external_id=None)


# A worker that died while telling: after this another may take over. Longer than the client's timeout, so
# that two never tell at once.
_TELLING_TAKES_AT_MOST = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell this fact now."""

    index: int


@dataclass(frozen=True, slots=True)
class Later:
    """Another worker is telling a fact of this visit; look again then."""

    at: datetime


def next_step(owed: list[WriteBack], *, now: datetime) -> Tell | Later | None:
    """The next fact of one visit to tell. `owed` is in order; nothing overtakes an earlier open fact."""
    for index, write_back in enumerate(owed):
        if not write_back.open:
            continue
        busy_until = (write_back.tried_at or now) + _TELLING_TAKES_AT_MOST
        if write_back.state is WriteBackState.TELLING and now < busy_until:
            return Later(busy_until)
        return Tell(index)
    return None


def retry_after(attempts: int, asked: float | None) -> timedelta:
    """How long to wait after `attempts` failures: seconds at first, an hour at most, or as Epic asked."""
    backoff = min(5.0 * 2 ** max(0, attempts - 1), 3600.0)
    return timedelta(seconds=max(backoff, asked or 0.0))
