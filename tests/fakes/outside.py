"""Stand-ins for the services outside the app: they remember what they were asked and may be told to fail.

Each gives way once in every call, as a call over the network does, so that flows which race in production
race here.
"""

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlencode

from shared.domain.environment import Connection, EnvironmentId, EpicClient, LiveEnvironment
from shared.domain.errors import NotSignedIn, TurnedDown
from shared.domain.fhir_check import AddressCheck, CheckCode, Finding, Software
from shared.domain.launch import EpicUser, Launch, LaunchContext
from shared.domain.phone_number import PhoneNumber
from shared.domain.portal_session import Colleague
from shared.domain.preflight import Preflight, accepted
from shared.domain.roster import CallEvent
from shared.domain.tenant import Person
from shared.domain.visit import ExternalId, Fact, FactKind, GuestsMay, Meeting, Subscription
from shared.domain.words import said


class Trouble:
    """Errors that the next calls raise: before anything was done, or after it was."""

    def __init__(self) -> None:
        self._before: deque[Exception] = deque()
        self._after: deque[Exception] = deque()

    def fail(self, error: Exception, *, times: int = 1, after: bool = False) -> None:
        (self._after if after else self._before).extend([error] * times)

    async def begin(self) -> None:
        await asyncio.sleep(0)
        if self._before:
            raise self._before.popleft()

    async def end(self) -> None:
        await asyncio.sleep(0)
        if self._after:
            raise self._after.popleft()


@dataclass(frozen=True, slots=True)
class SentText:
    """A text on a patient's phone."""

    sender: str
    to: str
    body: str
    tag: str
    repeat_id: str


class FakeTextMessages(Trouble):
    """A carrier that takes the same repeat id once, as Communication Services does."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[SentText] = []
        self.repeat_ids: list[str] = []

    async def send(self, *, sender: str, to: PhoneNumber, body: str, tag: str, repeat_id: str) -> str:
        self.repeat_ids.append(repeat_id)
        await self.begin()
        if all(text.repeat_id != repeat_id for text in self.sent):
            self.sent.append(SentText(sender, to.e164, body, tag, repeat_id))
        await self.end()
        return f"carrier-{repeat_id}"


class SetUp(NamedTuple):
    meeting: str
    organizer: str
    subject: str
    starts_at: datetime
    co_organizers: frozenset[str]
    guests_may: GuestsMay


class FakeTeamsMeetings(Trouble):
    """Graph's `createOrGet`: one meeting for one organizer and external id, however often it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.made: dict[tuple[str, str], Meeting] = {}
        self.set_ups: list[SetUp] = []
        self.closed: list[str] = []

    async def make(
        self, *, organizer: str, external_id: str, subject: str, starts_at: datetime, ends_at: datetime
    ) -> Meeting:
        self.asked += 1
        await self.begin()
        name = f"m{len(self.made) + 1}"
        guest, own = f"https://teams.example/guest/{name}", f"https://teams.example/own/{name}"
        meeting = self.made.setdefault((organizer, external_id), Meeting(name, own, guest, True))
        await self.end()
        return meeting

    async def set_up(
        self,
        meeting: Meeting,
        *,
        organizer: str,
        subject: str,
        starts_at: datetime,
        ends_at: datetime,
        co_organizers: frozenset[str],
        guests_may: GuestsMay,
    ) -> None:
        await self.begin()
        self.set_ups.append(SetUp(meeting.id, organizer, subject, starts_at, co_organizers, guests_may))
        await self.end()

    async def close(self, meeting: Meeting, *, organizer: str) -> None:
        await self.begin()
        self.closed.append(meeting.id)
        await self.end()


class FakeCallEvents(Trouble):
    """Graph's subscriptions to calls."""

    def __init__(self) -> None:
        super().__init__()
        self.watched: list[str] = []
        self.renewed: list[str] = []

    async def subscribe(self, meeting: Meeting, *, visit: str, until: datetime) -> Subscription:
        await self.begin()
        self.watched.append(visit)
        return Subscription(f"s{len(self.watched)}", until)

    async def renew(self, subscription: Subscription, *, until: datetime) -> Subscription:
        await self.begin()
        self.renewed.append(subscription.id)
        return Subscription(subscription.id, until)


class FakeDirectory(Trouble):
    """A tenant's people by the addresses that lead to them."""

    def __init__(self) -> None:
        super().__init__()
        self.people: dict[str, Colleague] = {}

    def add(self, *colleagues: Colleague) -> None:
        self.people |= {one.address.lower(): one for one in colleagues}

    async def find(self, address: str) -> Colleague | None:
        await self.begin()
        return self.people.get(address.strip().lower())


class SentMail(NamedTuple):
    to: str
    subject: str
    text: str


class FakeMail(Trouble):
    """What colleagues find in their mailboxes, newest last."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[SentMail] = []
        self.allowed = True

    async def send(self, *, to: str, subject: str, text: str) -> None:
        await self.begin()
        self.sent.append(SentMail(to, subject, text))
        await self.end()

    async def may_send(self) -> bool:
        await self.begin()
        return self.allowed


class FakeOpener:
    """Opens notifications whose `value` names events that a test has laid down; others do not prove themselves."""

    def __init__(self) -> None:
        self.events: dict[str, tuple[CallEvent, ...]] = {}

    async def open(self, notification: str, *, tenant: str) -> Sequence[CallEvent]:
        await asyncio.sleep(0)
        name = json.loads(notification)["value"].get("name", "")
        if name not in self.events:
            raise TurnedDown("the signature does not fit", code="bad-signature")
        return self.events[name]


class FakeEpicSmart(Trouble):
    """Epic's sign-in: a code stands for the launch context that a test has laid down for it."""

    def __init__(self) -> None:
        super().__init__()
        self.contexts: dict[str, LaunchContext] = {}
        self.users: dict[str, EpicUser] = {}
        self.identified = 0
        self.exchanged = 0

    async def discover(self, fhir_base_url: str, *, client_id: str) -> dict[str, str]:
        await self.begin()
        root = fhir_base_url.removesuffix("/api/FHIR/R4")
        names = {"authorize_url": "authorize", "token_url": "token", "issuer": "", "keys_url": "keys"}
        return {name: f"{root}/{path}".rstrip("/") for name, path in names.items()}

    def authorize_url(
        self, connection: Connection, client: EpicClient, launch: Launch, *, epic_launch: str, state: str
    ) -> str:
        return f"{connection.authorize_url}?client={client}&state={state}"

    async def exchange(
        self, environment: LiveEnvironment, client: EpicClient, launch: Launch, *, code: str
    ) -> LaunchContext:
        self.exchanged += 1
        await self.begin()
        if code not in self.contexts:
            raise TurnedDown("no such code", code="invalid_grant")
        return self.contexts[code]

    async def identify(
        self, environment: LiveEnvironment, client: EpicClient, launch: Launch, *, code: str
    ) -> EpicUser:
        self.identified += 1
        await self.begin()
        if code not in self.users:
            raise TurnedDown("no such code", code="invalid_grant")
        return self.users[code]


class FakePreflight(Trouble):
    """Epic accepts every client id, unless a test has laid down what it says instead."""

    def __init__(self) -> None:
        super().__init__()
        self.says = Preflight(tuple(accepted(client) for client in EpicClient))
        self.tried: list[tuple[EnvironmentId, Connection, str]] = []

    async def try_clients(
        self, environment: EnvironmentId, connection: Connection, *, redirect_uri: str
    ) -> Preflight:
        await self.begin()
        self.tried.append((environment, connection, redirect_uri))
        return self.says


class FakeAddressChecker(Trouble):
    """Finds a good FHIR server at every address, unless a test has laid down something else for it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, AddressCheck] = {}
        self.checked: list[tuple[str, str]] = []

    async def check(self, url: str, client_id: str = "") -> AddressCheck:
        await self.begin()
        self.checked.append((url, client_id))
        return self.found.get(url, self.good())

    @staticmethod
    def good() -> AddressCheck:
        return AddressCheck(
            (
                Finding(CheckCode.FHIR_FOUND, said("FHIR R4 server found."), ok=True),
                Finding(CheckCode.SIGN_IN_FOUND, said("Sign-in endpoints found."), ok=True),
            ),
            fhir_version="4.0.1",
            software=Software("Epic", "May 2030", "2030-05-01"),
            endpoints={
                "authorize_url": "https://epic.lamna.example/authorize",
                "token_url": "https://epic.lamna.example/token",
                "issuer": "https://epic.lamna.example",
                "keys_url": "https://epic.lamna.example/keys",
            },
        )


class Told(NamedTuple):
    """A fact as Epic's status service heard it."""

    session: str
    participant: str
    kind: FactKind
    external_id: str


class FakeEpicStatus(Trouble):
    def __init__(self) -> None:
        super().__init__()
        self.told: list[Told] = []

    async def tell(
        self, environment: LiveEnvironment, fact: Fact, *, session: str, external_id: ExternalId
    ) -> None:
        await self.begin()
        self.told.append(Told(session, fact.participant, fact.kind, external_id.value))
        await self.end()


@dataclass
class FakeEntra:
    """Who an access token stands for."""

    people: dict[str, Person] = field(default_factory=dict)
    asked: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    async def person(self, token: str) -> Person:
        await asyncio.sleep(0)
        self.asked["person"] += 1
        if token not in self.people:
            raise NotSignedIn("sign in again")
        return self.people[token]


@dataclass
class FakeMicrosoft:
    """Microsoft's sign-in. `code` is the object id of whoever signed in; PKCE and nonce are its client's own tests."""

    entra: FakeEntra
    trouble: Trouble = field(default_factory=Trouble)

    async def begin(self, *, state: str, redirect_uri: str, choose: bool) -> tuple[str, str]:
        await self.trouble.begin()
        asked = {
            "state": state,
            "redirect_uri": redirect_uri,
            **({"prompt": "select_account"} if choose else {}),
        }
        return f"https://microsoft.example/authorize?{urlencode(asked)}", state

    async def finish(self, flow: str, answer: Mapping[str, str]) -> Person:
        await self.trouble.begin()
        if answer.get("error"):
            raise NotSignedIn("Microsoft did not sign you in. Try again, or use another account.")
        if answer.get("state") != flow:
            raise NotSignedIn("This sign-in was used or has expired. Sign in again.")
        return await self.entra.person(answer.get("code", ""))

    def sign_out_url(self, back: str) -> str:
        return f"https://microsoft.example/logout?{urlencode({'post_logout_redirect_uri': back})}"
