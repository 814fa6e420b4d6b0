"""Sandbox Entra signs people and apps in as the real one does: PKCE, secrets, consent and claims are checked."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
import pytest_asyncio

from sandbox.entra import challenge_of
from sandbox.entra_tokens import GRAPH, GRAPH_ROLES, TOKEN_EXCHANGE
from sandbox.world import ENTRA_CLIENT_ID, OTHER_TENANT, TENANT, USERS
from tests.sandbox.m365_stage import APP, S, Stage, T, stage

VERIFIER = "v" * 43
CALLBACK = f"{APP}/portal/callback"
AUTHORIZE = f"/entra/{TENANT}/oauth2/v2.0/authorize"


@pytest_asyncio.fixture
async def m365(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as one:
        yield one


async def claims_of(m365: Stage, token: str) -> dict[str, Any]:
    (key,) = (await m365.behind_tls.get("/common/discovery/v2.0/keys")).json()["keys"]
    found: dict[str, Any] = jwt.decode(
        token,
        jwt.PyJWK(key, algorithm="RS256"),
        algorithms=["RS256"],
        options={"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False},
    )
    return found


def asked(**changes: str) -> dict[str, str]:
    values = {
        "client_id": ENTRA_CLIENT_ID,
        "response_type": "code",
        "redirect_uri": CALLBACK,
        "scope": f"openid profile offline_access api://{ENTRA_CLIENT_ID}/access_as_user",
        "state": "a-state",
        "nonce": "n-1",
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
        "login_hint": "avery@lamna.example",
        **changes,
    }
    return {name: value for name, value in values.items() if value != "(left out)"}


async def sign_in(m365: Stage, **changes: str) -> dict[str, str]:
    answer = await m365.browser.get(AUTHORIZE, params=asked(**changes))
    assert answer.status_code == 302, answer.text
    assert answer.headers["location"].startswith(f"{CALLBACK}?")
    return {name: one[0] for name, one in parse_qs(urlsplit(answer.headers["location"]).query).items()}


async def token(m365: Stage, tenant: str = TENANT, **form: str) -> httpx.Response:
    proof = {"client_id": ENTRA_CLIENT_ID, "client_secret": m365.world.entra_client_secret}
    sent = {name: value for name, value in {**proof, **form}.items() if value != "(left out)"}
    return await m365.behind_tls.post(f"/{tenant}/oauth2/v2.0/token", data=sent)


async def redeem(m365: Stage, code: str, **changes: str) -> httpx.Response:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    return await token(m365, **{**form, "code_verifier": VERIFIER, **changes})


async def test_a_person_signs_in_with_a_code_and_pkce(m365: Stage) -> None:
    answer = await sign_in(m365)
    tokens = (await redeem(m365, answer["code"])).json()
    access = await claims_of(m365, tokens["access_token"])
    id_token = await claims_of(m365, tokens["id_token"])

    assert answer["state"] == "a-state"
    assert (access["iss"], access["aud"]) == (f"{T}/{TENANT}/v2.0", ENTRA_CLIENT_ID)
    assert (access["tid"], access["oid"], access["ver"]) == (TENANT, USERS["avery"].oid, "2.0")
    assert access["roles"] == ["Administrator"]
    assert (id_token["nonce"], id_token["preferred_username"]) == ("n-1", "avery@lamna.example")


async def test_a_person_without_a_role_has_no_role_claim(m365: Stage) -> None:
    tokens = (await redeem(m365, (await sign_in(m365, login_hint="priya"))["code"])).json()

    assert "roles" not in await claims_of(m365, tokens["access_token"])


async def test_without_a_hint_the_page_asks_who_it_is(m365: Stage) -> None:
    page = await m365.browser.get(AUTHORIZE, params=asked(login_hint="(left out)"))

    assert page.status_code == 200
    assert "Avery Howard" in page.text
    assert "Kim Akers" not in page.text
    assert "<script" not in page.text


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"code_verifier": "w" * 43}, 501481),
        ({"code_verifier": "(left out)"}, 501481),
        ({"redirect_uri": f"{APP}/elsewhere"}, 500112),
        ({"client_secret": "wrong"}, 7000215),
        ({"client_secret": "(left out)"}, 7000218),
        ({"client_id": "another"}, 700016),
        ({"code": "made-up"}, 9002313),
        ({"grant_type": "password"}, 70003),
    ],
    ids=[
        "verifier",
        "no verifier",
        "redirect",
        "secret",
        "no secret",
        "client",
        "code",
        "grant",
    ],
)
async def test_a_code_is_worth_nothing_with_anything_wrong(
    m365: Stage, changes: dict[str, str], number: int
) -> None:
    code = (await sign_in(m365))["code"]

    answer = await redeem(m365, **{"code": code, **changes})

    assert answer.status_code in (400, 401)
    assert answer.json()["error_codes"] == [number]
    assert "access_token" not in answer.json()


async def test_a_code_is_good_once_and_for_ten_minutes(m365: Stage) -> None:
    used, late = (await sign_in(m365))["code"], (await sign_in(m365))["code"]
    first = await redeem(m365, used)
    second = await redeem(m365, used)
    m365.later(minutes=11)
    third = await redeem(m365, late)

    assert first.status_code == 200
    assert second.json()["error_codes"] == [54005]
    assert third.json()["error_codes"] == [70008]


async def test_a_refresh_token_is_exchanged_once(m365: Stage) -> None:
    tokens = (await redeem(m365, (await sign_in(m365))["code"])).json()
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}

    first, second = await token(m365, **form), await token(m365, **form)

    assert first.json()["refresh_token"] != tokens["refresh_token"]
    assert second.json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "changes",
    [{"client_id": "another"}, {"redirect_uri": "https://elsewhere.example/callback"}],
    ids=["client", "redirect"],
)
async def test_a_sign_in_that_is_not_ours_is_never_sent_on(m365: Stage, changes: dict[str, str]) -> None:
    answer = await m365.browser.get(AUTHORIZE, params=asked(**changes))

    assert answer.status_code == 400
    assert "location" not in answer.headers


async def test_a_wrong_sign_in_goes_back_with_an_error(m365: Stage) -> None:
    plain = await sign_in(m365, code_challenge_method="plain")
    silent = await sign_in(m365, login_hint="(left out)", prompt="none")

    assert (plain["error"], plain["state"]) == ("invalid_request", "a-state")
    assert silent["error"] == "login_required"


async def test_an_app_gets_tokens_with_the_roles_that_were_consented_to(m365: Stage) -> None:
    answer = await token(m365, grant_type="client_credentials", scope=f"{GRAPH}/.default")
    claims = await claims_of(m365, answer.json()["access_token"])

    assert claims["roles"] == sorted(GRAPH_ROLES)
    assert (claims["aud"], claims["appid"], claims["tid"]) == (GRAPH, ENTRA_CLIENT_ID, TENANT)


@pytest.mark.parametrize(
    ("tenant", "scope", "number"),
    [
        (TENANT, f"{GRAPH}/User.Read", 1002012),
        (TENANT, "https://elsewhere.example/.default", 500011),
        (OTHER_TENANT, f"{GRAPH}/.default", 700016),
        ("11111111-aaaa-4aaa-8aaa-00000000dead", f"{GRAPH}/.default", 90002),
        ("organizations", f"{GRAPH}/.default", 53003),
    ],
    ids=["a delegated scope", "unknown resource", "no consent", "unknown tenant", "no tenant"],
)
async def test_an_app_gets_no_token_outside_its_grant(
    m365: Stage, tenant: str, scope: str, number: int
) -> None:
    answer = await token(m365, tenant, grant_type="client_credentials", scope=scope)

    assert answer.json()["error_codes"] == [number]


async def test_an_app_may_prove_itself_with_a_token_of_its_own_identity(m365: Stage) -> None:
    assertion = m365.sandbox.tokens.for_app(tenant=TENANT, resource=TOKEN_EXCHANGE, roles=())
    form = {
        "grant_type": "client_credentials",
        "scope": f"{GRAPH}/.default",
        "client_secret": "(left out)",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    }

    good = await token(m365, **form, client_assertion=assertion)
    other = await token(m365, **form, client_assertion=m365.graph_token())

    assert good.status_code == 200
    assert other.json()["error_codes"] == [700213]


async def test_an_administrator_consents_for_a_whole_tenant(m365: Stage) -> None:
    path = "/entra/organizations/v2.0/adminconsent"
    request = {
        "client_id": ENTRA_CLIENT_ID,
        "redirect_uri": CALLBACK,
        "state": "s",
        "scope": f"{GRAPH}/.default",
    }
    page = await m365.browser.get(path, params=request)
    accepted = await m365.browser.get(path, params={**request, "person": "kim", "accept": "yes"})
    declined = await m365.browser.get(path, params={**request, "person": "kim", "accept": "no"})
    granted = await token(m365, OTHER_TENANT, grant_type="client_credentials", scope=f"{GRAPH}/.default")

    assert "Accept as Kim Akers" in page.text
    assert parse_qs(urlsplit(accepted.headers["location"]).query) == {
        "admin_consent": ["True"],
        "tenant": [OTHER_TENANT],
        "scope": [f"{GRAPH}/.default"],
        "state": ["s"],
    }
    assert "error=access_denied" in declined.headers["location"]
    assert granted.status_code == 200


async def test_discovery_leads_to_addresses_that_answer(m365: Stage) -> None:
    found = (await m365.behind_tls.get(f"/{TENANT}/v2.0/.well-known/openid-configuration")).json()

    assert found["issuer"] == f"{T}/{TENANT}/v2.0"
    assert found["authorization_endpoint"] == f"{S}{AUTHORIZE}"
    assert (await m365.behind_tls.get(found["jwks_uri"])).json()["keys"]


async def test_a_token_for_a_person_is_handed_out_for_tests(m365: Stage) -> None:
    answer = (await m365.browser.get("/api/admin-token", params={"user": "kim"})).json()
    claims = await claims_of(m365, answer["access_token"])

    assert (claims["tid"], claims["iss"]) == (OTHER_TENANT, f"{T}/{OTHER_TENANT}/v2.0")
