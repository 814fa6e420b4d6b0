"""A visit that is still to be expected, as the list of a day knows it: a time and an id, nothing about a person."""

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Expected:
    """One line of a day's list. `textable`: the feed gave a mobile number, and nothing forbids texting it."""

    key: str
    starts_at: datetime
    zone: str
    textable: bool

    @property
    def day(self) -> date:
        """The day as people at the clinic count it."""
        return self.starts_at.astimezone(ZoneInfo(self.zone)).date()

    def same_line(self, other: "Expected") -> bool:
        """Whether both stand at one place of one day's list, so that the later one replaces the earlier."""
        return (self.key, self.starts_at, self.day) == (other.key, other.starts_at, other.day)
