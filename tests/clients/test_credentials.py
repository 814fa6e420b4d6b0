"""The app proves itself to Entra when it must, and says whether a refusal is for now or for good."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError

from shared.clients.credentials import OwnCredential, TenantCredential
from shared.domain.errors import TryAgain, TurnedDown
from shared.domain.tenant import TenantId
from tests.clients.tls_server import FakeCredential, Served, serving

TENANT = TenantId("11111111-aaaa-4aaa-8aaa-000000000001")
SCOPE = "https://graph.microsoft.com/.default"


@dataclass
class TokenEndpoint:
    """Entra's token address, which remembers what it was sent."""

    refusal: tuple[int, str] | None = None
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.asked.append((request.path, form))
        if self.refusal:
            status, words = self.refusal
            return web.json_response({"error": "invalid_client", "error_description": words}, status=status)
        return web.json_response(
            {"access_token": f"token-{len(self.asked)}", "token_type": "Bearer", "expires_in": 3600}
        )


@asynccontextmanager
async def signing_in(
    entra: TokenEndpoint, tmp_path: Path, *, secret: Callable[[], Awaitable[str]] | None = None
) -> AsyncIterator[TenantCredential]:
    async with serving(entra, tmp_path) as served, _credential(served, secret) as credential:
        yield credential


def _credential(served: Served, secret: Callable[[], Awaitable[str]] | None) -> TenantCredential:
    return TenantCredential(
        tenant=TENANT,
        client_id="app-1",
        authority=served.url,
        secret=secret,
        identity=None if secret else FakeCredential(),
        transport=served.transport,
    )


async def test_a_secret_is_read_from_key_vault_and_sent_to_the_tenant(tmp_path: Path) -> None:
    async def secret() -> str:
        return "sesame"

    entra = TokenEndpoint()
    async with signing_in(entra, tmp_path, secret=secret) as credential:
        token = await credential.get_token(SCOPE)
        again = await credential.get_token(SCOPE)

    path, form = entra.asked[0]
    assert token.token == again.token == "token-1"
    assert path == f"/{TENANT}/oauth2/v2.0/token"
    assert (form["client_id"], form["client_secret"], form["scope"]) == ("app-1", "sesame", SCOPE)


async def test_a_new_secret_is_used_without_a_restart(tmp_path: Path) -> None:
    secrets = ["first", "second"]

    async def secret() -> str:
        return secrets[0]

    entra = TokenEndpoint()
    async with signing_in(entra, tmp_path, secret=secret) as credential:
        await credential.get_token(SCOPE)
        secrets.pop(0)
        await credential.get_token(SCOPE)

    assert [form["client_secret"] for _, form in entra.asked] == ["first", "second"]


async def test_without_a_secret_the_apps_own_identity_is_the_proof(tmp_path: Path) -> None:
    entra = TokenEndpoint()
    async with signing_in(entra, tmp_path) as credential:
        assert (await credential.get_token(SCOPE)).token == "token-1"

    _, form = entra.asked[0]
    assert form["client_assertion"] == "a-token"
    assert "client_secret" not in form


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("AADSTS700016: Application 'app-1' was not found in the directory 'Lamna'.", "AADSTS700016"),
        ("something else about Lamna", "no-credential"),
    ],
)
async def test_a_refusal_keeps_entras_number_and_none_of_its_words(
    tmp_path: Path, words: str, code: str
) -> None:
    entra = TokenEndpoint(refusal=(401, words))
    async with signing_in(entra, tmp_path) as credential:
        with pytest.raises(TurnedDown) as refused:
            await credential.get_token(SCOPE)

    assert refused.value.code == code
    assert "Lamna" not in str(refused.value)
    assert refused.value.__cause__ is None


async def test_an_entra_that_cannot_be_reached_is_worth_another_try() -> None:
    class Away(FakeCredential):
        async def get_token(self, *scopes: str, **_options: object) -> AccessToken:
            raise ServiceRequestError("no route")

    with pytest.raises(TryAgain):
        await OwnCredential(Away).get_token("x/.default")


async def test_an_identity_that_does_not_exist_is_a_refusal() -> None:
    class Unknown(FakeCredential):
        async def get_token(self, *scopes: str, **_options: object) -> AccessToken:
            raise ClientAuthenticationError("no identity here")

    with pytest.raises(TurnedDown):
        await OwnCredential(Unknown).get_token("x/.default")


async def test_the_own_identity_is_built_once_and_closed_by_whoever_has_it() -> None:
    built: list[FakeCredential] = []

    def build() -> FakeCredential:
        built.append(FakeCredential())
        return built[-1]

    async with OwnCredential(build) as own:
        assert built == []
        await own.get_token("one/.default")
        await own.get_token("two/.default")

    assert [one.scopes for one in built] == [["one/.default", "two/.default"]]


def test_one_proof_is_needed_and_not_two() -> None:
    async def secret() -> str:
        return "sesame"

    for proofs in ({}, {"secret": secret, "identity": FakeCredential()}):
        with pytest.raises(ValueError, match="either"):
            TenantCredential(tenant=TENANT, client_id="a", authority="b", **proofs)  # type: ignore[arg-type]
