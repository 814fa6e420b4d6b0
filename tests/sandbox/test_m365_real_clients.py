"""Microsoft's own clients and the app's work with the sandbox unchanged, over real ports and real TLS."""

import json
import os
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest_asyncio
from azure.communication.phonenumbers import (
    PhoneNumberAssignmentType,
    PhoneNumberCapabilities,
    PhoneNumberCapabilityType,
    PhoneNumberType,
)
from azure.communication.phonenumbers.aio import PhoneNumbersClient
from azure.communication.sms.aio import SmsClient
from azure.core.credentials import AccessToken, AzureKeyCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline.transport import AioHttpTransport

from sandbox.entra_tokens import GRAPH_ROLES
from sandbox.server import Sandbox
from sandbox.serving import running
from sandbox.world import ENTRA_CLIENT_ID, TENANT, USERS
from shared.clients.communication_resource import CommunicationResource
from shared.clients.credentials import TenantCredential
from shared.clients.directory import Directory
from shared.clients.entra import EntraTokens
from shared.clients.graph import Graph
from shared.clients.key_material import CallEventsKey, new_call_events_pem, read_call_events
from shared.clients.linked_numbers import LinkedNumbers
from shared.clients.mail import Mail
from shared.clients.microsoft_checks import MicrosoftChecks
from shared.clients.outside_clock import OutsideClock
from shared.clients.own_resource import OwnResource
from shared.clients.published_keys import PublishedKeys
from shared.clients.teams_call_events import TeamsCallEvents
from shared.clients.teams_meetings import TeamsMeetings
from shared.clients.teams_notifications import TeamsNotifications
from shared.clients.text_messages import TextMessages
from shared.domain.phone_number import PhoneNumber
from shared.domain.readiness import LinkedNumber
from shared.domain.roster import CallEventKind
from shared.domain.tenant import TenantId
from shared.domain.visit import GuestsMay

PATIENT = "+12065550142"
SENDER = "+18335550142"

# The settings of a local run and nothing else: what DefaultAzureCredential finds is what the app would find.
WITH_KEY_VAULT = """
import asyncio, sys
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.identity.aio import DefaultAzureCredential
from azure.keyvault.secrets.aio import SecretClient

async def main(url):
    async with DefaultAzureCredential() as credential, SecretClient(url, credential) as client:
        print((await client.get_secret("entra-client-secret")).value)
        first = await client.set_secret("data-key", "one", tags={"made": "here"})
        await client.set_secret("data-key", "two")
        print((await client.get_secret("data-key")).value)
        print((await client.get_secret("data-key", first.properties.version)).value)
        await client.update_secret_properties("data-key", first.properties.version, enabled=False)
        print([one.enabled async for one in client.list_properties_of_secret_versions("data-key")])
        for number in range(30):
            await client.set_secret(f"many-{number}", "x")
        print(len([one async for one in client.list_properties_of_secrets()]))
        await client.delete_secret("data-key")
        try:
            await client.set_secret("data-key", "three")
        except ResourceExistsError:
            print("deleted, can be recovered")
        await client.recover_deleted_secret("data-key")
        print((await client.get_secret("data-key")).value)
        await client.delete_secret("data-key")
        await client.purge_deleted_secret("data-key")
        try:
            await client.get_secret("data-key")
        except ResourceNotFoundError:
            print("gone")

asyncio.run(main(sys.argv[1]))
"""


@pytest_asyncio.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    async with running(http_port=0, tls_port=0, state_dir=tmp_path) as one:
        yield one


def now() -> datetime:
    return datetime.now(UTC)


@pytest_asyncio.fixture
async def graph(sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[tuple[Graph, TenantCredential]]:
    async def secret() -> str:
        return sandbox.world.entra_client_secret

    client = Graph(base_url=f"{sandbox.world.http}/graph", now=now)
    credential = TenantCredential(
        tenant=TenantId(TENANT),
        client_id=ENTRA_CLIENT_ID,
        authority=sandbox.world.tls,
        secret=secret,
        transport=lambda: AioHttpTransport(connection_verify=str(tmp_path / "ca-bundle.pem")),
    )
    async with credential:
        yield client, credential
    await client.close()


def test_key_vault_and_entra_answer_the_real_clients(tmp_path: Path) -> None:
    started = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--http-port", "0", "--tls-port", "0", "--state-dir", tmp_path],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert started.stdout is not None
        assert started.stdout.readline().startswith("sandbox ready")
        facts = json.loads((tmp_path / "sandbox.json").read_text(encoding="utf-8"))
        kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "HOME") if name in os.environ}
        ran = subprocess.run(
            [sys.executable, "-c", WITH_KEY_VAULT, facts["tls"]],
            env={
                **kept,
                "AZURE_TENANT_ID": facts["tenant"],
                "AZURE_CLIENT_ID": facts["entra_client_id"],
                "AZURE_CLIENT_SECRET": facts["entra_client_secret"],
                "AZURE_AUTHORITY_HOST": facts["tls"],
                "SSL_CERT_FILE": str(tmp_path / "ca-bundle.pem"),
                "NO_PROXY": "127.0.0.1",
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        started.terminate()
        started.communicate(timeout=20)

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        facts["entra_client_secret"],
        "two",
        "one",
        "[False, True]",
        "33",
        "deleted, can be recovered",
        "two",
        "gone",
    ]
    assert started.returncode == 0


async def test_the_sms_client_sends_from_a_resource_of_its_own(sandbox: Sandbox) -> None:
    key = AzureKeyCredential(sandbox.world.communication_key)
    async with SmsClient(sandbox.world.http, key) as client:
        (sent,) = await client.send(SENDER, PATIENT, "Hello", enable_delivery_report=True, tag="t")

    assert sent.successful


async def test_the_apps_text_reaches_the_phone(sandbox: Sandbox) -> None:
    async def key() -> str:
        return sandbox.world.communication_key

    client = TextMessages(
        CommunicationResource(endpoint=f"{sandbox.world.http}/communication", key=key), now=now
    )
    ids = {
        await client.send(sender=SENDER, to=PhoneNumber(PATIENT), body="Hello", tag="t", repeat_id=repeat_id)
        for repeat_id in ("0c0ffee0-0000-4000-8000-000000000001",) * 2
    }
    await client.close()
    async with httpx.AsyncClient() as http:
        texts = (await http.get(f"{sandbox.world.http}/api/texts")).json()

    assert len(ids) == len(texts) == 1
    assert (texts[0]["to"], texts[0]["body"], texts[0]["tag"]) == (PATIENT, "Hello", "t")


async def test_a_number_is_found_bought_and_given_back(sandbox: Sandbox) -> None:
    key = AzureKeyCredential(sandbox.world.communication_key)
    async with PhoneNumbersClient(sandbox.world.http, key) as client:
        search = await client.begin_search_available_phone_numbers(
            "US",
            PhoneNumberType.TOLL_FREE,
            PhoneNumberAssignmentType.APPLICATION,
            PhoneNumberCapabilities(
                calling=PhoneNumberCapabilityType.NONE, sms=PhoneNumberCapabilityType.INBOUND_OUTBOUND
            ),
            polling_interval=0,
        )
        found = await search.result()
        bought = await client.begin_purchase_phone_numbers(found.search_id, polling_interval=0)
        await bought.result()
        owned = [one.phone_number async for one in client.list_purchased_phone_numbers()]
        released = await client.begin_release_phone_number(found.phone_numbers[0], polling_interval=0)
        await released.result()
        left = [one.phone_number async for one in client.list_purchased_phone_numbers()]

    assert owned == [SENDER, *found.phone_numbers]
    assert left == [SENDER]


async def test_the_apps_meeting_is_made_once_and_set_up(
    sandbox: Sandbox, graph: tuple[Graph, TenantCredential]
) -> None:
    client, credential = graph
    meetings = TeamsMeetings(client, credential=credential, probe_guest_url=True)
    starts_at = now() + timedelta(hours=1)
    times = {"starts_at": starts_at, "ends_at": starts_at + timedelta(minutes=30)}
    organizer, subject = USERS["visits"].oid, "Video visit"

    made = [
        await meetings.make(organizer=organizer, external_id="v-1", subject=subject, **times)
        for _ in range(2)
    ]
    await meetings.set_up(
        made[0],
        organizer=organizer,
        subject=subject,
        co_organizers=frozenset({organizer, USERS["susan"].oid}),
        guests_may=GuestsMay(),
        **times,
    )
    await meetings.close(made[0], organizer=organizer)

    (kept,) = sandbox.teams.meetings.values()
    assert made[0] == made[1]
    assert (made[0].id, made[0].join_url) == (kept.id, kept.join_url)
    assert (kept.lobby, kept.settings["allowMeetingChat"]) == ("invited", "disabled")
    assert kept.passes_lobby(USERS["susan"])
    assert not kept.passes_lobby(USERS["omar"])


async def test_the_app_opens_what_graph_tells_it(
    sandbox: Sandbox, graph: tuple[Graph, TenantCredential], tmp_path: Path
) -> None:
    client, credential = graph
    key = read_call_events("key-1", new_call_events_pem(now()))
    received: list[str] = []

    def app(request: httpx.Request) -> httpx.Response:
        token = request.url.params.get("validationToken")
        if token is None:
            received.append(request.content.decode())
        return httpx.Response(202) if token is None else httpx.Response(200, text=token)

    async def cookie_key() -> bytes:
        return b"k" * 32

    await sandbox.world.client.aclose()
    sandbox.world.client = httpx.AsyncClient(transport=httpx.MockTransport(app))
    organizer = USERS["visits"]
    meeting = await TeamsMeetings(client, credential=credential).make(
        organizer=organizer.oid, external_id="v-1", subject="", starts_at=now(), ends_at=now()
    )

    async def certificate() -> CallEventsKey:
        return key

    async def key_named(_id: str) -> CallEventsKey:
        return key

    watching = TeamsCallEvents(
        client,
        credential=credential,
        public_base_url="http://127.0.0.1:7071",
        cookie_key=cookie_key,
        certificate=certificate,
        now=now,
    )
    watch = await watching.subscribe(meeting, visit="v" * 22, until=now() + timedelta(hours=5))
    taken_up = await watching.subscribe(meeting, visit="v" * 22, until=now() + timedelta(hours=6))
    (kept,) = sandbox.teams.meetings.values()
    sandbox.teams.join(kept, name="Somebody")
    sandbox.teams.join(kept, name="", user=organizer)
    await sandbox.world.settled()

    trust = ssl.create_default_context(cafile=tmp_path / "ca-bundle.pem")
    async with httpx.AsyncClient(verify=trust) as http:
        tokens = EntraTokens(
            keys=PublishedKeys(http, now=now),
            authority=sandbox.world.tls,
            client_id=ENTRA_CLIENT_ID,
            tenants=[TenantId(TENANT)],
            now=now,
        )
        reader = TeamsNotifications(tokens=tokens, key_named=key_named, now=now)
        events = [event for one in received for event in await reader.open(one, tenant=TenantId(TENANT))]
        person = await tokens.person(sandbox.tokens.for_person(USERS["avery"]))

    assert taken_up.id == watch.id
    assert [one.kind for one in events] == [
        CallEventKind.ROSTER,
        CallEventKind.STARTED,
        CallEventKind.ROSTER,
    ]
    assert [(one.object_id, one.in_lobby) for event in events for one in event.sightings] == [
        ("", True),
        (organizer.oid, False),
    ]
    assert person.object_id == USERS["avery"].oid


async def test_the_apps_looks_at_a_tenant_see_what_the_administrator_did(
    sandbox: Sandbox, graph: tuple[Graph, TenantCredential]
) -> None:
    client, credential = graph
    checks = MicrosoftChecks(client, credential=credential, client_id=ENTRA_CLIENT_ID)
    mail = Mail(client, credential=credential, mailbox="visits@lamna.example")
    people = Directory(client, credential=credential)
    organizer, priya = USERS["visits"].oid, USERS["priya"]

    await checks.sign_in()
    granted = await checks.permissions()
    before = [
        await look(organizer)
        for look in (checks.has_access_policy, checks.has_teams, checks.has_guest_addresses)
    ]
    async with httpx.AsyncClient() as http:
        changed = await http.post(
            f"{sandbox.world.http}/api/switches",
            json={
                "access_policy": [organizer],
                "unlicensed": [priya.oid],
                "guest_url": True,
                "mail_from": [],
            },
        )
    after = [await checks.has_access_policy(priya.oid), await checks.has_teams(priya.oid)]
    found = [await people.find(one) for one in (priya.address, "P.Nair@lamna.example", "sam@lamna.example")]

    assert changed.status_code == 200
    assert granted == set(GRAPH_ROLES)
    assert before == [True, True, False]
    assert after == [False, False]
    assert await checks.has_guest_addresses(organizer)
    assert not await mail.may_send()
    assert [one.object_id if one else None for one in found] == [priya.oid, priya.oid, None]


async def test_the_apps_mail_reaches_a_colleague(
    sandbox: Sandbox, graph: tuple[Graph, TenantCredential]
) -> None:
    client, credential = graph
    mail = Mail(client, credential=credential, mailbox="visits@lamna.example")

    assert await mail.may_send()
    await mail.send(to=USERS["priya"].address, subject="Waiting for you", text="Please look.")

    (sent,) = sandbox.world.mails
    assert (sent["to"], sent["subject"], sent["kept_copy"]) == (
        [USERS["priya"].address],
        "Waiting for you",
        False,
    )


async def test_the_apps_looks_at_its_own_place_see_clock_region_and_number(sandbox: Sandbox) -> None:
    async def key() -> str:
        return sandbox.world.communication_key

    class AppIdentity(AsyncTokenCredential):
        """A token as the app's identity would get it from the sandbox's Entra."""

        async def get_token(self, *scopes: str, **_kwargs: object) -> AccessToken:
            resource = scopes[0].removesuffix("/.default")
            return AccessToken(sandbox.tokens.for_app(tenant=TENANT, resource=resource, roles=()), 0)

        async def close(self) -> None: ...

        async def __aexit__(self, *_: object) -> None: ...

    base = sandbox.world.http
    numbers = LinkedNumbers(CommunicationResource(endpoint=f"{base}/communication", key=key), now=now)
    site = f"{base}/arm/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/visits"
    async with httpx.AsyncClient() as http:
        clock = await OutsideClock(http, service="Graph", url=f"{base}/graph/v1.0/").read()
        region = await OwnResource(http, url=site, identity=AppIdentity(), now=now).region()

    assert abs(clock - datetime.now(UTC)) < timedelta(seconds=60)
    assert region == "eastus2"
    assert await numbers.find(SENDER) == LinkedNumber("tollFree", sends=True)
    assert await numbers.find("+12065550199") is None
