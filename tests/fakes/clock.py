"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta

MONDAY_MORNING = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


class FixedClock:
    """Called, it tells the time; `seconds` is the same clock for those who count from an arbitrary start."""

    def __init__(self, at: datetime = MONDAY_MORNING) -> None:
        self._at = at

    def __call__(self) -> datetime:
        return self._at

    def seconds(self) -> float:
        return self._at.timestamp()

    def advance(self, by: timedelta) -> datetime:
        self._at += by
        return self._at

    def set(self, at: datetime) -> datetime:
        self._at = at
        return self._at
