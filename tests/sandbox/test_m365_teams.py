"""Sandbox Teams: who waits in the lobby, when a call begins and ends, and what is remembered of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox.graph import CONTRACT
from sandbox.world import USERS
from tests.sandbox.m365_stage import SUSAN, VISITS, Stage, stage

OMAR = USERS["omar"].oid


@pytest_asyncio.fixture
async def m365(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as one:
        yield one


async def state_of(m365: Stage, participant: str) -> str:
    (meeting,) = (await m365.browser.get("/api/meetings")).json()
    return str(next(one["state"] for one in meeting["participants"] if one["id"] == participant))


@pytest.mark.parametrize(
    ("scope", "admitted"),
    [
        ("organizer", {"organizer", "coorganizer"}),
        ("invited", {"organizer", "coorganizer", "attendee"}),
        ("organization", {"organizer", "coorganizer", "attendee", "colleague"}),
        ("everyone", {"organizer", "coorganizer", "attendee", "colleague", "guest"}),
    ],
)
async def test_the_lobby_lets_in_whom_its_scope_names(m365: Stage, scope: str, admitted: set[str]) -> None:
    roles = {"coorganizer": SUSAN, "attendee": OMAR}
    attendees = [{"identity": {"user": {"id": oid}}, "role": role} for role, oid in roles.items()]
    meeting = await m365.meeting(lobbyBypassSettings={"scope": scope}, participants={"attendees": attendees})
    people = {**roles, "organizer": VISITS, "colleague": USERS["priya"].oid, "guest": ""}

    joined = {who: await m365.join(meeting, who, oid=oid) for who, oid in people.items()}

    inside = {who for who, id in joined.items() if await state_of(m365, id) == "connected"}
    assert inside == admitted


async def test_only_someone_in_the_call_can_admit(m365: Stage) -> None:
    meeting = await m365.meeting(lobbyBypassSettings={"scope": "invited"})
    guest = await m365.join(meeting, "Elena")

    alone = await m365.teams(meeting, "admit", participant=guest)
    await m365.join(meeting, "", oid=VISITS)
    admitted = await m365.teams(meeting, "admit", participant=guest)

    assert alone.status_code == 400
    assert admitted.json()["state"] == "connected"


async def test_whoever_waits_goes_on_waiting_when_the_call_ends(m365: Stage) -> None:
    meeting = await m365.meeting(lobbyBypassSettings={"scope": "invited"})
    guest = await m365.join(meeting, "Elena")
    organizer = await m365.join(meeting, "", oid=VISITS)

    await m365.teams(meeting, "leave", participant=organizer)
    waiting = await state_of(m365, guest)
    await m365.teams(meeting, "end")

    assert waiting == "lobby"
    assert await state_of(m365, guest) == "left"


async def test_attendance_and_a_call_record_are_there_after_the_call(m365: Stage) -> None:
    meeting = await m365.meeting(lobbyBypassSettings={"scope": "everyone"})
    reports = f"/users/{VISITS}/onlineMeetings/{meeting['id']}/attendanceReports"
    organizer = await m365.join(meeting, "", oid=VISITS)
    guest = await m365.join(meeting, "Elena Ruiz")
    during = (await m365.graph("GET", reports)).json()["value"]
    m365.later(minutes=10)
    await m365.teams(meeting, "leave", participant=guest)
    m365.later(minutes=5)
    await m365.teams(meeting, "leave", participant=organizer)

    (report,) = (await m365.graph("GET", reports)).json()["value"]
    whole = (await m365.graph("GET", f"{reports}/{report['id']}?$expand=attendanceRecords")).json()
    (record,) = (await m365.graph("GET", "/communications/callRecords")).json()["value"]
    detailed = (
        await m365.graph("GET", f"/communications/callRecords/{record['id']}?$expand=participants_v2")
    ).json()

    assert during == []
    assert CONTRACT.problems("attendanceReport", whole) == []
    assert CONTRACT.problems("callRecord", detailed) == []
    assert report["totalParticipantCount"] == 2
    assert [
        (one["identity"]["displayName"], one["role"], one["totalAttendanceInSeconds"])
        for one in whole["attendanceRecords"]
    ] == [(USERS["visits"].name, "Organizer", 900), ("Elena Ruiz", "Attendee", 600)]
    assert record["joinWebUrl"] == meeting["joinWebUrl"]


async def test_the_join_link_leads_to_a_page_that_works_without_a_script(m365: Stage) -> None:
    meeting = await m365.meeting(lobbyBypassSettings={"scope": "invited"})

    form = await m365.browser.get(meeting["joinWebUrl"], follow_redirects=True)
    lobby = await m365.browser.post(
        f"{form.url.path}/join", data={"name": "<b>Elena</b>"}, follow_redirects=True
    )
    organizer = await m365.join(meeting, "", oid=VISITS)
    participant = lobby.url.params["participant"]
    await m365.teams(meeting, "admit", participant=participant)
    inside = await m365.browser.get(lobby.url)
    left = await m365.browser.post(
        f"{form.url.path}/leave", data={"participant": participant}, follow_redirects=True
    )

    assert form.status_code == 200
    assert "<script" not in form.text + lobby.text + inside.text + left.text
    assert "You are in the lobby" in lobby.text
    assert "&lt;b&gt;Elena&lt;/b&gt;" in lobby.text
    assert 'http-equiv="refresh"' in lobby.text
    assert "2 people are in the meeting" in inside.text
    assert "You left the meeting" in left.text
    assert await state_of(m365, organizer) == "connected"


async def test_a_link_to_a_deleted_meeting_says_so(m365: Stage) -> None:
    meeting = await m365.meeting()
    await m365.graph("DELETE", f"/users/{VISITS}/onlineMeetings/{meeting['id']}")

    answer = await m365.browser.get(meeting["joinWebUrl"])

    assert answer.status_code == 404
    assert "does not exist" in answer.text


async def test_the_control_room_shows_and_moves_the_people_of_a_meeting(m365: Stage) -> None:
    meeting = await m365.meeting(lobbyBypassSettings={"scope": "invited"})
    join = {"act": "join", "meeting": meeting["id"], "who": f"user:{USERS['visits'].address}"}

    first = await m365.browser.post("/control-room/teams", data=join)
    second = await m365.browser.post("/control-room/teams", data=join)
    page = await m365.browser.get("/")

    assert first.status_code == 303
    assert second.status_code == 400
    assert "is in this meeting already" in second.text
    assert "Lamna Video Visits" in page.text
