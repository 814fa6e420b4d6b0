"""When what leads to a person is erased."""

from datetime import datetime, timedelta

from shared.domain.appointment import Appointment, AppointmentState
from shared.domain.visit import Visit

# A cancellation text is settled within a day, or never will be.
CANCELLED_KEEPS = timedelta(hours=24)

# A fact that Epic did not take for so long will not be taken, and the id it needs is not kept for it.
OWED_AT_MOST = timedelta(days=7)

# Nothing is known of the call: the appointment's own end decides.
NEVER_STARTED_KEEPS = timedelta(hours=4)


def forget_at(
    appointment: Appointment, visit: Visit | None, *, linger: timedelta, texts_settled: bool
) -> datetime:
    """The moment from which nothing of a person may be kept with `appointment`, as far as it is known today.

    `texts_settled`: no text about it is waiting to go or waiting for the carrier's report.
    """
    if appointment.state is not AppointmentState.BOOKED or not appointment.by_video:
        changed_at = appointment.source.received_at
        return changed_at if texts_settled else changed_at + CANCELLED_KEEPS
    if visit is not None and visit.ended_at is not None and visit.over(appointment.starts_at):
        return visit.ended_at + linger
    if appointment.ends_at is None:
        return appointment.source.received_at + CANCELLED_KEEPS
    return appointment.ends_at + NEVER_STARTED_KEEPS
