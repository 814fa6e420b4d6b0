"""Epic is told who came and who left in the words its site configured, and proven to with a token or a password."""

import base64
import logging
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

import httpx
import jwt
import pytest

from shared.clients.epic_backend import BackendTokens
from shared.clients.epic_status import EpicStatus
from shared.domain.environment import LiveEnvironment, WriteBackSign, WriteBackTarget
from shared.domain.errors import NotFound, TryAgain, TurnedDown
from shared.domain.participant import ParticipantRole
from shared.domain.visit import ExternalId, Fact, FactKind
from tests.clients.epic_double import OAUTH, EpicDouble, environment, smart_keys
from tests.clients.signing import rsa_key
from tests.fakes.clock import MONDAY_MORNING, FixedClock

STATUS = "/api/epic/2018/Telehealth/ContextLinking/SetExternalConnectionStatus"
TARGET = WriteBackTarget(url=f"https://ehr.example{STATUS}")
CAME = Fact(1, "patient", ParticipantRole.PATIENT, FactKind.CONNECTED, MONDAY_MORNING)
WHO = ExternalId("MYC-4711", "2")


def token(value: str = "t-1", **more: Any) -> httpx.Response:
    return httpx.Response(
        200, json={"access_token": value, "token_type": "bearer", "expires_in": 3600, **more}
    )


async def secret(name: str) -> str:
    if name != "epic-basic-env-1":
        raise NotFound(name)
    return "emp$connector:pass:word\n"


async def tell(
    epic: EpicDouble,
    *facts: Fact,
    given: LiveEnvironment | None = None,
    external_id: ExternalId = WHO,
    clock: FixedClock | None = None,
    after_each: timedelta = timedelta(0),
) -> None:
    clock = clock or FixedClock()
    ids = count(1)
    async with epic.http() as http:
        tokens = BackendTokens(http, smart_keys=smart_keys, now=clock, new_id=lambda: f"jti-{next(ids)}")
        status = EpicStatus(http, tokens=tokens, secret=secret, now=clock)
        for fact in facts or (CAME,):
            await status.tell(given or environment(TARGET), fact, session="4711", external_id=external_id)
            clock.advance(after_each)


def epic_with(*answers: httpx.Response | Exception, tokens: list[Any] | None = None) -> EpicDouble:
    return EpicDouble({STATUS: list(answers), "/oauth2/token": tokens or [token()]})


async def test_a_fact_is_told_under_the_names_and_values_of_the_site() -> None:
    epic = epic_with(httpx.Response(200))

    await tell(epic)

    asked = epic.requests[-1]
    assert asked.method == "GET"
    assert dict(asked.url.params) == {
        "ConferenceID": "4711",
        "ExternalID": "MYC-4711",
        "ExternalIDType": "2",
        "VendorName": "Visit Connector",
        "ConnectionStatus": "1",
    }
    assert asked.headers["Authorization"] == "Bearer t-1"


async def test_names_verb_and_the_query_of_the_address_are_the_sites_own() -> None:
    target = replace(
        TARGET,
        url=f"{TARGET.url}?site=7",
        method="POST",
        names={"session": "Visit", "external_id": "Who", "status": "State", "vendor": ""},
        statuses={"connected": "here"},
    )
    epic = epic_with(httpx.Response(204))

    await tell(epic, given=environment(target))

    assert epic.requests[-1].method == "POST"
    assert dict(epic.requests[-1].url.params) == {"site": "7"}
    assert epic.form() == {"Visit": "4711", "Who": "MYC-4711", "State": "here"}


async def test_a_query_that_the_address_has_already_is_kept() -> None:
    epic = epic_with(httpx.Response(200))

    await tell(epic, given=environment(replace(TARGET, url=f"{TARGET.url}?site=7")))

    assert epic.requests[-1].url.params["site"] == "7"
    assert epic.requests[-1].url.params["ConnectionStatus"] == "1"


async def test_an_id_without_a_type_is_told_without_one() -> None:
    epic = epic_with(httpx.Response(200))

    await tell(epic, external_id=ExternalId("E-1"))

    assert "ExternalIDType" not in epic.requests[-1].url.params


async def test_the_app_proves_itself_by_an_assertion_that_epic_takes() -> None:
    epic = epic_with(httpx.Response(200))

    await tell(epic)

    form = epic.form(0)
    assert form["grant_type"] == "client_credentials"
    assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    header = jwt.get_unverified_header(form["client_assertion"])
    assert header == {"alg": "RS384", "typ": "JWT", "kid": "key-backend"}
    claims = jwt.decode(
        form["client_assertion"],
        rsa_key("smart backend").public_key(),
        algorithms=["RS384"],
        audience=f"{OAUTH}/token",
        options={"verify_exp": False, "verify_iat": False, "verify_nbf": False},
    )
    now = int(MONDAY_MORNING.timestamp())
    assert claims["iss"] == claims["sub"] == "client-backend"
    assert claims["jti"] == "jti-1"
    assert claims["iat"] == claims["nbf"] < now < claims["exp"]
    assert claims["exp"] - claims["iat"] <= 300


async def test_a_token_serves_until_a_minute_before_it_ends() -> None:
    epic = epic_with(httpx.Response(200), tokens=[token("t-1"), token("t-2")])

    await tell(epic, CAME, CAME, CAME, after_each=timedelta(minutes=29, seconds=30))

    used = [one.headers["Authorization"] for one in epic.requests if one.url.path == STATUS]
    assert used == ["Bearer t-1", "Bearer t-1", "Bearer t-2"]


async def test_a_token_that_epic_no_longer_knows_is_replaced_once() -> None:
    epic = epic_with(httpx.Response(401), httpx.Response(200), tokens=[token("t-1"), token("t-2")])

    await tell(epic)

    used = [one.headers["Authorization"] for one in epic.requests if one.url.path == STATUS]
    assert used == ["Bearer t-1", "Bearer t-2"]


async def test_a_second_refusal_of_a_fresh_token_is_final() -> None:
    epic = epic_with(httpx.Response(401))

    with pytest.raises(TurnedDown) as refused:
        await tell(epic)

    assert refused.value.code == "401"
    assert epic.paths.count(STATUS) == 2


async def test_sites_without_backend_tokens_get_their_user_and_the_client_id() -> None:
    epic = epic_with(httpx.Response(200))

    await tell(epic, given=environment(replace(TARGET, sign=WriteBackSign.BASIC)))

    asked = epic.requests[-1]
    assert epic.paths == [STATUS]
    assert asked.headers["Authorization"] == "Basic " + base64.b64encode(b"emp$connector:pass:word").decode()
    assert asked.headers["Epic-Client-ID"] == "client-backend"


@pytest.mark.parametrize(
    ("answer", "after"),
    [
        (httpx.Response(429, headers={"Retry-After": "2.128"}), 2.128),
        (httpx.Response(500), None),
        (httpx.Response(503, headers={"Retry-After": "60"}), 60.0),
        (httpx.ReadTimeout("slow"), None),
        (httpx.ConnectError("away"), None),
    ],
    ids=["throttled", "broken", "unavailable", "slow", "unreachable"],
)
async def test_a_busy_epic_is_worth_another_try(
    answer: httpx.Response | Exception, after: float | None
) -> None:
    with pytest.raises(TryAgain) as busy:
        await tell(epic_with(answer))

    assert busy.value.after == after


@pytest.mark.parametrize("status", [302, 400, 403, 404, 405])
async def test_a_refusal_is_final_and_its_code_is_the_status(status: int) -> None:
    with pytest.raises(TurnedDown) as refused:
        await tell(epic_with(httpx.Response(status, text="MYC-4711 was not found")))

    assert refused.value.code == str(status)


@pytest.mark.parametrize(
    ("answer", "expected", "code"),
    [
        (httpx.Response(400, json={"error": "unauthorized_client"}), TurnedDown, "unauthorized_client"),
        (httpx.Response(400, json={"error": "MYC-4711"}), TurnedDown, "400"),
        (httpx.Response(401, text="no"), TurnedDown, "401"),
        (httpx.Response(200, json={"token_type": "bearer"}), TurnedDown, "not-readable"),
        (httpx.Response(200, text="<html>"), TurnedDown, "not-readable"),
        (httpx.Response(503, json={"error": "busy"}), TryAgain, None),
        (httpx.ReadTimeout("slow"), TryAgain, None),
    ],
    ids=["no user", "unknown code", "no JSON", "no token", "a page", "busy", "slow"],
)
async def test_no_token_means_nothing_is_told(
    answer: httpx.Response | Exception, expected: type[Exception], code: str | None
) -> None:
    epic = epic_with(httpx.Response(200), tokens=[answer])

    with pytest.raises(expected) as problem:
        await tell(epic)

    assert getattr(problem.value, "code", None) == code
    assert STATUS not in epic.paths


@pytest.mark.parametrize(
    ("given", "fact", "code"),
    [
        (environment(None), CAME, "no-status-service"),
        (environment(TARGET), replace(CAME, kind=FactKind.NO_SHOW), "no-value"),
        (environment(TARGET, clients={}), CAME, "no-backend-client"),
        (environment(TARGET, token_url=""), CAME, "no-backend-client"),
    ],
)
async def test_what_the_site_has_not_configured_is_not_told(
    given: LiveEnvironment, fact: Fact, code: str
) -> None:
    epic = epic_with(httpx.Response(200))

    with pytest.raises(TurnedDown) as refused:
        await tell(epic, fact, given=given)

    assert refused.value.code == code
    assert epic.requests == []


async def test_a_password_that_nobody_stored_is_said_so() -> None:
    other = replace(environment(replace(TARGET, sign=WriteBackSign.BASIC)), id="env-2")  # type: ignore[arg-type]

    with pytest.raises(TurnedDown) as refused:
        await tell(epic_with(httpx.Response(200)), given=other)

    assert refused.value.code == "no-password"


async def test_neither_ids_nor_proofs_are_ever_written_down(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    with pytest.raises(TurnedDown) as refused:
        await tell(epic_with(httpx.Response(400, text="MYC-4711 of patient Jordan Lee")))

    written = caplog.text + repr(refused.value)
    assert "answered 400" in written
    for private in ("MYC-4711", "4711", "Jordan", "t-1"):
        assert private not in written
