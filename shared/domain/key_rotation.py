"""How the keys by which Epic recognises this app follow each other: a new one is shown before it is used.

Epic reads published keys when it sees one it does not know, and some sites only once in a while. So a new key is
published for a day before it signs, and the one before stays published for a week after it was followed.
Everything follows from when keys were made: nothing has to be remembered, and all instances say the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

PUBLISHED_BEFORE_USE = timedelta(days=1)
OVERLAP = timedelta(days=7)


class KeyState(StrEnum):
    WAITING = "waiting"  # published, and not used yet
    SIGNING = "signing"
    LEAVING = "leaving"  # still published, for what was signed before


@dataclass(frozen=True, slots=True)
class KeyVersion:
    """One version of a key, by the name under which it is kept."""

    version: str
    made_at: datetime


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """One key as Epic sees it. `id` is its `kid`; `ends_at` is None for the newest, which stays."""

    id: str
    state: KeyState
    made_at: datetime
    signs_from: datetime
    ends_at: datetime | None


def published(versions: Sequence[KeyVersion], *, now: datetime) -> list[KeyVersion]:
    """The versions that are published at `now`, of all, oldest first."""
    return [one for one in versions if (end := _ends_at(one, versions)) is None or now < end]


def signing(versions: Sequence[KeyVersion], *, now: datetime) -> KeyVersion:
    """The version that signs at `now`: the newest that was published for a day, else the oldest there is."""
    settled = [one for one in versions if now - one.made_at >= PUBLISHED_BEFORE_USE]
    return settled[-1] if settled else versions[0]


def may_renew(versions: Sequence[KeyVersion], *, now: datetime) -> bool:
    """Whether a new key may be made: not while the newest is still waiting for its day.

    So a second click, or a second administrator at the same moment, makes no second key.
    """
    return not versions or now - versions[-1].made_at >= PUBLISHED_BEFORE_USE


def standing(versions: Sequence[KeyVersion], ids: Sequence[str], *, now: datetime) -> list[PublishedKey]:
    """What is published at `now`, each with its state. `ids` are the kids of `published(versions)`, in order."""
    used = signing(versions, now=now)
    place = versions.index(used)
    return [
        PublishedKey(
            id=id,
            state=_state(versions.index(one), place),
            made_at=one.made_at,
            signs_from=one.made_at if one == versions[0] else one.made_at + PUBLISHED_BEFORE_USE,
            ends_at=_ends_at(one, versions),
        )
        for one, id in zip(published(versions, now=now), ids, strict=True)
    ]


def _state(place: int, signing: int) -> KeyState:
    if place == signing:
        return KeyState.SIGNING
    return KeyState.WAITING if place > signing else KeyState.LEAVING


def _ends_at(one: KeyVersion, versions: Sequence[KeyVersion]) -> datetime | None:
    place = versions.index(one)
    return None if place == len(versions) - 1 else versions[place + 1].made_at + OVERLAP
