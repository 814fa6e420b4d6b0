"""The control room shows the whole chain of a visit, and every form of it works without a script."""

import io
import json
import re
import zipfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio
from starlette.applications import Starlette

from sandbox.control_room.pages import CannotDo, ControlRoom
from sandbox.control_room.view import Row, TroubleLine
from sandbox.epic.schedule import Connection
from sandbox.epic.state import ClientKind
from tests.sandbox.epic_stage import A, S, Stage, stage

HOSTILE = '<script>alert("x")</script>'


@dataclass
class FakeNeighbours:
    """Texts, meetings and trouble without the services behind them."""

    sent: list[Row] = field(default_factory=list)
    posted: list[Row] = field(default_factory=list)
    people: list[dict[str, Any]] = field(default_factory=list)
    made: list[Mapping[str, Any]] = field(default_factory=list)

    def texts(self) -> list[Row]:
        return self.sent

    def meetings(self) -> list[Row]:
        return [
            {
                "id": "meeting-1",
                "organizer": "susan.carter@lamna.example",
                "subject": "Video visit",
                "join_url": f"{S}/teams/meet/1",
                "lobby": "invited",
                "co_organizers": [],
                "participants": self.people,
            }
        ]

    def mails(self) -> list[Row]:
        return self.posted

    def troubles(self) -> list[TroubleLine]:
        return [
            TroubleLine(str(one["service"]), str(one["kind"]), f"{one['times']} left") for one in self.made
        ]

    async def join(self, meeting: str, *, name: str, user: str) -> None:
        state = "connected" if user else "in the lobby"
        self.people.append(
            {"id": str(len(self.people)), "name": name or user, "role": "attendee", "state": state}
        )

    async def admit(self, meeting: str, participant: str) -> None:
        self._find(participant)["state"] = "connected"

    async def leave(self, meeting: str, participant: str) -> None:
        self._find(participant)["state"] = "left"

    def make_trouble(self, asked: Mapping[str, Any]) -> None:
        self.made.append(asked)

    def clear_trouble(self) -> None:
        self.made.clear()

    def _find(self, participant: str) -> dict[str, Any]:
        for one in self.people:
            if one["id"] == participant:
                return one
        raise CannotDo("Nobody with this id is in the meeting.")


@dataclass
class Room:
    epic: Stage
    neighbours: FakeNeighbours
    browser: httpx.AsyncClient

    async def page(self) -> str:
        answer = await self.browser.get("/")
        assert answer.status_code == 200
        return answer.text

    async def submit(self, path: str, **form: str) -> httpx.Response:
        return await self.browser.post(f"/control-room/{path}", data=form)


@asynccontextmanager
async def room_in(state_dir: Path) -> AsyncIterator[Room]:
    async with stage(state_dir) as epic:
        neighbours = FakeNeighbours()
        app = Starlette(routes=ControlRoom(epic.state, neighbours).routes())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=S) as browser:
            yield Room(epic, neighbours, browser)


@pytest_asyncio.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    async with room_in(tmp_path) as one:
        yield one


BOOKING = {
    "patient": "elena",
    "provider": "susan",
    "department": "10501",
    "kind": "video",
    "zone": "America/Los_Angeles",
    "start": "2027-07-15T14:30",
    "minutes": "30",
    "language": "",
    "instance": "test",
    "posting": "once",
}


async def test_booking_by_the_form_books_in_the_chosen_clock_and_comes_back_to_the_page(room: Room) -> None:
    answer = await room.submit("book", **BOOKING)

    assert (answer.status_code, answer.headers["location"]) == (303, "/?done=book")
    (booking,) = room.epic.instance.schedule.bookings
    assert booking.start.isoformat() == "2027-07-15T21:30:00+00:00"
    page = await room.page()
    assert "Thursday 15 July 2027, 14:30 PDT" in page
    assert booking.csn in page


async def test_the_forms_of_a_visit_move_comment_and_end_it(room: Room) -> None:
    first = room.epic.desk.book().booking.csn

    await room.submit("reschedule", csn=first, start="2027-12-01T10:00")
    booking = room.epic.instance.schedule.bookings[0]
    await room.submit("comment", csn=booking.csn, comment="Bring your list")
    commented = await room.page()
    await room.submit("end", csn=booking.csn, how="cancel")

    assert booking.csn != first
    assert booking.start.isoformat() == "2027-12-01T18:00:00+00:00"
    assert "Comment: Bring your list" in commented
    assert booking.standing == "Canceled"
    await room.epic.instance.engine.answered()
    events = [one.event for one in room.epic.instance.engine.acknowledgements]
    assert events == ["S12", "S13", "S14", "S15"]


@pytest.mark.parametrize(
    ("path", "form", "reason"),
    [
        ("book", {**BOOKING, "start": ""}, "Enter a date and time"),
        ("book", {**BOOKING, "minutes": "soon"}, "Minutes must be a whole number"),
        ("book", {**BOOKING, "start": "2027-03-14T02:30"}, "clocks go forward"),
        ("book", {**BOOKING, "patient": "nobody"}, "unknown patient"),
        ("reschedule", {"csn": "404", "start": "2027-07-15T14:30"}, "no appointment has this CSN"),
        ("send", {"message": " ", "signature": "good", "times": "1"}, "Enter the message"),
        ("teams", {"meeting": "meeting-1", "act": "admit", "participant": "9"}, "Nobody with this id"),
    ],
    ids=[
        "no start",
        "odd minutes",
        "a time that does not exist",
        "no such patient",
        "no such visit",
        "nothing",
        "nobody",
    ],
)
async def test_a_form_that_cannot_be_used_says_why(
    room: Room, path: str, form: dict[str, str], reason: str
) -> None:
    answer = await room.submit(path, **form)

    assert answer.status_code == 400
    assert reason in answer.text
    assert "<title>Error: " in answer.text


async def test_what_was_typed_is_kept_when_it_cannot_be_used(room: Room) -> None:
    answer = await room.submit("book", **{**BOOKING, "patient": "mei", "minutes": "45", "start": ""})

    assert '<option value="mei" selected>' in answer.text
    assert 'value="45"' in answer.text


async def test_a_visit_is_launched_as_its_clinician_or_its_patient(room: Room) -> None:
    csn = room.epic.desk.book(patient="theo").booking.csn
    page = await room.page()

    paths = set()
    for href in re.findall(r'href="(/control-room/launch[^"]+)"', page):
        answer = await room.browser.get(href.replace("&amp;", "&"))
        assert answer.status_code == 302
        paths.add(urlsplit(answer.headers["location"]).path)

    assert paths == {f"/launch/env-1/{role}" for role in ("provider", "patient", "device-test")}
    assert answer.headers["location"].startswith(A)
    assert {launch.booking.csn for launch in room.epic.instance.launches.values() if launch.booking} == {csn}
    assert {launch.person.key for launch in room.epic.instance.launches.values()} == {
        *("susan", "omar", "theo", "amara")
    }


async def test_a_launch_that_is_not_possible_is_explained(room: Room) -> None:
    answer = await room.browser.get("/control-room/launch", params={"csn": "404", "role": "provider"})

    assert answer.status_code == 400
    assert "no appointment has this CSN" in answer.text


async def test_texts_appear_on_the_phone_they_were_sent_to_with_links_that_work(room: Room) -> None:
    room.neighbours.sent = [
        {
            "to": "+12065550142",
            "from": "+18335550100",
            "at": "2027-01-15T17:00:00+00:00",
            "state": "delivered",
            "body": f"Su visita: {A}/v/abc. Hasta luego",
        },
        {
            "to": "+18335550100",
            "from": "+12065550142",
            "at": "2027-01-15T17:01:00+00:00",
            "state": "received",
            "body": "STOP",
        },
    ]

    page = await room.page()

    assert "Elena Ruiz" in page
    assert f'<a href="{A}/v/abc" target="_blank" rel="noopener noreferrer">' in page
    assert '<p lang="es">' in page
    assert re.search(r'class="bubble out"><p lang="es">STOP', page)


async def test_people_join_wait_are_admitted_and_leave(room: Room) -> None:
    await room.submit("teams", meeting="meeting-1", act="join", who="guest:Elena Ruiz")
    waiting = await room.page()
    await room.submit("teams", meeting="meeting-1", act="admit", participant="0")
    inside = await room.page()
    await room.submit("teams", meeting="meeting-1", act="leave", participant="0")
    gone = await room.page()

    assert f'href="{S}/teams/meet/1"' in waiting
    assert 'value="admit"' in waiting
    assert 'value="admit"' not in inside
    assert 'value="leave"' in inside
    assert 'value="leave"' not in gone
    assert room.neighbours.people[0]["state"] == "left"


async def test_messages_are_listed_with_their_answers_newest_first(room: Room) -> None:
    csn = room.epic.desk.book().booking.csn
    room.epic.desk.cancel(csn)
    await room.epic.instance.engine.answered()

    page = await room.page()

    assert page.index(">S15<") < page.index(">S12<")
    assert "PV1|1|O|" in page


async def test_any_text_can_be_sent_as_a_message(room: Room) -> None:
    await room.submit("send", message="MSH|^~\\&|\r\nSCH|1", signature="none", times="2")
    await room.epic.instance.engine.answered()

    assert room.epic.connector.messages == ["MSH|^~\\&|\rSCH|1"] * 2


async def test_held_messages_can_be_sent_newest_first(room: Room) -> None:
    await room.submit("book", **{**BOOKING, "posting": "held"})
    await room.submit("book", **{**BOOKING, "posting": "held"})
    assert "2 held back" in await room.page()

    await room.submit("release", order="newest-first")
    await room.epic.instance.engine.answered()

    ids = [message.split("|")[9] for message in room.epic.connector.messages]
    assert ids == ["T00000002", "T00000001"]


async def test_trouble_is_made_and_cleared(room: Room) -> None:
    await room.submit("trouble", service="graph", kind="throttle", times="2", seconds="2.128", match="/users")
    assert room.neighbours.made == [
        {
            "service": "graph",
            "kind": "throttle",
            "times": 2,
            "seconds": 2.128,
            "retry_after": "2.128",
            "match": "/users",
        }
    ]
    assert "2 left" in await room.page()

    await room.submit("trouble/clear")

    assert room.neighbours.made == []


async def test_nothing_that_was_typed_becomes_markup(room: Room) -> None:
    csn = room.epic.desk.book(comment=HOSTILE).booking.csn
    await room.submit("teams", meeting="meeting-1", act="join", who=f"guest:{HOSTILE}")
    room.neighbours.sent = [
        {"to": HOSTILE, "from": "+18335550100", "at": HOSTILE, "state": HOSTILE, "body": HOSTILE}
    ]
    await room.epic.instance.engine.answered()
    room.epic.instance.schedule.find(csn).patient_connection = Connection.CONNECTED

    page, parts = await room.page(), (await room.browser.get("/control-room/parts")).json()

    assert HOSTILE not in page
    assert all(HOSTILE not in part for part in parts["parts"].values())
    assert "&lt;script&gt;" in page


async def test_the_page_is_only_its_own_files_and_says_that_nobody_is_real(room: Room) -> None:
    answer = await room.browser.get("/")

    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "invented people only" in answer.text
    assert not re.search(r"\sstyle=|\son[a-z]+=|<script>|<style", answer.text)
    for path in re.findall(r'(?:href|src)="(/control-room/[a-z.]+)"', answer.text):
        file = await room.browser.get(path)
        assert file.status_code == 200
        assert file.headers["x-content-type-options"] == "nosniff"
    assert (await room.browser.get("/control-room/pages.py")).status_code == 404


async def test_every_field_has_a_label_and_every_id_is_one_of_a_kind(room: Room) -> None:
    room.epic.desk.book()
    room.epic.desk.book(patient="theo")
    await room.submit("teams", meeting="meeting-1", act="join", who="guest:Theo")

    page = await room.page()

    ids = re.findall(r'\sid="([^"]+)"', page)
    fields = re.findall(r'<(?:input(?! type="hidden")|select|textarea) id="([^"]+)"', page)
    labels = re.findall(r'<label for="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert sorted(fields) == sorted(labels)
    assert set(re.findall(r'aria-(?:labelledby|describedby)="([^"]+)"', page)) <= set(ids)


async def test_another_sites_page_cannot_press_the_buttons(room: Room) -> None:
    answer = await room.browser.post(
        "/control-room/book", data=BOOKING, headers={"Sec-Fetch-Site": "cross-site"}
    )

    assert answer.status_code == 403
    assert room.epic.instance.schedule.bookings == []


async def test_a_mail_to_a_colleague_is_shown_with_its_link(room: Room) -> None:
    room.neighbours.posted.append(
        {
            "id": "mail-1",
            "at": "2027-01-15T17:00:00+00:00",
            "from": "visits@lamna.example",
            "to": ["priya.nair@lamna.example"],
            "subject": f"Waiting for you {HOSTILE}",
            "body": f"Look at {S}/approvals now",
        }
    )
    page = await room.page()

    assert f'href="{S}/approvals"' in page
    assert "priya.nair@lamna.example" in page
    assert HOSTILE not in page


async def test_an_analyst_registers_the_connector_at_the_other_epic(room: Room) -> None:
    keys = "http://127.0.0.1:7071/keys/e-2/provider/.well-known/jwks.json"

    answer = await room.submit("register", instance="production", key_address=f" {keys} ")

    assert (answer.status_code, answer.headers["location"]) == (303, "/?done=register")
    production = room.epic.state.instances["production"]
    provider = production.client_of(ClientKind.PROVIDER)
    assert provider.jwks_url == keys
    assert provider.redirect_uris == {"http://127.0.0.1:7071/launch/callback"}
    assert production.engine.url == "http://127.0.0.1:7071/hl7v2/e-2"
    page = await room.page()
    assert "for environment <code>e-2</code>" in page
    assert provider.id in page
    assert production.fhir_base in page


async def test_what_is_no_key_address_is_not_registered_and_stays_in_the_form(room: Room) -> None:
    answer = await room.submit("register", instance="production", key_address="https://lamna.example/keys")

    assert answer.status_code == 400
    assert "Enter a key address from the portal" in answer.text
    assert 'value="https://lamna.example/keys"' in answer.text
    assert room.epic.state.instances["production"].connected is None


async def test_the_certificate_of_epics_messages_is_handed_over_without_its_key(room: Room) -> None:
    answer = await room.browser.get("/control-room/hl7-signing-certificate.pem")

    assert answer.text.startswith("-----BEGIN CERTIFICATE-----")
    assert "PRIVATE" not in answer.text


def archive(records: list[dict[str, Any]]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as files:
        files.writestr("records.json", json.dumps({"records": records}))
    return content.getvalue()


async def test_a_specialist_enters_the_records_of_the_portals_file(room: Room) -> None:
    production = room.epic.state.instances["production"]
    await room.submit(
        "register", instance="production", key_address=f"{A}/keys/e-2/patient/.well-known/jwks.json"
    )
    values = {
        "Launch URL": f"{A}/launch/e-2/provider",
        "Context token": "csn=%CSN%",
        "Client ID": production.client_of(ClientKind.PROVIDER).id,
        "Redirect URI": f"{A}/launch/callback",
    }
    record = {"kind": "provider", "values": [{"name": n, "value": v} for n, v in values.items()]}

    answer = await room.browser.post(
        "/control-room/records", data={"instance": "production"}, files={"archive": archive([record])}
    )

    assert (answer.status_code, answer.headers["location"]) == (303, "/?done=records")
    assert production.connected is not None
    assert production.connected.launch_urls == {"provider": f"{A}/launch/e-2/provider"}
    assert production.connected.records["provider"] == {"csn": "%CSN%"}


async def test_a_file_that_is_not_the_portals_is_not_entered(room: Room) -> None:
    answer = await room.browser.post(
        "/control-room/records", data={"instance": "production"}, files={"archive": b"a holiday picture \xff"}
    )

    assert answer.status_code == 400
    assert "Choose the .zip" in answer.text
