"""The app's own Epic clients and its message reader get along with sandbox Epic, without knowing that it is one."""

import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio

from sandbox.epic.schedule import Booking
from sandbox.epic.state import CLIENT_IDS
from shared.clients.epic_backend import BackendTokens
from shared.clients.epic_smart import EpicSmart
from shared.clients.epic_status import EpicStatus
from shared.clients.key_material import SmartKey
from shared.clients.published_keys import PublishedKeys
from shared.domain.appointment import Event, SchedulingMessage
from shared.domain.environment import (
    Connection,
    EnvironmentId,
    EnvironmentKind,
    EpicClient,
    Feed,
    LiveEnvironment,
    Operation,
    WriteBackTarget,
)
from shared.domain.launch import Launch, LaunchContext, LaunchRole
from shared.domain.participant import ParticipantRole
from shared.domain.tenant import TenantId
from shared.domain.visit import ExternalId, Fact, FactKind
from shared.hl7v2.dedupe import dedupe_key
from shared.hl7v2.header import read_header
from shared.hl7v2.message import parse
from shared.hl7v2.scheduling import read_scheduling
from tests.sandbox.epic_stage import CALLBACK, ENVIRONMENT, KEY, STATE, VERIFIER, Stage, stage

FEED = Feed("America/Los_Angeles", external_id_type="MYCHART", video_visit_types=frozenset({"VIDEO VISIT"}))


@pytest_asyncio.fixture
async def epic(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as set_up:
        yield set_up


async def smart_keys(environment: EnvironmentId, client: EpicClient) -> SmartKey:
    return SmartKey("k1", KEY)


async def no_secret(name: str) -> str:
    raise LookupError(name)


def smart_of(epic: Stage) -> EpicSmart:
    def now() -> datetime:
        return epic.now[0]

    keys = PublishedKeys(epic.browser, now=now)
    return EpicSmart(epic.browser, smart_keys=smart_keys, keys=keys, now=now, new_id=secrets.token_hex)


async def environment_at(epic: Stage) -> LiveEnvironment:
    """An environment connected to the stage, its addresses discovered as the portal does."""
    clients = {EpicClient(kind): id for kind, id in CLIENT_IDS["test"].items()}
    base = epic.instance.fhir_base
    found = await smart_of(epic).discover(base, client_id=clients[EpicClient.PROVIDER])
    status = f"{epic.instance.url}/api/epic/2018/Telehealth/ContextLinking/SetExternalConnectionStatus"
    return LiveEnvironment(
        id=EnvironmentId(ENVIRONMENT),
        tenant=TenantId("11111111-aaaa-4aaa-8aaa-000000000001"),
        kind=EnvironmentKind.TEST,
        connection=Connection(
            fhir_base_url=base,
            clients=clients,
            approvers=("x",),
            write_back=WriteBackTarget(status),
            authorize_url=found["authorize_url"],
            token_url=found["token_url"],
            issuer=found["issuer"],
            keys_url=found["keys_url"],
        ),
        operation=Operation("Lamna Healthcare", "+12065550100", FEED),
        operation_version=1,
    )


async def launched(epic: Stage, booking: Booking, role: str, *, person: str = "") -> LaunchContext:
    """One launch by the app's own client, from the address it makes to what it reads."""
    given, smart = await environment_at(epic), smart_of(epic)
    client = EpicClient(role)
    launch = Launch(
        state_hash="h",
        browser_hash="b",
        tenant=given.tenant,
        environment=given.id,
        role=LaunchRole(role),
        verifier=VERIFIER,
        nonce="nonce-1",
        redirect_uri=CALLBACK,
        begun_at=epic.now[0],
    )
    url = smart.authorize_url(
        given.connection,
        client,
        launch,
        epic_launch=epic.launch_token(booking.csn, role=role, person=person),
        state=STATE,
    )
    back = await epic.browser.get(url)
    answer = parse_qs(urlsplit(back.headers["location"]).query)
    return await smart.exchange(given, client, launch, code=answer["code"][0])


async def test_a_clinicians_launch_says_which_visit_and_where(epic: Stage) -> None:
    booking = epic.desk.book().booking

    context = await launched(epic, booking, "provider")

    assert (context.role, context.session) == (LaunchRole.PROVIDER, booking.csn)
    assert (context.environment, context.department) == (ENVIRONMENT, "10501")
    assert (context.external_id, context.external_id_type) == ("10023", "1")
    assert context.username == "SCARTER"


@pytest.mark.parametrize(("person", "external_id"), [("", "165823"), ("proxy", "165856")])
async def test_a_patients_launch_says_who_came(epic: Stage, person: str, external_id: str) -> None:
    booking = epic.desk.book(patient="theo").booking

    context = await launched(epic, booking, "patient", person=person)

    assert (context.role, context.session) == (LaunchRole.PATIENT, booking.csn)
    assert context.external_id == external_id


async def test_a_record_without_a_session_leads_to_the_csn_of_the_appointment(epic: Stage) -> None:
    epic.connect(provider=f"environment={ENVIRONMENT}")
    booking = epic.desk.book().booking

    assert (await launched(epic, booking, "provider")).session == booking.csn


async def test_a_fact_about_a_visit_reaches_the_schedule(epic: Stage) -> None:
    booking = epic.desk.book().booking

    def now() -> datetime:
        return epic.now[0]

    tokens = BackendTokens(epic.browser, smart_keys=smart_keys, now=now, new_id=secrets.token_hex)
    status = EpicStatus(epic.browser, tokens=tokens, secret=no_secret, now=now)
    await status.tell(
        await environment_at(epic),
        Fact(1, "patient", ParticipantRole.PATIENT, FactKind.CONNECTED, epic.now[0]),
        session=booking.csn,
        external_id=ExternalId("165790", "2"),
    )

    (visit,) = (await epic.browser.get("/api/visits")).json()
    assert visit["status"] == "Patient connected"


async def read(epic: Stage) -> list[Any]:
    await epic.instance.engine.answered()
    found = []
    for request in epic.connector.received:
        header = read_header(request.content, charset="utf-8")
        message = parse(request.content, header)
        found.append(
            read_scheduling(message, FEED, header=header, dedupe_key=dedupe_key(header, request.content))
        )
    return found


async def test_the_app_reads_a_booking_as_it_was_meant(epic: Stage) -> None:
    start = datetime(2027, 7, 15, 21, 30, tzinfo=UTC)
    booking = epic.desk.book(start=start, minutes=20).booking

    (message,) = await read(epic)

    assert isinstance(message, SchedulingMessage)
    assert (message.event, message.csn, message.starts_at) == (Event.BOOKED, booking.csn, start)
    assert (message.minutes, message.by_video, message.confidential) == (20, True, False)
    assert message.phone is not None
    assert message.phone.e164 == "+12065550142"
    assert (message.language, message.department, message.external_id) == ("es", "10501", "165790")
    assert "10023" in message.providers
    assert message.sent_at == epic.now[0]


async def test_the_app_recognises_a_moved_visit_by_its_old_number(epic: Stage) -> None:
    first = epic.desk.book().booking.csn
    second = epic.desk.reschedule(first, start=epic.now[0]).booking.csn
    epic.desk.cancel(second)

    _, moved, ended = await read(epic)

    assert (moved.event, moved.csn) == (Event.MOVED, second)
    assert first in moved.aliases
    assert ended.event is Event.CANCELLED


@pytest.mark.parametrize(
    ("booked", "fact"),
    [
        ({"kind": "in-person"}, ("by_video", False)),
        ({"patient": "sam"}, ("confidential", True)),
        ({"patient": "mei"}, ("language", "zh-Hant-TW")),
    ],
    ids=["in person", "a restricted record", "Chinese"],
)
async def test_the_app_reads_what_decides_about_texts(
    epic: Stage, booked: dict[str, str], fact: tuple[str, object]
) -> None:
    epic.desk.book(**booked)  # type: ignore[arg-type]

    (message,) = await read(epic)

    assert getattr(message, fact[0]) == fact[1]


async def test_an_operation_is_never_a_video_visit(epic: Stage) -> None:
    epic.desk.book(kind="surgery", minutes=90, department="10590")

    (message,) = await read(epic)

    assert not message.by_video
    assert message.minutes == 90
