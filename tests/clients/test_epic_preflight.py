"""What Epic answers to a client id that is tried tells whether a person could sign in with it."""

from typing import Any

import httpx
import pytest

from shared.clients.epic_preflight import EpicPreflight
from shared.clients.epic_smart import EpicSmart
from shared.clients.published_keys import PublishedKeys
from shared.domain.environment import EpicClient
from shared.domain.preflight import ClientResult, PreflightCode
from tests.clients.epic_double import OAUTH, EpicDouble, environment, smart_keys
from tests.fakes.clock import FixedClock

CALLBACK = "https://visits.example/launch/callback"
GOOD_TOKEN = httpx.Response(200, json={"access_token": "a", "expires_in": 300})
SIGN_IN_PAGE = httpx.Response(200, text="<h1>Sign in</h1>")


async def tried(authorize: Any = SIGN_IN_PAGE, token: Any = GOOD_TOKEN) -> dict[EpicClient, ClientResult]:
    epic = EpicDouble({"/oauth2/authorize": authorize, "/oauth2/token": token})
    connection = environment(authorize_url=f"{OAUTH}/authorize", token_url=f"{OAUTH}/token").connection
    async with epic.http() as http:
        clock = FixedClock()
        smart = EpicSmart(
            http, smart_keys=smart_keys, keys=PublishedKeys(http, now=clock), now=clock, new_id=lambda: "id"
        )
        preflight = EpicPreflight(http, smart=smart, smart_keys=smart_keys, now=clock, new_id=lambda: "id")
        result = await preflight.try_clients(environment().id, connection, redirect_uri=CALLBACK)
    assert {request.url.host for request in epic.requests} == {"ehr.example"}
    return {one.client: one for one in result.results}


def forwards(to: str) -> httpx.Response:
    return httpx.Response(302, headers={"location": to})


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (SIGN_IN_PAGE, PreflightCode.ACCEPTED),
        (forwards("https://login.ehr.example/start"), PreflightCode.ACCEPTED),
        (httpx.Response(400, text="no"), PreflightCode.NOT_ACCEPTED),
        (httpx.Response(500, text="no"), PreflightCode.NOT_ACCEPTED),
        (httpx.Response(200, text="<title>OAuth2 Error</title>"), PreflightCode.NOT_ACCEPTED),
        (forwards("/oauth2/Error.aspx"), PreflightCode.NOT_ACCEPTED),
        (forwards("https://[login.ehr.example/start"), PreflightCode.NOT_ACCEPTED),
        (forwards(f"{CALLBACK}?error=unauthorized_client"), PreflightCode.OAUTH_ERROR),
        (httpx.Response(503), PreflightCode.AWAY),
        (httpx.ConnectError("away"), PreflightCode.AWAY),
    ],
    ids=[
        "a sign-in page",
        "a way to one",
        "refused",
        "broke off",
        "an error page that claims success",
        "a way to an error page",
        "a way to what is no address",
        "an error sent to us",
        "busy",
        "away",
    ],
)
async def test_the_answer_to_a_sign_in_request_is_judged(answer: Any, code: PreflightCode) -> None:
    results = await tried(authorize=answer)

    assert results[EpicClient.PROVIDER].code is code
    assert results[EpicClient.PATIENT].code is code


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (GOOD_TOKEN, PreflightCode.ACCEPTED),
        (httpx.Response(401, json={"error": "invalid_client"}), PreflightCode.KEYS_NOT_ACCEPTED),
        (httpx.Response(400, json={"error": "unauthorized_client"}), PreflightCode.NOT_A_BACKEND),
        (httpx.Response(503), PreflightCode.AWAY),
    ],
    ids=["a token", "keys unknown", "no backend", "busy"],
)
async def test_the_answer_to_the_backend_client_is_judged(
    answer: httpx.Response, code: PreflightCode
) -> None:
    assert (await tried(token=answer))[EpicClient.BACKEND].code is code


async def test_only_codes_that_are_known_are_said() -> None:
    results = await tried(authorize=forwards(f"{CALLBACK}?error=Call+555-0100+now"))

    assert results[EpicClient.PROVIDER].said == (
        "Epic answered with an OAuth error (unknown). The keys may not be synced yet; this can take a day."
    )


async def test_keys_that_are_not_synced_are_explained() -> None:
    results = await tried(token=httpx.Response(401, json={"error": "invalid_client"}))

    assert results[EpicClient.BACKEND].said == (
        "Epic did not accept this client id with our keys (invalid_client). The keys may not be synced yet; this"
        " can take a day."
    )
