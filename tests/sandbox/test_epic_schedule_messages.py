"""Sandbox Epic's scheduling messages hold what real sites send, and travel as interface engines send them."""

import base64
import json
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import hl7
import httpx
import pytest
import pytest_asyncio

from sandbox.epic.desk import Posting
from sandbox.epic.hl7_sender import WAITS
from sandbox.epic.hl7_signature import CERTIFICATE_FILE, Signature
from tests.sandbox.epic_stage import A, Stage, acknowledgement, stage

START = datetime(2027, 7, 15, 21, 30, tzinfo=UTC)


@pytest_asyncio.fixture
async def epic(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as set_up:
        yield set_up


class Read:
    """A message as the public hl7 library reads it; `message["SCH.11"]` is a whole field as text."""

    def __init__(self, text: str) -> None:
        self.parsed = hl7.parse(text)

    def __getitem__(self, name: str) -> str:
        segment, _, number = name.partition(".")
        found = self.parsed.segment(segment)
        return str(found[int(number)]) if int(number) < len(found) else ""

    @property
    def names(self) -> list[str]:
        return [str(segment[0]) for segment in self.parsed]

    def lines(self, *but: str) -> list[str]:
        return [str(segment) for segment in self.parsed if str(segment[0]) not in but]


async def sent(epic: Stage) -> list[Read]:
    await epic.instance.engine.answered()
    return [Read(message) for message in epic.connector.messages]


async def test_a_booking_says_who_when_where_and_in_which_language(epic: Stage) -> None:
    booking = epic.desk.book(patient="elena", start=START).booking

    (message,) = await sent(epic)

    assert message.names == ["MSH", "SCH", "PID", "PV1", "RGS", "AIS", "AIG", "AIL", "AIP", "ZPL"]
    assert message["MSH.3"] == "EPIC^SIU_GENERIC"
    assert message["MSH.9"] == "SIU^S12"
    assert message["MSH.11"] == "T"
    assert message["PV1.19"] == message["SCH.1"] == message["SCH.2"] == booking.csn
    # The clinic is in Seattle, where it is seven hours earlier in July; no zone is written.
    assert message["SCH.11"] == "^^30^202707151430"
    assert (message["SCH.9"], message["SCH.10"]) == ("30", "MIN")
    assert message["SCH.7"] == "VIDEO^VIDEO VISIT"
    assert message["SCH.25"] == "1^SCH"
    assert message["PID.13"].split("~")[0] == "(206)555-0142^P^CP^^1^206^5550142"
    assert message["PID.15"] == "spa^Spanish^ISO6392"
    assert message["PID.3"] == "700142^^^LAMNA^MRN~165790^^^LAMNA^MYCHART"
    assert message["RGS.3"] == "10501^LAMNA FAMILY MEDICINE"
    assert (message["AIS.4"], message["AIS.10"]) == ("", "Scheduled")


async def test_names_and_comments_survive_separators_and_other_scripts(epic: Stage) -> None:
    epic.desk.book(patient="mei", comment="Ask about A|B & C^D\nthen ~ \\")

    (message,) = await sent(epic)

    assert message["PID.5"] == "Chen^Mei 美玲"
    assert message["MSH.18"] == "UNICODE UTF-8"
    written = message["NTE.3"]
    assert written == "Ask about A\\F\\B \\T\\ C\\S\\D\\.br\\then \\R\\ \\E\\"
    assert message.parsed.unescape(written.replace("\\.br\\", " ")) == "Ask about A|B & C^D then ~ \\"


async def test_a_move_has_another_csn_and_keeps_the_old_ones(epic: Stage) -> None:
    first = epic.desk.book(start=START).booking.csn
    second = epic.desk.reschedule(first, start=datetime(2027, 12, 1, 18, 0, tzinfo=UTC)).booking.csn
    third = epic.desk.reschedule(second, start=datetime(2027, 12, 2, 18, 0, tzinfo=UTC)).booking.csn

    _, moved, moved_again = await sent(epic)

    assert moved["MSH.9"] == "SIU^S13"
    assert (moved["PV1.19"], moved["SCH.1"], moved["SCH.2"]) == (second, first, first)
    # Standard time by now: eight hours.
    assert moved["SCH.11"] == "^^30^202712011000"
    assert (moved_again["PV1.19"], moved_again["SCH.1"], moved_again["SCH.2"]) == (third, second, first)


async def test_a_comment_changes_nothing_but_the_note(epic: Stage) -> None:
    csn = epic.desk.book(start=START).booking.csn
    epic.desk.comment(csn, comment="Bring your list")

    booked, commented = await sent(epic)

    assert commented["MSH.9"] == "SIU^S14"
    assert commented["NTE.3"] == "Bring your list"
    assert commented.lines("MSH", "NTE") == booked.lines("MSH")


@pytest.mark.parametrize(
    ("what", "event", "status", "title"),
    [("cancel", "SIU^S15", "3^CANCELED", "Canceled"), ("no_show", "SIU^S26", "4^NO SHOW", "No Show")],
)
async def test_an_ended_appointment_says_how_it_ended(
    epic: Stage, what: str, event: str, status: str, title: str
) -> None:
    csn = epic.desk.book().booking.csn
    getattr(epic.desk, what)(csn)

    _, ended = await sent(epic)

    assert (ended["MSH.9"], ended["SCH.25"], ended["AIS.10"]) == (event, status, title)


async def test_an_operation_comes_from_the_surgical_interface_in_seconds(epic: Stage) -> None:
    epic.desk.book(kind="surgery", minutes=90, department="10590")

    (message,) = await sent(epic)

    assert message["MSH.3"] == "EPIC^SIU_SURGICAL_UDP"
    assert (message["SCH.9"], message["SCH.10"]) == ("5400", "S")
    assert message["PV1.2"] == "S"
    assert message["SCH.2"] != message["PV1.19"]
    assert {"AIL", "ZCS", "OBX"} <= set(message.names)


async def test_a_visit_in_person_has_another_visit_type(epic: Stage) -> None:
    epic.desk.book(kind="in-person")

    (message,) = await sent(epic)

    assert message["SCH.7"] == "OFFICE^OFFICE VISIT"


async def test_a_restricted_record_is_marked(epic: Stage) -> None:
    epic.desk.book(patient="sam")

    (message,) = await sent(epic)

    assert message["ZPL.3"] == "Yes"


async def test_production_says_that_it_is_production(epic: Stage) -> None:
    production = epic.state.instances["production"]
    production.connect(
        environment="env-2", app=A, hl7v2=f"{A}/hl7v2/env-2", records={}, redirect_uris=frozenset()
    )
    await epic.browser.post("/api/epic/book", json={"instance": "production"})
    await production.engine.answered()

    assert Read(epic.connector.messages[0])["MSH.11"] == "P"
    assert epic.connector.received[0].url.path == "/hl7v2/env-2"


def verifies(tmp_path: Path, request: httpx.Request, *, certificate: Path) -> bool:
    """Whether OpenSSL, trusting only the key of `certificate`, accepts the signature of a message."""
    algorithm, _, encoded = request.headers["HL7-Signature"].partition(" ")
    assert algorithm == "SHA256withRSA"
    (tmp_path / "signature.der").write_bytes(base64.b64decode(encoded, validate=True))
    (tmp_path / "body").write_bytes(request.content)
    checked = subprocess.run(
        [
            *("openssl", "cms", "-verify", "-binary", "-inform", "DER", "-purpose", "any"),
            *("-in", tmp_path / "signature.der", "-content", tmp_path / "body"),
            *("-certfile", certificate, "-CAfile", certificate, "-no_check_time", "-out", tmp_path / "out"),
        ],
        capture_output=True,
        check=False,
    )
    return checked.returncode == 0 and (tmp_path / "out").read_bytes() == request.content


async def test_every_message_is_signed_over_its_raw_bytes(epic: Stage, tmp_path: Path) -> None:
    epic.desk.book(patient="mei")
    await epic.instance.engine.answered()
    (request,) = epic.connector.received

    assert verifies(tmp_path, request, certificate=tmp_path / CERTIFICATE_FILE)
    assert request.headers["Content-Type"] == "application/hl7-v2; charset=utf-8"


@pytest.mark.parametrize("signature", [Signature.BAD, Signature.OTHER_KEY])
async def test_a_message_can_be_signed_wrongly_on_purpose(
    epic: Stage, tmp_path: Path, signature: Signature
) -> None:
    await epic.browser.post("/api/epic/send", json={"message": "MSH|^~\\&|", "signature": signature})
    await epic.instance.engine.answered()
    (request,) = epic.connector.received

    assert not verifies(tmp_path, request, certificate=tmp_path / CERTIFICATE_FILE)


async def test_any_text_can_be_sent_unsigned_and_more_than_once(epic: Stage) -> None:
    epic.connector.answers = [lambda request: httpx.Response(401, text="no signature")] * 2

    answer = await epic.browser.post(
        "/api/epic/send", json={"message": "not HL7", "signature": "none", "times": 2}
    )
    await epic.instance.engine.answered()
    listed = (await epic.browser.get("/api/acknowledgements")).json()

    assert answer.json() == {"control_id": ""}
    assert epic.connector.messages == ["not HL7", "not HL7"]
    assert "HL7-Signature" not in epic.connector.received[0].headers
    assert [(one["http_status"], one["code"], one["text"]) for one in listed] == [
        (401, "", "no signature")
    ] * 2


@pytest.mark.parametrize(
    "failure",
    [
        lambda request: httpx.Response(503),
        lambda request: httpx.Response(200, text="thanks"),
        lambda request: acknowledgement(request, "AE", "later"),
    ],
    ids=["unavailable", "an answer that is not HL7", "an application error"],
)
async def test_a_message_that_is_not_accepted_holds_up_the_next_until_it_is(
    epic: Stage, failure: object
) -> None:
    epic.connector.answers = [failure, failure]  # type: ignore[list-item]
    epic.desk.book()
    epic.desk.book()

    first, again, once_more, second = await sent(epic)

    assert first["MSH.10"] == again["MSH.10"] == once_more["MSH.10"] != second["MSH.10"]
    assert epic.pauses == [0.5, 1.0]
    listed = (await epic.browser.get("/api/acknowledgements")).json()
    assert [(one["attempt"], one["code"]) for one in listed][2:] == [(3, "AA"), (1, "AA")]


async def test_a_connector_that_cannot_be_reached_is_tried_for_a_while_and_then_set_aside(
    epic: Stage,
) -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("away")

    epic.connector.answers = [away] * (len(WAITS) + 1)
    epic.desk.book()
    await epic.instance.engine.answered()

    listed = (await epic.browser.get("/api/acknowledgements")).json()
    setup = (await epic.browser.get("/api/epic")).json()["instances"]["test"]
    assert [one["http_status"] for one in listed] == [0] * (len(WAITS) + 1)
    assert (setup["waiting"], setup["set_aside"]) == (0, 1)


async def test_a_rejected_message_is_not_repeated(epic: Stage) -> None:
    epic.connector.answers = [lambda request: acknowledgement(request, "AR", "wrong environment")]
    epic.desk.book()
    await epic.instance.engine.answered()

    (listed,) = (await epic.browser.get("/api/acknowledgements")).json()
    assert (listed["code"], listed["text"], listed["event"]) == ("AR", "wrong environment", "S12")


async def test_messages_wait_until_a_connector_is_there(tmp_path: Path) -> None:
    async with stage(tmp_path, connected=False) as epic:
        epic.desk.book()
        assert epic.instance.engine.waiting == 1

        epic.connect()
        await epic.instance.engine.answered()

        assert len(epic.connector.received) == 1


async def test_a_message_can_be_held_and_overtaken(epic: Stage) -> None:
    csn = epic.desk.book(posting=Posting.HELD).booking.csn
    await epic.browser.post("/api/epic/comment", json={"csn": csn, "comment": "first"})
    released = await epic.browser.post("/api/epic/release", json={})

    messages = await sent(epic)

    assert released.json() == {"released": 1}
    assert [one["MSH.9"] for one in messages] == ["SIU^S14", "SIU^S12"]


async def test_a_message_can_be_sent_twice(epic: Stage) -> None:
    await epic.browser.post("/api/epic/book", json={"posting": "twice"})
    await epic.instance.engine.answered()

    assert len(set(epic.connector.messages)) == 1
    assert len(epic.connector.messages) == 2


async def test_the_schedule_is_kept_by_json(epic: Stage) -> None:
    booked = (
        await epic.browser.post(
            "/api/epic/book",
            json={
                "patient": "jordan",
                "start": "2027-07-15T14:30:00-06:00",
                "minutes": 20,
                "zone": "America/Denver",
                "language": "zh",
            },
        )
    ).json()
    moved = (
        await epic.browser.post(
            "/api/epic/reschedule", json={"csn": booked["csn"], "start": "2027-07-16T20:30:00Z"}
        )
    ).json()
    await epic.browser.post("/api/epic/cancel", json={"csn": moved["csn"]})

    (visit,) = (await epic.browser.get("/api/visits")).json()
    first, _, last = await sent(epic)

    assert first["SCH.11"] == "^^20^202707151430"
    assert first["PID.15"] == "chi^Chinese^ISO6392"
    assert last["PV1.19"] == moved["csn"]
    assert visit["csn"] == visit["conference_id"] == moved["csn"] != booked["csn"]
    assert (visit["status"], visit["start"]) == ("Canceled", "2027-07-16T20:30:00+00:00")
    assert visit["patient"] == "Jordan Blake"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("book", {"patient": "nobody"}),
        ("book", {"start": "soon"}),
        ("book", {"start": "2027-07-15T14:30:00"}),
        ("book", {"minutes": 0}),
        ("book", {"zone": "Mars/Olympus"}),
        ("book", {"kind": "telepathy"}),
        ("book", {"instance": "staging"}),
        ("cancel", {"csn": "404"}),
        ("reschedule", {"csn": "404", "start": "2027-07-15T14:30:00Z"}),
        ("connect", {"environment": "e"}),
        ("connect", {"environment": "e", "app": A, "hl7v2": A, "records": {"patient": "nonsense"}}),
        ("connect", {"environment": "e", "app": A, "hl7v2": A, "records": {"doctor": "a=b"}}),
        ("send", {"message": "x", "signature": "gold"}),
    ],
    ids=json.dumps,
)
async def test_what_cannot_be_done_is_said_in_words(epic: Stage, path: str, body: dict[str, object]) -> None:
    answer = await epic.browser.post(f"/api/epic/{path}", json=body)

    assert answer.status_code == 400
    assert answer.json()["error"]
    assert epic.instance.schedule.bookings == []


async def test_a_moved_appointment_is_no_longer_reached_by_its_old_number(epic: Stage) -> None:
    old = epic.desk.book().booking.csn
    new = epic.desk.reschedule(old, start=START).booking.csn

    answer = await epic.browser.post("/api/epic/cancel", json={"csn": old})

    assert new in answer.json()["error"]


async def test_a_launch_address_names_the_environment_the_issuer_and_a_launch(epic: Stage) -> None:
    csn = epic.desk.book().booking.csn

    answer = (await epic.browser.get("/api/epic/launch-url", params={"csn": csn, "role": "patient"})).json()

    url = httpx.URL(answer["url"])
    assert url.path == "/launch/env-1/patient"
    assert url.params["iss"] == epic.instance.fhir_base
    assert url.params["launch"] in epic.instance.launches


async def test_a_message_can_be_overtaken_by_the_next(epic: Stage) -> None:
    csn = epic.desk.book(posting=Posting.OVERTAKEN).booking.csn
    epic.desk.comment(csn, comment="second")

    assert [message["MSH.9"] for message in await sent(epic)] == ["SIU^S14", "SIU^S12"]
