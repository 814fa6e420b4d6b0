"""Whether a hospital is ready for video visits: each thing that can be missing, what was seen, and what to do about it.

Everything here only judges what was seen. Who looks, and how long they may take, is the flow's part.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from shared.domain.words import Said, said


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    UNKNOWN = "unknown"  # nobody could look
    CONFIGURED = "configured"  # only a setting says so: configured, not observed


class Area(StrEnum):
    """Who would mend it, which is how the page is divided."""

    MICROSOFT = "microsoft-365"
    EPIC = "epic"
    TEXTS = "texts"
    DEPLOYMENT = "deployment"


class Observer(StrEnum):
    """Who says so."""

    GRAPH = "graph"
    KEY_VAULT = "key-vault"
    AZURE = "azure"
    EPIC = "epic"
    SETTING = "setting"
    STORAGE = "storage"


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing that is checked. `environment` is empty for what all environments share."""

    id: str
    area: Area
    title: Said
    observed_by: Observer
    environment: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be said about a subject. `commands` are lines to paste into a shell, in their order."""

    state: State
    seen: Said
    to_do: tuple[Said, ...] = ()
    commands: tuple[str, ...] = ()
    observed_by: Observer | None = None  # where it differs from the subject's


@dataclass(frozen=True, slots=True)
class Check:
    """A subject and its verdict, as pages and the API show it."""

    id: str
    area: Area
    title: Said
    state: State
    what_was_seen: Said
    what_to_do: tuple[Said, ...]
    commands: tuple[str, ...]
    observed_by: Observer
    environment: str = ""


@dataclass(frozen=True, slots=True)
class LinkedNumber:
    """A number that belongs to the Communication Services resource. `sends` whether it may send texts."""

    kind: str
    sends: bool


@dataclass(frozen=True, slots=True)
class SecretAge:
    """A secret that is needed, and when its newest enabled version was made; None when there is none."""

    name: str
    made_at: datetime | None


def checked(subject: Subject, verdict: Verdict) -> Check:
    return Check(
        id=subject.id,
        area=subject.area,
        title=subject.title,
        state=verdict.state,
        what_was_seen=verdict.seen,
        what_to_do=verdict.to_do,
        commands=verdict.commands,
        observed_by=verdict.observed_by or subject.observed_by,
        environment=subject.environment,
    )


def worst(checks: Collection[Check]) -> State:
    """The state to show for many: a problem outweighs a warning, and both what nobody could see."""
    order = (State.PROBLEM, State.WARNING, State.UNKNOWN, State.CONFIGURED)
    return next((one for one in order if any(check.state is one for check in checks)), State.OK)


def too_slow(seconds: float) -> Verdict:
    return Verdict(
        State.UNKNOWN,
        said("No answer came within %(seconds)d seconds.", seconds=int(seconds)),
        (said("Check again in a minute."),),
    )


def away() -> Verdict:
    return Verdict(
        State.UNKNOWN,
        said("The service that was asked is busy or away."),
        (said("Check again in a minute."),),
    )


def turned_down(code: str) -> Verdict:
    return Verdict(
        State.UNKNOWN,
        said("The service that was asked refused to answer (%(code)s).", code=code or "-"),
        (said("Mend the problems above first, then check again."),),
    )


def broken() -> Verdict:
    return Verdict(
        State.UNKNOWN,
        said("This check failed in an unexpected way."),
        (said("Look into the log of the app for this time, then check again."),),
    )


def age(length: timedelta) -> str:
    """A length of time in the largest unit that fits, as `3 d`, `5 h` or `12 min`: signs that need no translation."""
    minutes = max(0, int(length.total_seconds() // 60))
    if minutes >= 2 * 24 * 60:
        return f"{minutes // (24 * 60)} d"
    return f"{minutes // 60} h" if minutes >= 120 else f"{minutes} min"
