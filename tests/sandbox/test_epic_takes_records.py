"""The sandbox's Epic takes the integration records exactly as the app renders them, and its launches follow them."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from sandbox.epic.desk import LaunchRole
from sandbox.epic.records import BadRecord
from sandbox.epic.state import CLIENT_IDS, ClientKind
from shared.domain.environment import (
    Connection,
    ConnectionVersion,
    Environment,
    EnvironmentId,
    EnvironmentKind,
    EpicClient,
    Feed,
    Operation,
)
from shared.domain.environment import (
    Stage as Approval,
)
from shared.domain.integration_record import records_of, sample_link
from shared.domain.tenant import TenantId
from shared.integration_records import record_book
from tests.sandbox.epic_stage import ENVIRONMENT, A, Stage, stage


@pytest.fixture
async def epic(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as ready:
        yield ready


def connection(epic: Stage) -> Connection:
    clients = {EpicClient(kind.value): id for kind, id in CLIENT_IDS["test"].items()}
    return Connection(epic.instance.fhir_base, clients, ("priya",))


def rendered(epic: Stage, *, app: str = A) -> dict[str, str]:
    """Each record as "Copy all" copies it."""
    version = ConnectionVersion(1, connection(epic), Approval.APPROVED, "avery", epic.now[0])
    one = Environment(
        EnvironmentId(ENVIRONMENT),
        TenantId("t"),
        EnvironmentKind.TEST,
        version,
        version,
        Operation("Lamna Healthcare", "+12065550100", Feed("America/New_York")),
        1,
        "avery",
        epic.now[0],
    )
    records = records_of(one, connection=version.connection, book=record_book(), app=app)
    return {record.kind: record.lines() for record in records}


async def test_the_records_are_taken_as_they_are(epic: Stage) -> None:
    epic.desk.enter(rendered(epic, app="http://app.example"))

    assert epic.instance.engine.url == f"http://app.example/hl7v2/{ENVIRONMENT}"
    client = epic.instance.client_of(ClientKind.PATIENT)
    assert client.jwks_url == f"http://app.example/keys/{ENVIRONMENT}/patient/.well-known/jwks.json"
    assert "http://app.example/launch/callback" in client.redirect_uris


@pytest.mark.parametrize("role", list(LaunchRole))
async def test_a_launch_opens_the_address_of_its_record(epic: Stage, role: LaunchRole) -> None:
    epic.desk.enter(rendered(epic, app="http://app.example"))

    url = epic.desk.launch_url(epic.desk.book().booking.csn, role=role)

    assert url.startswith(f"http://app.example/launch/{ENVIRONMENT}/{role}?")


async def test_epic_fills_in_what_stands_between_percent_signs(epic: Stage) -> None:
    epic.desk.enter(rendered(epic))
    booking = epic.desk.book().booking

    answer = (await epic.redeem(await epic.code(epic.launch_token(booking.csn)))).json()

    assert (answer["sessionId"], answer["csn"]) == (booking.csn, booking.csn)
    assert answer["environment"] == ENVIRONMENT
    assert answer["departmentId"] == booking.department.id
    assert answer["externalId"]


async def test_a_group_is_launched_by_its_own_record(epic: Stage) -> None:
    epic.desk.enter(rendered(epic))
    booking = epic.desk.book(conference="C-77").booking

    answer = (await epic.redeem(await epic.code(epic.launch_token(booking.csn)))).json()

    assert (answer["sessionId"], answer["csn"]) == (booking.conference_id, booking.csn)
    assert booking.conference_id != booking.csn


async def test_a_sample_link_with_epics_own_launch_value_is_epics_own_link(epic: Stage) -> None:
    epic.desk.enter(rendered(epic))
    url = epic.desk.launch_url(epic.desk.book().booking.csn, role=LaunchRole.PROVIDER)
    launch = parse_qs(urlsplit(url).query)["launch"][0]

    link = sample_link(
        app=A,
        environment=EnvironmentId(ENVIRONMENT),
        role="provider",
        iss=epic.instance.fhir_base,
        launch=launch,
    )

    assert link == url


async def test_a_record_with_another_client_id_is_refused(epic: Stage) -> None:
    sheets = rendered(epic)
    sheets["patient"] = sheets["patient"].replace(CLIENT_IDS["test"][ClientKind.PATIENT], "another")

    with pytest.raises(BadRecord, match="client id"):
        epic.desk.enter(sheets)


@pytest.mark.parametrize("text", ["", "no name at all", "Launch URL: https://x.example/launch\n"])
async def test_half_a_record_is_refused(epic: Stage, text: str) -> None:
    answer = await epic.browser.post("/api/epic/records", json={"records": {"provider": text}})

    assert answer.status_code == 400


async def test_records_arrive_over_the_sandboxes_own_address(epic: Stage) -> None:
    answer = await epic.browser.post("/api/epic/records", json={"records": rendered(epic)})

    assert answer.status_code == 200
    assert answer.json()["connected"]["records"]["group-provider"]["sessionId"] == "%CONFERENCEID%"
