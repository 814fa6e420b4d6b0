"""Writes scheduling messages for tests: an ordinary one, and what a test wants different. Everybody is invented."""

from dataclasses import replace
from datetime import UTC, datetime

from shared.domain.appointment import SchedulingMessage
from shared.domain.environment import Feed
from shared.hl7v2.dedupe import dedupe_key
from shared.hl7v2.header import Header, read_header
from shared.hl7v2.message import Message, parse
from shared.hl7v2.scheduling import Ignored, read_scheduling

Fields = dict[int, str]

FEED = Feed(zone="America/New_York")
NOW = datetime(2030, 6, 1, 15, 0, tzinfo=UTC)

# 11:15 in New York in June.
START = datetime(2030, 6, 11, 15, 15, tzinfo=UTC)

_MSH: Fields = {
    1: "|",
    2: "^~\\&",
    3: "EPIC^SIU_GENERIC",
    4: "LAMNA",
    5: "VISITCONNECTOR",
    6: "LAMNA",
    7: "20300601101500",
    9: "SIU^S12",
    10: "1001",
    11: "P",
    12: "2.3",
}
_BODY: dict[str, Fields] = {
    "SCH": {
        1: "360001",
        2: "360001",
        7: "VV^VIDEO VISIT",
        8: "VV^VIDEO VISIT",
        9: "30",
        10: "MIN",
        11: "^^30^203006111115",
        25: "1^SCH",
    },
    "PID": {
        1: "1",
        3: "M100^^^LAMNA^MRN~E200^^^LAMNA^WPR",
        5: "EXAMPLE^ANN",
        13: "(206)555-0142^P^CP^^1^206^5550142",
        15: "eng^English^ISO6392",
        30: "N",
    },
    "PV1": {1: "1", 2: "O", 3: "D10^^^LAMNA", 7: "P77^CARTER^SUSAN", 19: "360001"},
    "RGS": {1: "1", 2: "A", 3: "D10^LAMNA FAMILY MEDICINE"},
    "AIS": {1: "1", 2: "A", 3: "VV^VIDEO VISIT", 7: "30", 8: "MIN", 10: "Scheduled"},
    "AIP": {1: "1", 2: "A", 3: "P77^CARTER^SUSAN", 4: "1^PROVIDER", 6: "203006111115"},
    "ZPL": {2: "VIDEO", 3: "No"},
}


def segment(name: str, fields: Fields) -> str:
    last = max((number for number, value in fields.items() if value), default=0)
    if name == "MSH":
        return "|".join(["MSH", *(fields.get(number, "") for number in range(2, last + 1))])
    return "|".join([name, *(fields.get(number, "") for number in range(1, last + 1))])


def text(
    event: str = "S12",
    *,
    without: tuple[str, ...] = (),
    more: tuple[tuple[str, Fields], ...] = (),
    end: str = "\r",
    **changes: Fields,
) -> str:
    """An ordinary message with `changes` by segment name, `more` segments at its end and some left `without`."""
    msh = {**_MSH, 9: f"SIU^{event}", **changes.get("MSH", {})}
    body = [
        segment(name, {**fields, **changes.get(name, {})})
        for name, fields in _BODY.items()
        if name not in without
    ]
    extra = [segment(name, fields) for name, fields in more]
    return "".join(f"{line}{end}" for line in [segment("MSH", msh), *body, *extra])


def read_raw(raw: bytes, feed: Feed = FEED, *, charset: str | None = None) -> SchedulingMessage | Ignored:
    header = read_header(raw, charset=charset)
    return read_scheduling(parse(raw, header), feed, header=header, dedupe_key=dedupe_key(header, raw))


def read(message: str, feed: Feed = FEED) -> SchedulingMessage:
    """What is read from a message that must not be ignored."""
    found = read_raw(message.encode(), feed)
    assert isinstance(found, SchedulingMessage)
    return found


def siu(
    event: str = "S12",
    *,
    feed: Feed = FEED,
    without: tuple[str, ...] = (),
    more: tuple[tuple[str, Fields], ...] = (),
    **changes: Fields,
) -> SchedulingMessage:
    """What is read from an ordinary message with `changes`."""
    return read(text(event, without=without, more=more, end="\r", **changes), feed)


def header_of(message: str, *, charset: str | None = None) -> Header:
    return read_header(message.encode(), charset=charset)


def taken_apart(message: str) -> Message:
    raw = message.encode()
    return parse(raw, read_header(raw, charset=None))


def local(zone: str, start: str) -> SchedulingMessage:
    """An appointment at `start` as the clinic in `zone` writes it."""
    return siu(feed=replace(FEED, zone=zone), SCH={11: f"^^^{start}"})
