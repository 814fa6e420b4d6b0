"""Microsoft's own library signs people in, over HTTP answers like Entra's; nothing it says is believed unchecked."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest

from shared.clients.entra import EntraTokens
from shared.clients.microsoft_sign_in import MicrosoftSignIn
from shared.clients.published_keys import PublishedKeys
from shared.domain.errors import NotListed, NotSignedIn, TryAgain, TurnedDown
from shared.domain.tenant import Role, TenantId
from tests.clients.signing import key_set, signed
from tests.fakes.clock import FixedClock

AUTHORITY = "https://login.example"
CLIENT = "0c0ffee0-0000-4000-8000-00000000ec01"
TENANT = TenantId("11111111-aaaa-4aaa-8aaa-000000000001")
BACK = "https://visits.example/sign-in/callback"
CLOCK = FixedClock()
CLAIMS: dict[str, Any] = {
    "iss": f"{AUTHORITY}/{TENANT}/v2.0",
    "aud": CLIENT,
    "tid": TENANT,
    "oid": "22222222-aaaa-4aaa-8aaa-000000000001",
    "name": "Avery Howard",
    "preferred_username": "avery@lamna.example",
    "roles": ["Administrator"],
}


@dataclass
class Entra:
    """Entra's discovery, token and key addresses. `claims` are those of the next id token, beside its nonce."""

    claims: dict[str, Any] = field(default_factory=lambda: dict(CLAIMS))
    nonce: str = ""
    refusal: dict[str, str] | None = None
    status: int = 200
    redeemed: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.paths.append(request.url.path)
        if self.status != 200:
            return httpx.Response(self.status)
        if request.url.path == "/organizations/v2.0/.well-known/openid-configuration":
            at = f"{AUTHORITY}/organizations"
            return httpx.Response(
                200,
                json={
                    "issuer": f"{AUTHORITY}/{{tenantid}}/v2.0",
                    "authorization_endpoint": f"{at}/oauth2/v2.0/authorize",
                    "token_endpoint": f"{at}/oauth2/v2.0/token",
                },
            )
        if request.url.path == "/organizations/oauth2/v2.0/token":
            sent = dict(parse_qsl(request.content.decode()))
            self.redeemed.append(sent)
            if self.refusal:
                return httpx.Response(400, json=self.refusal)
            token = signed({**self.claims, "nonce": self.nonce}, at=CLOCK())
            info = base64.urlsafe_b64encode(json.dumps({"uid": "u", "utid": "t"}).encode()).decode()
            return httpx.Response(
                200,
                json={
                    "token_type": "Bearer",
                    "access_token": "an-access-token",
                    "expires_in": 3599,
                    "id_token": token,
                    "client_info": info,
                },
            )
        return httpx.Response(200, json=key_set("key-1"))


@pytest.fixture
def entra() -> Entra:
    return Entra()


def client_of(entra: Entra, secret: Callable[[], str] = lambda: "s-1") -> MicrosoftSignIn:
    async def read() -> str:
        return secret()

    tokens = EntraTokens(
        keys=PublishedKeys(httpx.AsyncClient(transport=httpx.MockTransport(entra)), now=CLOCK),
        authority=AUTHORITY,
        client_id=CLIENT,
        tenants=[TENANT],
        now=CLOCK,
    )
    return MicrosoftSignIn(
        authority=AUTHORITY,
        client_id=CLIENT,
        tokens=tokens,
        secret=read,
        http=httpx.AsyncClient(transport=httpx.MockTransport(entra)),
    )


@pytest.fixture
def client(entra: Entra) -> MicrosoftSignIn:
    return client_of(entra)


async def begun(client: MicrosoftSignIn, entra: Entra, *, choose: bool = False) -> tuple[dict[str, str], str]:
    """What the browser was sent away with, and the flow; the next id token carries its nonce."""
    url, flow = await client.begin(state="s", redirect_uri=BACK, choose=choose)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    entra.nonce = asked["nonce"]
    return asked, flow


def answer(**more: str) -> Mapping[str, str]:
    return {"code": "a-code", "state": "s", **more}


class TestGoing:
    async def test_the_browser_goes_to_any_organizations_sign_in_with_a_challenge(
        self, client: MicrosoftSignIn, entra: Entra
    ) -> None:
        url, _ = await client.begin(state="s", redirect_uri=BACK, choose=False)
        asked, _ = await begun(client, entra)

        assert url.startswith(f"{AUTHORITY}/organizations/oauth2/v2.0/authorize?")
        assert (asked["response_type"], asked["client_id"], asked["redirect_uri"]) == ("code", CLIENT, BACK)
        assert (asked["state"], asked["code_challenge_method"]) == ("s", "S256")
        assert set(asked["scope"].split()) == {"openid", "profile"}
        assert "prompt" not in asked

    async def test_after_signing_out_microsoft_asks_which_account(
        self, client: MicrosoftSignIn, entra: Entra
    ) -> None:
        asked, _ = await begun(client, entra, choose=True)

        assert asked["prompt"] == "select_account"

    async def test_only_microsofts_own_hosts_are_looked_up_at_microsoft(
        self, client: MicrosoftSignIn, entra: Entra
    ) -> None:
        await begun(client, entra)

        assert entra.paths == ["/organizations/v2.0/.well-known/openid-configuration"]

    async def test_every_sign_in_has_a_verifier_and_a_nonce_of_its_own(
        self, client: MicrosoftSignIn, entra: Entra
    ) -> None:
        (one, first), (other, second) = await begun(client, entra), await begun(client, entra)

        assert one["nonce"] != other["nonce"]
        assert json.loads(first)["code_verifier"] != json.loads(second)["code_verifier"]


class TestComingBack:
    async def test_the_person_is_whom_the_checked_token_names(
        self, client: MicrosoftSignIn, entra: Entra
    ) -> None:
        _, flow = await begun(client, entra)

        person = await client.finish(flow, answer())

        assert (person.tenant, person.object_id) == (TENANT, CLAIMS["oid"])
        assert person.roles == {Role.ADMINISTRATOR}
        (sent,) = entra.redeemed
        assert (sent["code"], sent["code_verifier"]) == ("a-code", json.loads(flow)["code_verifier"])
        assert sent["client_secret"] == "s-1"

    async def test_a_global_administrator_is_one_here_and_another_directory_role_is_not(
        self, client: MicrosoftSignIn, entra: Entra
    ) -> None:
        roles = []
        for wid in ("62e90394-69f5-4237-9190-012177145e10", "88d8e3e3-8f55-4a1e-953a-9b9898b8876b"):
            entra.claims = {**CLAIMS, "roles": None, "wids": [wid]}
            _, flow = await begun(client, entra)
            roles.append((await client.finish(flow, answer())).roles)

        assert roles == [{Role.ADMINISTRATOR}, frozenset()]

    async def test_an_organization_that_is_not_listed_is_told_apart(
        self, client: MicrosoftSignIn, entra: Entra
    ) -> None:
        other = "99999999-aaaa-4aaa-8aaa-000000000009"
        entra.claims = {**CLAIMS, "tid": other, "iss": f"{AUTHORITY}/{other}/v2.0"}
        _, flow = await begun(client, entra)

        with pytest.raises(NotListed):
            await client.finish(flow, answer())

    @pytest.mark.parametrize(
        "claims",
        [{"aud": "another-app"}, {"oid": None}, {"iss": "https://evil.example/v2.0"}, {"exp": 1}],
        ids=["another app", "nobody", "another issuer", "expired"],
    )
    async def test_a_token_that_proves_something_else_signs_nobody_in(
        self, client: MicrosoftSignIn, entra: Entra, claims: dict[str, Any]
    ) -> None:
        entra.claims = {**CLAIMS, **claims}
        _, flow = await begun(client, entra)

        with pytest.raises(NotSignedIn):
            await client.finish(flow, answer())

    async def test_a_token_of_another_sign_in_signs_nobody_in(
        self, client: MicrosoftSignIn, entra: Entra
    ) -> None:
        _, flow = await begun(client, entra)
        await begun(client, entra)

        with pytest.raises(NotSignedIn):
            await client.finish(flow, answer())

    async def test_another_state_is_not_redeemed(self, client: MicrosoftSignIn, entra: Entra) -> None:
        _, flow = await begun(client, entra)

        with pytest.raises(NotSignedIn):
            await client.finish(flow, answer(state="other"))
        assert entra.redeemed == []

    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            ("access_denied", NotSignedIn),
            ("invalid_grant", NotSignedIn),
            ("temporarily_unavailable", TryAgain),
            ("invalid_client", TurnedDown),
            ("<b>words</b>", TurnedDown),
        ],
    )
    async def test_a_refusal_by_entra_is_told_by_its_kind(
        self, client: MicrosoftSignIn, entra: Entra, error: str, kind: type[Exception]
    ) -> None:
        _, flow = await begun(client, entra)
        entra.refusal = {"error": error, "error_description": "Avery Howard of Lamna"}

        for given in (answer(), {"error": error, "error_description": "Avery Howard", "state": "s"}):
            with pytest.raises(kind) as refused:
                await client.finish(flow, given)
            assert "Avery" not in str(refused.value)
            assert "<b>" not in getattr(refused.value, "code", "")

    async def test_while_entra_is_away_one_can_try_again(self, entra: Entra, client: MicrosoftSignIn) -> None:
        _, flow = await begun(client, entra)
        entra.status = 503

        with pytest.raises(TryAgain):
            await client.finish(flow, answer())
        with pytest.raises(TryAgain):
            await client_of(entra).begin(state="s", redirect_uri=BACK, choose=False)

    async def test_no_token_is_kept(self, client: MicrosoftSignIn, entra: Entra) -> None:
        _, flow = await begun(client, entra)
        await client.finish(flow, answer())

        assert client._app is not None
        assert client._app.get_accounts() == []

    async def test_a_renewed_secret_is_used_without_a_restart(self, entra: Entra) -> None:
        secrets = ["s-1"]
        client = client_of(entra, lambda: secrets[-1])
        for _ in range(2):
            _, flow = await begun(client, entra)
            await client.finish(flow, answer())
            secrets.append("s-2")

        assert [one["client_secret"] for one in entra.redeemed] == ["s-1", "s-2"]


def test_microsofts_sign_out_knows_the_way_back(client: MicrosoftSignIn) -> None:
    url = client.sign_out_url(BACK)

    assert url.startswith(f"{AUTHORITY}/organizations/oauth2/v2.0/logout?")
    assert parse_qs(urlsplit(url).query)["post_logout_redirect_uri"] == [BACK]
