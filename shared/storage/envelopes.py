"""What is written on the queues: envelopes of sealed messages, and ids. Pure: text in, text out."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shared.domain.appointment import AppointmentRef
from shared.domain.environment import EnvironmentId
from shared.domain.errors import Refused
from shared.domain.inbound import SealedMessage
from shared.domain.notification import NotificationRef
from shared.domain.tenant import TenantId
from shared.domain.visit import VisitRef
from shared.storage.rows import compact, instant, moment

# A queue message holds 64 KiB, which is 48 KiB before base64; the rest is left to what surrounds it.
MESSAGE_TAKES = 45 * 1024

_OPENS, _CLOSES = '{"v":1,"messages":[', "]}"
ENTRIES_TAKE = MESSAGE_TAKES - len(_OPENS) - len(_CLOSES)


@dataclass(frozen=True, slots=True)
class LargeRef:
    """Where the rows of something larger than a queue message are: all parts share a partition."""

    partition: str
    parts: int


@dataclass(frozen=True, slots=True)
class LargeMessage:
    """A sealed message whose content waits in rows."""

    message: SealedMessage  # with empty content
    content: LargeRef


def entry_of(message: SealedMessage, large: LargeRef | None = None) -> str:
    """One message as an entry of an envelope: with its content, or with where its content waits."""
    known = {"t": message.tenant, "e": message.environment, "at": instant(message.received_at)}
    if large is None:
        return compact({**known, "s": message.sealed})
    return compact({**known, "l": large.partition, "n": large.parts})


def pack(entries: Sequence[str]) -> str:
    """The envelope of `entries`, as made by `entry_of`. They take `ENTRIES_TAKE` with their commas at most."""
    return f"{_OPENS}{','.join(entries)}{_CLOSES}"


def unpack(text: str) -> list[SealedMessage | LargeMessage]:
    """The messages of an envelope, or raise Refused when it is none."""
    content = _json(text)
    if content.get("v") != 1 or not isinstance(content.get("messages"), list):
        raise _unreadable()
    try:
        return [_message(one) for one in content["messages"]]
    except (KeyError, TypeError, ValueError) as broken:
        raise _unreadable() from broken


def _message(content: dict[str, Any]) -> SealedMessage | LargeMessage:
    message = SealedMessage(
        tenant=TenantId(content["t"]),
        environment=EnvironmentId(content["e"]),
        received_at=moment(content["at"]),
        sealed=str(content.get("s", "")),
    )
    if "l" in content:
        return LargeMessage(message, LargeRef(str(content["l"]), int(content["n"])))
    if not message.sealed:
        raise _unreadable()
    return message


def text_message(ref: NotificationRef) -> str:
    """The id of a text, as a queue message."""
    appointment = ref.appointment
    return compact(
        {"t": appointment.tenant, "e": appointment.environment, "k": appointment.key, "slot": ref.slot}
    )


def parse_text_ref(text: str) -> NotificationRef:
    """The id that `text_message` wrote, or raise Refused."""
    content = _json(text)
    try:
        appointment = AppointmentRef(
            TenantId(str(content["t"])), EnvironmentId(str(content["e"])), str(content["k"])
        )
        return NotificationRef(appointment, str(content["slot"]))
    except KeyError as missing:
        raise _unreadable() from missing


def visit_message(visit: VisitRef) -> str:
    """The id of a visit, as a queue message."""
    return compact({"t": visit.tenant, "e": visit.environment, "k": visit.key})


def parse_visit_ref(text: str) -> VisitRef:
    """The id that `visit_message` wrote, or raise Refused."""
    content = _json(text)
    try:
        return VisitRef(TenantId(str(content["t"])), EnvironmentId(str(content["e"])), str(content["k"]))
    except KeyError as missing:
        raise _unreadable() from missing


# A pointer instead of a notification of Graph's. Those are JSON, so none can look like this.
_POINTER = re.compile(r"large\.1\.([A-Za-z0-9|~_.:@-]+)\.([0-9]{1,4})")


def pointer(large: LargeRef) -> str:
    """A queue message that says where the real one waits."""
    return f"large.1.{large.partition}.{large.parts}"


def pointed_at(text: str) -> LargeRef | None:
    """Where the real message waits, or None when `text` is the message itself."""
    found = _POINTER.fullmatch(text)
    return LargeRef(found[1], int(found[2])) if found else None


def _json(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError as broken:
        raise _unreadable() from broken
    if not isinstance(content, dict):
        raise _unreadable()
    return content


def _unreadable() -> Refused:
    return Refused({"": "this queue message is not one of ours"})
