"""The check of a typed address finds what is missing at the server, and offers only an address that answers."""

from typing import Any

import httpx
import pytest

from shared.clients.epic_check import AddressChecker
from shared.clients.epic_smart import EpicSmart
from shared.clients.guarded_http import GuardedTransport
from shared.clients.published_keys import PublishedKeys
from shared.domain.fhir_check import AddressCheck, CheckCode
from tests.clients.epic_double import BASE, OAUTH, EpicDouble, smart_keys
from tests.clients.test_epic_smart import CONFIGURATION, ENDPOINTS, METADATA, WELL_KNOWN
from tests.fakes.clock import FixedClock

OPENID = "/oauth2/.well-known/openid-configuration"


def statement(**changes: Any) -> httpx.Response:
    content = {
        "resourceType": "CapabilityStatement",
        "fhirVersion": "4.0.1",
        "software": {"name": "Epic", "version": "May 2026", "releaseDate": "2026-05-04"},
    }
    return httpx.Response(200, json={**content, **changes})


def epic(**answers: Any) -> EpicDouble:
    """A server that is set up well, with answers by short name changed."""
    paths = {"metadata": METADATA, "smart": WELL_KNOWN, "openid": OPENID}
    good = {
        METADATA: statement(),
        WELL_KNOWN: httpx.Response(200, json=CONFIGURATION),
        OPENID: httpx.Response(200, json={"issuer": OAUTH}),
    }
    return EpicDouble({**good, **{paths[name]: answer for name, answer in answers.items()}})


async def check(server: EpicDouble, url: str = BASE, client_id: str = "") -> AddressCheck:
    async with server.http() as http:
        clock = FixedClock()
        smart = EpicSmart(
            http,
            smart_keys=smart_keys,
            keys=PublishedKeys(http, now=clock),
            now=clock,
            new_id=lambda: "id",
        )
        return await AddressChecker(http, smart=smart).check(url, client_id)


def codes(found: AddressCheck) -> list[CheckCode]:
    return [one.code for one in found.findings]


async def test_a_good_server_is_found_with_its_version_and_its_sign_in() -> None:
    server = epic()

    found = await check(server, client_id="client-provider")

    assert found.ok
    assert codes(found) == [CheckCode.FHIR_FOUND, CheckCode.SIGN_IN_FOUND, CheckCode.EPIC_NEW_ENOUGH]
    assert [str(one.said) for one in found.findings[:2]] == [
        "FHIR R4 server found.",
        "Sign-in endpoints found.",
    ]
    assert found.fhir_version == "4.0.1"
    assert (found.software.name, found.software.version, found.software.released) == (
        "Epic",
        "May 2026",
        "2026-05-04",
    )
    assert dict(found.endpoints) == ENDPOINTS
    assert server.requests[0].headers["Epic-Client-ID"] == "client-provider"


@pytest.mark.parametrize(
    ("answer", "code", "sentence"),
    [
        (
            httpx.ConnectError("no such name"),
            CheckCode.UNREACHABLE,
            (
                "We could not reach this address. Check the spelling, or ask your Epic technical specialist if"
                " the server allows traffic from the internet."
            ),
        ),
        (
            httpx.Response(200, text="<html>welcome</html>"),
            CheckCode.NOT_FHIR,
            "This address answered, but it is not a FHIR R4 server.",
        ),
        (
            httpx.Response(200, json={"resourceType": "Bundle"}),
            CheckCode.NOT_FHIR,
            "This address answered, but it is not a FHIR R4 server.",
        ),
        (
            httpx.Response(404),
            CheckCode.NOT_FHIR,
            "This address answered, but it is not a FHIR R4 server.",
        ),
        (
            httpx.Response(503),
            CheckCode.SERVER_ERROR,
            "The server answered with an error (503). Try again later.",
        ),
        (
            statement(resourceType="Conformance", fhirVersion="1.0.2"),
            CheckCode.DSTU2,
            "This address answered as FHIR DSTU2. Visit Connector needs FHIR R4.",
        ),
        (
            httpx.Response(302, headers={"location": "https://login.other.example/start?token=1"}),
            CheckCode.REDIRECTED,
            (
                "This address forwards to another server (login.other.example). Enter the address of that"
                " server if it is yours."
            ),
        ),
    ],
    ids=["away", "a page", "other JSON", "not found", "broken", "DSTU2", "forwarded elsewhere"],
)
async def test_what_is_wrong_at_the_server_is_named(answer: Any, code: CheckCode, sentence: str) -> None:
    found = await check(epic(metadata=answer))

    assert not found.ok
    assert codes(found) == [code]
    assert found.problem == sentence
    assert found.suggested_url == ""


async def test_a_forwarding_elsewhere_is_not_followed() -> None:
    server = epic(metadata=httpx.Response(302, headers={"location": "https://other.example/R4/metadata"}))

    await check(server)

    assert {request.url.host for request in server.requests} == {"ehr.example"}


async def test_a_forwarding_to_what_is_no_address_is_no_fhir_server() -> None:
    found = await check(epic(metadata=httpx.Response(302, headers={"location": "https://[other.example/"})))

    assert codes(found) == [CheckCode.NOT_FHIR]


async def test_a_forwarding_on_the_same_host_leads_to_the_address_to_enter() -> None:
    server = epic()
    moved = httpx.Response(301, headers={"location": f"{BASE}/metadata"})
    server.answers["/old/R4/metadata"] = moved

    found = await check(server, "https://ehr.example/old/R4")

    assert codes(found) == [CheckCode.REDIRECTED]
    assert found.suggested_url == BASE


@pytest.mark.parametrize("answer", [httpx.Response(404), httpx.Response(200, json={})])
async def test_a_server_without_sign_in_addresses_is_named(answer: httpx.Response) -> None:
    found = await check(epic(smart=answer))

    assert codes(found) == [CheckCode.FHIR_FOUND, CheckCode.NO_SIGN_IN, CheckCode.EPIC_NEW_ENOUGH]
    assert not found.ok
    assert found.fhir_version == "4.0.1"
    assert found.problem == (
        "No sign-in address was found. Ask your Epic technical specialist to finish the OAuth setup."
    )


async def test_a_sign_in_address_in_the_clear_is_refused() -> None:
    plain = {**CONFIGURATION, "authorization_endpoint": "http://ehr.example/oauth2/authorize"}

    found = await check(epic(smart=httpx.Response(200, json=plain)))

    assert CheckCode.BAD_SIGN_IN in codes(found)


async def test_an_issuer_that_calls_itself_something_else_is_wrong() -> None:
    found = await check(epic(openid=httpx.Response(200, json={"issuer": "https://ehr.example/other"})))

    assert CheckCode.WRONG_ISSUER in codes(found)
    assert not found.endpoints


async def test_an_issuer_that_publishes_nothing_is_no_contradiction() -> None:
    assert (await check(epic(openid=httpx.Response(404)))).ok


async def test_sign_in_on_another_host_is_told_and_passes() -> None:
    there = {name: url.replace("ehr.example", "login.ehr.example") for name, url in CONFIGURATION.items()}

    found = await check(epic(smart=httpx.Response(200, json=there), openid=httpx.Response(404)))

    assert found.ok
    assert [one.code for one in found.findings if one.warns] == [CheckCode.SIGN_IN_ELSEWHERE]


@pytest.mark.parametrize(
    "pasted",
    [
        f"{BASE}/metadata",
        f"{BASE}/Patient",
        "http://ehr.example/api/FHIR/R4",
        "https://ehr.example/api/FHIR/DSTU2",
        "https://ehr.example/api/FHIR",
        "https://ehr.example",
        "https://ehr.example/R4",
    ],
)
async def test_the_right_address_is_offered_when_a_server_answers_there(pasted: str) -> None:
    found = await check(epic(), pasted)

    assert not found.ok
    assert found.suggested_url == BASE


async def test_an_address_where_nothing_answers_is_not_offered() -> None:
    found = await check(epic(metadata=httpx.Response(404)), "https://ehr.example/api/FHIR/DSTU2")

    assert codes(found) == [CheckCode.DSTU2]
    assert found.suggested_url == ""


async def test_a_final_slash_is_no_mistake() -> None:
    assert (await check(epic(), f"{BASE}/")).ok


async def test_an_old_epic_is_found_and_named() -> None:
    found = await check(epic(metadata=statement(software={"name": "Epic", "version": "May 2018"})))

    assert found.problem == "This Epic version is too old. It must be November 2018 or later."


async def test_what_a_server_says_about_itself_is_kept_short_and_printable() -> None:
    found = await check(epic(metadata=statement(software={"name": "E\x1bpic" + "c" * 500, "version": 3})))

    assert found.software.name.startswith("Epicc")
    assert len(found.software.name) == 80
    assert found.software.version == ""


async def test_a_name_that_leads_into_our_own_network_is_called_private_and_not_connected_to() -> None:
    reached: list[httpx.Request] = []

    def server(request: httpx.Request) -> httpx.Response:
        reached.append(request)
        return statement()

    async def inside(_host: str, _port: int) -> list[str]:
        return ["169.254.169.254"]

    transport = GuardedTransport(allowed=(), resolve=inside, opening=lambda: httpx.MockTransport(server))
    async with httpx.AsyncClient(transport=transport) as http:
        clock = FixedClock()
        smart = EpicSmart(
            http, smart_keys=smart_keys, keys=PublishedKeys(http, now=clock), now=clock, new_id=lambda: "id"
        )
        found = await AddressChecker(http, smart=smart).check(BASE)

    assert codes(found) == [CheckCode.PRIVATE]
    assert not reached
