"""Signing people in with their Microsoft work account: where to send them, and who came back.

The authorization code flow with PKCE, by Microsoft's own library. It is imported at the first sign-in (0.2 s of a
cold start) and run in a thread, because it waits where it stands.
"""

import asyncio
import json
import re
import warnings
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
from azure.core.credentials_async import AsyncTokenCredential

from shared.domain.errors import NotSignedIn, TryAgain, TurnedDown
from shared.domain.tenant import Person
from shared.domain.words import said

if TYPE_CHECKING:
    from msal import ConfidentialClientApplication

# Entra swaps a token for this audience for the app registration's proof (workload identity federation).
_EXCHANGE = "api://AzureADTokenExchange/.default"
_MICROSOFT = "https://login.microsoftonline.com"

# What the person did or the organization decided, which trying again here does not change (OpenID Connect Core,
# 3.1.2.6, and RFC 6749, 4.1.2.1).
_REFUSED = frozenset({"access_denied", "consent_required", "interaction_required", "login_required"})
_CODE = re.compile(r"[a-z_]{1,40}")


class _OnOurLoop:
    """The requests of the library, which waits in a thread of its own, made by the app's one kind of client."""

    def __init__(self, http: httpx.AsyncClient, loop: asyncio.AbstractEventLoop) -> None:
        self._http = http
        self._loop = loop

    def get(self, url: str, **given: Any) -> httpx.Response:
        return self._made("GET", url, **given)

    def post(self, url: str, **given: Any) -> httpx.Response:
        return self._made("POST", url, **given)

    def close(self) -> None:
        """Whoever built the client closes it."""

    def _made(
        self, method: str, url: str, *, params: Any = None, data: Any = None, headers: Any = None, **_: Any
    ) -> httpx.Response:
        asked = self._http.request(method, url, params=params, data=data, headers=headers)
        return asyncio.run_coroutine_threadsafe(asked, self._loop).result()


class Tokens(Protocol):
    async def person(self, token: str, *, nonce: str | None = None) -> Person:
        """Whose token this is; raise NotSignedIn or TryAgain."""
        ...


class MicrosoftSignIn:
    """The sign-in of people of any listed organization, for one app registration.

    Proven by a secret (`secret` reads it from Key Vault) or by a token of the app's own `identity`.
    """

    def __init__(
        self,
        *,
        authority: str,
        client_id: str,
        tokens: Tokens,
        secret: Callable[[], Awaitable[str]] | None = None,
        identity: AsyncTokenCredential | None = None,
        http: httpx.AsyncClient,
    ) -> None:
        if (secret is None) == (identity is None):
            raise ValueError("give either a secret or an identity")
        self._authority = authority.rstrip("/")
        self._client_id = client_id
        self._tokens = tokens
        self._secret = secret
        self._identity = identity
        self._http = http
        self._proof = ""
        self._app: ConfidentialClientApplication | None = None
        self._lock = asyncio.Lock()

    async def begin(self, *, state: str, redirect_uri: str, choose: bool) -> tuple[str, str]:
        """Where to send the browser, and what `finish` wants back (it holds the PKCE verifier: seal it)."""
        app = await self._ready()
        flow = await _asked(
            lambda: app.initiate_auth_code_flow(
                [], redirect_uri=redirect_uri, state=state, prompt="select_account" if choose else None
            )
        )
        return str(flow["auth_uri"]), json.dumps(flow)

    async def finish(self, flow: str, answer: Mapping[str, str]) -> Person:
        """Who came back with `answer`, the query of the return. All tokens are dropped.

        Raises NotSignedIn when Microsoft or the person said no, or when the answer belongs to another sign-in.
        """
        app, begun = await self._ready(), json.loads(flow)
        if answer.get("state") != begun["state"]:
            raise NotSignedIn(said("This sign-in was used or has expired. Sign in again."))
        if answer.get("error"):
            _refuse(str(answer["error"]))
        got = await _asked(lambda: app.acquire_token_by_auth_code_flow(begun, dict(answer)))
        if "error" in got:
            _refuse(str(got["error"]))
        # The library does not check the token's signature and issuer. The nonce is the one that was sent along.
        nonce = parse_qs(urlsplit(begun["auth_uri"]).query)["nonce"][0]
        return await self._tokens.person(str(got.get("id_token", "")), nonce=nonce)

    def sign_out_url(self, back: str) -> str:
        """Microsoft's own sign-out, which leads to `back` afterwards."""
        query = urlencode({"post_logout_redirect_uri": back})
        return f"{self._authority}/organizations/oauth2/v2.0/logout?{query}"

    async def _ready(self) -> "ConfidentialClientApplication":
        """The library's client, built once and again when the secret was renewed."""
        async with self._lock:
            if self._identity is not None:
                # Fetched here because the library asks for the proof in a plain function, which cannot await.
                self._proof = (await self._identity.get_token(_EXCHANGE)).token
                if self._app is None:
                    self._app = await self._built({"client_assertion": lambda: self._proof})
                return self._app
            secret = await self._secret() if self._secret is not None else ""
            if self._app is None or secret != self._proof:
                self._app, self._proof = await self._built(secret), secret
            return self._app

    async def _built(self, credential: Any) -> "ConfidentialClientApplication":
        http = _OnOurLoop(self._http, asyncio.get_running_loop())

        def build() -> "ConfidentialClientApplication":
            import msal  # noqa: PLC0415 - imported at first use: it costs a cold start 0.2 s

            # It advises form_post. That return is a POST from Microsoft's site, for which browsers hold back the
            # cookie that ties the sign-in to its browser; PKCE, state and that cookie guard the code in the query.
            warnings.filterwarnings("ignore", message="response_mode='form_post'", category=UserWarning)

            class Forgetful(msal.TokenCache):  # type: ignore[misc]
                """Keeps nothing: who came back is all that is wanted of a sign-in."""

                def add(self, event: object, now: object = None) -> None:
                    return

            return msal.ConfidentialClientApplication(
                self._client_id,
                client_credential=credential,
                authority=f"{self._authority}/organizations",
                # Only Microsoft's own hosts are on the list that this would ask about.
                instance_discovery=None if self._authority == _MICROSOFT else False,
                token_cache=Forgetful(),
                exclude_scopes=["offline_access"],
                http_client=http,
            )

        return await _asked(build)


async def _asked(call: Callable[[], Any]) -> Any:
    """What the library says. Its errors quote tokens and addresses, so that only their kind goes on."""
    from msal.exceptions import MsalError  # noqa: PLC0415 - imported at first use, see above

    try:
        return await asyncio.to_thread(call)
    except (httpx.HTTPError, MsalError):
        raise TryAgain("Microsoft's sign-in could not be reached") from None
    except RuntimeError:
        # The library's word for a token of another sign-in: its nonce is not the one that was sent along.
        raise NotSignedIn(said("This sign-in was used or has expired. Sign in again.")) from None
    except ValueError:
        # Discovery failed, or the answer was no JSON.
        raise TryAgain("Microsoft's sign-in did not answer as it should") from None


def _refuse(error: str) -> None:
    if error in _REFUSED:
        raise NotSignedIn(said("Microsoft did not sign you in. Try again, or use another account."))
    if error in ("temporarily_unavailable", "server_error"):
        raise TryAgain("Microsoft's sign-in is away")
    if error == "invalid_grant":
        raise NotSignedIn(said("This sign-in was used or has expired. Sign in again."))
    raise TurnedDown(
        "Microsoft refused the app's sign-in", code=error if _CODE.fullmatch(error) else "unknown"
    )
