"""The approvals API checks, tries and lists; nothing goes live without an Epic sign-in in the session that asks."""

import json
from dataclasses import replace
from typing import Any

import azure.functions as func
import pytest

from shared.domain.environment import Environment, EnvironmentKind, EpicClient, Stage
from shared.domain.fhir_check import AddressCheck, CheckCode, Finding
from shared.domain.launch import EpicUser
from shared.domain.portal_session import EpicProof
from shared.domain.preflight import Preflight, accepted, keys_not_accepted
from shared.domain.tenant import Person
from shared.domain.words import said
from tests.fakes.hospital import (
    AVERY,
    DANA,
    ENVIRONMENT,
    FHIR,
    NOW,
    PRIYA,
    RILEY,
    TENANT,
    Hospital,
    environment,
)

PATH = f"/api/v1/environments/{ENVIRONMENT}"


def staged(stage: Stage, kind: EnvironmentKind = EnvironmentKind.PRODUCTION) -> Environment:
    one = environment(kind=kind)
    return replace(one, newest=replace(one.newest, number=2, stage=stage))


async def ask(
    hospital: Hospital, who: Person, method: str, path: str, body: object = None
) -> func.HttpResponse:
    sent = b"" if body is None else json.dumps(body).encode()
    return await hospital.app.ask(method, path, sent, {"Authorization": f"Bearer {who.object_id}"})


def content(answer: func.HttpResponse) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.get_body())
    return found


def stage_of(hospital: Hospital) -> Stage:
    return hospital.stamp.environment_rows.get(TENANT, ENVIRONMENT).value.newest.stage


async def test_an_address_is_checked_for_an_administrator() -> None:
    hospital = Hospital()
    wrong = "https://epic.lamna.example/api/FHIR/DSTU2"
    hospital.address_checker.found[wrong] = AddressCheck(
        (Finding(CheckCode.DSTU2, said("You entered a DSTU2 address.")),), suggested_url=FHIR
    )

    good = content(await ask(hospital, AVERY, "POST", "/api/v1/address-check", {"fhir_base_url": FHIR}))
    bad = content(await ask(hospital, AVERY, "POST", "/api/v1/address-check", {"fhir_base_url": wrong}))

    assert (good["ok"], good["fhir_version"], good["software_version"]) == (True, "4.0.1", "May 2030")
    assert (bad["ok"], bad["suggested_url"], bad["findings"][0]["code"]) == (False, FHIR, "dstu2")


@pytest.mark.parametrize("who", [PRIYA, RILEY, DANA])
async def test_nobody_else_has_addresses_called(who: Person) -> None:
    hospital = Hospital()

    answer = await ask(hospital, who, "POST", "/api/v1/address-check", {"fhir_base_url": FHIR})

    assert answer.status_code == 403
    assert (await ask(hospital, who, "POST", f"{PATH}/preflight")).status_code == 403
    assert not hospital.address_checker.checked


def with_keys_missing(hospital: Hospital) -> Hospital:
    hospital.preflight.says = Preflight(
        (accepted(EpicClient.PROVIDER), keys_not_accepted(EpicClient.BACKEND, "invalid_client"))
    )
    return hospital


async def test_the_preflight_names_each_client_and_changes_nothing_but_what_was_last_seen() -> None:
    hospital = with_keys_missing(Hospital(staged(Stage.DRAFT)))

    found = content(await ask(hospital, AVERY, "POST", f"{PATH}/preflight"))

    assert not found["ok"]
    assert [(one["client"], one["code"]) for one in found["clients"]] == [
        ("provider", "client-accepted"),
        ("backend", "keys-not-accepted"),
    ]
    assert hospital.writes() == {"last_checks.keep": 1}


async def test_the_last_look_is_told_and_a_new_one_is_kept() -> None:
    hospital = Hospital()

    never = content(await ask(hospital, AVERY, "GET", f"{PATH}/address-check"))
    looked = content(await ask(hospital, AVERY, "POST", f"{PATH}/address-check"))
    after = content(await ask(hospital, AVERY, "GET", f"{PATH}/address-check"))

    assert (never["at"], never["ok"]) == (None, False)
    assert (looked["ok"], looked["fhir_version"]) == (True, "4.0.1")
    assert after == looked
    assert (await ask(hospital, RILEY, "GET", f"{PATH}/address-check")).status_code == 403


async def test_approvers_are_told_again_while_something_waits() -> None:
    waiting, idle = Hospital(staged(Stage.WAITING)), Hospital()
    for hospital in (waiting, idle):
        await hospital.stamp.people(TENANT).remember(PRIYA, at=NOW)

    assert content(await ask(waiting, AVERY, "POST", f"{PATH}/reminder")) == {"mails": 1}
    assert content(await ask(idle, AVERY, "POST", f"{PATH}/reminder")) == {"mails": 0}
    assert (await ask(waiting, RILEY, "POST", f"{PATH}/reminder")).status_code == 403
    assert len(waiting.mail.sent) == 1


async def test_production_waits_for_what_is_missing_or_for_a_decision_to_ask_anyway() -> None:
    hospital = with_keys_missing(Hospital(staged(Stage.DRAFT)))

    refused = await ask(hospital, AVERY, "POST", f"{PATH}/submission", {})
    assert (refused.status_code, content(refused)["code"]) == (422, "not-accepted")
    assert stage_of(hospital) is Stage.DRAFT

    asked = await ask(hospital, AVERY, "POST", f"{PATH}/submission", {"anyway": True})
    assert content(asked)["stage"] == "waiting"


async def test_a_test_environment_is_asked_about_all_the_same() -> None:
    hospital = with_keys_missing(Hospital(staged(Stage.DRAFT, EnvironmentKind.TEST)))

    assert content(await ask(hospital, AVERY, "POST", f"{PATH}/submission"))["stage"] == "waiting"


async def test_what_waits_is_listed_for_whom_it_waits() -> None:
    hospital = Hospital(staged(Stage.WAITING))

    mine = content(await ask(hospital, PRIYA, "GET", "/api/v1/approvals"))["waiting"]

    assert [(one["environment"], one["fhir_base_url"], one["first"]) for one in mine] == [
        (ENVIRONMENT, FHIR, False)
    ]
    assert content(await ask(hospital, AVERY, "GET", "/api/v1/approvals"))["waiting"] == []


def approving(hospital: Hospital) -> dict[str, str]:
    one = hospital.stamp.environment_rows.get(TENANT, ENVIRONMENT).value
    return {"decision": "approve", "content_hash": one.newest.connection.content_hash()}


async def test_an_access_token_approves_nothing_but_may_reject() -> None:
    hospital = Hospital(staged(Stage.WAITING))

    refused = await ask(hospital, PRIYA, "POST", f"{PATH}/decision", approving(hospital))
    assert refused.status_code == 422
    assert content(refused)["errors"] == {"epic": "Sign in to Epic before you approve"}
    assert stage_of(hospital) is Stage.WAITING

    rejection = {**approving(hospital), "decision": "reject", "reason": "The wrong server."}
    assert content(await ask(hospital, PRIYA, "POST", f"{PATH}/decision", rejection))["stage"] == "rejected"


async def in_session(hospital: Hospital, proof: EpicProof | None, **headers: str) -> func.HttpResponse:
    """Approve over the API in a portal session that holds `proof`."""
    browser = hospital.browser(PRIYA)
    sessions = hospital.stamp.portal_sessions
    [id_hash] = [key[0] for key in sessions.table.rows]
    await sessions.change(id_hash, lambda one: replace(one, proof=proof))
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    return await hospital.app.ask(
        "POST",
        f"{PATH}/decision",
        json.dumps(approving(hospital)).encode(),
        {"Cookie": cookies, "X-CSRF-Token": await browser.csrf(), **headers},
    )


async def test_a_session_with_a_fresh_proof_approves() -> None:
    hospital = Hospital(staged(Stage.WAITING))
    proof = EpicProof(ENVIRONMENT, approving(hospital)["content_hash"], NOW)

    assert content(await in_session(hospital, proof))["stage"] == "approved"


@pytest.mark.parametrize("headers", [{"X-CSRF-Token": ""}, {"Sec-Fetch-Site": "cross-site"}])
async def test_a_session_alone_is_not_enough_from_another_site(headers: dict[str, str]) -> None:
    hospital = Hospital(staged(Stage.WAITING))
    proof = EpicProof(ENVIRONMENT, approving(hospital)["content_hash"], NOW)

    assert (await in_session(hospital, proof, **headers)).status_code == 403
    assert stage_of(hospital) is Stage.WAITING


async def test_a_session_without_a_proof_approves_nothing() -> None:
    hospital = Hospital(staged(Stage.WAITING))
    hospital.smart.users["good"] = EpicUser("Practitioner", "pr-1", FHIR)

    assert (await in_session(hospital, None)).status_code == 422
    assert stage_of(hospital) is Stage.WAITING
