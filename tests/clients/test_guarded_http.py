"""Addresses that people type in never lead into our own network, whatever their names resolve to."""

import ssl
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest
from aiohttp import web

from shared.clients.guarded_http import GuardedTransport, guarded_client, is_public
from shared.domain.errors import TurnedDown
from tests.clients.tls_server import serving

PUBLIC = "203.0.114.7"


class Names:
    """A resolver that gives its answers in turn and counts how often it was asked."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked += 1
        return list(self._answers.pop(0) if len(self._answers) > 1 else self._answers[0])


async def visit(
    url: str, names: Names, *, allowed: Sequence[str] = (), reached: list[httpx.Request] | None = None
) -> httpx.Response:
    requests = reached if reached is not None else []

    def handle(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, text="hello")

    transport = GuardedTransport(allowed=allowed, resolve=names, opening=lambda: httpx.MockTransport(handle))
    async with httpx.AsyncClient(transport=transport) as http:
        return await http.get(url)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", PUBLIC, "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_addresses_are_known(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.9.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "168.63.129.16",
        "0.0.0.0",  # noqa: S104 - an address to refuse
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "fd00::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "no address",
    ],
)
def test_addresses_inside_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "10.0.0.5"])
async def test_a_name_that_leads_inside_is_not_called(address: str) -> None:
    reached: list[httpx.Request] = []

    with pytest.raises(TurnedDown) as refused:
        await visit("https://ehr.example/fhir", Names([address]), reached=reached)

    assert refused.value.code == "address-refused"
    assert reached == []


@pytest.mark.parametrize("url", ["https://127.0.0.1/", "https://[::1]/", "https://[::ffff:a9fe:a9fe]/"])
async def test_an_address_instead_of_a_name_is_checked_too(url: str) -> None:
    with pytest.raises(TurnedDown):
        await visit(url, Names([httpx.URL(url).host]))


async def test_one_address_inside_among_good_ones_is_enough_to_refuse() -> None:
    with pytest.raises(TurnedDown):
        await visit("https://ehr.example/", Names([PUBLIC, "10.0.0.5"]))


async def test_the_address_that_was_checked_is_the_one_connected_to() -> None:
    reached: list[httpx.Request] = []
    rebinding = Names([PUBLIC], ["127.0.0.1"])

    await visit("https://ehr.example/fhir?x=1", rebinding, reached=reached)

    assert rebinding.asked == 1
    assert reached[0].url == f"https://{PUBLIC}/fhir?x=1"


async def test_the_server_is_still_asked_for_and_checked_by_its_name() -> None:
    reached: list[httpx.Request] = []

    await visit("https://EHR.example:8443/", Names([PUBLIC]), reached=reached)

    assert reached[0].headers["Host"] == "ehr.example:8443"
    assert reached[0].extensions["sni_hostname"] == "ehr.example"


@pytest.mark.parametrize(("name", "good"), [("ehr.example", True), ("other.example", False)])
async def test_a_certificate_must_be_for_the_name_although_an_address_is_connected_to(
    tmp_path: Path, name: str, good: bool
) -> None:
    async def hello(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text=request.headers["Host"])

    async with serving(hello, tmp_path) as served:
        trust = ssl.create_default_context(cafile=served.certificate)
        transport = GuardedTransport(
            allowed=[f"{name}:{served.port}"],
            resolve=Names(["127.0.0.1"]),
            opening=lambda: httpx.AsyncHTTPTransport(verify=trust),
        )
        async with httpx.AsyncClient(transport=transport) as http:
            if good:
                assert (await http.get(f"https://{name}:{served.port}/")).text == f"{name}:{served.port}"
            else:
                with pytest.raises(httpx.ConnectError):
                    await http.get(f"https://{name}:{served.port}/")


async def test_connections_of_two_names_are_never_shared() -> None:
    opened: list[httpx.MockTransport] = []

    def opening() -> httpx.MockTransport:
        opened.append(httpx.MockTransport(lambda request: httpx.Response(200)))
        return opened[-1]

    transport = GuardedTransport(allowed=(), resolve=Names([PUBLIC]), opening=opening)
    async with httpx.AsyncClient(transport=transport) as http:
        for name in ("one", "two", "one"):
            await http.get(f"https://{name}.example/")

    assert len(opened) == 2


@pytest.mark.parametrize(
    "url",
    ["http://ehr.example/", "https://user:secret@ehr.example/"],
    ids=["without TLS", "with a password in the address"],
)
async def test_other_kinds_of_addresses_are_not_called(url: str) -> None:
    with pytest.raises(TurnedDown):
        await visit(url, Names([PUBLIC]))


async def test_a_setting_can_allow_one_private_address_and_no_other() -> None:
    allowed = ["127.0.0.1:7080"]

    assert (await visit("http://127.0.0.1:7080/", Names(["127.0.0.1"]), allowed=allowed)).text == "hello"
    with pytest.raises(TurnedDown):
        await visit("http://127.0.0.1:7081/", Names(["127.0.0.1"]), allowed=allowed)
    with pytest.raises(TurnedDown):
        await visit("https://ehr.example:7080/", Names(["127.0.0.1"]), allowed=allowed)


async def test_a_name_that_nobody_knows_is_a_failed_connection() -> None:
    async def unknown(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    transport = GuardedTransport(allowed=(), resolve=unknown)
    async with httpx.AsyncClient(transport=transport) as http:
        with pytest.raises(httpx.ConnectError):
            await http.get("https://nowhere.example/")


async def test_the_client_follows_no_redirect_and_no_proxy_of_the_environment() -> None:
    async with guarded_client(allowed=()) as http:
        assert not http.follow_redirects
        assert not http.trust_env
