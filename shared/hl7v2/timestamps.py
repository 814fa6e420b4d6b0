"""HL7v2 times, and which moment they mean at a clinic whose clocks change twice a year."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

# HL7 v2.5 section 2.A.77 (TS): YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]. Epic's published example writes the
# fraction without its dot, so more than 14 digits are read as well; colons in the offset and Z are kindness.
_TIME = re.compile(
    r"(?P<date>\d{8})(?:(?P<hour>\d\d)(?:(?P<minute>\d\d)(?:(?P<second>\d\d)(?:\.?\d{1,6})?)?)?)?"
    r"(?P<offset>Z|[+-]\d\d:?\d\d)?",
    re.ASCII,
)

# Outside these years a time is a typing error, and arithmetic on it could overflow.
_FIRST_YEAR, _LAST_YEAR = 1900, 2199

AMBIGUOUS = "ambiguous"
DOES_NOT_EXIST = "does not exist"


class NotATime(ValueError):
    """Not a time as HL7 writes it. The text never repeats what was sent."""


@dataclass(frozen=True, slots=True)
class Written:
    """A time as it was written: local unless it carries an offset. `to_the_hour` is false for a bare date."""

    local: datetime
    offset: timezone | None
    to_the_hour: bool


@dataclass(frozen=True, slots=True)
class Moment:
    """A written time as a moment. `doubt` is empty, AMBIGUOUS or DOES_NOT_EXIST."""

    at: datetime
    doubt: str = ""


def read_time(text: str) -> Written:
    """The time in `text`; raises NotATime. Blanks around it do not matter."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise NotATime("is not a time such as 20300131093000")
    date, hour = found["date"], found["hour"]
    year = int(date[:4])
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        raise NotATime("names a year that cannot be meant")
    hours, minutes, seconds = (int(found[part] or 0) for part in ("hour", "minute", "second"))
    # Midnight at the end of a day and the leap second are legal in ISO 8601, and unknown to Python.
    next_day = hours == 24 and not minutes and not seconds
    try:
        local = datetime(  # noqa: DTZ001 - local by nature; `moment` gives it a zone
            year, int(date[4:6]), int(date[6:8]), 0 if next_day else hours, minutes, min(seconds, 59)
        )
    except ValueError as problem:
        raise NotATime("is not a time that exists in a calendar") from problem
    if seconds > 60:
        raise NotATime("is not a time that exists in a calendar")
    if next_day:
        local += timedelta(days=1)
    return Written(local, _offset(found["offset"]), hour is not None)


def moment(written: Written, zone: ZoneInfo) -> Moment:
    """The moment in UTC; `zone` counts only where no offset was written.

    A local time that happens twice, on the night clocks go back, is taken as the first of the two; one that is
    skipped, on the night they go forward, is moved forward by what was skipped.
    """
    if written.offset is not None:
        return Moment(written.local.replace(tzinfo=written.offset).astimezone(UTC))
    first = written.local.replace(tzinfo=zone)
    at = first.astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) != written.local:
        return Moment(at, DOES_NOT_EXIST)
    if first.utcoffset() != first.replace(fold=1).utcoffset():
        return Moment(at, AMBIGUOUS)
    return Moment(at)


def _offset(text: str | None) -> timezone | None:
    if text is None:
        return None
    if text == "Z":
        return UTC
    digits = text[1:].replace(":", "")
    ahead = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    # The clocks of the world reach from -12:00 to +14:00.
    if ahead > timedelta(hours=14) or int(digits[2:]) > 59:
        raise NotATime("carries an offset that no place has")
    return timezone(-ahead if text[0] == "-" else ahead)
