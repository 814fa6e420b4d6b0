"""Sandbox Epic's status service takes what is meant for it, refuses the rest, and shows it in the schedule."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from sandbox.epic.state import CLIENT_IDS, ClientKind
from tests.sandbox.epic_stage import Stage, stage

PATH = "/epic/test/api/epic/2018/Telehealth/ContextLinking/SetExternalConnectionStatus"
PATIENT = ("165790", "2")
PROVIDER = ("10023", "1")


@pytest_asyncio.fixture
async def epic(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as set_up:
        yield set_up


def told(conference: str, who: tuple[str, str] = PATIENT, status: str = "1") -> dict[str, str]:
    return {
        "ConferenceID": conference,
        "ExternalID": who[0],
        "ExternalIDType": who[1],
        "VendorName": "Visit Connector",
        "ConnectionStatus": status,
    }


async def tell(
    epic: Stage, parameters: dict[str, str], *, method: str = "GET", **headers: str
) -> httpx.Response:
    if not headers:
        headers = {"Authorization": f"Bearer {await epic.backend_token()}"}
    return await epic.browser.request(method, PATH, params=parameters, headers=headers)


def basic(epic: Stage, password: str = "") -> str:
    rules = epic.instance.rules
    login = f"emp${rules.basic_user}:{password or rules.basic_password}"
    return f"Basic {base64.b64encode(login.encode()).decode()}"


async def status_of(epic: Stage) -> str:
    (visit,) = (await epic.browser.get("/api/visits")).json()
    return str(visit["status"])


async def test_the_schedule_shows_who_is_connected(epic: Stage) -> None:
    csn = epic.desk.book().booking.csn
    seen = [await status_of(epic)]

    for who, status in ((PATIENT, "1"), (PROVIDER, "1"), (PROVIDER, "2"), (PATIENT, "2")):
        assert (await tell(epic, told(csn, who, status))).status_code == 200
        seen.append(await status_of(epic))

    assert seen == ["Scheduled", "Patient connected", "In progress", "Patient connected", "Both disconnected"]
    listed = (await epic.browser.get("/api/write-backs")).json()
    assert [(one["who"], one["status_meaning"]) for one in listed] == [
        ("patient", "connected"),
        ("provider", "connected"),
        ("provider", "disconnected"),
        ("patient", "disconnected"),
    ]
    assert all(one["accepted"] for one in listed)


async def test_who_acts_for_a_patient_counts_as_the_patient(epic: Stage) -> None:
    csn = epic.desk.book(patient="theo").booking.csn

    await tell(epic, told(csn, ("165856", "2")))

    assert await status_of(epic) == "Patient connected"


async def test_a_status_may_come_from_a_user_with_a_password(epic: Stage) -> None:
    csn = epic.desk.book().booking.csn
    client = CLIENT_IDS["test"][ClientKind.BACKEND]

    good = await tell(epic, told(csn), **{"Authorization": basic(epic), "Epic-Client-ID": client})
    anonymous = await tell(epic, told(csn), Authorization=basic(epic))
    guessed = await tell(epic, told(csn), **{"Authorization": basic(epic, "guess"), "Epic-Client-ID": client})

    assert [good.status_code, anonymous.status_code, guessed.status_code] == [200, 401, 401]


@pytest.mark.parametrize("authorization", ["", "Bearer made-up"])
async def test_without_proof_nothing_is_taken(epic: Stage, authorization: str) -> None:
    csn = epic.desk.book().booking.csn

    assert (await tell(epic, told(csn), Authorization=authorization)).status_code == 401
    assert await status_of(epic) == "Scheduled"


async def test_a_launchs_token_does_not_reach_the_service(epic: Stage) -> None:
    csn = epic.desk.book().booking.csn
    launch = await epic.launch(csn)

    refused = await tell(epic, told(csn), Authorization=f"Bearer {launch['access_token']}")

    assert (refused.status_code, refused.content) == (403, b"")
    assert refused.headers["www-authenticate"] == 'Bearer error="insufficient_scope"'


async def test_a_client_that_is_not_entitled_gets_a_403_without_a_body(epic: Stage) -> None:
    csn = epic.desk.book().booking.csn
    await epic.browser.post("/api/epic/rules", json={"entitled": False})

    refused = await tell(epic, told(csn))

    assert (refused.status_code, refused.content) == (403, b"")
    (listed,) = (await epic.browser.get("/api/write-backs")).json()
    assert (listed["accepted"], listed["reason"]) == (False, "not entitled")


async def test_post_is_refused_unless_the_site_allows_it(epic: Stage) -> None:
    csn = epic.desk.book().booking.csn

    refused = await tell(epic, told(csn), method="POST")
    await epic.browser.post("/api/epic/rules", json={"post_allowed": True})
    taken = await tell(epic, told(csn), method="POST")

    assert (refused.status_code, refused.headers["allow"]) == (405, "GET")
    assert taken.status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"ConferenceID": "404"},
        {"ConferenceID": ""},
        {"ExternalID": "404"},
        {"ExternalIDType": "9"},
        {"ConnectionStatus": "9"},
        {"ExternalIDType": ""},
        {"VendorName": ""},
        {"SessionID": "1"},
    ],
    ids=[
        "an unknown visit",
        "no visit",
        "a person who is not of this visit",
        "an unknown type of id",
        "an unknown status",
        "no type of id",
        "no vendor",
        "a parameter that does not exist",
    ],
)
async def test_a_call_that_cannot_be_understood_is_refused_in_words(
    epic: Stage, changes: dict[str, str]
) -> None:
    csn = epic.desk.book().booking.csn

    refused = await tell(epic, {**told(csn), **changes})

    assert refused.status_code == 400
    assert refused.json()["Message"]
    assert await status_of(epic) == "Scheduled"
    (listed,) = (await epic.browser.get("/api/write-backs")).json()
    assert not listed["accepted"]


async def test_a_moved_visit_is_known_by_its_new_number_only(epic: Stage) -> None:
    old = epic.desk.book().booking.csn
    new = epic.desk.reschedule(old, start=epic.now[0]).booking.csn

    assert (await tell(epic, told(old))).status_code == 400
    assert (await tell(epic, told(new))).status_code == 200


async def test_a_site_can_give_the_values_other_meanings(epic: Stage) -> None:
    csn = epic.desk.book().booking.csn
    await epic.browser.post(
        "/api/epic/rules",
        json={"statuses": {"C": "connected", "D": "disconnected"}, "id_types": {"MYCHART": "patient"}},
    )

    answer = await tell(epic, told(csn, ("165790", "MYCHART"), "D"))

    assert answer.status_code == 200
    assert await status_of(epic) == "Patient disconnected"


async def test_a_site_can_do_without_the_type_of_an_id(epic: Stage) -> None:
    csn = epic.desk.book().booking.csn
    await epic.browser.post("/api/epic/rules", json={"id_type_needed": False})
    parameters = {name: value for name, value in told(csn).items() if name != "ExternalIDType"}

    assert (await tell(epic, parameters)).status_code == 200
    assert await status_of(epic) == "Patient connected"


async def test_in_a_group_one_patients_status_is_not_anothers(epic: Stage) -> None:
    epic.desk.book(patient="elena", conference="880001")
    epic.desk.book(patient="jordan", conference="880001")

    await tell(epic, told("880001"))

    visits = (await epic.browser.get("/api/visits")).json()
    assert [one["patient_connection"] for one in visits] == ["connected", "not connected"]
