"""A launch goes to the right Epic, comes back with proof, and says who came for which visit."""

import base64
import hashlib
import logging
from collections.abc import Mapping
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import jwt
import pytest

from shared.clients.epic_smart import EpicSmart
from shared.clients.published_keys import PublishedKeys
from shared.domain.environment import EnvironmentId, EpicClient, LiveEnvironment
from shared.domain.errors import TryAgain, TurnedDown
from shared.domain.launch import Launch, LaunchContext, LaunchFailed, LaunchFailure, LaunchRole
from shared.domain.tenant import TenantId
from tests.clients.epic_double import BASE, OAUTH, EpicDouble, environment, smart_keys
from tests.clients.signing import key_set, rsa_key, signed
from tests.fakes.clock import MONDAY_MORNING, FixedClock

LAUNCH = Launch(
    state_hash="h",
    browser_hash="b",
    tenant=TenantId("11111111-aaaa-4aaa-8aaa-000000000001"),
    environment=EnvironmentId("env-1"),
    role=LaunchRole.PROVIDER,
    verifier="v" * 64,
    nonce="nonce-1",
    redirect_uri="https://visits.example/launch/callback",
    begun_at=MONDAY_MORNING,
)
CONFIGURATION = {
    "issuer": OAUTH,
    "jwks_uri": f"{OAUTH}/jwks",
    "authorization_endpoint": f"{OAUTH}/authorize",
    "token_endpoint": f"{OAUTH}/token",
}
ENDPOINTS = {
    "authorize_url": f"{OAUTH}/authorize",
    "token_url": f"{OAUTH}/token",
    "issuer": OAUTH,
    "keys_url": f"{OAUTH}/jwks",
}
WELL_KNOWN = "/api/FHIR/R4/.well-known/smart-configuration"
METADATA = "/api/FHIR/R4/metadata"
OPENID = "/oauth2/.well-known/openid-configuration"


def smart(http: httpx.AsyncClient, **options: Any) -> EpicSmart:
    ids = count(1)
    clock = FixedClock()
    return EpicSmart(
        http,
        smart_keys=smart_keys,
        keys=PublishedKeys(http, now=clock),
        now=clock,
        new_id=lambda: f"jti-{next(ids)}",
        **options,
    )


# --- where to go ---------------------------------------------------------------------------------------------


async def discover(epic: EpicDouble, base: str = BASE) -> dict[str, str]:
    async with epic.http() as http:
        return await smart(http).discover(base, client_id="client-provider")


async def test_epic_is_asked_where_to_sign_in_and_told_who_asks() -> None:
    epic = EpicDouble({WELL_KNOWN: httpx.Response(200, json=CONFIGURATION)})

    assert await discover(epic, f"{BASE}/") == ENDPOINTS
    assert epic.paths == [WELL_KNOWN]
    assert epic.requests[0].headers["Epic-Client-ID"] == "client-provider"
    assert epic.requests[0].headers["Accept"] == "application/json"


def capability_statement(**addresses: str) -> dict[str, Any]:
    extension = {
        "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
        "extension": [{"url": name, "valueUri": address} for name, address in addresses.items()],
    }
    return {
        "resourceType": "CapabilityStatement",
        "rest": [{"security": {"extension": [{"url": "x"}, extension]}}],
    }


async def test_an_older_epic_says_it_in_its_capability_statement() -> None:
    statement = capability_statement(authorize=f"{OAUTH}/authorize", token=f"{OAUTH}/token", manage="x")
    epic = EpicDouble(
        {METADATA: httpx.Response(200, json=statement), OPENID: httpx.Response(200, json=CONFIGURATION)}
    )

    assert await discover(epic) == ENDPOINTS
    assert epic.paths == [WELL_KNOWN, METADATA, OPENID]


async def test_keys_that_are_not_named_are_looked_up_at_the_issuer() -> None:
    short = {name: CONFIGURATION[name] for name in ("authorization_endpoint", "token_endpoint")}
    epic = EpicDouble(
        {WELL_KNOWN: httpx.Response(200, json=short), OPENID: httpx.Response(200, json=CONFIGURATION)}
    )

    assert await discover(epic) == ENDPOINTS


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({}, TurnedDown),
        ({WELL_KNOWN: httpx.Response(503)}, TryAgain),
        ({WELL_KNOWN: httpx.ConnectError("away")}, TryAgain),
        ({WELL_KNOWN: httpx.Response(302, headers={"Location": "https://elsewhere.example/"})}, TurnedDown),
        ({WELL_KNOWN: httpx.Response(200, text="<html>hello</html>")}, TurnedDown),
        ({WELL_KNOWN: httpx.Response(200, json={})}, TurnedDown),
        ({METADATA: httpx.Response(200, json={"rest": "x"})}, TurnedDown),
        ({METADATA: httpx.Response(200, json=capability_statement(authorize="x"))}, TurnedDown),
    ],
    ids=["not there", "busy", "away", "redirected", "a page", "empty", "odd statement", "half a statement"],
)
async def test_what_is_no_fhir_server_with_sign_in_is_told_from_one_that_is_away(
    answers: dict[str, Any], expected: type[Exception]
) -> None:
    with pytest.raises(expected):
        await discover(EpicDouble(answers))


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("authorization_endpoint", "http://ehr.example/oauth2/authorize"),
        ("token_endpoint", "javascript:alert(1)"),
        ("token_endpoint", "/oauth2/token"),
        ("authorization_endpoint", f"{OAUTH}/authorize#x"),
        ("jwks_uri", "http://ehr.example/oauth2/jwks"),
        ("authorization_endpoint", "https://[ehr.example/authorize"),
        ("issuer", "https://ehr.example]/oauth2"),
    ],
)
async def test_sign_in_addresses_must_be_safe_ones(name: str, address: str) -> None:
    epic = EpicDouble({WELL_KNOWN: httpx.Response(200, json={**CONFIGURATION, name: address})})

    with pytest.raises(TurnedDown) as refused:
        await discover(epic)

    assert refused.value.code == "bad-address"


async def test_the_browser_is_sent_with_everything_epic_insists_on() -> None:
    async with EpicDouble().http() as http:
        url = smart(http).authorize_url(
            environment().connection,
            EpicClient.PROVIDER,
            LAUNCH,
            epic_launch="token.of.epic",
            state="state-1",
        )

    challenge = (
        base64.urlsafe_b64encode(hashlib.sha256(LAUNCH.verifier.encode()).digest()).decode().rstrip("=")
    )
    assert url.startswith(f"{OAUTH}/authorize?")
    assert dict(parse_qsl(urlsplit(url).query)) == {
        "response_type": "code",
        "client_id": "client-provider",
        "redirect_uri": "https://visits.example/launch/callback",
        "scope": "launch openid fhirUser profile",
        "state": "state-1",
        "aud": BASE,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "nonce": "nonce-1",
        "launch": "token.of.epic",
    }


async def test_without_a_launch_the_person_signs_in_at_epic() -> None:
    connection = environment(authorize_url=f"{OAUTH}/authorize?site=7").connection
    async with EpicDouble().http() as http:
        url = smart(http).authorize_url(
            connection, EpicClient.PROVIDER, LAUNCH, epic_launch="", state="state-1"
        )

    sent = dict(parse_qsl(urlsplit(url).query))
    assert sent["scope"] == "openid fhirUser profile"
    assert sent["site"] == "7"
    assert "launch" not in sent


# --- who came ------------------------------------------------------------------------------------------------

CLAIMS: dict[str, Any] = {
    "iss": OAUTH,
    "aud": "client-provider",
    "sub": "pr-1",
    "nonce": "nonce-1",
    "fhirUser": f"{BASE}/Practitioner/pr-1",
    "preferred_username": "SCARTER",
}
CONTEXT: dict[str, Any] = {
    "sessionId": "004711",
    "csn": "004711",
    "departmentId": "10501",
    "environment": "env-1",
    "externalId": "E17",
    "externalIdType": "1",
    "patient": "pat-1",
    "need_patient_banner": "false",
}


def id_token(**claims: Any) -> str:
    return signed({**CLAIMS, **claims}, at=MONDAY_MORNING)


def epic_with(
    context: dict[str, Any] | None = None,
    *,
    token: str | None = None,
    answers: Mapping[str, Any] | None = None,
) -> EpicDouble:
    told = {
        "access_token": "at-1",
        "token_type": "bearer",
        "expires_in": 3240,
        "id_token": token if token is not None else id_token(),
        **(CONTEXT if context is None else context),
    }
    return EpicDouble(
        {
            "/oauth2/token": httpx.Response(200, json=told),
            "/oauth2/jwks": httpx.Response(200, json=key_set("key-1")),
            **(answers or {}),
        }
    )


async def exchange(
    epic: EpicDouble,
    *,
    given: LiveEnvironment | None = None,
    client: EpicClient = EpicClient.PROVIDER,
    **options: Any,
) -> LaunchContext:
    async with epic.http() as http:
        return await smart(http, **options).exchange(given or environment(), client, LAUNCH, code="code-1")


async def test_a_provider_comes_with_everything_the_record_told() -> None:
    assert await exchange(epic_with()) == LaunchContext(
        role=LaunchRole.PROVIDER,
        session="004711",
        environment="env-1",
        user="Practitioner/pr-1",
        username="SCARTER",
        patient="pat-1",
        department="10501",
        external_id="E17",
        external_id_type="1",
        csn="004711",
    )


async def test_the_code_is_redeemed_with_the_verifier_and_a_signed_assertion() -> None:
    epic = epic_with()

    await exchange(epic)

    form = epic.form(0)
    assertion = form.pop("client_assertion")
    assert form == {
        "grant_type": "authorization_code",
        "code": "code-1",
        "redirect_uri": LAUNCH.redirect_uri,
        "code_verifier": LAUNCH.verifier,
        "client_id": "client-provider",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    }
    claims = jwt.decode(
        assertion,
        rsa_key("smart provider").public_key(),
        algorithms=["RS384"],
        audience=f"{OAUTH}/token",
        options={"verify_exp": False, "verify_iat": False, "verify_nbf": False},
    )
    assert (claims["iss"], claims["sub"], claims["jti"]) == ("client-provider", "client-provider", "jti-1")


@pytest.mark.parametrize(
    ("user", "role"),
    [
        (f"{BASE}/Practitioner/p", LaunchRole.PROVIDER),
        (f"{BASE}/PractitionerRole/p", LaunchRole.PROVIDER),
        (f"{BASE}/Patient/p", LaunchRole.PATIENT),
        (f"{BASE}/RelatedPerson/p", LaunchRole.PATIENT),
        ("Practitioner/p", LaunchRole.PROVIDER),
        (f"{BASE}/Practitioner/x/Patient/p", LaunchRole.PATIENT),
        (f"{BASE}/Device/p", LaunchRole.PATIENT),
        (None, LaunchRole.PATIENT),
    ],
)
async def test_only_a_practitioner_comes_as_a_provider(user: str | None, role: LaunchRole) -> None:
    assert (await exchange(epic_with(token=id_token(fhirUser=user)))).role is role


_NOW = int(MONDAY_MORNING.timestamp())


@pytest.mark.parametrize(
    "token",
    [
        id_token(iss="https://elsewhere.example"),
        id_token(aud="client-patient"),
        id_token(nonce="of-another-launch"),
        id_token(nonce=None),
        id_token(exp=_NOW - 61),
        id_token(exp=None),
        id_token(iat=_NOW + 61),
        id_token(sub=None),
        signed(CLAIMS, at=MONDAY_MORNING, key="key-2", kid="key-1"),
        signed(CLAIMS, at=MONDAY_MORNING, key="key-2"),
        signed(CLAIMS, at=MONDAY_MORNING, algorithm="HS256"),
        signed(CLAIMS, at=MONDAY_MORNING, algorithm="RS384"),
        "junk",
        "",
    ],
    ids=[
        "issuer",
        "audience",
        "nonce",
        "no nonce",
        "expired",
        "no end",
        "from the future",
        "no subject",
        "another key",
        "unknown key",
        "shared secret",
        "another algorithm",
        "junk",
        "none",
    ],
)
async def test_an_id_token_that_does_not_hold_ends_the_launch(token: str) -> None:
    with pytest.raises(LaunchFailed) as failed:
        await exchange(epic_with(token=token))

    assert failed.value.cause is LaunchFailure.EPIC_SAID_NO


async def test_a_launch_is_not_blamed_on_epic_while_its_keys_cannot_be_had() -> None:
    with pytest.raises(TryAgain):
        await exchange(epic_with(answers={"/oauth2/jwks": httpx.Response(503)}))


async def test_clocks_may_differ_by_a_minute() -> None:
    assert (await exchange(epic_with(token=id_token(exp=_NOW - 59, iat=_NOW - 360)))).session == "004711"


@pytest.mark.parametrize(
    ("answer", "expected", "code"),
    [
        (
            httpx.Response(400, json={"error": "invalid_grant", "error_description": "x"}),
            TurnedDown,
            "invalid_grant",
        ),
        (httpx.Response(400, json={"error": "susan carter"}), TurnedDown, "400"),
        (httpx.Response(401), TurnedDown, "401"),
        (httpx.Response(200, text="<html>"), TurnedDown, "not-readable"),
        (httpx.Response(503), TryAgain, None),
        (httpx.ReadTimeout("slow"), TryAgain, None),
    ],
    ids=["used code", "unknown word", "unknown client", "a page", "busy", "slow"],
)
async def test_a_code_that_is_not_redeemed_says_whether_epic_refused_or_was_away(
    answer: httpx.Response | Exception, expected: type[Exception], code: str | None
) -> None:
    with pytest.raises(expected) as problem:
        await exchange(epic_with(answers={"/oauth2/token": answer}))

    assert getattr(problem.value, "code", None) == code


async def test_a_record_may_use_names_of_its_own() -> None:
    context = await exchange(epic_with({"visitKey": "77", "externalId": "E1"}), names={"session": "visitKey"})

    assert (context.session, context.external_id) == ("77", "E1")


@pytest.mark.parametrize(
    ("told", "session"),
    [
        ({"sessionId": " 004711 "}, "004711"),
        ({"sessionId": 4711}, "4711"),
        ({"sessionId": "", "csn": "12"}, "12"),
        ({"sessionId": "%CONFERENCEID%", "csn": "12"}, "12"),
        ({"sessionId": "NONE"}, ""),
        ({"sessionId": "x" * 300}, ""),
        ({"sessionId": {"a": 1}}, ""),
        ({"sessionId": True}, ""),
        ({}, ""),
    ],
)
async def test_the_visit_is_what_the_record_named_and_nothing_odd(told: dict[str, Any], session: str) -> None:
    assert (await exchange(epic_with(told))).session == session


async def test_the_department_someone_logged_in_to_stands_in_for_a_missing_one() -> None:
    told = {**CONTEXT, "departmentId": "NONE", "loginDepartment": "10502"}

    assert (await exchange(epic_with(told))).department == "10502"


def resource(kind: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": kind,
        "id": "a-1",
        "identifier": [
            {"system": "urn:oid:1.2.840.114350.1.13.0.1.7.3.1.1", "value": "not this"},
            {
                "system": "urn:oid:1.2.840.114350.1.13.0.1.7.3.698084.8",
                "value": "004711",
                "extra": {"of": "Epic"},
            },
        ],
        "patientInstruction": "something of Epic's",
        "unknownElement": True,
        **more,
    }


APPOINTMENT, ENCOUNTER = "/api/FHIR/R4/Appointment/a-1", "/api/FHIR/R4/Encounter/e-1"


async def test_without_a_session_the_appointment_says_which_visit_it_is() -> None:
    epic = epic_with(
        {"appointment": "a-1", "encounter": "e-1"},
        answers={APPOINTMENT: httpx.Response(200, json=resource("Appointment"))},
    )

    assert (await exchange(epic)).session == "004711"
    assert epic.paths[-1] == APPOINTMENT
    assert epic.requests[-1].headers["Authorization"] == "Bearer at-1"


@pytest.mark.parametrize(
    "appointment",
    [
        httpx.Response(403),
        httpx.Response(404),
        httpx.Response(200, json={"resourceType": "OperationOutcome"}),
        httpx.Response(200, json=resource("Appointment", identifier=["x", {"system": 7, "value": 8}])),
        httpx.Response(200, json=resource("Appointment", identifier=None)),
    ],
    ids=["not allowed", "gone", "an outcome", "odd identifiers", "no identifiers"],
)
async def test_an_appointment_that_tells_nothing_leaves_the_encounter(appointment: httpx.Response) -> None:
    epic = epic_with(
        {"appointment": "a-1", "encounter": "e-1"},
        answers={APPOINTMENT: appointment, ENCOUNTER: httpx.Response(200, json=resource("Encounter"))},
    )

    assert (await exchange(epic)).session == "004711"


async def test_a_visit_that_nothing_names_has_no_session() -> None:
    epic = epic_with({"appointment": "a-1"}, answers={APPOINTMENT: httpx.Response(403)})

    assert (await exchange(epic)).session == ""


async def test_a_launch_during_a_short_outage_is_worth_another_try() -> None:
    with pytest.raises(TryAgain):
        await exchange(epic_with({"appointment": "a-1"}, answers={APPOINTMENT: httpx.Response(503)}))


async def test_an_id_cannot_lead_to_another_address() -> None:
    epic = epic_with({"appointment": "../../x?y=1"})

    await exchange(epic)

    assert epic.requests[-1].url.raw_path == b"/api/FHIR/R4/Appointment/..%2F..%2Fx%3Fy%3D1"


async def test_no_token_resource_or_person_is_ever_written_down(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    epic = epic_with(
        {"appointment": "a-1", "patient": "pat-1"},
        answers={APPOINTMENT: httpx.Response(200, json=resource("Appointment", comment="Jordan Lee"))},
    )

    await exchange(epic)
    with pytest.raises(LaunchFailed) as failed:
        await exchange(epic_with(token="eyJ.secret.token"))

    written = caplog.text + repr(failed.value) + repr(failed.value.__cause__)
    for private in ("at-1", "004711", "Jordan", "pat-1", "SCARTER", "secret", "code-1"):
        assert private not in written
