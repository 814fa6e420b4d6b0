"""The control room: one page that shows the whole chain of a visit, and the forms that move it along."""

import gzip
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.control_room.registering import NotEntered, enter_records, register, registrations
from sandbox.control_room.view import (
    Row,
    TroubleLine,
    choices,
    mail_lines,
    meeting_cards,
    message_lines,
    suggested_start,
    threads,
    unanswered,
    visit_cards,
    write_back_lines,
)
from sandbox.epic.desk import Desk, LaunchRole, Posting, desk_of
from sandbox.epic.hl7_signature import CERTIFICATE_FILE, Signature
from sandbox.epic.people import DEPARTMENTS
from sandbox.epic.records import BadRecord
from sandbox.epic.schedule import NotBooked
from sandbox.epic.state import EpicState

_HERE = Path(__file__).parent

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types control-room",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_FILES = {
    "control.css": "text/css; charset=utf-8",
    "control.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}

# What the page's script keeps fresh; each is a template of its own.
_PARTS = (
    "connection",
    "schedule",
    "meetings",
    "messages",
    "write-backs",
    "registrations",
    "mail",
    "phone",
    "trouble",
)

# What the page says after each form.
_SAID = {
    "book": "The visit is booked.",
    "reschedule": "The visit has moved. It has another CSN now.",
    "comment": "The comment is saved.",
    "end": "The visit has ended in Epic.",
    "send": "The message is on its way.",
    "release": "What was held back is on its way.",
    "teams": "Done in Teams.",
    "register": "The connector is registered. Now ask for approval in the portal.",
    "records": "The records are entered. Visits of this Epic can be opened now.",
    "trouble": "Trouble is made.",
    "clear": "Everything works again.",
}


class CannotDo(Exception):
    """What a form asked for cannot be done. The text is shown on the page."""


class Neighbours(Protocol):
    """The other services of the sandbox as the control room sees them."""

    def texts(self) -> list[Row]: ...

    def meetings(self) -> list[Row]: ...

    def mails(self) -> list[Row]: ...

    def troubles(self) -> list[TroubleLine]: ...

    async def join(self, meeting: str, *, name: str, user: str) -> None: ...

    async def admit(self, meeting: str, participant: str) -> None: ...

    async def leave(self, meeting: str, participant: str) -> None: ...

    def make_trouble(self, asked: Mapping[str, Any]) -> None: ...

    def clear_trouble(self) -> None: ...


Form = Mapping[str, str]


class ControlRoom:
    """The handlers, speaking to sandbox Epic and to its neighbours."""

    def __init__(self, epic: EpicState, neighbours: Neighbours) -> None:
        self._epic = epic
        self._neighbours = neighbours
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["clock"] = _clock
        self._files = {
            name: gzip.compress((_HERE / "static" / name).read_bytes(), mtime=0) for name in _FILES
        }

    def routes(self) -> list[Route]:
        return [
            Route("/", self.page),
            Route("/control-room/parts", self.parts),
            Route("/control-room/launch", self.launch),
            Route("/control-room/book", self._form("book", self._book), methods=["POST"]),
            Route("/control-room/reschedule", self._form("reschedule", self._reschedule), methods=["POST"]),
            Route("/control-room/comment", self._form("comment", self._comment), methods=["POST"]),
            Route("/control-room/end", self._form("end", self._end), methods=["POST"]),
            Route("/control-room/send", self._form("send", self._send), methods=["POST"]),
            Route("/control-room/release", self._form("release", self._release), methods=["POST"]),
            Route("/control-room/teams", self._form("teams", self._teams), methods=["POST"]),
            Route("/control-room/register", self._form("register", self._register), methods=["POST"]),
            Route("/control-room/records", self._form("records", self._enter), methods=["POST"]),
            Route("/control-room/trouble", self._form("trouble", self._trouble), methods=["POST"]),
            Route("/control-room/trouble/clear", self._form("clear", self._clear), methods=["POST"]),
            Route(f"/control-room/{CERTIFICATE_FILE}", self.certificate),
            Route("/control-room/{name}", self.file),
        ]

    async def page(self, request: Request) -> Response:
        return self._page(said=_SAID.get(request.query_params.get("done", ""), ""))

    async def parts(self, request: Request) -> Response:
        """The parts of the page that change, as markup; the page's script puts them in place."""
        values = self._values()
        return JSONResponse(
            {
                "parts": {
                    name: self._templates.from_string(
                        f'{{% import "_m.html" as m %}}{{% include "_{name.replace("-", "_")}.html" %}}'
                    ).render(values)
                    for name in _PARTS
                },
                "texts": sum(len(one.texts) for one in values["threads"]),
            },
            headers=HEADERS,
        )

    async def launch(self, request: Request) -> Response:
        """Open a visit as someone: a fresh launch token, then the connector's launch address."""
        given = request.query_params
        try:
            desk = desk_of(self._epic, given.get("instance", ""))
            role = LaunchRole(given.get("role", ""))
            url = desk.launch_url(given.get("csn", ""), role=role, person=given.get("person", ""))
        except (NotBooked, ValueError) as refusal:
            return self._page(error=f"The visit cannot be opened: {refusal}.", status=400)
        return RedirectResponse(url, status_code=302, headers=HEADERS)

    async def file(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._files:
            return Response(status_code=404)
        headers = {
            "Cache-Control": "no-cache",
            "X-Content-Type-Options": "nosniff",
            "Vary": "Accept-Encoding",
        }
        content = self._files[name]
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
        else:
            content = gzip.decompress(content)
        return Response(content, media_type=_FILES[name], headers=headers)

    async def certificate(self, request: Request) -> Response:
        """The public half of what signs Epic's messages, as the analyst hands it over; both instances use it."""
        pem = self._epic.instances["test"].engine.certificate_pem
        return Response(pem, media_type="application/x-pem-file", headers=HEADERS)

    def _form(
        self, done: str, act: Callable[[Form], Awaitable[None]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """A form's handler: `act`, then back to the page; when it cannot be done, the page says why."""

        async def handler(request: Request) -> Response:
            # Another site's page must not be able to press the buttons of a developer's sandbox.
            if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
                return Response(status_code=403)
            async with request.form() as sent:
                form = {
                    name: value if isinstance(value, str) else (await value.read()).decode("latin-1")
                    for name, value in sent.items()
                }
            try:
                await act(form)
            except (CannotDo, NotBooked, NotEntered, BadRecord) as refusal:
                typed = form if done in ("book", "register") else None
                return self._page(error=str(refusal), status=400, form=typed)
            return RedirectResponse(f"/?{urlencode({'done': done})}", status_code=303, headers=HEADERS)

        return handler

    async def _book(self, form: Form) -> None:
        zone = form.get("zone", "")
        desk_of(self._epic, form.get("instance", "")).book(
            patient=form.get("patient", ""),
            provider=form.get("provider", ""),
            department=form.get("department", ""),
            kind=form.get("kind", ""),
            start=_local(form.get("start", ""), zone),
            minutes=_number(form.get("minutes", ""), "Minutes"),
            zone=zone,
            language=form.get("language", ""),
            posting=_posting(form),
        )

    async def _reschedule(self, form: Form) -> None:
        desk, csn = self._desk(form)
        zone = desk.instance.schedule.find(csn).zone
        desk.reschedule(csn, start=_local(form.get("start", ""), zone))

    async def _comment(self, form: Form) -> None:
        desk, csn = self._desk(form)
        desk.comment(csn, comment=form.get("comment", ""))

    async def _end(self, form: Form) -> None:
        desk, csn = self._desk(form)
        if form.get("how") == "no-show":
            desk.no_show(csn)
        else:
            desk.cancel(csn)

    async def _send(self, form: Form) -> None:
        text = form.get("message", "")
        if not text.strip():
            raise CannotDo("Enter the message to send.")
        try:
            signature = Signature(form.get("signature", ""))
        except ValueError as unknown:
            raise CannotDo("Choose how the message is signed.") from unknown
        # Browsers send line ends as CR LF; HL7 segments end with CR alone.
        desk_of(self._epic).send(
            text.replace("\r\n", "\r").replace("\n", "\r"),
            signature=signature,
            times=_number(form.get("times", ""), "How often"),
            insist=False,
        )

    async def _release(self, form: Form) -> None:
        for instance in self._epic.instances.values():
            instance.engine.release(newest_first=form.get("order") == "newest-first")

    async def _teams(self, form: Form) -> None:
        meeting, participant = form.get("meeting", ""), form.get("participant", "")
        match form.get("act"):
            case "join":
                how, _, who = form.get("who", "").partition(":")
                guest = how == "guest"
                await self._neighbours.join(meeting, name=who if guest else "", user="" if guest else who)
            case "admit":
                await self._neighbours.admit(meeting, participant)
            case "leave":
                await self._neighbours.leave(meeting, participant)
            case _:
                raise CannotDo("Choose what to do in the meeting.")

    async def _trouble(self, form: Form) -> None:
        asked: dict[str, Any] = {
            "service": form.get("service", ""),
            "kind": form.get("kind", ""),
            "times": _number(form.get("times", ""), "How many times"),
        }
        if form.get("seconds"):
            seconds = _seconds(form["seconds"])
            asked |= {"seconds": seconds, "retry_after": form["seconds"].strip()}
        if form.get("match"):
            asked["match"] = form["match"]
        self._neighbours.make_trouble(asked)

    async def _register(self, form: Form) -> None:
        register(self._epic, instance=form.get("instance", ""), key_address=form.get("key_address", ""))

    async def _enter(self, form: Form) -> None:
        archive = form.get("archive", "").encode("latin-1", "replace")
        enter_records(self._epic, instance=form.get("instance", ""), archive=archive)

    async def _clear(self, form: Form) -> None:
        self._neighbours.clear_trouble()

    def _desk(self, form: Form) -> tuple[Desk, str]:
        return desk_of(self._epic, form.get("instance", "")), form.get("csn", "")

    def _page(
        self, *, error: str = "", said: str = "", status: int = 200, form: Form | None = None
    ) -> Response:
        values = self._values() | {"error": error, "said": said, "form": self._prefilled(form or {})}
        return HTMLResponse(self._templates.get_template("page.html").render(values), status, headers=HEADERS)

    def _values(self) -> dict[str, Any]:
        connected = [
            f"{name} ({instance.connected.app})"
            for name, instance in self._epic.instances.items()
            if instance.connected is not None
        ]
        return {
            "choices": choices(),
            "connected": ", ".join(connected),
            "registrations": registrations(self._epic),
            "visits": visit_cards(self._epic),
            "meetings": meeting_cards(self._neighbours.meetings()),
            "messages": message_lines(self._epic),
            "waiting": unanswered(self._epic),
            "write_backs": write_back_lines(self._epic.write_backs),
            "mails": mail_lines(self._neighbours.mails()),
            "threads": threads(self._neighbours.texts(), self._epic),
            "troubles": self._neighbours.troubles(),
        }

    def _prefilled(self, form: Form) -> dict[str, str]:
        """The booking form: what was typed, and a good suggestion for everything else."""
        department = next(iter(DEPARTMENTS.values()))
        suggested = {
            "patient": "elena",
            "provider": "susan",
            "department": department.id,
            "kind": "video",
            "zone": department.zone,
            "start": suggested_start(self._epic.clock(), department.zone),
            "minutes": "30",
            "language": "",
            "instance": "test",
            "posting": Posting.ONCE.value,
        }
        return {**suggested, **form}


def _local(text: str, zone: str) -> datetime:
    """A time as a browser's date field writes it, in the clock of `zone`."""
    try:
        written = datetime.fromisoformat(text)
        place = ZoneInfo(zone)
    except (ValueError, OSError, LookupError) as unreadable:
        raise CannotDo("Enter a date and time for the start.") from unreadable
    if written.tzinfo is not None:
        return written
    found = written.replace(tzinfo=place)
    # On the night the clocks go forward an hour is missing: such a time comes back from UTC as another.
    if found.astimezone(ZoneInfo("UTC")).astimezone(place).replace(tzinfo=None) != written:
        raise CannotDo(f"{written:%H:%M} does not exist on that day, because the clocks go forward.")
    return found


def _number(text: str, label: str) -> int:
    if not text.strip().isascii() or not text.strip().isdigit() or int(text) < 1:
        raise CannotDo(f"{label} must be a whole number above zero.")
    return int(text)


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError as unreadable:
        raise CannotDo("Seconds must be a number, such as 2.5.") from unreadable


def _posting(form: Form) -> Posting:
    try:
        return Posting(form.get("posting", Posting.ONCE))
    except ValueError as unknown:
        raise CannotDo("Choose how the message is sent.") from unknown


def _clock(at: str) -> str:
    """A moment as the logs show it: the time of day in UTC, to the second."""
    try:
        return f"{datetime.fromisoformat(at).astimezone(ZoneInfo('UTC')):%H:%M:%S} UTC"
    except ValueError:
        return at
