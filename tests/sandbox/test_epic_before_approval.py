"""Before an approval: the app checks sandbox Epic's address, tries its client ids, and learns who signed in."""

import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio

from sandbox.epic.state import CLIENT_IDS, ClientKind
from shared.clients.epic_check import AddressChecker
from shared.clients.epic_preflight import EpicPreflight
from shared.domain.environment import EpicClient
from shared.domain.errors import TurnedDown
from shared.domain.fhir_check import CheckCode
from shared.domain.launch import EpicUser, Launch, LaunchFailed, LaunchFailure, LaunchRole
from shared.domain.preflight import Preflight, PreflightCode
from tests.sandbox.epic_stage import CALLBACK, STATE, VERIFIER, Stage, stage
from tests.sandbox.test_epic_meets_the_app import environment_at, smart_keys, smart_of

HOST = "sandbox.example"


@pytest_asyncio.fixture
async def epic(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as set_up:
        yield set_up


@pytest_asyncio.fixture
async def unconnected(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path, connected=False) as set_up:
        yield set_up


def checker(epic: Stage) -> AddressChecker:
    return AddressChecker(epic.browser, smart=smart_of(epic), private_hosts={HOST})


async def test_the_sandbox_passes_the_check_of_its_address(epic: Stage) -> None:
    found = await checker(epic).check(epic.instance.fhir_base)

    assert found.ok, found.problem
    assert found.fhir_version == "4.0.1"
    assert found.software.name == "Epic (sandbox)"
    assert [one.code for one in found.findings] == [
        CheckCode.FHIR_FOUND,
        CheckCode.SIGN_IN_FOUND,
        CheckCode.EPIC_NEW_ENOUGH,
    ]


@pytest.mark.parametrize("pasted", ["/api/FHIR/R4/metadata", "/api/FHIR/DSTU2", "/api/FHIR"])
async def test_a_mistyped_address_leads_to_the_right_one(epic: Stage, pasted: str) -> None:
    found = await checker(epic).check(f"{epic.instance.url}{pasted}")

    assert found.suggested_url == epic.instance.fhir_base


async def tried(epic: Stage, *, redirect_uri: str = CALLBACK, **clients: str) -> dict[str, PreflightCode]:
    environment = await environment_at(epic)
    connection = replace(
        environment.connection,
        clients={**environment.connection.clients, **{EpicClient(name): id for name, id in clients.items()}},
    )
    preflight = EpicPreflight(
        epic.browser,
        smart=smart_of(epic),
        smart_keys=smart_keys,
        now=lambda: epic.now[0],
        new_id=lambda: secrets.token_hex(8),
    )
    result: Preflight = await preflight.try_clients(environment.id, connection, redirect_uri=redirect_uri)
    assert result.ok is all(one.code is PreflightCode.ACCEPTED for one in result.results)
    return {one.client.value: one.code for one in result.results}


async def test_an_environment_that_epic_knows_is_accepted_in_all_three_clients(epic: Stage) -> None:
    assert set((await tried(epic)).values()) == {PreflightCode.ACCEPTED}


async def test_looking_at_the_sign_in_page_signs_nobody_in(epic: Stage) -> None:
    await tried(epic)

    assert not epic.instance.codes


async def test_before_epic_is_told_of_the_app_nothing_is_accepted(unconnected: Stage) -> None:
    assert await tried(unconnected) == {
        "provider": PreflightCode.NOT_ACCEPTED,
        "patient": PreflightCode.NOT_ACCEPTED,
        "backend": PreflightCode.KEYS_NOT_ACCEPTED,
    }


async def test_keys_that_are_not_synced_are_named_with_what_to_expect(epic: Stage) -> None:
    epic.instance.signing_in.keys_synced = False

    assert (await tried(epic))["backend"] is PreflightCode.KEYS_NOT_ACCEPTED


async def test_another_redirect_address_is_noticed(epic: Stage) -> None:
    results = await tried(epic, redirect_uri="http://elsewhere.example/launch/callback")

    assert (results["provider"], results["patient"]) == (PreflightCode.NOT_ACCEPTED,) * 2


@pytest.mark.parametrize("client", ["provider", "patient"])
async def test_a_client_id_that_epic_does_not_know_is_noticed(epic: Stage, client: str) -> None:
    results = await tried(epic, **{client: "no-such-client"})

    assert [name for name, code in results.items() if code is not PreflightCode.ACCEPTED] == [client]


async def test_a_backend_id_of_an_app_for_people_is_noticed(epic: Stage) -> None:
    results = await tried(epic, backend=CLIENT_IDS["test"][ClientKind.PROVIDER])

    assert results["backend"] is PreflightCode.NOT_A_BACKEND


async def test_a_missing_client_id_is_asked_for(epic: Stage) -> None:
    assert set((await tried(epic, provider="", patient="", backend="")).values()) == {PreflightCode.MISSING}


async def signed_in(epic: Stage, person: str, *, nonce: str = "nonce-1") -> EpicUser:
    """Sign in through the sandbox's page, as an approver does, and redeem what comes back."""
    environment, smart = await environment_at(epic), smart_of(epic)
    launch = Launch(
        state_hash="h",
        browser_hash="b",
        tenant=environment.tenant,
        environment=environment.id,
        role=LaunchRole.APPROVAL,
        verifier=VERIFIER,
        nonce="nonce-1",
        redirect_uri=CALLBACK,
        begun_at=epic.now[0],
    )
    url = smart.authorize_url(
        environment.connection, EpicClient.PROVIDER, launch, epic_launch="", state=STATE
    )
    page = (await epic.browser.get(url)).text
    links = [one.replace("&amp;", "&") for one in re.findall(r'href="(/epic/[^"]*sign-in[^"]*)"', page)]
    back = await epic.browser.get(next(one for one in links if one.endswith(f"person={person}")))
    code = parse_qs(urlsplit(back.headers["location"]).query)["code"][0]
    return await smart.identify(environment, EpicClient.PROVIDER, replace(launch, nonce=nonce), code=code)


@pytest.mark.parametrize(
    ("person", "kind"), [("priya", "Practitioner"), ("elena", "Patient"), ("amara", "RelatedPerson")]
)
async def test_epic_says_what_kind_of_person_signed_in_and_where(epic: Stage, person: str, kind: str) -> None:
    user = await signed_in(epic, person)

    assert (user.kind, user.server) == (kind, epic.instance.fhir_base)


async def test_nothing_is_read_at_epic_when_an_approver_signs_in(epic: Stage) -> None:
    await signed_in(epic, "priya")

    assert not [what for what, _ in epic.log if "FHIR" in what]


async def test_an_answer_from_another_epic_is_known_as_such(epic: Stage) -> None:
    epic.instance.signing_in.other_epic = True

    with pytest.raises(LaunchFailed) as failed:
        await signed_in(epic, "priya")

    assert failed.value.cause is LaunchFailure.WRONG_EPIC


async def test_an_answer_to_somebody_elses_question_proves_nothing(epic: Stage) -> None:
    with pytest.raises(LaunchFailed) as failed:
        await signed_in(epic, "priya", nonce="of-another-launch")

    assert failed.value.cause is LaunchFailure.EPIC_SAID_NO


async def test_keys_that_are_not_synced_end_in_epics_own_code(epic: Stage) -> None:
    epic.instance.signing_in.keys_synced = False

    with pytest.raises(TurnedDown) as refused:
        await signed_in(epic, "priya")

    assert refused.value.code == "invalid_client"
