"""Sandbox Epic refuses every sign-in that Epic would refuse, and gives each launch what Epic would give."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from sandbox.epic.state import CLIENT_IDS, ClientKind
from tests.sandbox.epic_stage import CALLBACK, KEY, STATE, A, Stage, assertion_fields, stage


@pytest_asyncio.fixture
async def epic(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as set_up:
        yield set_up


def answer_at_callback(response: httpx.Response) -> dict[str, str]:
    location = response.headers["location"]
    assert location.startswith(CALLBACK + "?")
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


async def test_a_launch_by_a_clinician_tells_who_and_for_which_visit(epic: Stage) -> None:
    booking = epic.desk.book(comment="Follow-up").booking

    answer = await epic.launch(booking.csn)

    assert answer["sessionId"] == booking.csn
    assert answer["csn"] == booking.csn
    assert answer["departmentId"] == answer["loginDepartment"] == "10501"
    assert answer["environment"] == "env-1"
    assert (answer["externalId"], answer["externalIdType"]) == ("10023", "1")
    assert answer["need_patient_banner"] == "false"
    assert answer["expires_in"] == 3240
    assert {"appointment", "encounter", "patient"} <= set(answer)


async def test_the_id_token_names_the_clinician_and_verifies_with_the_published_key(epic: Stage) -> None:
    answer = await epic.launch(epic.desk.book().booking.csn)
    configuration = (await epic.browser.get("/epic/test/oauth2/.well-known/openid-configuration")).json()
    keys = (await epic.browser.get(urlsplit(configuration["jwks_uri"]).path)).json()

    claims = jwt.decode(
        answer["id_token"],
        jwt.PyJWK.from_dict(keys["keys"][0]),
        algorithms=["RS256"],
        audience=CLIENT_IDS["test"][ClientKind.PROVIDER],
        issuer=configuration["issuer"],
        options={"verify_exp": False, "verify_iat": False},
    )

    assert claims["fhirUser"] == f"{epic.instance.fhir_base}/Practitioner/{claims['sub']}"
    assert claims["nonce"] == "n-1"
    assert claims["preferred_username"] == "SCARTER"
    assert claims["exp"] - claims["iat"] == 300


@pytest.mark.parametrize(("person", "kind"), [("", "Patient"), ("proxy", "RelatedPerson")])
async def test_mychart_says_whether_the_patient_or_someone_for_them_launched(
    epic: Stage, person: str, kind: str
) -> None:
    booking = epic.desk.book(patient="theo").booking

    answer = await epic.launch(booking.csn, role="patient", person=person)
    claims = jwt.decode(answer["id_token"], options={"verify_signature": False})

    assert f"/{kind}/" in claims["fhirUser"]
    assert answer["sessionId"] == booking.csn
    assert answer["externalIdType"] == "2"
    # MyChart opens no encounter and nobody has logged in to a department.
    assert not {"encounter", "appointment", "loginDepartment"} & set(answer)


async def test_everyone_of_a_group_gets_the_same_session(epic: Stage) -> None:
    first = epic.desk.book(patient="elena", conference="880001").booking
    second = epic.desk.book(patient="jordan", conference="880001").booking

    one = await epic.launch(first.csn, role="patient")
    other = await epic.launch(second.csn, role="patient")

    assert one["sessionId"] == other["sessionId"] == "880001"
    assert one["csn"] != other["csn"]


async def test_the_tokens_of_the_record_are_what_the_analyst_entered(epic: Stage) -> None:
    epic.connect(provider="meeting=%CSN%&place=%PERFDEPID;;; ; ;;NONE;%&fixed=7&odd=%NOTHING%")
    booking = epic.desk.book().booking

    answer = await epic.launch(booking.csn)

    assert answer["meeting"] == booking.csn
    assert (answer["place"], answer["fixed"], answer["odd"]) == ("10501", "7", "")
    assert "sessionId" not in answer


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"state": "(left out)"}, "invalid_request"),
        ({"state": "k3Jf0aZq9Xw2LmVb7Tn5"}, "invalid_request"),
        ({"state": "0123456789abcdef01234567"}, "invalid_request"),
        ({"aud": "(left out)"}, "invalid_request"),
        ({"aud": "http://sandbox.example/epic/production/api/FHIR/R4"}, "invalid_request"),
        ({"code_challenge": "(left out)"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": "(left out)"}, "invalid_request"),
        ({"launch": "(left out)"}, "invalid_request"),
        ({"launch": "made-up"}, "invalid_launch_token"),
    ],
    ids=[
        "another response type",
        "no state",
        "120 bits of state",
        "96 bits of state in hexadecimal",
        "no audience",
        "the audience of the other instance",
        "no challenge",
        "a challenge of the wrong length",
        "plain PKCE",
        "no PKCE method",
        "the launch scope without a launch",
        "an invented launch",
    ],
)
async def test_a_bad_authorize_request_goes_back_with_its_error(
    epic: Stage, changes: dict[str, str], error: str
) -> None:
    launch = epic.launch_token(epic.desk.book().booking.csn)

    response = await epic.browser.get(
        "/epic/test/oauth2/authorize", params=epic.authorize_parameters(launch, **changes)
    )

    answer = answer_at_callback(response)
    assert answer["error"] == error
    assert "code" not in answer


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "unknown"},
        {"client_id": CLIENT_IDS["production"][ClientKind.PROVIDER]},
        {"client_id": CLIENT_IDS["test"][ClientKind.BACKEND]},
        {"redirect_uri": CALLBACK.upper()},
        {"redirect_uri": CALLBACK + "/"},
        {"redirect_uri": "(left out)"},
    ],
    ids=[
        "an unknown client",
        "a client of the other instance",
        "the backend client",
        "another case of the address",
        "a longer address",
        "no address",
    ],
)
async def test_an_unknown_app_or_address_is_never_redirected_to(epic: Stage, changes: dict[str, str]) -> None:
    launch = epic.launch_token(epic.desk.book().booking.csn)

    response = await epic.browser.get(
        "/epic/test/oauth2/authorize", params=epic.authorize_parameters(launch, **changes)
    )

    assert response.status_code == 400
    assert "location" not in response.headers


async def test_a_launch_token_works_once(epic: Stage) -> None:
    launch = epic.launch_token(epic.desk.book().booking.csn)
    await epic.code(launch)

    again = await epic.browser.get("/epic/test/oauth2/authorize", params=epic.authorize_parameters(launch))

    assert answer_at_callback(again)["error"] == "invalid_launch_token"
    assert answer_at_callback(again)["state"] == STATE


async def test_a_launch_token_belongs_to_one_client(epic: Stage) -> None:
    launch = epic.launch_token(epic.desk.book().booking.csn, role="patient")

    other = await epic.browser.get("/epic/test/oauth2/authorize", params=epic.authorize_parameters(launch))

    assert answer_at_callback(other)["error"] == "invalid_launch_token"


async def test_a_launch_token_expires(epic: Stage) -> None:
    launch = epic.launch_token(epic.desk.book().booking.csn)
    epic.later(minutes=5)

    late = await epic.browser.get("/epic/test/oauth2/authorize", params=epic.authorize_parameters(launch))

    assert answer_at_callback(late)["error"] == "invalid_launch_token"


async def test_a_parameter_sent_twice_is_refused(epic: Stage) -> None:
    parameters = epic.authorize_parameters(epic.launch_token(epic.desk.book().booking.csn))

    response = await epic.browser.get(
        "/epic/test/oauth2/authorize", params=[*parameters.items(), ("aud", parameters["aud"])]
    )

    assert answer_at_callback(response)["error"] == "invalid_request"


async def test_an_address_that_is_too_long_is_not_found(epic: Stage) -> None:
    parameters = epic.authorize_parameters(epic.launch_token(epic.desk.book().booking.csn), state="x" * 4096)

    assert (await epic.browser.get("/epic/test/oauth2/authorize", params=parameters)).status_code == 404


async def test_an_ehr_launch_may_be_posted(epic: Stage) -> None:
    parameters = epic.authorize_parameters(epic.launch_token(epic.desk.book().booking.csn))

    response = await epic.browser.post("/epic/test/oauth2/authorize", data=parameters)

    assert response.status_code == 303
    assert answer_at_callback(response)["code"]


async def test_a_standalone_launch_asks_who_is_there_and_then_proves_it(epic: Stage) -> None:
    parameters = epic.authorize_parameters("(left out)", scope="openid fhirUser")

    page = await epic.browser.get("/epic/test/oauth2/authorize", params=parameters)
    assert "Dr. Susan Carter" in page.text
    link = page.text.partition('href="/epic/test/oauth2/sign-in')[2].partition('"')[0].replace("&amp;", "&")
    back = await epic.browser.get(f"/epic/test/oauth2/sign-in{link}")
    answer = (await epic.redeem(answer_at_callback(back)["code"])).json()

    claims = jwt.decode(answer["id_token"], options={"verify_signature": False})
    assert "/Practitioner/" in claims["fhirUser"]
    assert "sessionId" not in answer


async def sign_in_links(epic: Stage, **changes: str) -> dict[str, str]:
    """The links of the sign-in page, by the key of the person or `deny`."""
    page = await epic.browser.get(
        "/epic/test/oauth2/authorize",
        params=epic.authorize_parameters("(left out)", scope="openid fhirUser", **changes),
    )
    links = [
        one.replace("&amp;", "&") for one in re.findall(r'href="(/epic/test/oauth2/sign-in[^"]*)"', page.text)
    ]
    return {parse_qs(urlsplit(one).query).get("person", ["deny"])[0]: one for one in links}


async def claims_of(epic: Stage, person: str) -> dict[str, Any]:
    back = await epic.browser.get((await sign_in_links(epic))[person])
    answer = (await epic.redeem(answer_at_callback(back)["code"])).json()
    claims: dict[str, Any] = jwt.decode(answer["id_token"], options={"verify_signature": False})
    return claims


@pytest.mark.parametrize(
    ("person", "kind"),
    [("susan", "Practitioner"), ("priya", "Practitioner"), ("elena", "Patient"), ("amara", "RelatedPerson")],
)
async def test_whoever_signs_in_without_a_launch_is_named_by_what_they_are(
    epic: Stage, person: str, kind: str
) -> None:
    claims = await claims_of(epic, person)

    assert claims["fhirUser"].startswith(f"{epic.instance.fhir_base}/{kind}/")


async def test_nobody_who_works_here_signs_in_to_the_patients_app(epic: Stage) -> None:
    links = await sign_in_links(epic, client_id=CLIENT_IDS["test"][ClientKind.PATIENT])

    assert "elena" in links
    assert not {"susan", "priya"} & set(links)


async def test_somebody_whom_epic_does_not_let_in_comes_back_with_an_error(epic: Stage) -> None:
    back = await epic.browser.get((await sign_in_links(epic))["deny"])

    assert answer_at_callback(back)["error"] == "access_denied"
    assert answer_at_callback(back)["state"] == STATE


async def rule(epic: Stage, **switches: bool) -> None:
    answer = await epic.browser.post("/api/epic/rules", json={"instance": "test", **switches})
    assert answer.status_code == 200, answer.text


async def test_keys_that_are_not_synced_yet_prove_nothing(epic: Stage) -> None:
    await rule(epic, keys_synced=False)
    back = await epic.browser.get((await sign_in_links(epic))["susan"])

    refused = await epic.redeem(answer_at_callback(back)["code"])

    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    await rule(epic, keys_synced=True)
    assert await epic.backend_token()


async def test_a_sign_in_may_come_from_the_other_epic(epic: Stage) -> None:
    await rule(epic, other_epic=True)

    claims = await claims_of(epic, "susan")

    assert claims["iss"] == epic.state.instances["production"].issuer


async def test_a_sign_in_page_works_once(epic: Stage) -> None:
    page = await epic.browser.get(
        "/epic/test/oauth2/authorize", params=epic.authorize_parameters("(left out)", scope="openid")
    )
    link = page.text.partition('href="/epic/test/oauth2/sign-in')[2].partition('"')[0].replace("&amp;", "&")
    await epic.browser.get(f"/epic/test/oauth2/sign-in{link}")

    assert (await epic.browser.get(f"/epic/test/oauth2/sign-in{link}")).status_code == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "w" * 43},
        {"code_verifier": ""},
        {"redirect_uri": f"{A}/elsewhere"},
        {"code": "made-up"},
    ],
    ids=["another verifier", "no verifier", "another address", "an invented code"],
)
async def test_a_code_is_redeemed_only_by_who_asked_for_it(epic: Stage, changes: dict[str, str]) -> None:
    code = await epic.code(epic.launch_token(epic.desk.book().booking.csn))

    response = await epic.redeem(code, **changes)

    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")


async def test_a_code_lives_for_a_minute(epic: Stage) -> None:
    code = await epic.code(epic.launch_token(epic.desk.book().booking.csn))
    epic.later(seconds=60)

    assert (await epic.redeem(code)).json()["error"] == "invalid_grant"


async def test_a_code_that_comes_twice_takes_back_what_it_gave(epic: Stage) -> None:
    code = await epic.code(epic.launch_token(epic.desk.book().booking.csn))
    first = (await epic.redeem(code)).json()

    again = await epic.redeem(code)
    read = await epic.browser.get(
        f"/epic/test/api/FHIR/R4/Appointment/{first['appointment']}",
        headers={"Authorization": f"Bearer {first['access_token']}"},
    )

    assert again.json()["error"] == "invalid_grant"
    assert read.status_code == 401


async def test_a_code_of_one_client_is_nothing_to_another(epic: Stage) -> None:
    code = await epic.code(epic.launch_token(epic.desk.book().booking.csn))

    assert (await epic.redeem(code, kind="patient")).json()["error"] == "invalid_grant"


FORGED = rsa.generate_private_key(public_exponent=65537, key_size=2048)
NOW = 1800032400  # where the stage's clock stands


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "someone-else"},
        {"sub": "someone-else"},
        {"aud": "http://sandbox.example/epic/production/oauth2/token"},
        {"jti": "(left out)"},
        {"jti": "x" * 152},
        {"exp": "(left out)"},
        {"exp": NOW},
        {"exp": NOW + 302},
        {"iat": NOW + 1},
        {"nbf": NOW + 1},
        {"iat": NOW - 61},
    ],
    ids=[
        "another issuer",
        "another subject",
        "the other instance's token address",
        "no jti",
        "a jti that is too long",
        "no expiry",
        "expired",
        "good for longer than five minutes",
        "issued in the future",
        "not yet valid",
        "issued more than five minutes before it expires",
    ],
)
async def test_an_assertion_outside_epics_limits_proves_nothing(epic: Stage, changes: dict[str, Any]) -> None:
    assert int(epic.now[0].timestamp()) == NOW

    response = await epic.browser.post(
        "/epic/test/oauth2/token",
        data={
            "grant_type": "client_credentials",
            **assertion_fields(epic.assertion("backend", **changes)),
        },
    )

    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("key", "algorithm", "headers"),
    [
        (FORGED, "RS384", {"kid": "k1"}),
        (KEY, "RS384", {"kid": "k2"}),
        (KEY, "RS384", {}),
        (KEY, "PS256", {"kid": "k1"}),
        ("a shared secret that is long enough for HMAC", "HS256", {"kid": "k1"}),
        (ec.generate_private_key(ec.SECP384R1()), "ES384", {"kid": "k1"}),
        (KEY, "RS384", {"kid": "k1", "typ": "at+jwt"}),
        (KEY, "RS384", {"kid": "k1", "jku": "http://elsewhere.example/jwks.json"}),
    ],
    ids=[
        "another key",
        "an unknown key id",
        "no key id",
        "an algorithm Epic does not take",
        "a shared secret",
        "a key of another kind",
        "another type of token",
        "a key address that is not registered",
    ],
)
async def test_an_assertion_that_the_registered_key_did_not_sign_proves_nothing(
    epic: Stage, key: object, algorithm: str, headers: dict[str, str]
) -> None:
    assertion = jwt.encode(epic.claims("backend"), key, algorithm=algorithm, headers=headers)  # type: ignore[arg-type]

    response = await epic.browser.post(
        "/epic/test/oauth2/token",
        data={"grant_type": "client_credentials", **assertion_fields(assertion)},
    )

    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


async def test_an_assertion_works_once(epic: Stage) -> None:
    fields = {"grant_type": "client_credentials", **assertion_fields(epic.assertion("backend"))}
    first = await epic.browser.post("/epic/test/oauth2/token", data=fields)

    again = await epic.browser.post("/epic/test/oauth2/token", data=fields)

    assert first.json()["scope"].split()[0].startswith("system/")
    assert again.json()["error_description"] == "jti was used before"


@pytest.mark.parametrize("algorithm", ["RS256", "RS384"])
async def test_the_backend_gets_an_hours_token(epic: Stage, algorithm: str) -> None:
    response = await epic.browser.post(
        "/epic/test/oauth2/token",
        data={
            "grant_type": "client_credentials",
            **assertion_fields(epic.assertion("backend", algorithm=algorithm)),
        },
    )

    assert response.json()["expires_in"] == 3600
    assert response.headers["cache-control"] == "no-store"


async def test_a_launch_client_is_not_a_backend(epic: Stage) -> None:
    response = await epic.browser.post(
        "/epic/test/oauth2/token",
        data={"grant_type": "client_credentials", **assertion_fields(epic.assertion("provider"))},
    )

    assert response.json()["error"] == "unauthorized_client"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"client_assertion_type": "urn:other"}, "invalid_client"),
        ({"client_assertion": "not a token"}, "invalid_client"),
        ({"client_secret": "hunter2"}, "invalid_client"),
        ({"client_id": CLIENT_IDS["test"][ClientKind.PATIENT]}, "invalid_client"),
    ],
    ids=["another grant", "another assertion type", "not a JWT", "a secret", "another client id"],
)
async def test_a_bad_token_request_is_told_why(epic: Stage, changes: dict[str, str], error: str) -> None:
    code = await epic.code(epic.launch_token(epic.desk.book().booking.csn))

    assert (await epic.redeem(code, **changes)).json()["error"] == error


async def test_a_token_request_must_be_a_form(epic: Stage) -> None:
    response = await epic.browser.post("/epic/test/oauth2/token", json={"grant_type": "client_credentials"})

    assert response.json()["error"] == "invalid_request"


async def test_public_keys_are_fetched_once_per_key(epic: Stage) -> None:
    await epic.backend_token()
    await epic.backend_token()

    assert epic.connector.keys_served == 1


async def test_discovery_says_the_same_everywhere_and_notes_who_asks(epic: Stage) -> None:
    base = "/epic/test/api/FHIR/R4"
    client = CLIENT_IDS["test"][ClientKind.PROVIDER]

    smart = (
        await epic.browser.get(f"{base}/.well-known/smart-configuration", headers={"Epic-Client-ID": client})
    ).json()
    metadata = (await epic.browser.get(f"{base}/metadata")).json()

    uris = metadata["rest"][0]["security"]["extension"][0]["extension"]
    assert {uri["url"]: uri["valueUri"] for uri in uris} == {
        "authorize": smart["authorization_endpoint"],
        "token": smart["token_endpoint"],
    }
    assert smart["code_challenge_methods_supported"] == ["S256"]
    assert [details["epic_client_id"] for _, details in epic.log] == [client, "not sent"]


async def test_the_instances_know_nothing_of_each_other(epic: Stage) -> None:
    launch = epic.launch_token(epic.desk.book().booking.csn)
    production = epic.state.instances["production"]
    production.connect(
        environment="env-2",
        app=A,
        hl7v2=f"{A}/hl7v2/env-2",
        records={},
        redirect_uris=frozenset({CALLBACK}),
    )

    response = await epic.browser.get(
        "/epic/production/oauth2/authorize",
        params=epic.authorize_parameters(
            launch, client_id=CLIENT_IDS["production"][ClientKind.PROVIDER], aud=production.fhir_base
        ),
    )

    assert answer_at_callback(response)["error"] == "invalid_launch_token"
    assert (await epic.browser.get("/epic/staging/oauth2/jwks")).status_code == 404
