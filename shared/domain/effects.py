"""What a change of settings would stop: counted before it is saved, so that nobody stops texts by accident."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain import quiet_hours
from shared.domain.environment import Environment, Texts
from shared.domain.expected import Expected
from shared.domain.notification import LATEST_REMINDER

# How far ahead effects are counted.
AHEAD = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Effects:
    """What a change stops, with the figures of the next 7 days.

    `texts` are planned reminders that would not go out; confirmations of bookings to come cannot be counted.
    """

    stops_texts: bool = False  # some kind of text that goes out today would not
    stops_visits: bool = False  # visits could not start any more
    stops_messages: bool = False  # Epic's appointment messages would be refused
    visits: int = 0
    texts: int = 0

    @property
    def any(self) -> bool:
        """Whether a person must confirm the change."""
        return self.stops_texts or self.stops_visits or self.stops_messages


def texts_of(environment: Environment) -> Texts | None:
    """The rules by which patients of `environment` are texted; None when nobody is."""
    texts = environment.operation.texts
    silent = not texts.on or texts.backload or environment.live is None or environment.removed_at is not None
    return None if silent else texts


def stops(before: Environment, after: Environment) -> Effects:
    """What changing `before` into `after` stops, without figures."""
    return Effects(
        stops_texts=bool(_goes_out(texts_of(before)) - _goes_out(texts_of(after))),
        stops_visits=before.live is not None and before.removed_at is None and after.removed_at is not None,
        stops_messages=_proves_senders(before) and not _proves_senders(after),
    )


def foreseen(before: Environment, after: Environment, ahead: Iterable[Expected], *, now: datetime) -> Effects:
    """What changing `before` into `after` stops, counted over `ahead`: the visits expected from `now` on.

    `ahead` must reach `AHEAD` plus the longest reminder from now.
    """
    stopped = stops(before, after)
    had, has = texts_of(before), texts_of(after)
    visits = texts = 0
    for line in ahead:
        visits += now < line.starts_at <= now + AHEAD
        texts += len(reminded(line, had, now=now) - reminded(line, has, now=now))
    return Effects(
        stops_texts=stopped.stops_texts or texts > 0,
        stops_visits=stopped.stops_visits,
        stops_messages=stopped.stops_messages,
        visits=visits,
        texts=texts,
    )


def reminded(line: Expected, texts: Texts | None, *, now: datetime) -> frozenset[timedelta]:
    """The reminders of `line` that are planned for the next 7 days and will go out under `texts`."""
    if texts is None or not line.textable:
        return frozenset()
    return frozenset(
        before
        for before in texts.reminders
        if now < line.starts_at - before <= now + AHEAD and _is_in_time(line, before, texts)
    )


def longest_reminder(*environments: Environment) -> timedelta:
    """How long before a visit the first reminder of any of `environments` goes out."""
    every = (before for one in environments for before in one.operation.texts.reminders)
    return max(every, default=timedelta())


def _is_in_time(line: Expected, before: timedelta, texts: Texts) -> bool:
    """Whether quiet hours leave the reminder time to be of use."""
    opens = quiet_hours.next_open(
        line.starts_at - before, line.zone, quiet_from=texts.quiet_from, quiet_until=texts.quiet_until
    )
    return opens <= line.starts_at - LATEST_REMINDER


def _goes_out(texts: Texts | None) -> frozenset[object]:
    """The kinds of texts that go out."""
    if texts is None:
        return frozenset()
    kinds = {name for name in ("booked", "changed", "cancelled") if getattr(texts, name)}
    return frozenset(kinds | set(texts.reminders))


def _proves_senders(environment: Environment) -> bool:
    newest = environment.newest.connection
    return environment.removed_at is None and bool(newest.certificates)
