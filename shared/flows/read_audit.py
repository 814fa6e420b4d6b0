"""Read the audit log: newest first, by day, person, action and environment, one page after the other."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from shared.domain.audit import Linked, Place
from shared.domain.environment import EnvironmentId
from shared.domain.errors import Refused
from shared.domain.portal_session import Colleague
from shared.domain.words import said
from shared.flows.ports import AuditLog, People

# A page that matches little would otherwise read the whole log: after so many days it ends and offers the rest.
_MOST_DAYS = 200

_CURSOR = re.compile(r"(\d{4}-\d{2}-\d{2})\.(\d{1,8})")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked for; empty means everything. `person` is an object id, or part of a name or address."""

    first: date | None = None
    last: date | None = None
    person: str = ""
    did: str = ""
    environment: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """Entries, newest first, who did them as far as they are known, and where older ones go on (or empty)."""

    entries: list[Linked] = field(default_factory=list)
    names: Mapping[str, Colleague] = field(default_factory=dict)
    older: str = ""


def cursor_of(place: Place) -> str:
    return f"{place.day.isoformat()}.{place.number}"


def place_before(cursor: str) -> tuple[date, int]:
    """The place that a cursor means. Raises Refused."""
    read = _CURSOR.fullmatch(cursor)
    try:
        if read:
            return date.fromisoformat(read[1]), int(read[2])
    except ValueError:
        pass
    raise Refused({"before": said("Start again from the newest entry.")})


async def read_audit(asked: Asked, *, before: str = "", count: int, log: AuditLog, people: People) -> Found:
    """Up to `count` entries older than the cursor `before`. Raises Refused for dates that cannot be."""
    if asked.first and asked.last and asked.first > asked.last:
        raise Refused({"from": said("Start date must be before end date")})
    day, number = place_before(before) if before else (None, 0)
    last = min((one for one in (asked.last, day) if one), default=None)
    days = await log.days(first=asked.first, last=last)
    known = _Known(people)
    entries: list[Linked] = []
    for read, one in enumerate(reversed(days)):
        if read == _MOST_DAYS:
            return Found(entries, known.names, cursor_of(Place(one, 99_999_999, "")))
        async for entry in _matching(one, asked, log, known):
            if one == day and entry.place.number >= number:
                continue
            if len(entries) == count:
                return Found(entries, known.names, cursor_of(entries[-1].place))
            entries.append(entry)
    return Found(entries, known.names)


class _Known:
    """The people met so far; each is asked for once."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._asked: set[str] = set()
        self.names: dict[str, Colleague] = {}

    async def meet(self, ids: set[str]) -> None:
        if fresh := ids - self._asked:
            self._asked |= fresh
            self.names |= await self._people.named(fresh)

    def fits(self, id: str, wanted: str) -> bool:
        about = self.names.get(id)
        words = (about.name.casefold(), about.address.casefold()) if about else ()
        return not wanted or id == wanted or any(wanted.casefold() in one for one in words)


async def _matching(day: date, asked: Asked, log: AuditLog, known: _Known) -> AsyncIterator[Linked]:
    """The entries of one day that are looked for, newest first."""
    chain = await log.chain(day)
    fitting = [one for one in reversed(chain.entries) if _fits(one, asked)]
    await known.meet({one.entry.who for one in fitting})
    for one in fitting:
        if known.fits(one.entry.who, asked.person):
            yield one


def _fits(one: Linked, asked: Asked) -> bool:
    if asked.did and one.entry.did != asked.did:
        return False
    return not asked.environment or environment_of(one) == asked.environment


def environment_of(one: Linked) -> EnvironmentId | None:
    """The environment that an entry is about."""
    room, _, rest = one.entry.to.partition("/")
    return EnvironmentId(rest.partition("/")[0]) if room == "environment" else None
