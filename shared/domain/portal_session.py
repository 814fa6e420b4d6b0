"""Who is signed in to the portal, for how long, and what they proved at Epic meanwhile."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.domain.environment import EnvironmentId
from shared.domain.tenant import Role, TenantId

# Somebody who walked away is signed out after an hour, and everybody after a working day (OWASP, session
# management: both ends are enforced here, where no browser can stretch them).
IDLE = timedelta(hours=1)
LIFE = timedelta(hours=8)

# A page that loads ten things in a row is one visit: the row is written again only when this much has passed.
NOTED_EVERY = timedelta(minutes=5)

PROOF_LIVES = timedelta(minutes=15)
SIGN_IN_LIVES = timedelta(minutes=10)
HELD_LIVES = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Colleague:
    """Somebody in the tenant's directory. Name and address are only shown; the object id decides."""

    object_id: str
    name: str
    address: str


@dataclass(frozen=True, slots=True)
class EpicProof:
    """An approver signed in to the Epic of `environment` at `at`, with the content of that hash before them."""

    environment: EnvironmentId
    content_hash: str
    at: datetime

    def good(self, *, environment: EnvironmentId, content_hash: str, now: datetime) -> bool:
        """Whether it proves something about exactly that content, and is not too old."""
        about = (self.environment, self.content_hash) == (environment, content_hash)
        return about and timedelta(0) <= now - self.at < PROOF_LIVES


@dataclass(frozen=True, slots=True)
class PortalSession:
    """What the random id in a portal cookie stands for. Roles are those of the sign-in."""

    id_hash: str
    tenant: TenantId
    object_id: str
    roles: frozenset[Role]
    signed_in_at: datetime
    seen_at: datetime
    expires_at: datetime
    proof: EpicProof | None = None

    def over(self, now: datetime) -> bool:
        """Whether it has ended: by signing out, by its age, or because nothing came for an hour."""
        return now >= self.expires_at or now - self.seen_at >= IDLE

    def to_be_noted(self, now: datetime) -> bool:
        """Whether it is time to write down that the person is still here."""
        return now - self.seen_at >= NOTED_EVERY

    def seen(self, now: datetime) -> "PortalSession":
        return replace(self, seen_at=now)

    def proven(self, proof: EpicProof) -> "PortalSession":
        """The session of somebody who just signed in to Epic too."""
        return replace(self, proof=proof)

    def ended(self, now: datetime) -> "PortalSession":
        """Signed out. The row stays, so that what the same person typed can be given back to them."""
        return replace(self, expires_at=min(now, self.expires_at), proof=None)


def new_session(
    id_hash: str, *, tenant: TenantId, object_id: str, roles: frozenset[Role], now: datetime
) -> PortalSession:
    """A session that begins now."""
    return PortalSession(
        id_hash, tenant, object_id, roles, signed_in_at=now, seen_at=now, expires_at=now + LIFE
    )


@dataclass(frozen=True, slots=True)
class SignInBegun:
    """A sign-in that is away at Microsoft: good for ten minutes, for one browser and one return.

    `flow` is what the Microsoft client wants back (its PKCE verifier and nonce are secrets); `to` is the path
    of ours to go to afterwards.
    """

    state_hash: str
    browser_hash: str
    flow: str
    to: str
    begun_at: datetime

    def expired(self, now: datetime) -> bool:
        return now - self.begun_at > SIGN_IN_LIVES


@dataclass(frozen=True, slots=True)
class HeldForm:
    """What somebody typed before their session ended: kept for an hour, for that person only."""

    id_hash: str
    tenant: TenantId
    object_id: str
    content: str
    held_at: datetime

    def expired(self, now: datetime) -> bool:
        return now - self.held_at > HELD_LIVES
