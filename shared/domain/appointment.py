"""What Epic booked, as Epic last told it, and the rules by which a new message changes it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from shared.domain.environment import EnvironmentId
from shared.domain.expected import Expected
from shared.domain.phone_number import PhoneNumber
from shared.domain.tenant import TenantId


class Event(StrEnum):
    """The scheduling events the app acts on (HL7 v2.5 chapter 10, MSH-9.2)."""

    BOOKED = "S12"
    MOVED = "S13"
    CHANGED = "S14"
    CANCELLED = "S15"
    DELETED = "S17"
    NO_SHOW = "S26"


ENDING = frozenset({Event.CANCELLED, Event.DELETED, Event.NO_SHOW})


class AppointmentState(StrEnum):
    BOOKED = "booked"
    CANCELLED = "cancelled"
    NO_SHOW = "no-show"


class News(StrEnum):
    """A change that is worth a text. Check-ins and comments are none."""

    BOOKED = "booked"
    CHANGED = "changed"
    CANCELLED = "cancelled"
    NO_LONGER_VIDEO = "no-longer-video"


@dataclass(frozen=True, slots=True)
class AppointmentRef:
    """Where an appointment is: enough to find it, nothing about a person."""

    tenant: TenantId
    environment: EnvironmentId
    key: str


@dataclass(frozen=True, slots=True)
class SchedulingMessage:
    """One scheduling message, read into the domain's words. Times are UTC; `zone` is the clinic's IANA zone."""

    event: Event
    sent_at: datetime  # MSH-7
    dedupe_key: str  # of MSH-3, MSH-10, MSH-7 and the body
    csn: str
    aliases: tuple[str, ...]  # PV1-19, SCH-1 and SCH-2 as seen, without repeats
    starts_at: datetime | None
    zone: str
    doubtful_time: str  # "", "ambiguous" or "does not exist": the local time on a clock-change night
    minutes: int | None
    by_video: bool
    confidential: bool
    deceased: bool
    department: str
    providers: tuple[str, ...]
    language: str  # a BCP 47 tag, or empty when the feed does not say
    phone: PhoneNumber | None
    external_id: str
    patient: str  # the medical record number, in memory only


@dataclass(frozen=True, slots=True, order=True)
class SourceVersion:
    """How new a message is: its own time to the second; in one second a cancel wins, then the later arrival."""

    sent_at: datetime
    ends: bool
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Appointment:
    """An appointment of one environment. `key` is the first CSN it was known by and never changes."""

    ref: AppointmentRef
    csn: str
    aliases: tuple[str, ...]
    state: AppointmentState
    starts_at: datetime | None
    zone: str
    doubtful_time: str
    minutes: int
    by_video: bool
    confidential: bool
    deceased: bool
    department: str
    providers: tuple[str, ...]
    language: str
    phone: PhoneNumber | None
    external_id: str
    patient_hash: str  # keyed: tells two patients apart, names neither
    source: SourceVersion
    same_second: tuple[str, ...]  # dedupe keys of the messages applied in the second of `source`
    revision: int  # counts the changes worth a text
    owed: News | None  # what the patient has not been told yet
    link_generation: int = 1
    forgotten_at: datetime | None = None
    # The lines of day lists that may hold this appointment: each is written down here before it is written there.
    filed: tuple[Expected, ...] = ()

    @property
    def ends_at(self) -> datetime | None:
        return self.starts_at + timedelta(minutes=self.minutes) if self.starts_at else None

    @property
    def takes_place(self) -> bool:
        """Whether a visit by video is still to be expected."""
        return self.state is AppointmentState.BOOKED and self.by_video and self.starts_at is not None

    @property
    def expected(self) -> Expected | None:
        """The line of the day's list that this appointment is, while it takes place and is not over for good."""
        if self.starts_at is None or not self.takes_place or self.forgotten_at is not None:
            return None
        textable = self.phone is not None and not self.confidential and not self.deceased
        return Expected(self.ref.key, self.starts_at, self.zone, textable)

    @property
    def misfiled(self) -> bool:
        """Whether a day's list may show it where it is not, or as it is not."""
        return self.filed != ((self.expected,) if self.expected else ())

    def settled(self) -> "Appointment":
        """The same appointment once everything its last change set off is stored."""
        return replace(self, owed=None, filed=(self.expected,) if self.expected else ())

    def forgotten(self, at: datetime) -> "Appointment":
        """The same appointment without anything that leads to a person."""
        return replace(self, phone=None, external_id="", patient_hash="", forgotten_at=at)

    def to_be_filed(self) -> "Appointment":
        """The same appointment, knowing every line that will have to be looked at when it is settled."""
        wanted = self.expected
        return self if wanted is None or wanted in self.filed else replace(self, filed=(*self.filed, wanted))


# What a visit is taken to last when the feed does not say: the shortest slot Epic sites commonly book.
DEFAULT_MINUTES = 30


def apply(
    known: Appointment | None,
    message: SchedulingMessage,
    *,
    ref: AppointmentRef,
    received_at: datetime,
    patient_hash: str,
) -> Appointment:
    """`known` after `message`. The same object comes back when the message is old or was applied before."""
    source = SourceVersion(message.sent_at.replace(microsecond=0), message.event in ENDING, received_at)
    if known is not None:
        same_second = known.source.sent_at == source.sent_at
        if source < known.source or (same_second and message.dedupe_key in known.same_second):
            return known

    fresh = _fresh(known, message, ref=ref, source=source, patient_hash=patient_hash)
    news = _news(known, fresh)
    if news is not None:
        fresh = replace(fresh, revision=fresh.revision + 1, owed=_still_owed(known, news))
    if _nobody_will_hear(known, fresh):
        return fresh.forgotten(received_at)
    return fresh.to_be_filed()


def _nobody_will_hear(known: Appointment | None, after: Appointment) -> bool:
    """Whether nothing of a person may be kept: nothing is owed, so that no plan to forget them follows.

    True for what is not by video or cancelled when first heard of, for a booking that ended before anyone was
    told, and for what comes after the people were forgotten, such as the check-out after a visit.
    """
    if after.owed is not None:
        return False
    return known is None or known.owed is not None or known.forgotten_at is not None


def _fresh(
    known: Appointment | None,
    message: SchedulingMessage,
    *,
    ref: AppointmentRef,
    source: SourceVersion,
    patient_hash: str,
) -> Appointment:
    """The appointment as `message` describes it, before deciding what the patient should hear."""
    ends = message.event in ENDING
    # Cancellations often come without a time, a phone or a department: what was known stays known.
    keep = known if known is not None and ends else None
    earlier = known.aliases if known else ()
    together = known is not None and known.source.sent_at == source.sent_at
    return Appointment(
        ref=ref,
        csn=message.csn or (known.csn if known else ref.key),
        aliases=tuple(dict.fromkeys((*earlier, *message.aliases))),
        state=_state(message.event),
        starts_at=message.starts_at or (known.starts_at if known else None),
        zone=message.zone,
        doubtful_time=message.doubtful_time if message.starts_at else (known.doubtful_time if known else ""),
        minutes=message.minutes or (known.minutes if known else DEFAULT_MINUTES),
        by_video=keep.by_video if keep else message.by_video,
        confidential=message.confidential or bool(keep and keep.confidential),
        deceased=message.deceased or bool(known and known.deceased),
        department=message.department or (known.department if known else ""),
        providers=message.providers or (known.providers if known else ()),
        language=message.language or (known.language if known else ""),
        # A later message without a number takes the number away, unless the appointment is ending: then the
        # patient is still to be told so.
        phone=message.phone or (keep.phone if keep else None),
        external_id=message.external_id or (keep.external_id if keep else ""),
        patient_hash=patient_hash or (known.patient_hash if known else ""),
        source=source,
        same_second=(*(known.same_second if known and together else ()), message.dedupe_key),
        revision=known.revision if known else 0,
        owed=known.owed if known else None,
        link_generation=known.link_generation if known else 1,
        filed=known.filed if known else (),
    )


def _state(event: Event) -> AppointmentState:
    if event is Event.NO_SHOW:
        return AppointmentState.NO_SHOW
    return AppointmentState.CANCELLED if event in ENDING else AppointmentState.BOOKED


def _news(before: Appointment | None, after: Appointment) -> News | None:
    """What changed for the patient, if anything."""
    was_on = before is not None and before.takes_place
    if after.takes_place:
        if not was_on:
            return News.BOOKED
        return News.CHANGED if before is not None and before.starts_at != after.starts_at else None
    if not was_on:
        return None
    if after.state is AppointmentState.CANCELLED:
        return News.CANCELLED
    # A no-show is known to the patient already; a switch to in-person must be said.
    return News.NO_LONGER_VIDEO if after.state is AppointmentState.BOOKED else None


def _still_owed(before: Appointment | None, news: News) -> News | None:
    """What is owed when an earlier change had not been told yet: nobody is told of what they never heard."""
    if before is None or before.owed is None:
        return news
    if before.owed is News.BOOKED:
        return News.BOOKED if news in (News.BOOKED, News.CHANGED) else None
    if news is News.BOOKED and before.owed in (News.CANCELLED, News.NO_LONGER_VIDEO):
        return News.CHANGED
    return news
