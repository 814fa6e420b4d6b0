"""A launch: one hand-off from Epic, alive for minutes and good for one use."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from shared.domain.environment import EnvironmentId
from shared.domain.errors import DomainError
from shared.domain.tenant import TenantId


class LaunchRole(StrEnum):
    PROVIDER = "provider"
    PATIENT = "patient"
    DEVICE_TEST = "device-test"
    APPROVAL = "approval"  # an analyst proves that they work with this Epic; never begun by Epic


# What a record in Epic may begin.
BEGUN_BY_EPIC = frozenset({LaunchRole.PROVIDER, LaunchRole.PATIENT, LaunchRole.DEVICE_TEST})


class LaunchFailure(StrEnum):
    """The causes a launch page names. Each is a stable code that the documentation explains."""

    UNKNOWN_ENVIRONMENT = "unknown-environment"
    NOT_APPROVED = "not-approved"
    WRONG_EPIC = "wrong-epic"
    MISSING_LAUNCH = "missing-launch"
    UNKNOWN_STATE = "unknown-state"
    OTHER_BROWSER = "other-browser"
    EXPIRED = "expired"
    EPIC_SAID_NO = "epic-said-no"
    EPIC_AWAY = "epic-away"
    NO_VISIT = "no-visit"
    OTHER_ENVIRONMENT = "other-environment"
    OTHER_PATIENT = "other-patient"
    NOT_A_PROVIDER = "not-a-provider"
    CANCELLED = "cancelled"
    TEAMS_SAID_NO = "teams-said-no"
    TEAMS_AWAY = "teams-away"


@dataclass(frozen=True, slots=True)
class MixUp:
    """Two environments of one tenant whose records or launches were taken for each other."""

    other: EnvironmentId
    came_from: str  # what the environment is called whose Epic began the launch
    record_of: str  # what the environment is called whose record it came by


class LaunchFailed(DomainError):
    """A launch that cannot go on. `cause` is shown, and a mix-up by its name; nothing that was sent is."""

    def __init__(self, cause: LaunchFailure, mix_up: MixUp | None = None) -> None:
        super().__init__(cause.value)
        self.cause = cause
        self.mix_up = mix_up


# Authorization codes live about a minute and a sign-in page may stand between; ten minutes are plenty.
LAUNCH_LIVES = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Launch:
    """What must be remembered between sending someone to Epic and their coming back."""

    state_hash: str
    browser_hash: str  # of the cookie that was set: another browser cannot finish this launch
    tenant: TenantId
    environment: EnvironmentId
    role: LaunchRole
    verifier: str  # PKCE (RFC 7636)
    nonce: str
    redirect_uri: str
    begun_at: datetime
    # Of an approval only: the portal session that began it, and the content that was on the page.
    session_hash: str = ""
    content_hash: str = ""

    def expired(self, now: datetime) -> bool:
        return now - self.begun_at > LAUNCH_LIVES


@dataclass(frozen=True, slots=True)
class LaunchContext:
    """What Epic said about who launched and for which visit. Ids only."""

    role: LaunchRole
    session: str  # the CSN or conference id
    environment: str  # the id stamped into the integration record, empty when the record holds none
    user: str  # last two parts of fhirUser, such as Practitioner/abc
    username: str  # preferred_username, or empty
    patient: str
    department: str
    external_id: str
    external_id_type: str
    csn: str = ""  # beside a group's conference id: whose appointment it is

    @property
    def of_group(self) -> bool:
        """Whether the record is that of a group visit, whose session is no CSN."""
        return bool(self.csn) and self.csn != self.session


@dataclass(frozen=True, slots=True)
class EpicUser:
    """Who signed in at Epic, as its id token says: a kind of FHIR resource and an id at that server."""

    kind: str  # such as Practitioner, Patient or RelatedPerson; empty when Epic did not say
    id: str
    server: str  # the FHIR base URL the person was named at; empty when Epic named none


@dataclass(frozen=True, slots=True)
class VisitSession:
    """What a provider's cookie stands for: one visit, for some hours."""

    id_hash: str
    tenant: TenantId
    environment: EnvironmentId
    visit: str
    participant: str
    expires_at: datetime


SESSION_LIVES = timedelta(hours=8)
