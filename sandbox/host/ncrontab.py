"""Reads a timer's schedule and says when it is due next.

The format is NCRONTAB as Azure Functions documents it for timer triggers: six fields (second, minute, hour, day of
the month, month, day of the week) or five, in which case the second is 0. A day must satisfy both day fields, as in
the NCrontab library and unlike vixie cron. Times are UTC.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")

# The widest gap a possible schedule can have: a 29 February that is also a given day of the week may be 40 years
# away, because 2100 is not a leap year.
_HORIZON_YEARS = 41


class UnreadableSchedule(ValueError):
    """The text is no NCRONTAB expression, or names a day that never comes."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    lowest: int
    highest: int
    names: tuple[str, ...] = ()


_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 6, _DAYS),
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A parsed expression; each field is the ascending tuple of values it allows."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]

    @property
    def more_than_once_a_minute(self) -> bool:
        """Such a timer keeps no record of its runs: the real host's `useMonitor` is ignored below one minute."""
        return len(self.seconds) > 1

    def after(self, moment: datetime) -> datetime:
        """The first occurrence later than `moment`, which must be aware."""
        start = moment.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
        for day in self._days_from(start.date()):
            earliest = (start.hour, start.minute, start.second) if day == start.date() else (0, 0, 0)
            found = self._time_from(earliest)
            if found is not None:
                hour, minute, second = found
                return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=UTC)
        raise UnreadableSchedule("no day satisfies the schedule")

    def _days_from(self, first: date) -> Iterator[date]:
        for year in range(first.year, min(first.year + _HORIZON_YEARS, 9999) + 1):
            for month in self.months:
                if (year, month) < (first.year, first.month):
                    continue
                for day_of_month in self.days:
                    try:
                        day = date(year, month, day_of_month)
                    except ValueError:  # 30 February
                        continue
                    # Python counts weekdays from Monday as 0, NCRONTAB from Sunday.
                    if day >= first and (day.weekday() + 1) % 7 in self.weekdays:
                        yield day

    def _time_from(self, earliest: tuple[int, int, int]) -> tuple[int, int, int] | None:
        at_hour, at_minute, at_second = earliest
        for hour in self.hours:
            if hour < at_hour:
                continue
            for minute in self.minutes:
                if hour == at_hour and minute < at_minute:
                    continue
                for second in self.seconds:
                    if (hour, minute, second) >= (at_hour, at_minute, at_second):
                        return hour, minute, second
        return None


def parse(expression: str) -> Schedule:
    """Read an NCRONTAB expression, or raise UnreadableSchedule naming the field that is wrong."""
    parts = expression.split()
    if len(parts) == 5:
        parts = ["0", *parts]
    if len(parts) != 6:
        raise UnreadableSchedule(f"a schedule has six fields (or five), {expression!r} has {len(parts)}")
    schedule = Schedule(*(_values(part, field) for part, field in zip(parts, _FIELDS, strict=True)))
    # A leap year's first day: whatever can occur at all occurs within the horizon from here.
    schedule.after(datetime(2000, 1, 1, tzinfo=UTC))
    return schedule


def _values(text: str, field: _Field) -> tuple[int, ...]:
    allowed: set[int] = set()
    for item in text.split(","):
        allowed.update(_item(item, field))
    return tuple(sorted(allowed))


def _item(item: str, field: _Field) -> range:
    span, slash, step_text = item.partition("/")
    step = 1
    if slash:
        if not (step_text.isascii() and step_text.isdigit() and int(step_text) > 0):
            raise UnreadableSchedule(f"{field.name}: {item!r} has no step of 1 or more after its slash")
        step = int(step_text)
    if span == "*":
        return range(field.lowest, field.highest + 1, step)
    first_text, dash, last_text = span.partition("-")
    first = _value(first_text, field)
    if dash:
        last = _value(last_text, field)
        # NCrontab would silently read 22-2 as 2-22; nobody who writes it means that.
        if last < first:
            raise UnreadableSchedule(f"{field.name}: {item!r} ends before it begins")
        return range(first, last + 1, step)
    # As in NCrontab, 5/15 starts at 5 and runs to the end of the field.
    return range(first, (field.highest if slash else first) + 1, step)


def _value(text: str, field: _Field) -> int:
    if text.isascii() and text.isdigit():
        number = int(text)
        if field.lowest <= number <= field.highest:
            return number
        raise UnreadableSchedule(f"{field.name}: {text} is not within {field.lowest} to {field.highest}")
    for position, name in enumerate(field.names):
        if text.lower() in (name, name[:3]):
            return position + field.lowest
    raise UnreadableSchedule(f"{field.name}: {text!r} is not a value")
