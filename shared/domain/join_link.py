"""A patient's own link to one visit: opaque, derived, looked up by hash and never stored itself."""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from shared.domain.appointment import Appointment, AppointmentRef, AppointmentState
from shared.domain.visit import Visit


class LinkRole(StrEnum):
    PATIENT = "patient"
    GUEST = "guest"
    INTERPRETER = "interpreter"


@dataclass(frozen=True, slots=True)
class JoinLink:
    """What a link leads to. `token_hash` is all that rests in storage."""

    token_hash: str
    appointment: AppointmentRef
    role: LinkRole
    generation: int
    revoked: bool = False


def token(key: bytes, ref: AppointmentRef, role: LinkRole, generation: int) -> str:
    """The link's secret: 128 bits of HMAC-SHA256, so that it can be sent again without being stored."""
    message = "|".join((ref.tenant, ref.environment, ref.key, role, str(generation))).encode()
    digest = hmac.new(key, message, hashlib.sha256).digest()[:16]
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def token_hash(secret: str) -> str:
    """How a link is found: the hash of its token."""
    return hashlib.sha256(secret.encode()).hexdigest()


class PageState(StrEnum):
    """What the page behind a patient's link shows."""

    READY = "ready"
    EARLY = "early"
    LATE = "late"
    CANCELLED = "cancelled"
    IN_PERSON = "in-person"
    ENDED = "ended"
    WAITING = "waiting"
    CONNECTED = "connected"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Window:
    """When a link opens and closes."""

    opens_at: datetime
    closes_at: datetime


def window(appointment: Appointment, *, opens_before: timedelta, closes_after: timedelta) -> Window | None:
    """The window of `appointment`'s links, or None while its time is not known."""
    if appointment.starts_at is None or appointment.ends_at is None:
        return None
    return Window(appointment.starts_at - opens_before, appointment.ends_at + closes_after)


# After this the page says "your visit has started" instead of simply "your visit".
LATE_AFTER = timedelta(minutes=15)


def page_state(
    appointment: Appointment, visit: Visit | None, open_window: Window | None, *, now: datetime
) -> PageState:
    """What the patient is to see at `now`."""
    if appointment.state is AppointmentState.CANCELLED:
        return PageState.CANCELLED
    if not appointment.by_video:
        return PageState.IN_PERSON
    if open_window is None or appointment.starts_at is None or now < open_window.opens_at:
        return PageState.EARLY
    if now > open_window.closes_at or (visit is not None and visit.over(appointment.starts_at)):
        return PageState.ENDED
    return PageState.LATE if now > appointment.starts_at + LATE_AFTER else PageState.READY
