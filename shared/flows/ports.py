"""What the flows need from the outside world, and no more.

Stores built for one tenant or environment have no argument by which another could be named. Classes whose
names end in `Index` are the few that must be found without a tenant: they hold ids and hashes only.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from shared.domain.address_use import AddressUse
from shared.domain.appointment import Appointment
from shared.domain.audit import AuditEntry, DayChain
from shared.domain.due import Due
from shared.domain.environment import Connection, Environment, EnvironmentId, EpicClient, LiveEnvironment
from shared.domain.expected import Expected
from shared.domain.fhir_check import AddressCheck
from shared.domain.geography import Geography
from shared.domain.inbound import InboundMessage, Parked, SealedMessage
from shared.domain.join_link import JoinLink
from shared.domain.key_rotation import PublishedKey
from shared.domain.last_check import LastCheck
from shared.domain.launch import EpicUser, Launch, LaunchContext, VisitSession
from shared.domain.notification import Notification, NotificationRef
from shared.domain.phone_number import PhoneNumber
from shared.domain.portal_session import Colleague, HeldForm, PortalSession, SignInBegun
from shared.domain.preflight import Preflight
from shared.domain.readiness import LinkedNumber, SecretAge
from shared.domain.roster import CallEvent
from shared.domain.sign_of_life import SignKind, Signs
from shared.domain.tenant import Person, Tenant, TenantId
from shared.domain.versioned import Versioned
from shared.domain.visit import ExternalId, Fact, GuestsMay, Meeting, Subscription, Visit, VisitRef
from shared.domain.write_back import WriteBack

# --- storage ---------------------------------------------------------------------------------------------


class StampPin(Protocol):
    """The row that pins this storage account to a geography."""

    async def pinned(self, configured: Geography, *, now: datetime) -> Geography:
        """The geography of the pin row, written as `configured` when there is none yet (insert, then read)."""
        ...


class Tenants(Protocol):
    """The row of one tenant."""

    async def get(self) -> Tenant:
        """Raise NotFound before the first sign-in."""
        ...

    async def create(self, tenant: Tenant) -> None:
        """Raise AlreadyThere when the tenant is pinned already."""
        ...


class Environments(Protocol):
    """The environments of one tenant."""

    async def get(self, environment: EnvironmentId) -> Versioned[Environment]: ...
    async def all(self) -> list[Environment]: ...
    async def create(self, environment: Environment) -> None:
        """Also writes the index row that leads from the id to the tenant."""
        ...

    async def save(self, environment: Environment, *, seen: str) -> None:
        """Keep the versions it replaces as history; raise OutOfStep when it changed since `seen`."""
        ...

    async def history(self, environment: EnvironmentId) -> list[Environment]:
        """Every version that was ever saved, the first one first, without the numbers it allowed to text."""
        ...


class EnvironmentIndex(Protocol):
    """Leads from an environment's id to what is live of it. May answer from memory some seconds old."""

    async def find(self, environment: EnvironmentId) -> LiveEnvironment:
        """Raise NotFound for an unknown id or a removed environment, Refused when nothing is approved yet."""
        ...

    async def kept(self, environment: EnvironmentId) -> LiveEnvironment:
        """The same for work that had begun: a removed one is found too, and texts nobody."""
        ...


class Appointments(Protocol):
    """The appointments of one environment."""

    async def get(self, key: str) -> Versioned[Appointment]: ...
    async def insert(self, appointment: Appointment) -> str:
        """Raise AlreadyThere; return the version."""
        ...

    async def save(self, appointment: Appointment, *, seen: str) -> str:
        """Raise OutOfStep; return the new version."""
        ...


class AppointmentsByDay(Protocol):
    """The visits of one environment that are still to be expected, by the day on which they are."""

    async def put(self, line: Expected) -> None: ...
    async def remove(self, line: Expected) -> None:
        """It may be gone already."""
        ...

    def starting(self, *, after: datetime, until: datetime | None = None) -> AsyncIterator[Expected]:
        """Those that start after `after`, and not after `until` when it is given, earliest day first."""
        ...


class AddressIndex(Protocol):
    """Which tenant uses which FHIR base URL, by the URL's hash."""

    async def find(self, address: str) -> Versioned[AddressUse] | None: ...
    async def insert(self, use: AddressUse) -> None:
        """Raise AlreadyThere."""
        ...

    async def save(self, use: AddressUse, *, seen: str) -> None:
        """Raise OutOfStep."""
        ...


class Aliases(Protocol):
    """Leads from every id Epic used for an appointment of one environment to the appointment's key."""

    async def keys_of(self, aliases: Sequence[str]) -> dict[str, str]:
        """The keys of those that are known and lead to one appointment only."""
        ...

    async def claim(self, alias: str, key: str, *, own: bool) -> str:
        """Let `alias` lead to `key` and return the key it leads to.

        The first claim stands, and its key is returned. When another appointment claims the alias and it is
        not `own` (a CSN belongs to one appointment, SCH-1 may be a constant), the alias leads nowhere from
        then on, and `key` is returned.
        """
        ...


class InboundMessages(Protocol):
    """What became of the messages of one environment."""

    async def find(self, dedupe_key: str) -> InboundMessage | None: ...
    async def record(self, message: InboundMessage) -> None:
        """The first record of a dedupe key stands."""
        ...

    async def newest(self, limit: int) -> list[InboundMessage]: ...


class ParkedMessages(Protocol):
    """What could not be processed, of one tenant."""

    async def park(self, parked: Parked) -> None:
        """Parking the same id twice parks once."""
        ...

    async def all(self, environment: EnvironmentId) -> list[Parked]: ...


class JoinLinkIndex(Protocol):
    async def put(self, link: JoinLink) -> None: ...
    async def find(self, token_hash: str) -> JoinLink:
        """Raise NotFound."""
        ...


class DueIndex(Protocol):
    """Plans by the time they become due. What a read costs follows what is due, never what is stored."""

    async def add(self, plans: Sequence[Due], *, now: datetime) -> None:
        """Adding the same plan twice adds it once; one that is due already becomes due now."""
        ...

    def due(self, *, now: datetime) -> AsyncIterator[Due]:
        """Everything due at `now`, oldest first, however long ago it became due."""
        ...

    async def done(self, plan: Due) -> None: ...


class Notifications(Protocol):
    """The texts of one environment."""

    async def get(self, ref: NotificationRef) -> Versioned[Notification]: ...
    async def insert(self, notification: Notification) -> None:
        """Raise AlreadyThere."""
        ...

    async def save(self, notification: Notification, *, seen: str) -> str: ...
    async def of_appointment(self, key: str) -> list[Notification]: ...


class CarrierMessageIndex(Protocol):
    """Leads from the tag a text was sent with to its row. The tag says nothing to the carrier."""

    async def put(self, tag: str, ref: NotificationRef) -> None: ...
    async def find(self, tag: str) -> NotificationRef | None: ...


class OptOuts(Protocol):
    """Who does not want texts from one tenant, by keyed hash."""

    async def contains(self, number: PhoneNumber) -> bool: ...
    async def add(self, number: PhoneNumber, *, at: datetime, how: str) -> None: ...
    async def remove(self, number: PhoneNumber) -> None: ...


class Visits(Protocol):
    """The visits of one environment."""

    async def get(self, key: str) -> Versioned[Visit]: ...
    async def insert(self, visit: Visit) -> str:
        """Raise AlreadyThere; return the version. Also writes the index row behind `VisitIndex`."""
        ...

    async def save(self, visit: Visit, *, seen: str) -> str: ...


class VisitIndex(Protocol):
    async def find(self, opaque: str) -> VisitRef:
        """The visit with that opaque name, or raise NotFound."""
        ...


class WriteBacks(Protocol):
    """The facts owed to Epic by one environment."""

    async def insert(self, write_back: WriteBack) -> None:
        """Raise AlreadyThere."""
        ...

    async def of_visit(self, visit: str) -> list[Versioned[WriteBack]]:
        """In the order of their sequence."""
        ...

    async def save(self, write_back: WriteBack, *, seen: str) -> str: ...


class LaunchIndex(Protocol):
    async def insert(self, launch: Launch) -> None: ...
    async def claim(self, state_hash: str) -> Launch:
        """The launch, which nobody else can claim from now on; raise NotFound when unknown or claimed."""
        ...


class SessionIndex(Protocol):
    async def put(self, session: VisitSession) -> None: ...
    async def find(self, id_hash: str) -> VisitSession:
        """Raise NotFound."""
        ...


@dataclass(frozen=True, slots=True)
class EnvironmentStores:
    """Everything stored about one environment."""

    appointments: Appointments
    by_day: AppointmentsByDay
    aliases: Aliases
    inbound: InboundMessages
    notifications: Notifications
    visits: Visits
    write_backs: WriteBacks


@dataclass(frozen=True, slots=True)
class Plans:
    """What becomes due, by what is to be done then."""

    reminders: DueIndex  # texts to send
    visits: DueIndex  # meetings and subscriptions to prepare
    outcomes: DueIndex  # visits to judge when no call event says how they ended
    forgetting: DueIndex  # appointments whose people are to be forgotten
    approvals: DueIndex  # approvers to remind


class PortalSessionIndex(Protocol):
    async def insert(self, session: PortalSession) -> None: ...
    async def change(self, id_hash: str, change: Callable[[PortalSession], PortalSession]) -> PortalSession:
        """The session after `change`, which is made of what is stored now. Raise NotFound."""
        ...

    async def find(self, id_hash: str) -> PortalSession:
        """Raise NotFound. Whether it is over is for the caller to say."""
        ...


class HeldFormIndex(Protocol):
    """What people typed before their session ended."""

    async def insert(self, form: HeldForm) -> None: ...
    async def take(self, id_hash: str, *, tenant: TenantId, object_id: str) -> HeldForm:
        """The form, which nobody can take again; raise NotFound when it is unknown, taken or another's."""
        ...


class MicrosoftSignInIndex(Protocol):
    """The sign-ins that are away at Microsoft."""

    async def insert(self, begun: SignInBegun) -> None: ...
    async def claim(self, state_hash: str) -> SignInBegun:
        """The sign-in, which nobody can claim again; raise NotFound when unknown or claimed."""
        ...


class People(Protocol):
    """The staff of one tenant that the portal met or was told of."""

    async def remember(self, person: Person, *, at: datetime) -> None:
        """Write down what a person who signed in is called, and their roles."""
        ...

    async def put(self, colleague: Colleague) -> None:
        """Write down what the directory calls somebody."""
        ...

    async def named(self, object_ids: Collection[str]) -> dict[str, Colleague]:
        """Those of `object_ids` that are known."""
        ...

    async def administrators(self) -> list[Colleague]:
        """Who was an administrator at their last sign-in, by name."""
        ...

    async def bind(self, address: str, object_id: str) -> str:
        """Let `address` mean that person from now on; return whom it means. The first binding stands."""
        ...

    async def bound(self, address: str) -> str | None:
        """Whom `address` means, or None while nobody signed in with it."""
        ...

    async def addresses_of(self, object_id: str) -> frozenset[str]:
        """The addresses that were bound to that person, in lower case."""
        ...


class SignsOfLife(Protocol):
    """When Epic first and last reached one environment, by which record."""

    async def note(self, kind: SignKind, *, at: datetime, other: str = "") -> None:
        """Harmless to repeat; within a minute it costs nothing. `other` is the environment mixed up with this one."""
        ...

    async def all(self) -> Signs: ...


class LastChecks(Protocol):
    """The last look at the address of each environment of one tenant."""

    async def keep(self, check: LastCheck) -> None:
        """Replaces the one before."""
        ...

    async def all(self) -> dict[EnvironmentId, LastCheck]: ...


class AuditLog(Protocol):
    """The audit chain of one tenant."""

    async def write(self, entry: AuditEntry) -> None: ...
    async def entries(self, day: datetime) -> list[AuditEntry]: ...
    async def proven(self, day: datetime) -> bool:
        """Whether the chain of that day is whole."""
        ...

    async def chain(self, day: date) -> DayChain:
        """What is stored about a day (UTC), to be shown or proven."""
        ...

    async def days(self, *, first: date | None = None, last: date | None = None) -> list[date]:
        """The days on which something was written, in order."""
        ...


class Queues(Protocol):
    """The work that waits. Messages hold ids, or ciphertext."""

    async def accept(self, message: SealedMessage) -> None:
        """Return once the message is durable. Messages that wait at one moment share one storage call."""
        ...

    async def text(self, ref: NotificationRef, *, after: float = 0) -> None:
        """Have a text decided and sent after `after` seconds (at most 7 days)."""
        ...

    async def tell(self, visit: VisitRef, *, after: float = 0) -> None:
        """Have the facts of a visit told to Epic."""
        ...

    async def observe(self, notification: str) -> None:
        """Have one Graph notification, a JSON text as received, opened and observed."""
        ...


class WaitingWork(Protocol):
    """The other end of the queues: what their messages say."""

    async def accepted(self, text: str) -> list[SealedMessage]:
        """The messages that share one queue message; raise Refused when it is none of ours."""
        ...

    async def finished(self, text: str) -> None:
        """Remove what waited elsewhere, once all messages of `text` are processed or parked."""
        ...

    async def observed(self, text: str) -> str | None:
        """The notification that `observe` was given, or None when it was processed before."""
        ...

    async def observed_for_good(self, text: str) -> None: ...
    def text_ref(self, text: str) -> NotificationRef: ...
    def visit_ref(self, text: str) -> VisitRef: ...


# --- keys ------------------------------------------------------------------------------------------------


class Seals(Protocol):
    """Sealing with the stamp's data key (AES-256-GCM), bound to a purpose and a tenant."""

    async def seal(self, content: bytes, *, purpose: str, tenant: TenantId) -> str: ...
    async def open(self, sealed: str, *, purpose: str, tenant: TenantId) -> bytes:
        """Raise Unsealable when the key version is gone or the content was changed or moved."""
        ...


class KeyRotation(Protocol):
    """The keys by which Epic recognises each client of each environment, and how they follow each other."""

    async def key_states(self, environment: EnvironmentId, client: EpicClient) -> list[PublishedKey]:
        """What is published for one client, oldest first. Raise TryAgain or TurnedDown."""
        ...

    async def renew_smart_key(self, environment: EnvironmentId, client: EpicClient) -> bool:
        """Make a new key; False when the newest is less than a day old. Raise TryAgain or TurnedDown."""
        ...


class Keys(Protocol):
    """Keys that never leave memory. All are 32 bytes."""

    async def link_key(self) -> bytes: ...
    async def opt_out_key(self) -> bytes: ...
    async def cookie_key(self) -> bytes: ...


# --- other services --------------------------------------------------------------------------------------


class TextMessages(Protocol):
    async def send(self, *, sender: str, to: PhoneNumber, body: str, tag: str, repeat_id: str) -> str:
        """Hand a text over and return the carrier's id. Raise TryAgain, TurnedDown or MayHaveHappened.

        `repeat_id` (a UUID) stays the same when one text is tried again.
        """
        ...


class TeamsMeetings(Protocol):
    """Meetings of one tenant."""

    async def make(
        self, *, organizer: str, external_id: str, subject: str, starts_at: datetime, ends_at: datetime
    ) -> Meeting:
        """The meeting with that external id, made now or before. Raise TryAgain or TurnedDown."""
        ...

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
        """Lobby, chat, times and co-organizers as they should be; harmless to repeat."""
        ...

    async def close(self, meeting: Meeting, *, organizer: str) -> None:
        """Switch chat off after the visit."""
        ...


class Directory(Protocol):
    """The people of one tenant's Microsoft 365 directory."""

    async def find(self, address: str) -> Colleague | None:
        """Raise TryAgain, or TurnedDown when the app may not look or the address is not one person's."""
        ...


class Mail(Protocol):
    """Notices to colleagues from the one mailbox of the stamp."""

    async def send(self, *, to: str, subject: str, text: str) -> None:
        """Raise TryAgain (a repeat may send a second mail) or TurnedDown."""
        ...

    async def may_send(self) -> bool: ...


class MicrosoftChecks(Protocol):
    """What Microsoft 365 lets the app do in one tenant. All raise TryAgain or TurnedDown."""

    async def sign_in(self) -> None: ...
    async def permissions(self) -> frozenset[str]:
        """The names of the application permissions in Graph that were consented to."""
        ...

    async def has_access_policy(self, organizer: str) -> bool: ...
    async def has_teams(self, person: str) -> bool: ...
    async def has_guest_addresses(self, organizer: str) -> bool: ...


class OutsideClock(Protocol):
    """The clock of another service."""

    async def read(self) -> datetime:
        """Whole seconds. Raise TryAgain or TurnedDown."""
        ...


class OwnResource(Protocol):
    """The app as Azure sees it."""

    async def region(self) -> str: ...


class LinkedNumbers(Protocol):
    """The numbers of the Communication Services resource."""

    async def find(self, e164: str) -> LinkedNumber | None: ...


class SecretAges(Protocol):
    """The key vault, as far as secrets are there and how old they are."""

    async def ages(self, names: Sequence[str]) -> list[SecretAge]:
        """Asked now, never from memory. Raise TryAgain or TurnedDown."""
        ...


@dataclass(frozen=True, slots=True)
class Observers:
    """Everybody who can say whether one tenant is ready."""

    microsoft: MicrosoftChecks
    mail: Mail
    graph_clock: OutsideClock
    vault_clock: OutsideClock
    secrets: SecretAges
    own_resource: OwnResource | None  # None: Azure is not asked
    numbers: LinkedNumbers
    pinned: Callable[[], Awaitable[Geography]]
    addresses: "AddressChecker"
    signs: Callable[[EnvironmentId], "SignsOfLife"]


class CallEvents(Protocol):
    """Subscriptions to the call events of meetings of one tenant."""

    async def subscribe(self, meeting: Meeting, *, visit: str, until: datetime) -> Subscription:
        """`visit` is the visit's opaque name. Raise TryAgain or TurnedDown."""
        ...

    async def renew(self, subscription: Subscription, *, until: datetime) -> Subscription: ...


class NotificationOpener(Protocol):
    """Opens what Graph sent: checks tokens and signature, decrypts, parses."""

    async def open(self, notification: str, *, tenant: TenantId) -> Sequence[CallEvent]:
        """The events of one stored notification, or raise TurnedDown when it does not prove itself."""
        ...


class EpicSmart(Protocol):
    """SMART on FHIR at one Epic server."""

    async def discover(self, fhir_base_url: str, *, client_id: str) -> dict[str, str]:
        """`authorize_url`, `token_url`, `issuer` and `keys_url` of that server. Raise TryAgain or TurnedDown."""
        ...

    def authorize_url(
        self, connection: Connection, client: EpicClient, launch: Launch, *, epic_launch: str, state: str
    ) -> str: ...

    async def exchange(
        self, environment: LiveEnvironment, client: EpicClient, launch: Launch, *, code: str
    ) -> LaunchContext:
        """Redeem the code, check the id token and say who came for which visit.

        Falls back to the CSN of the Appointment or Encounter, read with that token. Drops all tokens.
        Raise TryAgain, TurnedDown, or LaunchFailed.
        """
        ...


class EpicSignIn(Protocol):
    """Signing in at Epic only to prove that one works there."""

    def authorize_url(
        self, connection: Connection, client: EpicClient, launch: Launch, *, epic_launch: str, state: str
    ) -> str: ...

    async def identify(
        self, environment: LiveEnvironment, client: EpicClient, launch: Launch, *, code: str
    ) -> EpicUser:
        """Redeem the code and say who signed in; nothing is read and nothing kept.

        Raise TryAgain, TurnedDown, or LaunchFailed.
        """
        ...


class EpicPreflight(Protocol):
    """Trying client ids, keys and the redirect address before a person is asked."""

    async def try_clients(
        self, environment: EnvironmentId, connection: Connection, *, redirect_uri: str
    ) -> Preflight:
        """What Epic says to each client id of a connection with its endpoints pinned. Raises nothing."""
        ...


class AddressChecker(Protocol):
    """A look at the address that somebody typed for a FHIR server."""

    async def check(self, url: str, client_id: str = "") -> AddressCheck:
        """Everything that was found, and the right address where one answers. Raises nothing."""
        ...


class MicrosoftSignIn(Protocol):
    """Signing people in at Microsoft: authorization code with PKCE."""

    async def begin(self, *, state: str, redirect_uri: str, choose: bool) -> tuple[str, str]:
        """Where to send the browser, and what `finish` wants back. `choose` asks which account to use.

        Raise TryAgain or TurnedDown.
        """
        ...

    async def finish(self, flow: str, answer: Mapping[str, str]) -> Person:
        """Who came back with `answer` (the query of the return). Raise NotSignedIn, TryAgain or TurnedDown."""
        ...

    def sign_out_url(self, back: str) -> str:
        """Microsoft's own sign-out, which leads to `back` afterwards."""
        ...


class EpicStatus(Protocol):
    """Epic's status service."""

    async def tell(
        self, environment: LiveEnvironment, fact: Fact, *, session: str, external_id: ExternalId
    ) -> None:
        """Raise TryAgain or TurnedDown (its code is the HTTP status)."""
        ...


class Wording(Protocol):
    """Texts to patients, in their language."""

    def compose(
        self,
        kind: str,
        *,
        language: str,
        organization: str,
        phone: str,
        starts_at: datetime | None,
        zone: str,
        link: str,
    ) -> str: ...
