"""The answer to an HL7v2 message: taken, or refused with the field that is wrong."""

import re
from datetime import UTC, datetime
from enum import StrEnum

from shared.hl7v2.charsets import table_0211
from shared.hl7v2.header import Header


class Code(StrEnum):
    """MSA-1 in original mode (HL7 table 0008)."""

    ACCEPTED = "AA"
    ERROR = "AE"
    REJECTED = "AR"


# HL7 table 0357, by the field that is named; a field that is not there at all is 101.
_MISSING = ("101", "Required field missing")
_WRONG = {
    "MSH-5": ("103", "Table value not found"),
    "MSH-6": ("103", "Table value not found"),
    "MSH-9": ("200", "Unsupported message type"),
}
_MALFORMED = ("102", "Data type error")
_INTERNAL = ("207", "Application internal error")

# What an answer says of itself when the message did not say it.
_USUAL_VERSION = "2.5"

_LOCATION = re.compile(r"([A-Z][A-Z0-9]{2})-(\d+)(?:\.(\d+))?")
_CONTROL = dict.fromkeys((*range(32), *range(127, 160), 8232, 8233), " ")


def acknowledge(
    header: Header,
    code: Code,
    *,
    control_id: str,
    at: datetime,
    location: str = "",
    problem: str = "",
) -> bytes:
    """The acknowledgement as bytes, in the separators and the character set of the message it answers.

    `location` names the field at fault as in `MSH-9` or `SCH-11.4`; `problem` is a sentence that repeats nothing
    of the message. Both stand in an ERR segment, in the places of HL7 2.5 and, for older receivers, of 2.3.
    """
    lines = [_msh(header, control_id=control_id, at=at), _msa(header, code, problem)]
    if code is not Code.ACCEPTED:
        lines.append(_err(header, location, problem))
    text = "".join(f"{line}\r" for line in lines)
    return text.encode(header.reply_codec, "replace")


def _msh(header: Header, *, control_id: str, at: datetime) -> str:
    event = [header.event] if header.event else []
    kind = header.component.join(["ACK", *event, "ACK"] if event else ["ACK"])
    fields = {
        2: _echo(header.receiving_application),
        3: _echo(header.receiving_facility),
        4: _echo(header.sending_application),
        5: _echo(header.sending_facility),
        6: f"{at.astimezone(UTC):%Y%m%d%H%M%S}+0000",
        8: _echo(kind),
        9: _escaped(control_id, header),
        10: _echo(header.processing_id),
        11: _echo(header.version) or _USUAL_VERSION,
        17: table_0211(header.reply_codec),
    }
    # MSH-1 is the separator itself, so places count one less here.
    return _segment("MSH", {1: header.encoding_characters, **fields}, header)


def _msa(header: Header, code: Code, problem: str) -> str:
    return _segment("MSA", {1: code.value, 2: _echo(header.control_id), 3: _escaped(problem, header)}, header)


def _err(header: Header, location: str, problem: str) -> str:
    found = _LOCATION.fullmatch(location)
    place = [found[1], "1", found[2], *([found[3]] if found[3] else [])] if found else []
    number, meaning = _error_code(header, location)
    fields = {
        2: header.component.join(place),
        3: header.component.join([number, meaning, "HL70357"]),
        4: "E",
        8: _escaped(problem, header),
    }
    if _before_2_5(header.version):
        # ERR-1 (ELD) of 2.3: segment, its number, the field, and the code as subcomponents.
        coded = (header.subcomponent or " ").join([number, meaning, "HL70357"])
        fields[1] = header.component.join([*(place[:3] or ["", "", ""]), coded])
    return _segment("ERR", fields, header)


def _error_code(header: Header, location: str) -> tuple[str, str]:
    if not location:
        return _INTERNAL
    empty = {"MSH-7": not header.sent, "MSH-9": not header.message_type, "MSH-10": not header.control_id}
    if empty.get(location):
        return _MISSING
    return _WRONG.get(location, _MALFORMED)


def _before_2_5(version: str) -> bool:
    return version.startswith(("2.1", "2.2", "2.3", "2.4"))


def _segment(name: str, fields: dict[int, str], header: Header) -> str:
    """A segment with `fields` in their places and nothing after the last that says something."""
    last = max((place for place, value in fields.items() if value), default=0)
    return header.separator.join([name, *(fields.get(place, "") for place in range(1, last + 1))])


def _echo(value: str) -> str:
    """What the sender wrote, escapes and separators included: it means the same in the answer."""
    return value.translate(_CONTROL)


def _escaped(text: str, header: Header) -> str:
    """Our own words as they may stand in a field (HL7 v2.5 section 2.7)."""
    escape = header.escape
    spelled = {header.separator: "F", header.component: "S", header.repetition: "R", header.subcomponent: "T"}
    spelled[escape] = "E"
    spelled.pop("", None)
    signs = {ord(sign): f"{escape}{letter}{escape}" if escape else " " for sign, letter in spelled.items()}
    return text.translate(_CONTROL | signs)
