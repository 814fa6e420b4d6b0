"""Epic's appointment book: what is booked, moved and cancelled, and how each visit stands right now."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TypeVar
from zoneinfo import ZoneInfo

from sandbox.epic.people import (
    DEPARTMENTS,
    LANGUAGES,
    PATIENTS,
    PROVIDERS,
    PROXIES,
    VISIT_TYPES,
    Department,
    Language,
    Patient,
    Provider,
    Proxy,
    VisitType,
)

Thing = TypeVar("Thing")


class NotBooked(Exception):
    """What was asked of the schedule cannot be done. The text is for the person at the control room."""


class Kind(StrEnum):
    VIDEO = "video"
    IN_PERSON = "in-person"
    SURGERY = "surgery"


class Standing(StrEnum):
    """Appointment status as Epic numbers it (EPT 7020); the value is the title."""

    SCHEDULED = "Scheduled"
    COMPLETED = "Completed"
    CANCELED = "Canceled"
    NO_SHOW = "No Show"

    @property
    def number(self) -> str:
        return {"Scheduled": "1", "Completed": "2", "Canceled": "3", "No Show": "4"}[self.value]


class Connection(StrEnum):
    """Where one side of a video visit is, as last told by the status service."""

    NOT_YET = "not connected"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    NO_SHOW = "no-show"


@dataclass(slots=True)
class Booking:
    """One appointment through all its moves. `csn` is the current contact serial number."""

    csn: str
    patient: Patient
    provider: Provider
    department: Department
    kind: Kind
    start: datetime
    minutes: int
    zone: str
    language: Language
    original_csn: str
    confidential: bool
    conference: str = ""
    previous_csns: list[str] = field(default_factory=list)
    comment: str = ""
    standing: Standing = Standing.SCHEDULED
    cancel_reason: str = ""
    patient_connection: Connection = Connection.NOT_YET
    provider_connection: Connection = Connection.NOT_YET

    @property
    def visit_type(self) -> VisitType:
        return VISIT_TYPES[self.kind]

    @property
    def end(self) -> datetime:
        return self.start + timedelta(minutes=self.minutes)

    @property
    def local_start(self) -> datetime:
        return self.start.astimezone(ZoneInfo(self.zone))

    @property
    def conference_id(self) -> str:
        """What the status service calls the visit: the CSN, or the shared id of a group."""
        return self.conference or self.csn

    @property
    def status(self) -> str:
        """What the provider's schedule shows: who is connected, once someone is."""
        if self.standing is not Standing.SCHEDULED:
            return self.standing.value
        patient, provider = self.patient_connection, self.provider_connection
        if Connection.NO_SHOW in (patient, provider):
            return "No-show reported by video"
        present = [
            who
            for who, where in (("Patient", patient), ("Provider", provider))
            if where is Connection.CONNECTED
        ]
        if len(present) == 2:
            return "In progress"
        if present:
            return f"{present[0]} connected"
        left = [
            who
            for who, where in (("Patient", patient), ("Provider", provider))
            if where is Connection.DISCONNECTED
        ]
        if len(left) == 2:
            return "Both disconnected"
        return f"{left[0]} disconnected" if left else self.standing.value

    @property
    def proxy(self) -> Proxy | None:
        return next((one for one in PROXIES.values() if one.patient == self.patient.key), None)


@dataclass(slots=True)
class Schedule:
    """The appointment book of one instance. `next_csn` makes its numbers differ from the other's."""

    next_csn: int
    next_message: int = 1
    bookings: list[Booking] = field(default_factory=list)

    def book(
        self,
        *,
        patient: str = "elena",
        provider: str = "susan",
        department: str = "10501",
        kind: str = "video",
        start: datetime,
        minutes: int = 30,
        zone: str = "",
        language: str = "",
        comment: str = "",
        conference: str = "",
    ) -> Booking:
        """A new appointment, or NotBooked when something asked for does not exist."""
        clinic = _one_of(DEPARTMENTS, department, "department")
        person = _one_of(PATIENTS, patient, "patient")
        if not 1 <= minutes <= 24 * 60:
            raise NotBooked("minutes must be between 1 and 1440")
        csn = self._new_csn()
        booking = Booking(
            csn=csn,
            patient=person,
            provider=_one_of(PROVIDERS, provider, "provider"),
            department=clinic,
            kind=_kind(kind),
            start=_whole_second(start),
            minutes=minutes,
            zone=_zone(zone or clinic.zone),
            language=_one_of(LANGUAGES, language or person.language, "language"),
            original_csn=csn,
            confidential=person.confidential,
            comment=comment,
            conference=conference,
        )
        self.bookings.append(booking)
        return booking

    def reschedule(self, csn: str, *, start: datetime) -> Booking:
        """Move an appointment. Epic gives it another CSN; the old one stays with it as an alias."""
        booking = self._open(csn)
        booking.previous_csns.append(booking.csn)
        booking.csn = self._new_csn()
        booking.start = _whole_second(start)
        return booking

    def comment(self, csn: str, *, comment: str) -> Booking:
        booking = self._open(csn)
        booking.comment = comment
        return booking

    def cancel(self, csn: str, *, reason: str = "Patient canceled") -> Booking:
        booking = self._open(csn)
        booking.standing, booking.cancel_reason = Standing.CANCELED, reason
        return booking

    def no_show(self, csn: str) -> Booking:
        booking = self._open(csn)
        booking.standing = Standing.NO_SHOW
        return booking

    def find(self, csn: str) -> Booking:
        """The appointment with this CSN, current or former, or NotBooked."""
        for booking in self.bookings:
            if csn == booking.csn or csn in booking.previous_csns:
                return booking
        raise NotBooked("no appointment has this CSN")

    def of_conference(self, conference_id: str) -> list[Booking]:
        """Everyone's appointment in one visit: several for a group, none when the id is unknown.

        Only the current CSN counts: the contact behind a former one was closed when the visit moved.
        """
        return [booking for booking in self.bookings if booking.conference_id == conference_id]

    def _open(self, csn: str) -> Booking:
        booking = self.find(csn)
        if booking.csn != csn:
            raise NotBooked(f"this appointment has moved: its CSN is now {booking.csn}")
        if booking.standing is not Standing.SCHEDULED:
            raise NotBooked(f"this appointment is no longer open: {booking.standing.value}")
        return booking

    def _new_csn(self) -> str:
        csn, self.next_csn = str(self.next_csn), self.next_csn + 1
        return csn


def _one_of(known: dict[str, Thing], key: str, what: str) -> Thing:
    if key not in known:
        raise NotBooked(f"unknown {what}; known are {', '.join(known)}")
    return known[key]


def _kind(text: str) -> Kind:
    try:
        return Kind(text)
    except ValueError as unknown:
        raise NotBooked(f"unknown kind; known are {', '.join(Kind)}") from unknown


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError) as unknown:
        raise NotBooked("zone is not an IANA time zone such as America/Los_Angeles") from unknown
    return name


def _whole_second(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise NotBooked("start needs a time zone offset")
    return moment.astimezone(UTC).replace(microsecond=0)
