"""Reads a scheduling message the way Epic's sites really write it (docs/hl7v2.md is the same, field by field)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shared.domain.appointment import ENDING, Event, SchedulingMessage
from shared.domain.environment import Feed, FeedStatus
from shared.hl7v2.header import Header
from shared.hl7v2.languages import language_tag
from shared.hl7v2.message import Message, Segment, Unreadable
from shared.hl7v2.phones import textable
from shared.hl7v2.timestamps import Moment, NotATime, Written, moment, read_time

__all__ = ["Ignored", "Unreadable", "read_scheduling"]

_EVENTS = {event.value: event for event in Event}
_LONGEST_DAY = 24 * 60  # minutes

# Epic's published example has SCH-1 = 1 for every appointment: so short a number is a set id, and as an alias it
# would lead to somebody else's appointment.
_SHORTEST_ALIAS = 3
_LONGEST_ID = 64
_MOST_PROVIDERS = 30

_YES = frozenset({"Y", "YES", "TRUE", "1"})
_DELETED = "D"

# SCH-10, in minutes. Sites write UCUM, words and letters.
_UNITS = {
    **dict.fromkeys(("M", "MIN", "MINS", "MINUTE", "MINUTES"), 1.0),
    **dict.fromkeys(("S", "SEC", "SECS", "SECOND", "SECONDS"), 1 / 60),
    **dict.fromkeys(("H", "HR", "HRS", "HOUR", "HOURS"), 60.0),
}


@dataclass(frozen=True, slots=True)
class Ignored:
    """A message that is none of ours. `reason` is shown to staff and repeats nothing of it."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Start:
    """When the appointment starts, and which part of the message says so."""

    when: Moment | None
    by_schedule: bool = False


def read_scheduling(
    message: Message, feed: Feed, *, header: Header, dedupe_key: str
) -> SchedulingMessage | Ignored:
    """What `message` says about an appointment, or why it says nothing.

    `header` is that of the same message. The event of MSH-9 decides first: a cancellation may still be called
    booked in SCH-25. Where the event says that the appointment stands, a status of the site's own may end it, as
    far as the environment says what its statuses mean. Raises Unreadable, for a message that a person must look at.
    """
    if header.message_type.upper() != "SIU":
        return Ignored("not a scheduling message (SIU)")
    event = _EVENTS.get(header.event.upper())
    if event is None:
        return Ignored("not one of the events S12, S13, S14, S15, S17 and S26")
    zone = _zone(feed.zone)
    schedule = message.first("SCH")
    status = _status(schedule, feed)
    if status is FeedStatus.IGNORE:
        return Ignored("a status that this environment ignores")
    event = _as_said(event, status)
    csn, aliases = _ids(message, schedule, event)
    resources = _live_groups(message)
    start = _start(message, schedule, resources, zone, ends=event in ENDING)
    # A change may be sent for an appointment that has no time yet; what was booked or moved has one.
    if start.when is None and event in (Event.BOOKED, Event.MOVED):
        raise Unreadable("SCH-11.4", "holds no start time")
    patient = message.first("PID")
    return SchedulingMessage(
        event=event,
        sent_at=_sent_at(header, zone),
        dedupe_key=dedupe_key,
        csn=csn,
        aliases=aliases,
        starts_at=start.when.at if start.when else None,
        zone=feed.zone,
        doubtful_time=start.when.doubt if start.when else "",
        minutes=_minutes(schedule, resources, start, zone),
        by_video=_by_video(message, schedule, resources, header, feed),
        confidential=message.first("ZPL").text(3).upper() in _YES,
        deceased=_deceased(patient),
        department=_department(resources),
        providers=_providers(message, resources),
        language=language_tag(*(patient.text(15, place) for place in (1, 2, 4, 5))),
        phone=textable(patient.field(13).repetitions, types=feed.phone_types, country=feed.country),
        external_id=_external_id(patient, feed),
        patient=_patient(patient),
    )


# --- which appointment ---------------------------------------------------------------------------------------


def _ids(message: Message, schedule: Segment, event: Event) -> tuple[str, tuple[str, ...]]:
    """The CSN (PV1-19) and every id that leads to the appointment.

    SCH-2 comes before SCH-1: after a move it holds the first CSN, which is surer to be known.
    """
    csn = message.first("PV1").text(19)
    if len(csn) > _LONGEST_ID or not csn.isprintable():
        raise Unreadable("PV1-19", "is not a contact serial number")
    others = tuple(
        one
        for one in (schedule.text(2), schedule.text(1))
        if _SHORTEST_ALIAS <= len(one) <= _LONGEST_ID and one.isprintable()
    )
    # What is already known may be changed or ended by another id of it; a booking needs its own.
    if not csn and (event is Event.BOOKED or not others):
        raise Unreadable("PV1-19", "holds no contact serial number")
    return csn, tuple(dict.fromkeys((csn, *others) if csn else others))


def _status(schedule: Segment, feed: Feed) -> FeedStatus | None:
    """What SCH-25 means at this site, when the environment says so."""
    codes = (schedule.text(25, place).strip().upper() for place in (1, 2))
    return next((feed.statuses[code] for code in codes if code in feed.statuses), None)


def _as_said(event: Event, status: FeedStatus | None) -> Event:
    """The event, or the ending that the site's own status stands for. Arrived and completed end nothing."""
    if event in ENDING:
        return event
    endings = {FeedStatus.CANCELLED: Event.CANCELLED, FeedStatus.NO_SHOW: Event.NO_SHOW}
    return endings.get(status, event) if status else event


# --- when ----------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as problem:
        raise Unreadable(
            "", "the time zone of this environment is not known; set it in the portal"
        ) from problem


def _sent_at(header: Header, zone: ZoneInfo) -> datetime:
    try:
        return moment(read_time(header.sent), zone).at
    except NotATime as problem:
        raise Unreadable("MSH-7", str(problem)) from problem


def _start(
    message: Message, schedule: Segment, resources: tuple[Segment, ...], zone: ZoneInfo, *, ends: bool
) -> _Start:
    """The start from SCH-11, else TQ1-7, else the first service (AIS-4, or AIS-6 where sites slip a column).

    Starts of people, rooms and equipment are not the visit's. An ending needs no start, so an unreadable one is
    as good as none there.
    """
    services = [one for one in resources if one.name == "AIS"]
    candidates = (
        ("SCH-11.4", schedule.text(11, 4)),
        ("SCH-11.1", _if_time(schedule.text(11, 1))),
        ("TQ1-7", message.first("TQ1").text(7)),
        *(("AIS-4", one.text(4)) for one in services),
        *(("AIS-6", _if_time(one.text(6))) for one in services),
    )
    bare_date = ""
    for place, text in candidates:
        if not text:
            continue
        try:
            written = read_time(text)
        except NotATime as problem:
            if not ends:
                raise Unreadable(place, str(problem)) from problem
            continue
        if written.to_the_hour:
            return _Start(moment(written, zone), by_schedule=place == "SCH-11.4")
        bare_date = bare_date or place
    if bare_date and not ends:
        raise Unreadable(bare_date, "names a day without a time of day")
    return _Start(None)


def _if_time(text: str) -> str:
    """`text` where a number may stand instead of a time: a quantity has no ten digits."""
    return text if _reads_as_time(text) else ""


def _reads_as_time(text: str) -> bool:
    try:
        return read_time(text).to_the_hour
    except NotATime:
        return False


def _minutes(schedule: Segment, resources: tuple[Segment, ...], start: _Start, zone: ZoneInfo) -> int | None:
    """How long the appointment lasts; None when nobody says. Where SCH disagrees with itself, SCH-11 wins."""
    if start.when is not None and start.by_schedule:
        span = _span(start.when, schedule.text(11, 5), zone)
        if span is not None:
            return span
    said = _duration(schedule, 9, 10)
    if said is not None:
        return said
    for one in resources:
        if one.name == "AIS":
            said = _duration(one, 7, 8)
            if said is not None:
                return said
    return None


def _span(start: Moment, end: str, zone: ZoneInfo) -> int | None:
    written = _written(end)
    if written is None or not written.to_the_hour:
        return None
    return _in_a_day((moment(written, zone).at - start.at) / timedelta(minutes=1))


def _written(text: str) -> Written | None:
    try:
        return read_time(text)
    except NotATime:
        return None


def _duration(segment: Segment, amount: int, unit: int) -> int | None:
    number = segment.text(amount)
    if not number.replace(".", "", 1).isdecimal() or not number.isascii() or len(number) > 9:
        return None
    named = [segment.text(unit, place).upper() for place in (1, 2)]
    factors = [_UNITS[one] for one in named if one in _UNITS]
    # Without any unit minutes are meant; with one that is not known, nothing can be.
    if not factors and any(named):
        return None
    return _in_a_day(float(number) * (factors[0] if factors else 1))


def _in_a_day(minutes: float) -> int | None:
    whole = round(minutes)
    return whole if 0 < whole <= _LONGEST_DAY else None


# --- what kind -----------------------------------------------------------------------------------------------


def _live_groups(message: Message) -> tuple[Segment, ...]:
    """The resource segments that stand: a group that RGS-2 deletes is the old slot, and so is a deleted resource."""
    live: list[Segment] = []
    for group in message.groups("RGS"):
        leader = group.first("RGS")
        if leader.text(2).upper() != _DELETED:
            live += [one for one in group if one.name == "RGS" or not _is_deleted(one)]
    if not live:
        # Some feeds send no RGS at all.
        grouped = bool(message.all("RGS"))
        live = [] if grouped else [one for one in message if not _is_deleted(one)]
    return tuple(live)


def _is_deleted(one: Segment) -> bool:
    return one.name in ("AIS", "AIG", "AIL", "AIP") and one.text(2).upper() == _DELETED


def _by_video(
    message: Message, schedule: Segment, resources: tuple[Segment, ...], header: Header, feed: Feed
) -> bool:
    senders = {part.strip().casefold() for part in header.sending_application.split(header.component)[:2]}
    # The interface of the operating rooms: cases carry set-up times (ZCS) and are never by video.
    if message.all("ZCS") or any("surgical" in one for one in senders):
        return False
    if feed.sending_applications and not senders & {
        one.strip().casefold() for one in feed.sending_applications
    }:
        return False
    if not feed.video_visit_types:
        return True
    services = [one for one in resources if one.name == "AIS"]
    named = {
        segment.text(field, place).casefold()
        for segment, field in ((schedule, 7), (schedule, 8), *((one, 3) for one in services))
        for place in (1, 2, 4, 5)
    }
    return bool(named & {one.strip().casefold() for one in feed.video_visit_types if one.strip()})


def _department(resources: tuple[Segment, ...]) -> str:
    """RGS-3.1 of the added group, else of the first that stands, else the place of AIL-3."""
    groups = [one for one in resources if one.name == "RGS"]
    added = [one for one in groups if one.text(2).upper() == "A"]
    for one in (*added, *groups):
        if one.text(3):
            return one.text(3)
    for one in resources:
        if one.name == "AIL" and one.text(3):
            return one.text(3)
    return ""


# --- who -----------------------------------------------------------------------------------------------------


def _providers(message: Message, resources: tuple[Segment, ...]) -> tuple[str, ...]:
    """The ids of the clinicians, whatever kind each is: the environment's map knows some of them."""
    ids = [one.component(1) for aip in resources if aip.name == "AIP" for one in aip.field(3).repetitions]
    ids += [one.text(3) for one in resources if one.name == "AIG" and _is_provider(one)]
    ids += [one.component(1) for one in message.first("PV1").field(7).repetitions]
    return tuple(dict.fromkeys(one for one in ids if one and len(one) <= _LONGEST_ID))[:_MOST_PROVIDERS]


def _is_provider(general: Segment) -> bool:
    kinds = {general.text(4, place).upper() for place in (1, 2)}
    return bool(kinds & {"1", "PROV", "PROVIDER"})


def _deceased(patient: Segment) -> bool:
    """PID-30, or a date of death (PID-29) where PID-30 is empty."""
    said = patient.text(30).upper()
    return said in _YES if said else bool(patient.text(29))


def _external_id(patient: Segment, feed: Feed) -> str:
    wanted = feed.external_id_type.strip().casefold()
    if not wanted:
        return ""
    for one in patient.field(3).repetitions:
        if one.component(5).casefold() == wanted and one.component(1):
            return one.component(1)
    return ""


def _patient(patient: Segment) -> str:
    return next((one.component(1) for one in patient.field(3).repetitions if one.component(1)), "")
