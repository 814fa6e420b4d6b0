"""A stage for tests of the sandbox's Microsoft half: a clock that stands still, waits that take no time, an app."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import Encoding

from sandbox.entra_tokens import GRAPH, GRAPH_ROLES
from sandbox.server import Sandbox, build
from sandbox.world import TENANT, USERS, World

S = "http://sandbox.example"
T = "https://127.0.0.1:7443"
APP = "http://127.0.0.1:7071"
VISITS = USERS["visits"].oid
SUSAN = USERS["susan"].oid
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(key: rsa.RSAPrivateKey = KEY) -> str:
    """A self-signed certificate in base64 of its DER form."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "call events")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2027, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2029, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    return base64.b64encode(made.public_bytes(Encoding.DER)).decode()


def opened(notification: dict[str, Any]) -> dict[str, Any]:
    """What a notification says, with its signature checked before it is decrypted."""
    content = notification["encryptedContent"]
    wrapped, data = base64.b64decode(content["dataKey"]), base64.b64decode(content["data"])
    key = KEY.decrypt(wrapped, padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None))  # noqa: S303
    signature = base64.b64encode(hmac.new(key, data, hashlib.sha256).digest()).decode()
    assert signature == content["dataSignature"]
    decryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).decryptor()
    padded = decryptor.update(data) + decryptor.finalize()
    found: dict[str, Any] = json.loads(padded[: -padded[-1]])
    return found


@dataclass
class App:
    """The app as Graph meets it: it shakes hands and takes notifications, unless told otherwise."""

    received: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    answers: list[Callable[[httpx.Request], httpx.Response]] = field(default_factory=list)
    handshakes: list[str] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.answers:
            return self.answers.pop(0)(request)
        token = request.url.params.get("validationToken")
        if token is not None:
            self.handshakes.append(request.url.path)
            return httpx.Response(200, text=token)
        self.received.append((request.url.path, json.loads(request.content)))
        return httpx.Response(202)

    def events(self) -> list[dict[str, Any]]:
        return [opened(item) for _, body in self.received for item in body["value"]]

    def kinds(self) -> list[str]:
        return [one["eventType"] for one in self.events()]


@dataclass
class Stage:
    sandbox: Sandbox
    browser: httpx.AsyncClient
    behind_tls: httpx.AsyncClient
    app: App
    now: list[datetime]
    pauses: list[float]

    @property
    def world(self) -> World:
        return self.sandbox.world

    def later(self, **by: float) -> None:
        self.now[0] += timedelta(**by)

    def graph_token(self, roles: tuple[str, ...] = GRAPH_ROLES, *, tenant: str = TENANT) -> str:
        return self.sandbox.tokens.for_app(tenant=tenant, resource=GRAPH, roles=roles)

    async def graph(
        self, method: str, path: str, body: object = None, *, version: str = "v1.0", token: str | None = None
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.graph_token() if token is None else token}"}
        url = f"/graph/{version}{path}"
        return await self.browser.request(method, url, json=body, headers=headers)

    async def meeting(self, external_id: str = "visit-1", **settings: object) -> dict[str, Any]:
        """A meeting made by createOrGet, then set up."""
        path = f"/users/{VISITS}/onlineMeetings"
        body = {
            "externalId": external_id,
            "subject": "Video visit",
            "startDateTime": "2027-01-15T18:00:00Z",
            "endDateTime": "2027-01-15T18:30:00Z",
        }
        answer = await self.graph("POST", f"{path}/createOrGet", body)
        assert answer.status_code in (200, 201), answer.text
        made: dict[str, Any] = answer.json()
        if settings:
            changed = await self.graph("PATCH", f"{path}/{made['id']}", settings)
            assert changed.status_code == 200, changed.text
        return made

    def subscription(self, meeting: dict[str, Any], **changes: object) -> dict[str, object]:
        body: dict[str, object] = {
            "changeType": "updated",
            "resource": resource(meeting["joinWebUrl"]),
            "notificationUrl": f"{APP}/graph/notifications",
            "lifecycleNotificationUrl": f"{APP}/graph/lifecycle",
            "expirationDateTime": (self.now[0] + timedelta(hours=6)).isoformat(),
            "clientState": "a-state",
            "includeResourceData": True,
            "encryptionCertificate": certificate(),
            "encryptionCertificateId": "key-1",
            **changes,
        }
        return {name: value for name, value in body.items() if value != "(left out)"}

    async def subscribe(self, meeting: dict[str, Any], **changes: object) -> dict[str, Any]:
        answer = await self.graph("POST", "/subscriptions", self.subscription(meeting, **changes))
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def teams(self, meeting: dict[str, Any], act: str, **body: str) -> httpx.Response:
        return await self.browser.post(f"/api/teams/{meeting['id']}/{act}", json=body)

    async def join(self, meeting: dict[str, Any], name: str, *, oid: str = "") -> str:
        who = {"as": "user", "oid": oid} if oid else {"as": "guest"}
        answer = await self.teams(meeting, "join", name=name, **who)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["participant"])

    def signed(self, method: str, address: str, body: bytes, **changes: str) -> dict[str, str]:
        """The headers with which a client of Communication Services proves itself."""
        date = changes.get("date", format_datetime(self.now[0], usegmt=True))
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        text = f"{method}\n{address}\n{date};sandbox.example;{digest}"
        key = base64.b64decode(changes.get("key", self.world.communication_key))
        signature = base64.b64encode(hmac.new(key, text.encode(), hashlib.sha256).digest()).decode()
        return {
            "x-ms-date": date,
            "x-ms-content-sha256": changes.get("digest", digest),
            "Content-Type": "application/json",
            "Authorization": "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256"
            f"&Signature={changes.get('signature', signature)}",
        }

    async def text(self, to: str = "+12065550142", message: str = "Hello", **changes: Any) -> httpx.Response:
        recipient = {
            "to": to,
            "repeatabilityRequestId": changes.pop("request_id", self.world.new_id()),
            "repeatabilityFirstSent": format_datetime(changes.pop("first_sent", self.now[0]), usegmt=True),
        }
        body = {
            "from": "+18335550142",
            "smsRecipients": [recipient],
            "message": message,
            "smsSendOptions": {"enableDeliveryReport": True, "tag": "t-1"},
            **changes,
        }
        raw, address = json.dumps(body).encode(), "/communication/sms?api-version=2021-03-07"
        return await self.browser.post(address, content=raw, headers=self.signed("POST", address, raw))

    async def refusals(self) -> list[str]:
        return [one["why"] for one in (await self.browser.get("/api/contract-refusals")).json()]


def resource(join_url: str) -> str:
    encoded = quote(join_url, safe="")
    return f"communications/onlineMeetings(joinWebUrl='{encoded}')/meetingCallEvents"


@asynccontextmanager
async def stage(state_dir: Path, *, keep: bool = False) -> AsyncIterator[Stage]:
    now = [datetime(2027, 1, 15, 17, 0, tzinfo=UTC)]
    pauses: list[float] = []
    app = App()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(0)

    world = World(
        http=S,
        tls=T,
        state_dir=state_dir,
        keep=keep,
        clock=lambda: now[0],
        pause=pause,
        client=httpx.AsyncClient(transport=httpx.MockTransport(app)),
    )
    if keep:
        world.recall_secrets()
    sandbox = build(world)
    async with (
        httpx.AsyncClient(transport=httpx.ASGITransport(sandbox.http_app), base_url=S) as browser,
        httpx.AsyncClient(transport=httpx.ASGITransport(sandbox.tls_app), base_url=T) as behind_tls,
    ):
        try:
            yield Stage(sandbox, browser, behind_tls, app, now, pauses)
        finally:
            await sandbox.aclose()
