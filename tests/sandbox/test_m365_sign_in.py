"""People sign in to the portal at the sandbox's Entra, over real ports and real TLS, by secret and without one."""

import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
import pytest_asyncio
from azure.core.credentials import AccessToken
from azure.core.credentials_async import AsyncTokenCredential

from sandbox.entra_tokens import TOKEN_EXCHANGE
from sandbox.server import Sandbox
from sandbox.serving import running
from sandbox.world import ENTRA_CLIENT_ID, OTHER_TENANT, TENANT, USERS
from shared.clients.entra import EntraTokens
from shared.clients.microsoft_sign_in import MicrosoftSignIn
from shared.clients.published_keys import PublishedKeys
from shared.domain.errors import NotListed, NotSignedIn
from shared.domain.tenant import Role, TenantId

BACK = "http://127.0.0.1:7071/sign-in/callback"


@pytest_asyncio.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    async with running(http_port=0, tls_port=0, state_dir=tmp_path) as one:
        yield one


class Federated(AsyncTokenCredential):
    """The app's own identity: a token that Entra swaps for the app registration's."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        assert scopes == (f"{TOKEN_EXCHANGE}/.default",)
        token = self._sandbox.tokens.for_app(tenant=TENANT, resource=TOKEN_EXCHANGE, roles=())
        return AccessToken(token, 2_000_000_000)

    async def close(self) -> None: ...
    async def __aexit__(self, *_: object) -> None: ...


@pytest.fixture(params=["by secret", "by identity"])
async def client(
    request: pytest.FixtureRequest, sandbox: Sandbox, tmp_path: Path
) -> AsyncIterator[MicrosoftSignIn]:
    trusted = ssl.create_default_context(cafile=str(tmp_path / "ca-bundle.pem"))

    async def secret() -> str:
        return sandbox.world.entra_client_secret

    by_secret = request.param == "by secret"
    async with httpx.AsyncClient(verify=trusted) as http:
        yield MicrosoftSignIn(
            authority=sandbox.world.tls,
            client_id=ENTRA_CLIENT_ID,
            tokens=EntraTokens(
                keys=PublishedKeys(http, now=lambda: datetime.now(UTC)),
                authority=sandbox.world.tls,
                client_id=ENTRA_CLIENT_ID,
                tenants=[TenantId(TENANT)],
                now=lambda: datetime.now(UTC),
            ),
            secret=secret if by_secret else None,
            identity=None if by_secret else Federated(sandbox),
            http=http,
        )


async def at_entra(url: str, person: str) -> dict[str, str]:
    """What the browser brings back when `person` signs in, or declines."""
    chosen = {"cancelled": "1"} if person == "nobody" else {"person": person}
    async with httpx.AsyncClient() as browser:
        answer = await browser.get(httpx.URL(url).copy_merge_params(chosen))
    assert answer.status_code == 302, answer.text
    assert answer.headers["location"].startswith(BACK)
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


async def test_an_administrator_signs_in(client: MicrosoftSignIn) -> None:
    url, flow = await client.begin(state="s-1", redirect_uri=BACK, choose=False)

    person = await client.finish(flow, await at_entra(url, "avery"))

    avery = USERS["avery"]
    assert (person.tenant, person.object_id, person.name) == (TENANT, avery.oid, avery.name)
    assert person.roles == {Role.ADMINISTRATOR}


async def test_an_analyst_signs_in_without_a_role(client: MicrosoftSignIn) -> None:
    url, flow = await client.begin(state="s-1", redirect_uri=BACK, choose=True)

    person = await client.finish(flow, await at_entra(url, "priya"))

    assert (person.address, person.roles) == (USERS["priya"].address, frozenset())


async def test_a_code_is_redeemed_once_and_by_its_own_sign_in_only(client: MicrosoftSignIn) -> None:
    url, flow = await client.begin(state="s-1", redirect_uri=BACK, choose=False)
    _, other = await client.begin(state="s-1", redirect_uri=BACK, choose=False)
    back = await at_entra(url, "avery")

    with pytest.raises(NotSignedIn):
        await client.finish(other, back)  # another PKCE verifier
    await client.finish(flow, back)
    with pytest.raises(NotSignedIn):
        await client.finish(flow, back)


async def test_whoever_declines_is_not_signed_in(client: MicrosoftSignIn) -> None:
    url, flow = await client.begin(state="s-1", redirect_uri=BACK, choose=False)

    with pytest.raises(NotSignedIn):
        await client.finish(flow, await at_entra(url, "nobody"))


async def test_a_person_of_an_organization_that_is_not_listed_is_told_apart(client: MicrosoftSignIn) -> None:
    stranger = next(one for one in USERS.values() if one.tenant == OTHER_TENANT)
    url, flow = await client.begin(state="s-1", redirect_uri=BACK, choose=False)

    with pytest.raises(NotListed):
        await client.finish(flow, await at_entra(url, stranger.key))
