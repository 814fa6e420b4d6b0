"""A stage for tests of the sandbox's Epic: two instances, a clock that stands still, a connector that answers."""

import base64
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.applications import Starlette

from sandbox.epic.desk import Desk, LaunchRole
from sandbox.epic.desk_api import DeskApi
from sandbox.epic.hl7_sender import describe
from sandbox.epic.state import CLIENT_IDS, ClientKind, EpicState, Instance, new_state
from sandbox.epic.web import EpicWeb

S = "http://sandbox.example"
A = "http://app.example"
ENVIRONMENT = "env-1"
CALLBACK = f"{A}/launch/callback"
STATE = "k3Jf0aZq9Xw2LmVb7Tn5Rd"
VERIFIER = "v" * 43
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def acknowledgement(request: httpx.Request, code: str = "AA", text: str = "") -> httpx.Response:
    """An answer as the connector gives it to an HL7v2 message."""
    control_id = describe(request.content)[0]
    return httpx.Response(
        200, text=f"MSH|^~\\&|VISIT CONNECTOR|LAMNA|EPIC|LAMNA|||ACK\rMSA|{code}|{control_id}|{text}\r"
    )


@dataclass
class Connector:
    """The app as sandbox Epic sees it: a key address and an intake whose answers can be set."""

    answers: list[Callable[[httpx.Request], httpx.Response]] = field(default_factory=list)
    received: list[httpx.Request] = field(default_factory=list)
    key: rsa.RSAPrivateKey = KEY
    keys_served: int = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/jwks.json"):
            self.keys_served += 1
            key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
            return httpx.Response(200, json={"keys": [{**key, "kid": "k1"}]})
        self.received.append(request)
        return self.answers.pop(0)(request) if self.answers else acknowledgement(request)

    @property
    def messages(self) -> list[str]:
        return [request.content.decode() for request in self.received]


@dataclass
class Stage:
    state: EpicState
    connector: Connector
    browser: httpx.AsyncClient
    now: list[datetime]
    log: list[tuple[str, dict[str, object]]]
    pauses: list[float]

    @property
    def instance(self) -> Instance:
        return self.state.instances["test"]

    @property
    def desk(self) -> Desk:
        return Desk(self.state, self.instance)

    def connect(self, **records: str) -> None:
        self.desk.connect(
            environment=ENVIRONMENT,
            app=A,
            hl7v2=f"{A}/hl7v2/{ENVIRONMENT}",
            records=records,
            redirect_uris=None,
        )

    def later(self, **by: float) -> None:
        self.now[0] += timedelta(**by)

    def launch_token(self, csn: str, *, role: str = "provider", person: str = "") -> str:
        url = self.desk.launch_url(csn, role=LaunchRole(role), person=person)
        return parse_qs(urlsplit(url).query)["launch"][0]

    def authorize_parameters(
        self, launch: str, /, *, kind: str = "provider", **changes: str
    ) -> dict[str, str]:
        parameters = {
            "response_type": "code",
            "client_id": CLIENT_IDS["test"][ClientKind(kind)],
            "redirect_uri": CALLBACK,
            "scope": "launch openid fhirUser profile",
            "state": STATE,
            "aud": self.instance.fhir_base,
            "launch": launch,
            "nonce": "n-1",
            "code_challenge": challenge(VERIFIER),
            "code_challenge_method": "S256",
        }
        return {name: value for name, value in {**parameters, **changes}.items() if value != "(left out)"}

    async def code(self, launch: str, *, kind: str = "provider") -> str:
        answer = await self.browser.get(
            "/epic/test/oauth2/authorize", params=self.authorize_parameters(launch, kind=kind)
        )
        return parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]

    def claims(self, kind: str = "provider", **changes: object) -> dict[str, Any]:
        now = int(self.now[0].timestamp())
        claims: dict[str, Any] = {
            "iss": CLIENT_IDS["test"][ClientKind(kind)],
            "sub": CLIENT_IDS["test"][ClientKind(kind)],
            "aud": self.instance.token_url,
            "jti": secrets.token_hex(8),
            "iat": now - 5,
            "nbf": now - 5,
            "exp": now + 240,
        }
        return {name: value for name, value in {**claims, **changes}.items() if value != "(left out)"}

    def assertion(self, kind: str = "provider", *, algorithm: str = "RS384", **changes: object) -> str:
        return jwt.encode(self.claims(kind, **changes), KEY, algorithm=algorithm, headers={"kid": "k1"})

    async def redeem(self, code: str, /, *, kind: str = "provider", **changes: str) -> httpx.Response:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
            **assertion_fields(self.assertion(kind)),
            **changes,
        }
        return await self.browser.post("/epic/test/oauth2/token", data=form)

    async def launch(self, csn: str, *, role: str = "provider", person: str = "") -> dict[str, Any]:
        """The whole sign-in of one launch, up to the token response."""
        kind = "provider" if role == "provider" else "patient"
        token = self.launch_token(csn, role=role, person=person)
        answer = await self.redeem(await self.code(token, kind=kind), kind=kind)
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        return result

    async def backend_token(self) -> str:
        answer = await self.browser.post(
            "/epic/test/oauth2/token",
            data={"grant_type": "client_credentials", **assertion_fields(self.assertion("backend"))},
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])


def assertion_fields(assertion: str) -> dict[str, str]:
    return {
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
    }


def challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


@asynccontextmanager
async def stage(state_dir: Path, *, connected: bool = True) -> AsyncIterator[Stage]:
    now = [datetime(2027, 1, 15, 17, 0, tzinfo=UTC)]
    connector = Connector()
    pauses: list[float] = []
    log: list[tuple[str, dict[str, object]]] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    def note(event: str, **details: object) -> None:
        log.append((event, details))

    http = httpx.AsyncClient(transport=httpx.MockTransport(connector))
    state = new_state(url=S, state_dir=state_dir, clock=lambda: now[0], http=http, pause=pause)
    app = Starlette(routes=[*EpicWeb(state, note).routes(), *DeskApi(state).routes()])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=S) as browser:
        set_up = Stage(state, connector, browser, now, log, pauses)
        if connected:
            set_up.connect()
        try:
            yield set_up
        finally:
            await state.aclose()
            await http.aclose()
