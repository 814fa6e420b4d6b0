"""Everything the sandbox's Epic remembers: two instances, each with its schedule, sign-ins and connection."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.epic.hl7_sender import InterfaceEngine, Pause
from sandbox.epic.hl7_signature import make_signer, signer_in
from sandbox.epic.keeping import keep, recall
from sandbox.epic.people import ANALYSTS, PATIENTS, PROVIDERS, PROXIES, Patient, Provider, Proxy, fhir_id
from sandbox.epic.schedule import Booking, Connection, Schedule

INSTANCES = ("test", "production")


class ClientKind(StrEnum):
    """The three registrations of the connector at Epic."""

    PROVIDER = "provider"
    PATIENT = "patient"
    BACKEND = "backend"


# Epic gives each app one client id for production and another for everything else.
CLIENT_IDS = {
    "test": {
        ClientKind.PROVIDER: "5a4db0c5-0000-4000-8000-0000000000a1",
        ClientKind.PATIENT: "5a4db0c5-0000-4000-8000-0000000000a2",
        ClientKind.BACKEND: "5a4db0c5-0000-4000-8000-0000000000a3",
    },
    "production": {
        ClientKind.PROVIDER: "9b0de0c5-0000-4000-8000-0000000000b1",
        ClientKind.PATIENT: "9b0de0c5-0000-4000-8000-0000000000b2",
        ClientKind.BACKEND: "9b0de0c5-0000-4000-8000-0000000000b3",
    },
}

# What the hospital's administrator granted each registration; Epic takes API scopes from there, not from the request.
API_SCOPES = {
    ClientKind.PROVIDER: (
        "user/Appointment.read",
        "user/Encounter.read",
        "user/Patient.read",
        "user/Practitioner.read",
    ),
    ClientKind.PATIENT: (
        "patient/Appointment.read",
        "patient/Encounter.read",
        "patient/Patient.read",
        "patient/Practitioner.read",
        "patient/RelatedPerson.read",
    ),
    ClientKind.BACKEND: (
        "system/Appointment.read",
        "system/Encounter.read",
        "system/Practitioner.read",
    ),
}

Person = Provider | Patient | Proxy

LAUNCH_LIVES = timedelta(minutes=5)
CODE_LIVES = timedelta(minutes=1)
SIGN_IN_LIVES = timedelta(minutes=10)
# As in Epic's published examples: a launch's token lives 54 minutes, a backend's an hour.
LAUNCH_TOKEN_LIVES = timedelta(seconds=3240)
BACKEND_TOKEN_LIVES = timedelta(seconds=3600)


@dataclass(slots=True)
class Client:
    """A registered app. Its redirect addresses and key address become known when the connector is connected."""

    id: str
    kind: ClientKind
    redirect_uris: frozenset[str] = frozenset()
    jwks_url: str = ""
    keys: dict[str, dict[str, object]] = field(default_factory=dict)
    seen_jtis: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Launch:
    """What a launch token stands for: who opened which visit from where."""

    client_id: str
    person: Person
    booking: Booking | None
    record: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SignIn:
    """A standalone launch that waits for someone to say who they are."""

    client_id: str
    redirect_uri: str
    state: str
    nonce: str
    challenge: str
    scopes: tuple[str, ...]
    expires_at: datetime


@dataclass(slots=True)
class Code:
    """An authorization code: a minute, one use."""

    client_id: str
    redirect_uri: str
    challenge: str
    state: str
    nonce: str
    scopes: tuple[str, ...]
    launch: Launch
    expires_at: datetime
    used: bool = False
    token: str = ""


@dataclass(frozen=True, slots=True)
class Token:
    client_id: str
    kind: ClientKind
    scopes: tuple[str, ...]
    patient: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class WriteBack:
    """One call of the status service: what the connector told Epic, and whether Epic took it."""

    at: datetime
    instance: str
    method: str
    conference_id: str
    external_id: str
    external_id_type: str
    vendor: str
    status: str
    status_meaning: str
    who: str
    http_status: int
    reason: str

    @property
    def accepted(self) -> bool:
        return self.http_status == 200


def _statuses() -> dict[str, Connection]:
    return {"1": Connection.CONNECTED, "2": Connection.DISCONNECTED, "3": Connection.NO_SHOW}


def _id_types() -> dict[str, str]:
    # Epic takes the type of an id by number or by the name of its master file: employees and MyChart accounts.
    return {"1": "provider", "2": "patient", "EMP": "provider", "MYCHART": "patient"}


@dataclass(slots=True)
class StatusRules:
    """How this site configured SetExternalConnectionStatus. Nothing public fixes any of it, so all can be changed."""

    post_allowed: bool = False
    entitled: bool = True
    id_type_needed: bool = True
    basic_user: str = "VISITCONNECTOR"
    basic_password: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    statuses: dict[str, Connection] = field(default_factory=_statuses)
    id_types: dict[str, str] = field(default_factory=_id_types)


@dataclass(slots=True)
class SignInRules:
    """What goes wrong at this site's sign-in, while somebody wants to see it."""

    keys_synced: bool = True  # Epic copies registered keys to its servers once a day or so
    other_epic: bool = False  # id tokens come from the other instance, as when a sign-in page leads elsewhere


@dataclass(frozen=True, slots=True)
class Connected:
    """Where the connector is, as the hospital's Epic analyst entered it."""

    environment: str
    app: str
    records: dict[str, dict[str, str]]
    launch_urls: dict[str, str] = field(default_factory=dict)  # by record; empty: below `app`


@dataclass(slots=True)
class Instance:
    """One Epic: test or production. Client ids, tokens, launches and ids of one mean nothing in the other."""

    name: str
    url: str
    schedule: Schedule
    engine: InterfaceEngine
    clients: dict[str, Client]
    rules: StatusRules = field(default_factory=StatusRules)
    signing_in: SignInRules = field(default_factory=SignInRules)
    connected: Connected | None = None
    zone: str = ""  # of the server, in which messages are written; empty: each clinic's own
    launches: dict[str, Launch] = field(default_factory=dict)
    sign_ins: dict[str, SignIn] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    _signing_key: rsa.RSAPrivateKey | None = None

    @property
    def signing_key(self) -> rsa.RSAPrivateKey:
        """Signs id tokens. Made at its first use, because that takes a while."""
        if self._signing_key is None:
            self._signing_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return self._signing_key

    @property
    def fhir_base(self) -> str:
        return f"{self.url}/api/FHIR/R4"

    @property
    def authorize_url(self) -> str:
        return f"{self.url}/oauth2/authorize"

    @property
    def token_url(self) -> str:
        return f"{self.url}/oauth2/token"

    @property
    def issuer(self) -> str:
        return f"{self.url}/oauth2"

    def client_of(self, kind: ClientKind) -> Client:
        return next(one for one in self.clients.values() if one.kind is kind)

    def new_control_id(self) -> str:
        number = self.schedule.next_message
        self.schedule.next_message += 1
        return f"{'T' if self.name == 'test' else 'P'}{number:08d}"

    def reference(self, person: Person) -> str:
        """The FHIR reference of a person, such as `Practitioner/eAbc`: ids differ between instances."""
        kind = resource_type(person)
        return f"{kind}/{fhir_id(self.name, kind, person.key)}"

    def connect(
        self,
        *,
        environment: str,
        app: str,
        hl7v2: str,
        records: dict[str, dict[str, str]],
        redirect_uris: frozenset[str],
    ) -> None:
        """Enter the connector's addresses: where messages go, where sign-ins return, where public keys are."""
        self.connected = Connected(environment=environment, app=app, records=records)
        for client in self.clients.values():
            client.jwks_url = f"{app}/keys/{environment}/{client.kind}/.well-known/jwks.json"
            client.keys = {}
            if client.kind is not ClientKind.BACKEND:
                client.redirect_uris = redirect_uris
        self.engine.connect(hl7v2)

    def begin_launch(
        self, *, client: Client, person: Person, booking: Booking | None, record: str, now: datetime
    ) -> str:
        """A fresh launch token, good once."""
        token = secrets.token_urlsafe(24)
        self.launches[token] = Launch(
            client_id=client.id, person=person, booking=booking, record=record, expires_at=now + LAUNCH_LIVES
        )
        return token


@dataclass(slots=True)
class EpicState:
    """Both instances, and what was told to their status services in order of arrival."""

    instances: dict[str, Instance]
    http: httpx.AsyncClient
    clock: Callable[[], datetime]
    write_backs: list[WriteBack] = field(default_factory=list)
    changed: Callable[[], None] = lambda: None  # called after every change of a schedule

    async def aclose(self) -> None:
        """Stop sending. The client that was given stays open: it belongs to whoever made it."""
        for instance in self.instances.values():
            await instance.engine.aclose()


def new_state(
    *,
    url: str,
    state_dir: Path,
    clock: Callable[[], datetime],
    http: httpx.AsyncClient,
    pause: Pause,
) -> EpicState:
    """Two Epics below `url`. Signing keys and schedules are read from `state_dir`, or made there.

    Numbers that a kept folder has seen are not given again: the connector may still know them.
    """
    signer = signer_in(state_dir, now=clock())
    other = cache(lambda: make_signer("Someone else", now=clock()))
    instances = {
        name: _new_instance(
            name,
            url=url,
            engine=InterfaceEngine(http=http, signer=signer, other=other, clock=clock, pause=pause),
            first_csn=first_csn,
        )
        for name, first_csn in (("test", 10007057852), ("production", 30007057852))
    }
    schedules = {name: one.schedule for name, one in instances.items()}
    recall(schedules, state_dir)
    return EpicState(instances, http=http, clock=clock, changed=lambda: keep(schedules, state_dir))


def _new_instance(name: str, *, url: str, engine: InterfaceEngine, first_csn: int) -> Instance:
    return Instance(
        name=name,
        url=f"{url}/epic/{name}",
        schedule=Schedule(next_csn=first_csn),
        engine=engine,
        clients={id: Client(id=id, kind=kind) for kind, id in CLIENT_IDS[name].items()},
    )


def resource_type(person: Person) -> str:
    match person:
        case Provider():
            return "Practitioner"
        case Patient():
            return "Patient"
        case Proxy():
            return "RelatedPerson"


def everyone() -> dict[str, Person]:
    """Every invented person by key: keys do not repeat between patients, proxies and clinicians."""
    return {**PROVIDERS, **ANALYSTS, **PATIENTS, **PROXIES}
