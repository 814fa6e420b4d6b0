"""A visit's meeting is made once, lets providers in and keeps everyone else in the lobby; failures are told apart."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx
import pytest

from shared.clients.teams_meetings import TeamsMeetings
from shared.domain.errors import TryAgain, TurnedDown
from shared.domain.visit import GuestsMay, Meeting
from tests.clients.graph_double import GraphDouble, refusal
from tests.clients.tls_server import FakeCredential

STARTS = datetime(2026, 3, 2, 16, 30, tzinfo=UTC)
ENDS = STARTS + timedelta(minutes=30)
JOIN = "https://teams.example/l/meetup-join/19%3ameeting_x%40thread.v2/0?context=%7b%22Tid%22%3a%22t%22%7d"
MEETING = Meeting("m-1=*0*19:meeting", JOIN, JOIN, guest_url_opens_in_browser=False)
MADE = httpx.Response(201, json={"id": MEETING.id, "joinWebUrl": JOIN, "subject": "Video visit"})


@asynccontextmanager
async def teams(double: GraphDouble, *, probe: bool = False) -> AsyncIterator[TeamsMeetings]:
    async with double.graph() as graph:
        yield TeamsMeetings(graph, credential=FakeCredential(), probe_guest_url=probe)


async def make(meetings: TeamsMeetings) -> Meeting:
    return await meetings.make(
        organizer="organizer-1",
        external_id="opaque-1",
        subject="Video visit, Lamna Healthcare",
        starts_at=STARTS.astimezone(timezone(timedelta(hours=-6))),
        ends_at=ENDS,
    )


async def set_up(meetings: TeamsMeetings, *co_organizers: str, guests_may: GuestsMay | None = None) -> None:
    await meetings.set_up(
        MEETING,
        organizer="organizer-1",
        subject="Video visit, Lamna Healthcare",
        starts_at=STARTS,
        ends_at=ENDS,
        co_organizers=frozenset(co_organizers),
        guests_may=guests_may or GuestsMay(),
    )


async def test_a_meeting_is_made_with_what_create_or_get_accepts_and_no_more() -> None:
    double = GraphDouble([MADE])
    async with teams(double) as meetings:
        made = await make(meetings)

    assert made == MEETING
    assert double.asked == [("POST", "/v1.0/users/organizer-1/onlineMeetings/createOrGet")]
    assert double.requests[0].headers["Authorization"] == "Bearer a-token"
    assert double.body() == {
        "externalId": "opaque-1",
        "subject": "Video visit, Lamna Healthcare",
        "startDateTime": "2026-03-02T16:30:00Z",
        "endDateTime": "2026-03-02T17:00:00Z",
    }


async def test_a_meeting_that_exists_is_the_same_meeting() -> None:
    existing = httpx.Response(200, json={"id": MEETING.id, "joinWebUrl": JOIN})
    async with teams(GraphDouble([existing])) as meetings:
        assert await make(meetings) == MEETING


async def test_a_launch_that_makes_the_meeting_costs_two_calls() -> None:
    double = GraphDouble([MADE])
    async with teams(double) as meetings:
        await make(meetings)
        await set_up(meetings, "provider-1")

    assert [method for method, _ in double.asked] == ["POST", "PATCH"]


async def test_providers_pass_the_lobby_and_everyone_else_waits() -> None:
    double = GraphDouble([httpx.Response(200, json={})])
    async with teams(double) as meetings:
        await set_up(meetings, "provider-2", "provider-1", "organizer-1")

    method, path = double.asked[0]
    assert method == "PATCH"
    assert path.startswith("/v1.0/users/organizer-1/onlineMeetings/m-1%3D%2A0%2A19%3Ameeting")
    assert double.body() == {
        "subject": "Video visit, Lamna Healthcare",
        "startDateTime": "2026-03-02T16:30:00Z",
        "endDateTime": "2026-03-02T17:00:00Z",
        "lobbyBypassSettings": {"scope": "invited", "isDialInBypassEnabled": False},
        "allowedPresenters": "organizer",
        "allowedLobbyAdmitters": "organizerAndCoOrganizersAndPresenters",
        "allowMeetingChat": "limited",
        "participants": {
            "attendees": [
                {"identity": {"user": {"id": "provider-1"}}, "role": "coorganizer"},
                {"identity": {"user": {"id": "provider-2"}}, "role": "coorganizer"},
            ]
        },
    }


async def test_closing_a_meeting_switches_chat_off_and_changes_nothing_else() -> None:
    double = GraphDouble([httpx.Response(200, json={})])
    async with teams(double) as meetings:
        await meetings.close(MEETING, organizer="organizer-1")

    assert double.body() == {"allowMeetingChat": "disabled"}


@pytest.mark.parametrize(
    ("answer", "after"),
    [
        (refusal(429, "TooManyRequests", Retry_After="2.128"), 2.128),
        (refusal(503, "ServiceUnavailable", Retry_After="10"), 10.0),
        (refusal(504, "GatewayTimeout"), None),
        (httpx.Response(500, text="<html>"), None),
        (httpx.ReadTimeout("slow"), None),
        (httpx.ConnectError("away"), None),
        (httpx.RemoteProtocolError("cut"), None),
    ],
    ids=["throttled", "unavailable", "gateway", "broken", "slow", "unreachable", "cut off"],
)
async def test_a_busy_graph_is_worth_another_try_and_is_not_asked_again_at_once(
    answer: httpx.Response | Exception, after: float | None
) -> None:
    double = GraphDouble([answer])
    async with teams(double) as meetings:
        with pytest.raises(TryAgain) as busy:
            await make(meetings)

    assert busy.value.after == after
    assert len(double.requests) == 1


NO_POLICY = "No application access policy found for this app: a on the user: susan.carter@lamna.example."


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (refusal(403, "Forbidden", NO_POLICY), "no-access-policy"),
        (refusal(403, "Forbidden", "susan.carter@lamna.example has no licence"), "Forbidden"),
        (refusal(404, "ResourceNotFound", "susan.carter@lamna.example"), "ResourceNotFound"),
        (refusal(400, "susan.carter@lamna.example", "x"), "400"),
        (httpx.Response(403, text="<html>susan.carter@lamna.example"), "403"),
        (httpx.Response(403, json=["susan.carter@lamna.example"]), "403"),
        (httpx.Response(302, headers={"Location": "https://elsewhere.example/"}), "302"),
    ],
)
async def test_a_refusal_has_a_code_and_repeats_nothing_that_graph_said(
    answer: httpx.Response, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with teams(GraphDouble([answer])) as meetings:
        with pytest.raises(TurnedDown) as refused:
            await make(meetings)

    assert refused.value.code == code
    assert "susan.carter" not in caplog.text + repr(refused.value)


@pytest.mark.parametrize("content", [{}, {"id": "m"}, {"id": 7, "joinWebUrl": JOIN}, {"joinWebUrl": JOIN}])
async def test_a_meeting_that_nobody_could_join_is_refused(content: dict[str, Any]) -> None:
    async with teams(GraphDouble([httpx.Response(201, json=content)])) as meetings:
        with pytest.raises(TurnedDown):
            await make(meetings)


async def test_the_token_goes_to_graph_only() -> None:
    double = GraphDouble([MADE])
    async with double.graph("https://graph.example") as graph:
        await make(TeamsMeetings(graph, credential=FakeCredential()))

    assert double.requests[0].url.host == "graph.example"
    assert "Authorization" in double.requests[0].headers


async def test_tenants_share_connections_but_never_a_token() -> None:
    double = GraphDouble([MADE])
    theirs = FakeCredential()
    theirs.token = "their-token"
    async with double.graph() as graph:
        await make(TeamsMeetings(graph, credential=FakeCredential()))
        await make(TeamsMeetings(graph, credential=theirs))

    sent = [one.headers["Authorization"] for one in double.requests]
    assert sent == ["Bearer a-token", "Bearer their-token"]


async def test_a_guest_address_is_used_where_the_tenant_gives_one() -> None:
    guest = "https://visit.teams.example/webrtc-svc/api/route?tid=t&convId=c"
    double = GraphDouble([MADE, httpx.Response(200, json={"value": guest})])
    async with teams(double, probe=True) as meetings:
        made = await make(meetings)

    assert (made.guest_url, made.guest_url_opens_in_browser) == (guest, True)
    assert double.asked[1][1].endswith("/getVirtualAppointmentJoinWebUrl()")


@pytest.mark.parametrize("status", [403, 404])
async def test_a_tenant_that_gives_no_guest_addresses_is_asked_once(status: int) -> None:
    double = GraphDouble([MADE, refusal(status), MADE])
    async with teams(double, probe=True) as meetings:
        first, second = await make(meetings), await make(meetings)

    assert first == second == MEETING
    assert len(double.requests) == 3


async def test_a_guest_address_that_is_late_does_not_hold_up_the_visit() -> None:
    double = GraphDouble([MADE, httpx.ReadTimeout("slow")])
    async with teams(double, probe=True) as meetings:
        assert await make(meetings) == MEETING


async def test_guests_who_may_share_present_without_admitting_anyone_and_chat_can_be_off() -> None:
    double = GraphDouble([httpx.Response(200, json={})])
    async with teams(double) as meetings:
        await set_up(meetings, guests_may=GuestsMay(chat=False, share=True))

    body = double.body()
    assert (body["allowedPresenters"], body["allowMeetingChat"]) == ("everyone", "disabled")
    assert body["allowedLobbyAdmitters"] == "organizerAndCoOrganizers"
