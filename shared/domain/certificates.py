"""Which certificates prove the sender of appointments today, and how one takes over from another without a gap."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from shared.domain.environment import OVERLAP, Certificate, Environment
from shared.domain.words import Said, said

__all__ = ["OVERLAP", "Expiry", "Urgency", "accepted", "exchanged", "expiry", "without"]


def accepted(certificates: Sequence[Certificate], *, now: datetime) -> tuple[Certificate, ...]:
    """The certificates that count at `now`: in date, and not retired since another took over."""
    return tuple(
        one
        for one in certificates
        if one.valid_from <= now <= one.valid_until and (one.retires_at is None or now < one.retires_at)
    )


def exchanged(environment: Environment, *new: Certificate, now: datetime) -> tuple[Certificate, ...]:
    """The certificates of a draft in which all of `new` take over; none when there is none that could.

    What is live today is kept as replaced: it is accepted until seven days after the draft is approved, so that
    Epic may change keys on any of these days. A certificate that never went live is dropped at once.
    """
    live = environment.live.connection.certificates if environment.live and new else ()
    taking_over = {one.fingerprint for one in new}
    still = (one for one in accepted(live, now=now) if one.fingerprint not in taking_over)
    return (*(replace(one, replaced=True) for one in still), *new)


def without(certificates: Sequence[Certificate], fingerprint: str) -> tuple[Certificate, ...]:
    """The certificates but the one with `fingerprint`; the last one left is no longer replaced by anything."""
    kept = tuple(one for one in certificates if one.fingerprint != fingerprint)
    if kept and all(one.replaced for one in kept):
        return (*kept[:-1], replace(kept[-1], replaced=False, retires_at=None))
    return kept


class Urgency(StrEnum):
    """How soon something must be done about a certificate."""

    FINE = "fine"
    SOON = "soon"
    URGENT = "urgent"
    NOW = "now"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Expiry:
    """How long a certificate still counts, and what to say about it."""

    days: int
    urgency: Urgency
    said: Said


# Renewing a certificate at a hospital takes weeks: an early notice, a reminder and an alarm.
_NOTICES = ((7, Urgency.NOW), (30, Urgency.URGENT), (60, Urgency.SOON))


def expiry(certificates: Sequence[Certificate], *, now: datetime) -> Expiry | None:
    """When the last of `certificates` that can still count ends; None when there is none at all."""
    lasting = [one.valid_until for one in certificates if not one.replaced]
    if not lasting:
        return None
    left = max(lasting) - now
    days = left // timedelta(days=1)
    if left < timedelta():
        return Expiry(days, Urgency.OVER, said("The certificate has expired. Appointments are refused."))
    urgency = next((grade for at_most, grade in _NOTICES if days <= at_most), Urgency.FINE)
    if days == 0:
        return Expiry(days, urgency, said("The certificate expires in less than a day."))
    if days == 1:
        return Expiry(days, urgency, said("The certificate expires in 1 day."))
    return Expiry(days, urgency, said("The certificate expires in %(days)s days.", days=days))
