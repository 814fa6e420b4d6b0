"""When an approver may approve: they have just signed in to that very Epic, and nothing has changed since."""

from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from shared.domain.environment import EnvironmentId
from shared.domain.errors import DomainError, OutOfStep, Refused
from shared.domain.portal_session import PROOF_LIVES, EpicProof
from shared.domain.preflight import known_code
from shared.domain.words import Said, said

SIGN_IN_FIRST = said("Sign in to Epic before you approve")
TIMED_OUT = said("Your Epic sign-in timed out. Sign in again.")
CHANGED = said("The settings changed while you were reading. Review them again.")


def check_proof(
    proof: EpicProof | None, *, environment: EnvironmentId, content_hash: str, now: datetime
) -> None:
    """Raise Refused or OutOfStep unless `proof` is of this environment, of this content and fresh enough."""
    if proof is None or proof.environment != environment:
        raise Refused({"epic": SIGN_IN_FIRST})
    if not timedelta() <= now - proof.at < PROOF_LIVES:
        raise Refused({"epic": TIMED_OUT})
    if proof.content_hash != content_hash:
        raise OutOfStep(CHANGED)


class ApprovalFailure(StrEnum):
    """Why an approver's Epic sign-in did not count. Each is a stable code that the documentation explains."""

    EPIC_REFUSED = "epic-refused"
    OAUTH_ERROR = "oauth-error"
    OTHER_EPIC = "other-epic"
    TIMED_OUT = "timed-out"
    CHANGED = "changed"
    NOT_A_PRACTITIONER = "not-a-practitioner"
    NOT_NAMED = "not-named"
    NOT_PROVEN = "not-proven"
    OTHER_SESSION = "other-session"
    AWAY = "epic-away"


class ApprovalFailed(DomainError):
    """An Epic sign-in that proves nothing. `code` is OAuth's own where it has one."""

    def __init__(self, cause: ApprovalFailure, code: str = "") -> None:
        super().__init__(cause.value)
        self.cause = cause
        self.code = known_code(code) if code else ""


_SENTENCES = {
    ApprovalFailure.EPIC_REFUSED: said(
        "Epic did not let you sign in. Ask your Epic technical specialist to check your permissions."
    ),
    ApprovalFailure.OTHER_EPIC: said("You signed in to a different Epic server than this FHIR base URL."),
    ApprovalFailure.TIMED_OUT: TIMED_OUT,
    ApprovalFailure.CHANGED: CHANGED,
    ApprovalFailure.NOT_A_PRACTITIONER: said(
        "You signed in with a MyChart account. Sign in with the Epic account that you use at work."
    ),
    ApprovalFailure.NOT_NAMED: said(
        "You are not named as an approver of this environment. Ask an administrator to add you."
    ),
    ApprovalFailure.NOT_PROVEN: said("Epic's answer did not prove who signed in. Sign in again."),
    ApprovalFailure.OTHER_SESSION: said(
        "This sign-in was started in another window or by another person. Start it again from this page."
    ),
    ApprovalFailure.AWAY: said("Epic did not answer. Try again in a few minutes."),
}


def sentence(cause: ApprovalFailure, code: str = "") -> Said:
    """What the page says about `cause`. `code` may come from an address: only known codes are said."""
    if cause is ApprovalFailure.OAUTH_ERROR:
        return said(
            "Epic answered with an OAuth error (%(code)s). The keys may not be synced yet; this can take a day.",
            code=known_code(code),
        )
    return _SENTENCES[cause]


# An approver who has not decided after this many working days is told again, and not without end.
LATE_AFTER = 2
REMINDED_AT_MOST = 5
_SATURDAY = 5


def late_at(asked_at: datetime, *, zone: str) -> datetime:
    """When an approval is late: the same time of day, two working days on, as the clinic's own zone counts."""
    day = asked_at.astimezone(ZoneInfo(zone))
    left = LATE_AFTER
    while left:
        day += timedelta(days=1)
        left -= day.weekday() < _SATURDAY
    return day.astimezone(asked_at.tzinfo)
