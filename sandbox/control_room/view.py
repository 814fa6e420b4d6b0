"""What the control room shows, in the words of the page: visits, phones, messages, meetings and write-backs."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from sandbox.epic.desk import LaunchRole, Posting
from sandbox.epic.desk_api import acknowledgement_rows
from sandbox.epic.hl7_signature import Signature
from sandbox.epic.people import (
    DEPARTMENTS,
    LANGUAGES,
    PATIENTS,
    PROVIDERS,
    PROXIES,
    Patient,
    Proxy,
    mobile_e164,
)
from sandbox.epic.schedule import Booking, Kind, Standing
from sandbox.epic.state import INSTANCES, EpicState, WriteBack
from sandbox.trouble import Kind as TroubleKind
from sandbox.trouble import Service
from sandbox.world import TENANT, USERS

Row = Mapping[str, Any]

_ADDRESS = re.compile(r"https?://[^\s<>\"]+[^\s<>\".,;:!?)]")
_EVENTS = {
    "S12": "New appointment",
    "S13": "Moved",
    "S14": "Changed",
    "S15": "Canceled",
    "S17": "Deleted",
    "S26": "No-show",
}
_TONES = {
    "Scheduled": "",
    "In progress": "ok",
    "Patient connected": "info",
    "Provider connected": "info",
    "Canceled": "bad",
    "No Show": "bad",
    "No-show reported by video": "bad",
}
_LANGUAGE_TAGS = {"zh": "zh-Hant"}

Option = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Launching:
    """A link that opens a visit as someone."""

    label: str
    href: str


@dataclass(frozen=True, slots=True)
class VisitCard:
    key: str
    csn: str
    previous: str
    instance: str
    patient: str
    provider: str
    department: str
    kind: str
    start: str
    when: str
    month: str
    day: str
    zone: str
    minutes: int
    comment: str
    status: str
    tone: str
    open: bool
    later: str
    launches: tuple[Launching, ...]


@dataclass(frozen=True, slots=True)
class TextPart:
    """A piece of a text message; a link when `href` is set."""

    text: str
    href: str = ""


@dataclass(frozen=True, slots=True)
class Bubble:
    side: str
    at: str
    state: str
    parts: tuple[TextPart, ...]


@dataclass(slots=True)
class Thread:
    """The messages of one phone."""

    key: str
    number: str
    owner: str
    language: str
    texts: list[Bubble]


@dataclass(frozen=True, slots=True)
class MessageLine:
    key: str
    at: str
    event: str
    title: str
    control_id: str
    csn: str
    attempt: int
    answer: str
    tone: str
    text: str
    message: str


@dataclass(frozen=True, slots=True)
class PersonLine:
    id: str
    name: str
    initials: str
    role: str
    state: str
    tone: str
    waiting: bool
    here: bool


@dataclass(frozen=True, slots=True)
class MeetingCard:
    key: str
    id: str
    subject: str
    organizer: str
    co_organizers: str
    lobby: str
    join_url: str
    people: tuple[PersonLine, ...]


@dataclass(frozen=True, slots=True)
class WriteBackLine:
    key: str
    at: str
    title: str
    status: str
    conference_id: str
    external_id: str
    accepted: bool
    http_status: int
    reason: str


@dataclass(frozen=True, slots=True)
class TroubleLine:
    title: str
    detail: str
    left: str


def visit_cards(state: EpicState) -> list[VisitCard]:
    """Every appointment, the next ones first, ended ones last."""
    found = [
        (booking, name)
        for name, instance in state.instances.items()
        for booking in instance.schedule.bookings
    ]
    found.sort(key=lambda pair: (pair[0].standing is not Standing.SCHEDULED, pair[0].start, pair[0].csn))
    return [_visit_card(booking, name) for booking, name in found]


def _visit_card(booking: Booking, instance: str) -> VisitCard:
    local = booking.local_start
    is_open = booking.standing is Standing.SCHEDULED
    return VisitCard(
        # A card keeps its key when the visit moves, so that the page does not jump.
        key=f"{instance}-{booking.original_csn}",
        csn=booking.csn,
        previous=", ".join(booking.previous_csns),
        instance=instance,
        patient=booking.patient.name,
        provider=booking.provider.name,
        department=booking.department.name.title(),
        kind={"video": "by video", "in-person": "in person", "surgery": "surgery"}[booking.kind],
        start=booking.start.isoformat(),
        when=f"{local:%A} {local.day} {local:%B %Y, %H:%M %Z}",
        month=f"{local:%b}",
        day=str(local.day),
        zone=booking.zone.replace("_", " "),
        minutes=booking.minutes,
        comment=booking.comment,
        status=booking.status,
        tone=_TONES.get(booking.status, "warn"),
        open=is_open,
        later=f"{local + timedelta(days=1):%Y-%m-%dT%H:%M}",
        launches=tuple(_launchings(booking, instance)) if is_open and booking.kind is Kind.VIDEO else (),
    )


def _launchings(booking: Booking, instance: str) -> Iterable[Launching]:
    def to(role: LaunchRole, person: str = "") -> str:
        asked = {"csn": booking.csn, "role": role.value, "instance": instance, "person": person}
        return f"/control-room/launch?{urlencode({name: value for name, value in asked.items() if value})}"

    yield Launching(f"Launch as {booking.provider.name}", to(LaunchRole.PROVIDER))
    yield Launching(f"MyChart as {booking.patient.name}", to(LaunchRole.PATIENT))
    if booking.proxy is not None:
        yield Launching(f"MyChart as {booking.proxy.name}", to(LaunchRole.PATIENT, booking.proxy.key))
    yield Launching("Device test", to(LaunchRole.DEVICE_TEST))
    for other in PROVIDERS.values():
        if other is not booking.provider:
            yield Launching(f"Cover as {other.name}", to(LaunchRole.PROVIDER, other.key))


def threads(texts: Iterable[Row], state: EpicState) -> list[Thread]:
    """The messages by phone, the phone with the newest message last. A patient's answer is on the other side."""
    owners = _owners(state)
    found: dict[str, Thread] = {}
    for text in texts:
        outgoing = str(text["from"]) in owners
        number = str(text["from"] if outgoing else text["to"])
        owner, language = owners.get(number, ("Unknown phone", "en"))
        # Taken out and put back, so that the newest comes last.
        thread = found.pop(number, None) or Thread(f"n{number.lstrip('+')}", number, owner, language, [])
        thread.texts.append(
            Bubble(
                side="out" if outgoing else "in",
                at=str(text["at"]),
                state=str(text["state"]),
                parts=tuple(_linked(str(text["body"]))),
            )
        )
        found[number] = thread
    return list(found.values())


def mail_lines(mails: Iterable[Row]) -> list[Row]:
    """The mails to colleagues, newest first, with the addresses in them as links."""
    return [{**one, "parts": tuple(_linked(str(one["body"])))} for one in reversed([*mails])]


def _owners(state: EpicState) -> dict[str, tuple[str, str]]:
    """Whose phone it is, and the language texts to it are written in: that of the latest booking."""
    languages = {one.key: one.language for one in PATIENTS.values()}
    for instance in state.instances.values():
        languages |= {one.patient.key: one.language.tag for one in instance.schedule.bookings}
    return {
        mobile_e164(digits): (one.name, _LANGUAGE_TAGS.get(languages[one.key], languages[one.key]))
        for one in PATIENTS.values()
        for digits in (one.mobile, one.home)
        if digits
    }


def _linked(body: str) -> Iterable[TextPart]:
    at = 0
    for found in _ADDRESS.finditer(body):
        if found.start() > at:
            yield TextPart(body[at : found.start()])
        yield TextPart(found[0], href=found[0])
        at = found.end()
    if at < len(body):
        yield TextPart(body[at:])


def message_lines(state: EpicState) -> list[MessageLine]:
    """Every attempt and its answer, newest first."""
    rows = acknowledgement_rows(state)
    return [_message_line(number, row) for number, row in reversed(list(enumerate(rows)))]


def _message_line(number: int, row: Row) -> MessageLine:
    status, code = int(row["http_status"]), str(row["code"])
    accepted = 200 <= status < 300 and code in ("AA", "CA")
    return MessageLine(
        key=f"a{number}",
        at=str(row["at"]),
        event=str(row["event"]),
        title=_EVENTS.get(str(row["event"]), "Message"),
        control_id=str(row["control_id"]),
        csn=str(row["csn"]),
        attempt=int(row["attempt"]),
        answer=code or (f"HTTP {status}" if status else "no answer"),
        tone="ok" if accepted else "bad",
        text=str(row["text"]),
        message=str(row["message"]).replace("\r\n", "\n").replace("\r", "\n"),
    )


def unanswered(state: EpicState) -> str:
    """How many messages are still on their way, in words; nothing when there are none."""
    waiting = sum(one.engine.waiting for one in state.instances.values())
    held = sum(len(one.engine.held) for one in state.instances.values())
    given_up = sum(len(one.engine.set_aside) for one in state.instances.values())
    said = ((waiting, "not accepted yet"), (held, "held back"), (given_up, "set aside"))
    return ", ".join(f"{count} {what}" for count, what in said if count)


def meeting_cards(meetings: Iterable[Row]) -> list[MeetingCard]:
    """The meetings, newest first, with the people in them."""
    return [
        MeetingCard(
            key=f"m{number}",
            id=str(meeting["id"]),
            subject=str(meeting["subject"] or "Meeting"),
            organizer=str(meeting["organizer"]),
            co_organizers=", ".join(str(one) for one in meeting.get("co_organizers") or ()),
            lobby=str(meeting.get("lobby") or "not set"),
            join_url=_web_address(meeting.get("join_url")),
            people=tuple(_person_line(one) for one in meeting["participants"]),
        )
        for number, meeting in reversed(list(enumerate(meetings)))
    ]


def _person_line(one: Row) -> PersonLine:
    name, state = str(one["name"]), str(one["state"])
    waiting, here = is_waiting(state), not is_gone(state)
    return PersonLine(
        id=str(one["id"]),
        name=name,
        initials="".join(word[0] for word in name.split()[:2] if word).upper() or "?",
        role=str(one["role"]),
        state=state,
        tone="warn" if waiting else ("ok" if here else ""),
        waiting=waiting,
        here=here,
    )


def _web_address(text: object) -> str:
    """`text` when it may stand in a link, otherwise nothing."""
    return text if isinstance(text, str) and text.startswith(("http://", "https://")) else ""


def is_waiting(state: str) -> bool:
    return "lobby" in state.lower() or "waiting" in state.lower()


def is_gone(state: str) -> bool:
    return state.lower() in ("left", "gone", "ended", "disconnected", "removed")


def write_back_lines(write_backs: list[WriteBack]) -> list[WriteBackLine]:
    """What Epic was told, newest first."""
    return [
        WriteBackLine(
            key=f"w{number}",
            at=one.at.isoformat(),
            title=f"{one.who.capitalize() or 'Someone'} {one.status_meaning or 'with an unknown status'}",
            status=one.status,
            conference_id=one.conference_id,
            external_id=one.external_id,
            accepted=one.accepted,
            http_status=one.http_status,
            reason=one.reason,
        )
        for number, one in reversed(list(enumerate(write_backs)))
    ]


def choices() -> dict[str, list[Option]]:
    """What each list of the forms offers: value and label."""
    zones = dict.fromkeys([*(one.zone for one in DEPARTMENTS.values()), *_MORE_ZONES])
    people: list[Patient | Proxy] = [*PATIENTS.values(), *PROXIES.values()]
    return {
        "patients": [
            (one.key, f"{one.name} ({LANGUAGES[one.language].name}{'' if one.mobile else ', no mobile'})")
            for one in PATIENTS.values()
        ],
        "providers": [(one.key, one.name) for one in PROVIDERS.values()],
        "departments": [(one.id, one.name.title()) for one in DEPARTMENTS.values()],
        "languages": [("", "The patient's own"), *((one.tag, one.name) for one in LANGUAGES.values())],
        "kinds": [("video", "By video"), ("in-person", "In person"), ("surgery", "Surgery")],
        "zones": [(zone, zone.replace("_", " ")) for zone in zones],
        "instances": [(name, name.capitalize()) for name in INSTANCES],
        "postings": [
            (Posting.ONCE, "Now, once"),
            (Posting.TWICE, "Now, twice"),
            (Posting.OVERTAKEN, "After the next message"),
            (Posting.HELD, "Hold back until sent"),
            (Posting.NEVER, "Never: it gets lost"),
        ],
        "signatures": [
            (Signature.GOOD, "Good"),
            (Signature.NONE, "None"),
            (Signature.BAD, "Does not fit the message"),
            (Signature.OTHER_KEY, "By another key"),
        ],
        "services": [(one, one.replace("-", " ").capitalize()) for one in Service],
        "troubles": [(one, one.replace("-", " ").capitalize()) for one in TroubleKind],
        "joiners": [
            *((f"guest:{one.name}", f"{one.name}, as a guest") for one in people),
            ("guest:Guest", "Someone, as a guest"),
            *(
                (f"user:{one.oid}", f"{one.name}, signed in")
                for one in USERS.values()
                if one.tenant == TENANT
            ),
        ],
    }


_MORE_ZONES = ("America/Chicago", "America/New_York", "Europe/London", "UTC")


def suggested_start(now: datetime, zone: str) -> str:
    """A start for the booking form: a quarter of an hour ahead, on the quarter, in the clock of `zone`."""
    local = now.astimezone(ZoneInfo(zone)) + timedelta(minutes=15)
    on_quarter = local.replace(minute=local.minute - local.minute % 15, second=0, microsecond=0)
    return f"{on_quarter + timedelta(minutes=15):%Y-%m-%dT%H:%M}"
