"""An environment: one FHIR base URL of one tenant, test or production, and how it is configured.

The configuration has two halves. *Connection* decides whom the app trusts and talks to; an Epic analyst
approves it by its content hash. *Operation* decides how the app behaves towards patients; it is live at
once and versioned.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import NewType

from shared.domain.errors import NotAllowed, NotFound, OutOfStep, Refused
from shared.domain.tenant import Person, TenantId
from shared.domain.words import said

EnvironmentId = NewType("EnvironmentId", str)


class EnvironmentKind(StrEnum):
    TEST = "test"
    PRODUCTION = "production"


class EpicClient(StrEnum):
    """The three client registrations an environment has at Epic."""

    PROVIDER = "provider"
    PATIENT = "patient"
    BACKEND = "backend"


@dataclass(frozen=True, slots=True)
class Certificate:
    """A public key that proves the sender of appointments. `pem` holds no private key."""

    pem: str
    fingerprint: str  # SHA-256 of the DER form, lower-case hex
    subject: str
    valid_from: datetime
    valid_until: datetime
    issuer: str = ""
    serial: str = ""  # upper-case hex, as Windows and OpenSSL show it
    replaced: bool = False  # another one takes over once an analyst has approved it
    retires_at: datetime | None = None  # set by that approval; not part of what is approved


class WriteBackSign(StrEnum):
    """How the app proves itself to Epic's status service."""

    BACKEND_TOKEN = "backend-token"  # noqa: S105 - the name of a method, not a secret
    BASIC = "basic"


@dataclass(frozen=True, slots=True)
class WriteBackTarget:
    """Where facts about a visit are told to Epic, and in which words.

    No public document fixes verb, names or values, so all of them are configuration. `statuses` maps
    `connected`, `disconnected`, `no-show`, `device-test-passed` and `device-test-failed` to Epic's value; a
    fact without a value is not sent.
    `names` maps our five words to the parameter names of the service.
    """

    url: str
    method: str = "GET"
    sign: WriteBackSign = WriteBackSign.BACKEND_TOKEN
    vendor: str = "Visit Connector"
    statuses: dict[str, str] = field(default_factory=lambda: {"connected": "1", "disconnected": "2"})
    names: dict[str, str] = field(
        default_factory=lambda: {
            "session": "ConferenceID",
            "external_id": "ExternalID",
            "external_id_type": "ExternalIDType",
            "vendor": "VendorName",
            "status": "ConnectionStatus",
        }
    )


@dataclass(frozen=True, slots=True)
class Connection:
    """Whom this environment trusts and talks to: the half that an analyst approves."""

    fhir_base_url: str
    clients: dict[EpicClient, str]
    approvers: tuple[str, ...]  # object ids, or addresses not yet bound to one
    certificates: tuple[Certificate, ...] = ()
    write_back: WriteBackTarget | None = None
    # Discovered at Epic when the connection was submitted, pinned by approval: a launch goes nowhere else.
    authorize_url: str = ""
    token_url: str = ""
    issuer: str = ""
    keys_url: str = ""

    def content_hash(self) -> str:
        """What an approval binds to: any change of content changes it."""
        kept = asdict(replace(self, certificates=()))
        # A retirement follows from the approval, and is no content of it.
        kept["certificates"] = [asdict(replace(one, retires_at=None)) for one in self.certificates]
        content = json.dumps(kept, sort_keys=True, default=str)
        return hashlib.sha256(content.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Department:
    """What patients may be told about a department; its speciality is never part of it."""

    name: str = ""
    phone: str = ""
    zone: str = ""
    emergency: str = ""  # the line to call when it cannot wait


class FeedStatus(StrEnum):
    """What a status code of a site's own can mean."""

    BOOKED = "booked"
    CANCELLED = "cancelled"
    NO_SHOW = "no-show"
    ARRIVED = "arrived"
    COMPLETED = "completed"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class Feed:
    """How this site's HL7v2 feed is read.

    `phone_types` maps PID-13 type codes (XTN.3 or XTN.2, upper case) to `mobile`, `home`, `work` or `skip`.
    `video_visit_types` holds SCH-7/SCH-8 codes or names; empty means that every appointment is by video.
    `statuses` maps the site's own status codes (SCH-25, upper case) to what they mean, for messages whose event
    leaves it open.
    """

    zone: str
    country: str = "US"
    sending_applications: frozenset[str] = frozenset()
    video_visit_types: frozenset[str] = frozenset()
    phone_types: dict[str, str] = field(default_factory=dict)
    external_id_type: str = ""  # the PID-3.5 type whose number Epic's status service knows the patient by
    statuses: dict[str, "FeedStatus"] = field(default_factory=dict)


# How long a replaced certificate is still accepted after the approval of the one that takes over.
OVERLAP = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Attestation:
    """That a person confirmed something, and when. `what` is a consent's version or a reviewed language."""

    what: str
    by: str  # object id
    at: datetime


def review_of(language: str) -> str:
    """The name under which the review of a translation is kept."""
    return f"language:{language}"


@dataclass(frozen=True, slots=True)
class Texts:
    """Which texts patients of this environment get. `reminders` are times before the start, longest first."""

    on: bool = False
    sender: str = ""  # E.164 of the hospital's own number
    consents: tuple[str, ...] = ()  # versions of the two consent sentences that were accepted
    booked: bool = True
    changed: bool = True
    cancelled: bool = True
    reminders: tuple[timedelta, ...] = (timedelta(days=1), timedelta(hours=1))
    quiet_from: time = time(21, 0)
    quiet_until: time = time(8, 0)
    backload: bool = False  # go-live: record appointments without texting anyone
    only_numbers: tuple[str, ...] = ()  # a test environment texts nobody else
    languages: tuple[str, ...] = ("en",)  # others are on once their translation was reviewed
    attested: tuple[Attestation, ...] = ()  # who confirmed each consent and review, and when
    skipped: bool = False  # the administrator decided to do without texts

    def stamped(self, before: "Texts | None", *, by: str, at: datetime) -> "Texts":
        """These texts with who and when for each consent and language in them.

        What was confirmed before, here or (when it comes with these texts) elsewhere in the organization, keeps
        its stamp.
        """
        wanted = [*self.consents, *(review_of(one) for one in self.languages if one != "en")]
        known = {one.what: one for one in (*self.attested, *(before.attested if before else ()))}
        stamps = (known.get(what) or Attestation(what, by, at) for what in dict.fromkeys(wanted))
        return replace(self, attested=tuple(stamps))


@dataclass(frozen=True, slots=True)
class Meetings:
    """Who organizes meetings, how long their links work, and what guests may do in them.

    Guests are everybody from outside: the patient, family, interpreters.
    """

    scheduling_accounts: tuple[str, ...] = ()  # object ids of licensed accounts
    providers: dict[str, str] = field(default_factory=dict)  # Epic's id of a provider -> Entra object id
    opens_before: timedelta = timedelta(minutes=30)
    closes_after: timedelta = timedelta(minutes=60)
    # Epic's schedule should show that someone waits as soon as they do, so waiting counts as connected.
    connected_when_waiting: bool = True
    linger: timedelta = timedelta(minutes=15)  # how long after the call has ended data is kept for a rejoin
    guests_may_chat: bool = True  # while the meeting runs
    guests_may_share: bool = False  # their screen; it makes them presenters in Teams


@dataclass(frozen=True, slots=True)
class RecordField:
    """What this site calls a field of an integration record, and its value; empty text leaves ours as it is."""

    name: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class RecordSettings:
    """Where this site's integration records differ from ours, because sites and Epic versions differ.

    `own_fields` are name/value pairs that Epic adds to each launch; `tokens` maps our words (`session`, `csn`,
    ...) to what this site calls them; `fields` maps `<record kind>.<field id>` to its own name and value.
    """

    own_fields: tuple[tuple[str, str], ...] = ()
    tokens: dict[str, str] = field(default_factory=dict)
    fields: dict[str, RecordField] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """How this environment behaves towards patients: the half that is live at once."""

    organization: str
    phone: str
    feed: Feed
    texts: Texts = Texts()
    meetings: Meetings = Meetings()
    departments: dict[str, Department] = field(default_factory=dict)
    records: RecordSettings = field(default_factory=RecordSettings)


class Stage(StrEnum):
    DRAFT = "draft"
    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class ConnectionVersion:
    """One version of the connection on its way through approval."""

    number: int
    connection: Connection
    stage: Stage
    saved_by: str
    saved_at: datetime
    decided_by: str = ""
    decided_at: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment with its newest connection, the approved one (which stays live) and its operation."""

    id: EnvironmentId
    tenant: TenantId
    kind: EnvironmentKind
    newest: ConnectionVersion
    live: ConnectionVersion | None
    operation: Operation
    operation_version: int
    changed_by: str
    changed_at: datetime
    removed_at: datetime | None = None

    def submitted(self, *, by: Person, at: datetime, connection: Connection) -> "Environment":
        """The newest connection, with Epic's endpoints pinned into it, waits for an analyst."""
        if self.newest.stage not in (Stage.DRAFT, Stage.REJECTED, Stage.WITHDRAWN):
            raise OutOfStep(said("Only a draft can be sent for approval."))
        if not connection.approvers:
            raise Refused({"connection.approvers": said("Enter at least one approver")})
        waiting = ConnectionVersion(
            number=self.newest.number,
            connection=connection,
            stage=Stage.WAITING,
            saved_by=by.object_id,
            saved_at=at,
        )
        return self._with(newest=waiting, by=by, at=at)

    def withdrawn(self, *, by: Person, at: datetime) -> "Environment":
        """The administrator takes a waiting connection back; what was live stays live."""
        if self.newest.stage is not Stage.WAITING:
            raise OutOfStep(said("Nothing is waiting for approval here any more."))
        return self._with(newest=_decided(self.newest, Stage.WITHDRAWN, by=by, at=at), by=by, at=at)

    def approved(
        self, *, by: Person, at: datetime, content_hash: str, names: frozenset[str] = frozenset()
    ) -> "Environment":
        """The waiting connection goes live; `content_hash` proves that this content was the one looked at.

        `names` are what else `by` may be named by: addresses that are bound to them.
        """
        self._must_await(by, names, content_hash)
        done = _decided(_retiring(self.newest, at), Stage.APPROVED, by=by, at=at)
        return self._with(newest=done, live=done, by=by, at=at)

    def rejected(
        self,
        *,
        by: Person,
        at: datetime,
        content_hash: str,
        reason: str,
        names: frozenset[str] = frozenset(),
    ) -> "Environment":
        """The waiting connection goes back to the administrator; what was live stays live."""
        self._must_await(by, names, content_hash)
        if not 5 <= len(reason.strip()) <= 500:
            raise Refused({"reason": said("Enter what needs to change")})
        rejected = _decided(self.newest, Stage.REJECTED, by=by, at=at, reason=reason.strip())
        return self._with(newest=rejected, by=by, at=at)

    def redrafted(self, connection: Connection, *, by: Person, at: datetime) -> "Environment":
        """A new draft; an approved version stays live while it waits."""
        draft = ConnectionVersion(
            number=self.newest.number + 1,
            connection=connection,
            stage=Stage.DRAFT,
            saved_by=by.object_id,
            saved_at=at,
        )
        return self._with(newest=draft, by=by, at=at)

    def operated(self, operation: Operation, *, by: Person, at: datetime) -> "Environment":
        """A new operation, live at once."""
        texts = operation.texts.stamped(self.operation.texts, by=by.object_id, at=at)
        return replace(
            self,
            operation=replace(operation, texts=texts),
            operation_version=self.operation_version + 1,
            changed_by=by.object_id,
            changed_at=at,
        )

    def removed(self, *, by: Person, at: datetime) -> "Environment":
        """The same environment, which nothing starts from any more; nobody is texted on its behalf."""
        return replace(self, removed_at=at, changed_by=by.object_id, changed_at=at)

    def names_as_approver(self, names: frozenset[str]) -> bool:
        """Whether somebody who goes by `names` may decide about what is newest."""
        # Addresses are compared without case; an object id has none.
        named = {one.lower() for one in self.newest.connection.approvers}
        return bool(named & {one.lower() for one in names})

    def _must_await(self, by: Person, names: frozenset[str], content_hash: str) -> None:
        if self.newest.stage is not Stage.WAITING:
            raise OutOfStep(said("Nothing is waiting for approval here any more."))
        if not self.names_as_approver(names | {by.object_id}):
            raise NotAllowed(
                said("You are not named as an approver of this environment. Ask an administrator to add you.")
            )
        if self.newest.connection.content_hash() != content_hash:
            raise OutOfStep(said("The settings changed while you were reading. Review them again."))

    def _with(
        self, *, newest: ConnectionVersion, by: Person, at: datetime, live: ConnectionVersion | None = None
    ) -> "Environment":
        return replace(self, newest=newest, live=live or self.live, changed_by=by.object_id, changed_at=at)


def _retiring(version: ConnectionVersion, at: datetime) -> ConnectionVersion:
    """The version with a last day for each certificate that another takes over from at `at`."""
    certificates = tuple(
        replace(one, retires_at=at + OVERLAP) if one.replaced and one.retires_at is None else one
        for one in version.connection.certificates
    )
    return replace(version, connection=replace(version.connection, certificates=certificates))


def _decided(
    version: ConnectionVersion, stage: Stage, *, by: Person, at: datetime, reason: str = ""
) -> ConnectionVersion:
    return replace(version, stage=stage, decided_by=by.object_id, decided_at=at, reason=reason)


@dataclass(frozen=True, slots=True)
class LiveEnvironment:
    """An environment as visits, feeds and texts see it: the approved connection and today's operation."""

    id: EnvironmentId
    tenant: TenantId
    kind: EnvironmentKind
    connection: Connection
    operation: Operation
    operation_version: int
    removed: bool = False


def live(environment: Environment) -> LiveEnvironment:
    """What is live of `environment`. Raises NotFound once it was removed, Refused when nothing was approved yet."""
    if environment.removed_at is not None:
        raise NotFound("this environment was removed")
    return kept(environment)


def kept(environment: Environment) -> LiveEnvironment:
    """What `environment` stands for to work that had begun: a removed one ends what it owes, and texts nobody.

    Raises Refused when nothing was approved yet.
    """
    if environment.live is None:
        raise Refused({"": said("This environment has not been approved yet.")})
    operation = environment.operation
    if environment.removed_at is not None:
        operation = replace(operation, texts=replace(operation.texts, on=False))
    return LiveEnvironment(
        id=environment.id,
        tenant=environment.tenant,
        kind=environment.kind,
        connection=environment.live.connection,
        operation=operation,
        operation_version=environment.operation_version,
        removed=environment.removed_at is not None,
    )
