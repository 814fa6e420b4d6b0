"""When patients may be texted: never at night by their own clock."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo


def next_open(moment: datetime, zone: str, *, quiet_from: time, quiet_until: time) -> datetime:
    """`moment` itself, or the next time after it that is outside quiet hours in `zone`.

    Equal ends mean that there are no quiet hours. The answer is in the zone of `moment`.
    """
    if quiet_from == quiet_until:
        return moment
    local = moment.astimezone(ZoneInfo(zone))
    if not _quiet(local.time(), quiet_from, quiet_until):
        return moment
    opens = datetime.combine(local.date(), quiet_until, tzinfo=ZoneInfo(zone))
    if opens <= local:
        opens = datetime.combine(local.date() + timedelta(days=1), quiet_until, tzinfo=ZoneInfo(zone))
    # On the night the clocks change, quiet_until may not exist; going through UTC moves it to the
    # first moment that does.
    return opens.astimezone(moment.tzinfo)


def same_local_day(one: datetime, other: datetime, zone: str) -> bool:
    """Whether both moments fall on one calendar day in `zone`."""
    there = ZoneInfo(zone)
    return one.astimezone(there).date() == other.astimezone(there).date()


def _quiet(clock: time, quiet_from: time, quiet_until: time) -> bool:
    if quiet_from < quiet_until:
        return quiet_from <= clock < quiet_until
    return clock >= quiet_from or clock < quiet_until
