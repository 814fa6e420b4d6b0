"""The first segment of a message, MSH: who sent it, when, and what it is. Read before anything else is."""

import re
from dataclasses import dataclass

from shared.domain.errors import DomainError
from shared.hl7v2.charsets import Decoded, codec_for_reply, codec_named, decode
from shared.hl7v2.timestamps import NotATime, read_time

# A scheduling message has some 15 segments and 300 separators. These bounds leave a fiftyfold room and keep
# what a hostile message can cost to about a tenth of a second; docs/hl7v2.md names them.
MOST_SEGMENTS = 5_000
MOST_SEPARATORS = 20_000
MOST_FIELDS = 1_000
# The longest MSH field that is read is an HD, 227 characters (HL7 v2.5 section 2.A.33).
_LONGEST = 250

# Line ends are tolerated before MSH, and the start byte of MLLP, which some engines keep when they post.
_BEFORE_MSH = b"\r\n \t\x0b"
_LINE_END = re.compile(r"[\r\n]")
_ANOTHER_START = re.compile(r"[\r\n](?:MSH|BHS|FHS)")
# The fields that are read or echoed, but for MSH-1 and MSH-2.
_ECHOED = (3, 4, 5, 6, 7, 9, 10, 11, 12, 15, 16)


class NotHl7(DomainError):
    """What was sent is not one HL7v2 message. The text says what to do and never repeats what was sent."""


@dataclass(frozen=True, slots=True)
class Header:
    """MSH as it was written: fields are raw, escapes and all, so that an answer can echo them.

    `codec` is what the message is written in, `reply_codec` what an answer is to be written in: the set that
    HTTP named, since the answer carries the same Content-Type, else UTF-8.
    """

    separator: str
    encoding_characters: str
    sending_application: str = ""  # MSH-3
    sending_facility: str = ""  # MSH-4
    receiving_application: str = ""  # MSH-5
    receiving_facility: str = ""  # MSH-6
    sent: str = ""  # MSH-7
    message_type: str = ""  # MSH-9.1
    event: str = ""  # MSH-9.2
    control_id: str = ""  # MSH-10
    processing_id: str = ""  # MSH-11
    version: str = ""  # MSH-12
    accept_acknowledgement: str = ""  # MSH-15
    application_acknowledgement: str = ""  # MSH-16
    codec: str = "utf-8"
    reply_codec: str = "utf-8"

    @property
    def component(self) -> str:
        return self.encoding_characters[0]

    @property
    def repetition(self) -> str:
        return self._sign(1, "~")

    @property
    def escape(self) -> str:
        return self._sign(2, "\\")

    @property
    def subcomponent(self) -> str:
        return self._sign(3, "&")

    def _sign(self, place: int, usual: str) -> str:
        """A separator, or the one everybody uses when MSH-2 is cut short; empty when that one has another use."""
        signs = self.encoding_characters
        if place < len(signs):
            return signs[place]
        return "" if usual in signs or usual == self.separator else usual


class UnusableHeader(DomainError):
    """An HL7 message that cannot be accepted because of `field`. `header` is what an answer can echo."""

    def __init__(self, field: str, problem: str, header: Header) -> None:
        super().__init__(f"{field} {problem}")
        self.field = field
        self.problem = problem
        self.header = header


def read_header(raw: bytes, *, charset: str | None) -> Header:
    """The header of the one message in `raw`. `charset` is what HTTP named, and wins over MSH-18.

    Takes apart nothing beyond MSH, but refuses a body that no reader should have to take apart: more than one message,
    or more segments or separators than any scheduling message has.
    Raises NotHl7 and UnusableHeader; the latter for a missing or unreadable MSH-7, MSH-9 or MSH-10.
    """
    charset = charset or None  # `charset=` without a name says nothing
    raw = _unwrapped(raw)
    decoded = _decoded(raw, charset)
    text = decoded.text
    line = _LINE_END.split(text, maxsplit=1)[0]
    fields = _fields(line)
    separator = line[3]
    _must_be_bounded(text, fields, separator)
    header = _header(fields, separator, decoded, charset=charset)
    _must_be_usable(header, fields)
    return header


def message_text(raw: bytes, header: Header) -> str:
    """The whole message as text, as `read_header` decoded it."""
    return _unwrapped(raw).decode(header.codec)


def _unwrapped(raw: bytes) -> bytes:
    """`raw` from its first segment on, without byte order mark and framing."""
    return raw.removeprefix(b"\xef\xbb\xbf").lstrip(_BEFORE_MSH).rstrip(b"\x1c\r\n \t\x00")


def _decoded(raw: bytes, charset: str | None) -> Decoded:
    if not raw:
        raise NotHl7("The request has no body. Send one HL7v2 message that begins with MSH.")
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in raw[:4]:
        raise NotHl7("The message is written in UTF-16 or UTF-32. Send it in UTF-8.")
    if raw[:1] == b"<":
        raise NotHl7("This is XML. Send HL7v2 with separators (ER7), beginning with MSH.")
    if raw[:3] in (b"FHS", b"BHS"):
        raise NotHl7("This is a batch. Send one message per request, beginning with MSH.")
    if raw[:3] != b"MSH":
        raise NotHl7("The message does not begin with an MSH segment. Send one HL7v2 message per request.")
    if charset is not None:
        declared, named_in = codec_named(charset), "Content-Type"
        if declared is None:
            raise NotHl7("The charset in Content-Type is not one that is read here. Send UTF-8.")
    else:
        declared, named_in = codec_named(_declared_inside(raw)), "MSH-18"
    decoded = decode(raw, declared=declared)
    if decoded is None:
        raise NotHl7(
            f"The message is not written in the character set that {named_in} names. Send UTF-8 and say so there."
        )
    return decoded


def _declared_inside(raw: bytes) -> str:
    """MSH-18.1 before the character set is known: its names are ASCII, which all sets share."""
    line = re.split(rb"[\r\n]", raw, maxsplit=1)[0]
    fields = line.split(line[3:4], 19) if len(line) > 4 else []
    if len(fields) < 18:
        return ""
    # Further repetitions name sets that escape sequences switch to; the first is the one at the start.
    repetition = fields[1][1:2]
    name = fields[17].split(repetition, 1)[0] if repetition else fields[17]
    return name.decode("ascii", "replace")


def _fields(line: str) -> list[str]:
    """The fields of MSH: its name first, then MSH-2, so that MSH-n is at n - 1."""
    if len(line) < 4:
        raise NotHl7("The MSH segment is cut off. Send the whole message.")
    separator = line[3]
    fields = line.split(separator, MOST_FIELDS)
    if len(fields) < 3:
        raise NotHl7("The MSH segment is cut off. Send the whole message.")
    signs = separator + fields[1]
    if not 2 <= len(signs) <= 6 or len(set(signs)) != len(signs) or any(not _may_separate(s) for s in signs):
        raise NotHl7("MSH-1 and MSH-2 do not name separators. The usual beginning of a message is MSH|^~\\&|")
    return fields


def _may_separate(sign: str) -> bool:
    return sign.isascii() and sign.isprintable() and not sign.isalnum() and sign not in ' "'


def _must_be_bounded(text: str, fields: list[str], separator: str) -> None:
    if len(fields) > MOST_FIELDS:
        raise NotHl7(f"The MSH segment has more than {MOST_FIELDS} fields. Send a scheduling message.")
    if text.count("\r") + text.count("\n") > MOST_SEGMENTS:
        raise NotHl7(f"The message has more than {MOST_SEGMENTS} lines. Send a scheduling message.")
    if sum(text.count(sign) for sign in separator + fields[1]) > MOST_SEPARATORS:
        raise NotHl7(f"The message has more than {MOST_SEPARATORS} separators. Send a scheduling message.")
    if _ANOTHER_START.search(text):
        raise NotHl7("There is more than one message in the request. Send one message per request.")


def _header(fields: list[str], separator: str, decoded: Decoded, *, charset: str | None) -> Header:
    """The header as far as it can be read; what is too long to be meant is left out."""

    def field(number: int) -> str:
        value = fields[number - 1].strip() if len(fields) >= number else ""
        return "" if value == '""' or len(value) > _LONGEST else value

    kind = field(9).split(fields[1][0])
    return Header(
        separator=separator,
        encoding_characters=fields[1],
        sending_application=field(3),
        sending_facility=field(4),
        receiving_application=field(5),
        receiving_facility=field(6),
        sent=field(7),
        message_type=kind[0].strip(),
        event=kind[1].strip() if len(kind) > 1 else "",
        control_id=field(10),
        processing_id=field(11),
        version=field(12),
        accept_acknowledgement=field(15),
        application_acknowledgement=field(16),
        codec=decoded.codec,
        reply_codec=codec_for_reply(charset, codec=decoded.codec),
    )


def _must_be_usable(header: Header, fields: list[str]) -> None:
    for number in _ECHOED:
        if len(fields) >= number and len(fields[number - 1].strip()) > _LONGEST:
            raise UnusableHeader(f"MSH-{number}", f"is longer than {_LONGEST} characters", header)
    if not header.sent:
        raise UnusableHeader("MSH-7", "is missing: send the time of the message", header)
    try:
        read_time(header.sent)
    except NotATime as problem:
        raise UnusableHeader("MSH-7", str(problem), header) from problem
    if not header.message_type or not header.event:
        raise UnusableHeader(
            "MSH-9", "does not name a message type and an event, such as SIU and S12", header
        )
    if not header.control_id:
        raise UnusableHeader("MSH-10", "is missing: send a control id that tells messages apart", header)
