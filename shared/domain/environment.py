"""An environment: one FHIR base URL of one tenant, test or production, and how it is configured.

The configuration has two halves. *Connection* decides whom the app trusts and talks to; an Epic analyst
approves it by its content hash. *Operation* decides how the app behaves towards patients; it is live at
once and versioned.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import NewType

from shared.domain.errors import NotAllowed, OutOfStep, Refused
from shared.domain.tenant import Person, TenantId

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
        content = json.dumps(asdict(self), sort_keys=True, default=str)
        return hashlib.sha256(content.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Department:
    """What patients may be told about a department; its speciality is never part of it."""

    name: str = ""
    phone: str = ""
    zone: str = ""


@dataclass(frozen=True, slots=True)
class Feed:
    """How this site's HL7v2 feed is read.

    `phone_types` maps PID-13 type codes (XTN.3 or XTN.2, upper case) to `mobile`, `home`, `work` or `skip`.
    `video_visit_types` holds SCH-7/SCH-8 codes or names; empty means that every appointment is by video.
    """

    zone: str
    country: str = "US"
    sending_applications: frozenset[str] = frozenset()
    video_visit_types: frozenset[str] = frozenset()
    phone_types: dict[str, str] = field(default_factory=dict)
    external_id_type: str = ""  # the PID-3.5 type whose number Epic's status service knows the patient by


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


@dataclass(frozen=True, slots=True)
class Meetings:
    """Who organizes meetings and how long their links work."""

    scheduling_accounts: tuple[str, ...] = ()  # object ids of licensed accounts
    providers: dict[str, str] = field(default_factory=dict)  # Epic's id of a provider -> Entra object id
    opens_before: timedelta = timedelta(minutes=30)
    closes_after: timedelta = timedelta(minutes=60)
    # Epic's schedule should show that someone waits as soon as they do, so waiting counts as connected.
    connected_when_waiting: bool = True
    linger: timedelta = timedelta(minutes=15)  # how long after the call has ended data is kept for a rejoin


@dataclass(frozen=True, slots=True)
class Operation:
    """How this environment behaves towards patients: the half that is live at once."""

    organization: str
    phone: str
    feed: Feed
    texts: Texts = Texts()
    meetings: Meetings = Meetings()
    departments: dict[str, Department] = field(default_factory=dict)


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

    def submitted(self, *, by: Person, at: datetime, connection: Connection) -> "Environment":
        """The newest connection, with Epic's endpoints pinned into it, waits for an analyst."""
        if self.newest.stage not in (Stage.DRAFT, Stage.REJECTED, Stage.WITHDRAWN):
            raise OutOfStep("only a draft can be submitted for approval")
        if not connection.approvers:
            raise Refused({"connection.approvers": "Enter at least one approver"})
        waiting = ConnectionVersion(
            number=self.newest.number,
            connection=connection,
            stage=Stage.WAITING,
            saved_by=by.object_id,
            saved_at=at,
        )
        return self._with(newest=waiting, by=by, at=at)

    def approved(self, *, by: Person, at: datetime, content_hash: str) -> "Environment":
        """The waiting connection goes live; `content_hash` proves that this content was the one looked at."""
        self._must_await(by, content_hash)
        done = _decided(self.newest, Stage.APPROVED, by=by, at=at)
        return self._with(newest=done, live=done, by=by, at=at)

    def rejected(self, *, by: Person, at: datetime, content_hash: str, reason: str) -> "Environment":
        """The waiting connection goes back to the administrator; what was live stays live."""
        self._must_await(by, content_hash)
        if not 5 <= len(reason.strip()) <= 500:
            raise Refused({"reason": "Enter what needs to change"})
        return self._with(
            newest=_decided(self.newest, Stage.REJECTED, by=by, at=at, reason=reason), by=by, at=at
        )

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
        return Environment(
            id=self.id,
            tenant=self.tenant,
            kind=self.kind,
            newest=self.newest,
            live=self.live,
            operation=operation,
            operation_version=self.operation_version + 1,
            changed_by=by.object_id,
            changed_at=at,
        )

    def _must_await(self, by: Person, content_hash: str) -> None:
        if self.newest.stage is not Stage.WAITING:
            raise OutOfStep("this configuration is not waiting for approval")
        if by.object_id not in self.newest.connection.approvers:
            raise NotAllowed("only an approver named on this environment may decide")
        if self.newest.connection.content_hash() != content_hash:
            raise OutOfStep("The settings changed while you were reading. Review them again.")

    def _with(
        self, *, newest: ConnectionVersion, by: Person, at: datetime, live: ConnectionVersion | None = None
    ) -> "Environment":
        return Environment(
            id=self.id,
            tenant=self.tenant,
            kind=self.kind,
            newest=newest,
            live=live or self.live,
            operation=self.operation,
            operation_version=self.operation_version,
            changed_by=by.object_id,
            changed_at=at,
        )


def _decided(
    version: ConnectionVersion, stage: Stage, *, by: Person, at: datetime, reason: str = ""
) -> ConnectionVersion:
    return ConnectionVersion(
        number=version.number,
        connection=version.connection,
        stage=stage,
        saved_by=version.saved_by,
        saved_at=version.saved_at,
        decided_by=by.object_id,
        decided_at=at,
        reason=reason,
    )


@dataclass(frozen=True, slots=True)
class LiveEnvironment:
    """An environment as visits, feeds and texts see it: the approved connection and today's operation."""

    id: EnvironmentId
    tenant: TenantId
    kind: EnvironmentKind
    connection: Connection
    operation: Operation
    operation_version: int


def live(environment: Environment) -> LiveEnvironment:
    """What is live of `environment`, or raise Refused when nothing was approved yet."""
    if environment.live is None:
        raise Refused({"": "this environment has not been approved yet"})
    return LiveEnvironment(
        id=environment.id,
        tenant=environment.tenant,
        kind=environment.kind,
        connection=environment.live.connection,
        operation=environment.operation,
        operation_version=environment.operation_version,
    )
