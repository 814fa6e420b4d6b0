"""Read one accepted HL7v2 message and bring the appointment up to date, however often it is delivered."""

import hashlib
import hmac
import logging
from dataclasses import dataclass
from datetime import datetime

from shared.domain.appointment import Appointment, AppointmentRef, Event, SchedulingMessage, apply
from shared.domain.environment import LiveEnvironment
from shared.domain.errors import AlreadyThere, NotFound, OutOfStep, TryAgain
from shared.domain.inbound import Fate, InboundMessage, Parked, SealedMessage
from shared.domain.versioned import Versioned
from shared.flows.accept_hl7_message import SEALED_FOR, unwrapped
from shared.flows.ports import EnvironmentStores, JoinLinkIndex, Keys, ParkedMessages, Plans, Queues, Seals
from shared.flows.settle_appointment import settle_appointment
from shared.hl7v2.dedupe import dedupe_key
from shared.hl7v2.header import Header, NotHl7, UnusableHeader, read_header
from shared.hl7v2.message import parse
from shared.hl7v2.scheduling import Ignored, Unreadable, read_scheduling

logger = logging.getLogger(__name__)

# Concurrent messages for one appointment each re-read it; more than a few rounds means something is wrong,
# and the queue brings the message back later.
_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Recording:
    """What recording needs besides the message."""

    environment: LiveEnvironment
    stores: EnvironmentStores
    parked: ParkedMessages
    links: JoinLinkIndex
    plans: Plans
    queues: Queues
    seals: Seals
    keys: Keys


async def record_appointment(message: SealedMessage, *, given: Recording, now: datetime) -> Fate:
    """Apply `message` exactly once and set off what it changes. Raises TryAgain when the queue should repeat it."""
    content = await given.seals.open(message.sealed, purpose=SEALED_FOR, tenant=message.tenant)
    body, charset = unwrapped(content)
    try:
        header = read_header(body, charset=charset)
        key = dedupe_key(header, body)
        before = await given.stores.inbound.find(key)
        if before is not None:
            return before.fate
        read = read_scheduling(
            parse(body, header), given.environment.operation.feed, header=header, dedupe_key=key
        )
    except (NotHl7, UnusableHeader, Unreadable) as problem:
        return await _park(message, body, problem, given=given, now=now)

    if isinstance(read, Ignored):
        return await _write_down(header, key, message, Fate.IGNORED, given=given, reason=read.reason)
    found, fate = await _applied(read, message, given=given)
    await settle_appointment(found, given=given, now=now)
    appointment = found.value
    return await _write_down(
        header, key, message, fate, given=given, appointment=appointment.ref.key, doubtful=read.doubtful_time
    )


async def _applied(
    read: SchedulingMessage, message: SealedMessage, *, given: Recording
) -> tuple[Versioned[Appointment], Fate]:
    """The stored appointment after `read`, and whether that changed anything."""
    patient_hash = await _patient_hash(read.patient, given.keys)
    stores = given.stores
    for _ in range(_ROUNDS):
        key, is_new = await _key_of(read, patient_hash, stores)
        ref = AppointmentRef(message.tenant, message.environment, key)
        # What nobody knew a moment ago is not looked for: the insert says so if another message was faster.
        known = None if is_new else await _found(stores, key)
        after = apply(
            known.value if known else None,
            read,
            ref=ref,
            received_at=message.received_at,
            patient_hash=patient_hash,
        )
        if known is not None and after is known.value:
            return known, Fate.APPLIED if read.dedupe_key in after.same_second else Fate.OLD
        try:
            if known is None:
                return Versioned(after, await stores.appointments.insert(after)), Fate.APPLIED
            return Versioned(after, await stores.appointments.save(after, seen=known.version)), Fate.APPLIED
        except (OutOfStep, AlreadyThere):
            continue
    raise TryAgain("an appointment kept changing while a message was applied to it")


async def _key_of(read: SchedulingMessage, patient_hash: str, stores: EnvironmentStores) -> tuple[str, bool]:
    """The appointment the message is about, and whether it is the first word of it.

    It is known by its CSN, else by another id Epic used for it.
    """
    known = await stores.aliases.keys_of(read.aliases)
    key = known.get(read.csn)
    is_new = False
    if key is None and read.event is not Event.BOOKED:
        key = await _known_by_another_id(known, patient_hash, stores)
    if read.csn:
        if known.get(read.csn) is None:
            is_new = key is None
            key = await stores.aliases.claim(read.csn, key or read.csn, own=True)
            is_new = is_new and key == read.csn
    else:
        key = key or read.aliases[0]
    key = key or read.csn
    for alias in read.aliases:
        if alias != read.csn and known.get(alias) != key:
            await stores.aliases.claim(alias, key, own=False)
    return key, is_new


async def _known_by_another_id(
    known: dict[str, str], patient_hash: str, stores: EnvironmentStores
) -> str | None:
    """An appointment of the same patient: SCH-1 is a constant at some sites and proves nothing alone.

    Nor does an appointment whose patient was forgotten: it can no longer be told whose it was.
    """
    for key in dict.fromkeys(known.values()):
        found = await _found(stores, key)
        if found is None or found.value.forgotten_at is not None:
            continue
        if found.value.patient_hash in ("", patient_hash):
            return key
    return None


async def _found(stores: EnvironmentStores, key: str) -> Versioned[Appointment] | None:
    try:
        return await stores.appointments.get(key)
    except NotFound:
        return None


async def _patient_hash(patient: str, keys: Keys) -> str:
    if not patient:
        return ""
    key = await keys.link_key()
    return hmac.new(key, b"patient|" + patient.encode(), hashlib.sha256).hexdigest()[:32]


async def _park(
    message: SealedMessage, body: bytes, problem: Exception, *, given: Recording, now: datetime
) -> Fate:
    parked_id = hashlib.sha256(body + message.received_at.isoformat().encode()).hexdigest()[:32]
    await given.parked.park(
        Parked(
            id=parked_id,
            tenant=message.tenant,
            environment=message.environment,
            queue="hl7v2-messages",
            reason=str(problem),
            parked_at=now,
            sealed=message.sealed,
        )
    )
    logger.warning("hl7v2 message %s parked: %s", parked_id, type(problem).__name__)
    return Fate.PARKED


async def _write_down(
    header: Header,
    key: str,
    message: SealedMessage,
    fate: Fate,
    *,
    given: Recording,
    reason: str = "",
    appointment: str = "",
    doubtful: str = "",
) -> Fate:
    """Keep what became of the message: this row is what makes a duplicate a duplicate, so it comes last."""
    await given.stores.inbound.record(
        InboundMessage(
            dedupe_key=key,
            received_at=message.received_at,
            event=header.event,
            control_id=header.control_id,
            sending_application=header.sending_application,
            sending_facility=header.sending_facility,
            fate=fate,
            reason=reason,
            appointment=appointment,
            doubtful_time=doubtful,
        )
    )
    return fate
