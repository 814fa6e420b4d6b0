"""Who organizes a visit's meeting."""

import hashlib

from shared.domain.appointment import Appointment
from shared.domain.environment import Meetings


def organizer_of(appointment: Appointment, meetings: Meetings, *, launched_by: str | None) -> str | None:
    """The object id of the organizer: the booked provider when mapped, else a scheduling account, else whoever
    launches first.

    The account is picked by the appointment, so that everyone who asks gets the same one and the pool shares
    the load: Graph limits meetings to 2,000 a month for each organizer.
    """
    for provider in appointment.providers:
        if provider in meetings.providers:
            return meetings.providers[provider]
    accounts = sorted(meetings.scheduling_accounts)
    if accounts:
        digest = hashlib.sha256(appointment.ref.key.encode()).digest()
        return accounts[int.from_bytes(digest[:4], "big") % len(accounts)]
    return launched_by
