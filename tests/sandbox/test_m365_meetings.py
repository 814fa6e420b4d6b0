"""Sandbox Graph keeps meetings as strictly as the documents say: what is not in the contract is refused."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

import pytest
import pytest_asyncio

from sandbox.graph import CONTRACT
from sandbox.world import OTHER_TENANT, USERS
from tests.sandbox.m365_stage import SUSAN, VISITS, Stage, stage

PATH = f"/users/{VISITS}/onlineMeetings"


@pytest_asyncio.fixture
async def m365(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as one:
        yield one


async def test_a_meeting_is_made_once_and_found_unchanged(m365: Stage) -> None:
    body = {"externalId": "visit-1", "subject": "First", "startDateTime": "2027-01-15T18:00:00Z"}

    first = await m365.graph("POST", f"{PATH}/createOrGet", body)
    second = await m365.graph("POST", f"{PATH}/createOrGet", {**body, "subject": "Second"})
    by_other = await m365.graph("POST", f"/users/{SUSAN}/onlineMeetings/createOrGet", body)

    assert (first.status_code, second.status_code, by_other.status_code) == (201, 200, 201)
    assert second.json()["id"] == first.json()["id"] != by_other.json()["id"]
    assert second.json()["subject"] == "First"
    assert first.json()["endDateTime"] == "2027-01-15T19:00:00.0000000Z"


async def test_an_answer_fits_the_contract_and_the_link_holds_encoded_parts(m365: Stage) -> None:
    made = await m365.meeting()

    assert CONTRACT.problems("meeting", made) == []
    assert "19%3ameeting_" in made["joinWebUrl"]
    assert unquote(made["joinWebUrl"]) != made["joinWebUrl"]
    assert made["participants"]["organizer"]["identity"]["user"]["id"] == VISITS


@pytest.mark.parametrize(
    "more",
    [
        {"lobbyBypassSettings": {"scope": "organizer"}},
        {"allowedPresenters": "organizer"},
        {"meetingType": "scheduled"},
        {"participants": {"attendees": [{"identity": {"user": {"oid": "x"}}}]}},
        {"startDateTime": "2027-01-15T18:00:00"},
        {"endDateTime": "2027-01-15T18:00:00Z"},
        {"startDateTime": "2027-01-15T18:00:00Z", "endDateTime": "2027-01-15T17:00:00Z"},
        {"externalId": None},
    ],
    ids=[
        "lobby",
        "presenters",
        "type",
        "unknown deep inside",
        "no offset",
        "end without start",
        "end before start",
        "no external id",
    ],
)
async def test_create_or_get_accepts_its_six_properties_only(m365: Stage, more: dict[str, object]) -> None:
    answer = await m365.graph("POST", f"{PATH}/createOrGet", {"externalId": "visit-1", **more})

    assert answer.status_code == 400
    assert CONTRACT.problems("error", answer.json()) == []
    assert len(await m365.refusals()) == 1
    assert (await m365.browser.get("/api/meetings")).json() == []


async def test_a_lapsed_meeting_is_made_anew(m365: Stage) -> None:
    first = await m365.meeting()
    m365.later(days=62)

    again = await m365.meeting()

    assert again["id"] != first["id"]


async def test_lobby_roles_and_times_are_set_afterwards(m365: Stage) -> None:
    attendee = {"identity": {"user": {"id": SUSAN}}, "role": "coorganizer"}
    made = await m365.meeting(
        lobbyBypassSettings={"scope": "invited", "isDialInBypassEnabled": False},
        participants={"attendees": [attendee]},
        allowMeetingChat="limited",
        startDateTime="2027-01-16T18:00:00Z",
        endDateTime="2027-01-16T18:30:00Z",
    )

    read = (await m365.graph("GET", f"{PATH}/{made['id']}")).json()
    shown = (await m365.browser.get("/api/meetings")).json()[0]

    assert read["lobbyBypassSettings"] == {"scope": "invited", "isDialInBypassEnabled": False}
    assert read["participants"]["attendees"] == [attendee]
    assert read["joinWebUrl"] == made["joinWebUrl"]
    assert shown["lobby"] == "invited"
    assert shown["co_organizers"] == [USERS["susan"].address]
    assert datetime.fromisoformat(shown["start"]) == datetime(2027, 1, 16, 18, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "changes",
    [
        {"joinWebUrl": "http://elsewhere.example"},
        {"lobbyBypassSettings": {"scope": "nobody"}},
        {"startDateTime": "2027-01-16T18:00:00Z"},
        {"allowedPresenters": "roleIsPresenter"},
        {"participants": {"attendees": [{"identity": {"user": {"id": "outsider"}}, "role": "coorganizer"}]}},
        {"joinMeetingIdSettings": {"isPasscodeRequired": False}},
    ],
    ids=["read-only", "not in the list", "start alone", "presenters without any", "outsider", "immutable"],
)
async def test_a_change_outside_the_contract_changes_nothing(m365: Stage, changes: dict[str, object]) -> None:
    made = await m365.meeting()

    answer = await m365.graph("PATCH", f"{PATH}/{made['id']}", changes)

    assert answer.status_code == 400
    assert (await m365.graph("GET", f"{PATH}/{made['id']}")).json() == made


async def test_a_meeting_is_found_by_its_link_and_gone_once_deleted(m365: Stage) -> None:
    made = await m365.meeting()
    where = {"$filter": f"JoinWebUrl eq '{made['joinWebUrl']}'"}
    headers = {"Authorization": f"Bearer {m365.graph_token()}"}

    found = await m365.browser.get(f"/graph/v1.0{PATH}", params=where, headers=headers)
    deleted = await m365.graph("DELETE", f"{PATH}/{made['id']}")
    after = await m365.graph("GET", f"{PATH}/{made['id']}")

    assert [one["id"] for one in found.json()["value"]] == [made["id"]]
    assert (deleted.status_code, after.status_code) == (204, 404)


async def test_without_an_access_policy_the_app_may_not_act_for_the_user(m365: Stage) -> None:
    await m365.browser.post("/api/switches", json={"access_policy": [SUSAN]})

    answer = await m365.graph("POST", f"{PATH}/createOrGet", {"externalId": "visit-1"})

    assert answer.status_code == 403
    assert answer.json()["error"]["message"].startswith("No application access policy found for this app")


async def test_a_token_needs_the_right_audience_role_and_tenant(m365: Stage) -> None:
    tokens = m365.sandbox.tokens
    outcomes = [
        (await m365.graph("GET", f"{PATH}/x", token=token)).status_code
        for token in (
            "not-a-token",
            tokens.for_person(USERS["avery"]),
            m365.graph_token(("User.ReadBasic.All",)),
            m365.graph_token(tenant=OTHER_TENANT),
            m365.graph_token(),
        )
    ]
    m365.later(hours=2)
    late = m365.graph_token()
    m365.later(hours=2)
    outcomes.append((await m365.graph("GET", f"{PATH}/x", token=late)).status_code)

    assert outcomes == [401, 401, 403, 404, 404, 401]


async def test_a_guest_address_is_given_only_when_the_tenant_allows_it(m365: Stage) -> None:
    made = await m365.meeting()
    path = f"{PATH}/{made['id']}/getVirtualAppointmentJoinWebUrl()"

    before = await m365.graph("GET", path)
    await m365.browser.post("/api/switches", json={"guest_url": True})
    after = await m365.graph("GET", path)
    page = await m365.browser.get(after.json()["value"], follow_redirects=True)

    assert before.status_code == 403
    assert "Join the meeting" in page.text


async def test_a_user_is_looked_up_by_object_id_or_address(m365: Stage) -> None:
    by_id = await m365.graph("GET", f"/users/{SUSAN}?$select=id,displayName")
    by_address = await m365.graph("GET", f"/users/{USERS['susan'].address}")
    unknown = await m365.graph("GET", "/users/susan")
    wrong = await m365.graph("GET", f"/users/{SUSAN}?$select=shoeSize")

    assert by_id.json() == {"id": SUSAN, "displayName": "Susan Carter"}
    assert by_address.json()["id"] == SUSAN
    assert (unknown.status_code, wrong.status_code) == (404, 400)
