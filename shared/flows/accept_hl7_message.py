"""Take in one HL7v2 message: prove the sender, look at the header, make it durable, acknowledge."""

from dataclasses import dataclass
from datetime import datetime

from shared.domain.certificates import accepted
from shared.domain.environment import LiveEnvironment
from shared.domain.inbound import SealedMessage
from shared.flows.ports import Queues, Seals
from shared.hl7v2.acknowledgement import Code, acknowledge
from shared.hl7v2.header import Header, UnusableHeader, read_header
from shared.hl7v2.signature import verify

SEALED_FOR = "hl7v2"


@dataclass(frozen=True, slots=True)
class Posted:
    """One message as it came over HTTP: the body as transmitted, and what the header said of it."""

    signed: bytes  # the raw body: what the signature covers
    body: bytes  # the same, decompressed
    charset: str | None
    signature: str


async def accept_hl7_message(
    posted: Posted,
    *,
    environment: LiveEnvironment,
    named: str,
    seals: Seals,
    queues: Queues,
    control_id: str,
    now: datetime,
) -> bytes:
    """The acknowledgement of one message, given only once the message is durable.

    `named` is the environment that MSH-5 or MSH-6 may name; a message that names another is refused.
    Raises BadSignature (401) before anything of the message is read, and NotHl7 (400).
    """
    trusted = accepted(environment.connection.certificates, now=now)
    verify(posted.signature, posted.signed, [one.pem for one in trusted])
    try:
        header = read_header(posted.body, charset=posted.charset)
    except UnusableHeader as problem:
        return acknowledge(
            problem.header,
            Code.REJECTED,
            control_id=control_id,
            at=now,
            location=problem.field,
            problem=problem.problem,
        )
    wrong = _names_another(header, named)
    if wrong:
        return acknowledge(
            header,
            Code.REJECTED,
            control_id=control_id,
            at=now,
            location=wrong,
            problem="this message is for another environment",
        )
    sealed = await seals.seal(
        wrapped(posted.body, posted.charset), purpose=SEALED_FOR, tenant=environment.tenant
    )
    await queues.accept(SealedMessage(environment.tenant, environment.id, now, sealed))
    return acknowledge(header, Code.ACCEPTED, control_id=control_id, at=now)


def _names_another(header: Header, named: str) -> str:
    """The field that names another environment: receivers written `VISITCONNECTOR^{environment}`."""
    for location, value in (("MSH-5", header.receiving_application), ("MSH-6", header.receiving_facility)):
        parts = value.split(header.component)
        if len(parts) > 1 and parts[0] == "VISITCONNECTOR" and parts[1] and parts[1] != named:
            return location
    return ""


def wrapped(body: bytes, charset: str | None) -> bytes:
    """The message with the character set that HTTP named, which wins over MSH-18."""
    return (charset or "").encode() + b"\n" + body


def unwrapped(content: bytes) -> tuple[bytes, str | None]:
    charset, _, body = content.partition(b"\n")
    return body, charset.decode() or None
