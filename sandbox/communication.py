"""Text messages of Azure Communication Services, and the phone network behind it: delivery, opt-outs, replies."""

import json
import math
import re
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.communication_proof import CommunicationDoor, CommunicationRefused
from sandbox.contract_check import read_contract
from sandbox.event_grid import EventGrid
from sandbox.world import Row, World

CONTRACT = read_contract("communication")
SMS_VERSION = "2021-03-07"
SEEDED_NUMBER = "+18335550142"

# Toll-free numbers: so many texts a minute.
_PER_MINUTE = 200
_MINUTE = timedelta(minutes=1)
# How long a repeated request is recognised, and how old a first attempt may be.
_REPEATS_KNOWN = timedelta(minutes=5)
_SECONDS_TO_DELIVER = 0.3
_E164 = re.compile(r"\+[1-9]\d{6,14}")
_GSM = re.compile(
    r"[@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,\-./0-9:;<=>?¡A-ZÄÖÑÜ§¿a-zäöñüà^{}\\\[~\]|€]*"
)
_STOP = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"})
_START = frozenset({"START", "UNSTOP", "YES"})


class TextState(StrEnum):
    QUEUED = "queued"
    DELIVERED = "delivered"
    FAILED = "failed"
    RECEIVED = "received"


@dataclass(slots=True)
class Text:
    """One text on one phone, either way."""

    id: str
    sender: str
    to: str
    body: str
    at: datetime
    state: TextState = TextState.QUEUED
    tag: str = ""
    details: str = ""


@dataclass(frozen=True, slots=True)
class _Remembered:
    """The first result of a request, for whoever repeats it."""

    at: datetime
    content: tuple[str, str, str]
    result: Row


@dataclass(slots=True)
class Communication:
    """The resource: its numbers, the texts it took, and who wants none."""

    world: World
    door: CommunicationDoor
    events: EventGrid
    owned: set[str] = field(default_factory=lambda: {SEEDED_NUMBER})
    texts: list[Text] = field(default_factory=list)
    opted_out: set[tuple[str, str]] = field(default_factory=set)
    unreachable: set[str] = field(default_factory=set)
    per_minute: int = _PER_MINUTE
    _sent: dict[str, deque[datetime]] = field(default_factory=dict)
    _repeats: dict[str, _Remembered] = field(default_factory=dict)

    def routes(self) -> list[Route]:
        """At the root as for a resource of one's own, and below `/communication`."""
        send = self.door.open(self._send, version=SMS_VERSION)
        return [Route(path, send, methods=["POST"]) for path in ("/sms", "/communication/sms")]

    async def _send(self, request: Request) -> Response:
        body = _read(await request.body())
        sender: str = body["from"]
        if sender not in self.owned:
            text = f"The phone number {sender} does not belong to this resource."
            raise CommunicationRefused(400, "BadRequest", text)
        if not body["smsRecipients"]:
            raise CommunicationRefused(400, "BadRequest", "There has to be a recipient.")
        self._check_rate(sender, len(body["smsRecipients"]))
        results = [self._for_one(sender, one, body) for one in body["smsRecipients"]]
        return JSONResponse({"value": results}, status_code=202)

    def _check_rate(self, sender: str, units: int) -> None:
        now = self.world.now()
        recent = self._sent.setdefault(sender, deque())
        while recent and now - recent[0] >= _MINUTE:
            recent.popleft()
        if len(recent) + units > self.per_minute:
            waits = str(math.ceil((recent[0] + _MINUTE - now).total_seconds())) if recent else "60"
            raise CommunicationRefused(429, "TooManyRequests", "Too many texts a minute.", retry_after=waits)
        recent.extend([now] * units)

    def _for_one(self, sender: str, recipient: Row, body: Row) -> Row:
        """What came of one recipient: a whole request may be good and one text in it refused."""
        to: str = recipient["to"]
        if not _E164.fullmatch(to):
            return _refused(to, 400, "Invalid To phone number format.")
        request_id = recipient.get("repeatabilityRequestId") or ""
        if not request_id:
            return self._accept(sender, to, body)
        now = self.world.now()
        self._repeats = {id: one for id, one in self._repeats.items() if now - one.at < _REPEATS_KNOWN}
        content = (sender, to, body["message"])
        known = self._repeats.get(request_id)
        if known is not None and known.content == content:
            self.world.log("communication", "repeat recognised", message=known.result["messageId"])
            return known.result
        first_sent = _date(recipient.get("repeatabilityFirstSent") or "")
        if known is not None or first_sent is None:
            return {
                **_refused(to, 400, "The repeatability headers are not valid."),
                "repeatabilityResult": "rejected",
            }
        if abs(now - first_sent) > _REPEATS_KNOWN:
            return {
                **_refused(to, 412, "The request was first sent too long ago."),
                "repeatabilityResult": "rejected",
            }
        result = {**self._accept(sender, to, body), "repeatabilityResult": "accepted"}
        self._repeats[request_id] = _Remembered(now, content, result)
        return result

    def _accept(self, sender: str, to: str, body: Row) -> Row:
        options = body.get("smsSendOptions") or {}
        text = Text(
            id=f"Outgoing_{self.world.now():%Y%m%d%H%M%S}{self.world.new_id()}_noam",
            sender=sender,
            to=to,
            body=body["message"],
            at=self.world.now(),
            tag=options.get("tag") or "",
        )
        self.texts.append(text)
        self.world.log("communication", "text taken", message=text.id, segments=segments(text.body))
        self.world.spawn(self._deliver(text, report=options.get("enableDeliveryReport", False)))
        return {"to": to, "messageId": text.id, "httpStatusCode": 202, "successful": True}

    async def _deliver(self, text: Text, *, report: bool) -> None:
        """What the carriers do with a text, and what they report."""
        await self.world.pause(_SECONDS_TO_DELIVER)
        if (text.sender, text.to) in self.opted_out:
            text.state, text.details = TextState.FAILED, "Sender blocked for given recipient."
        elif text.to in self.unreachable:
            text.state, text.details = TextState.FAILED, "The recipient is unreachable."
        else:
            text.state, text.details = TextState.DELIVERED, "Message successfully delivered."
        if not report:
            return
        is_delivered = text.state is TextState.DELIVERED
        at, count = self.world.now().isoformat(), segments(text.body)
        attempt = {
            "timestamp": at,
            "segmentsSucceeded": count if is_delivered else 0,
            "segmentsFailed": 0 if is_delivered else count,
        }
        data: Row = {
            "messageId": text.id,
            # Event Grid writes our own number without the plus.
            "from": text.sender.lstrip("+"),
            "to": text.to,
            "deliveryStatus": "Delivered" if is_delivered else "Failed",
            "deliveryStatusDetails": text.details,
            "receivedTimestamp": at,
            "deliveryAttempts": [attempt],
        }
        if text.tag:
            data["Tag"] = text.tag
        self.events.publish("deliveryReport", data, number=text.to)

    def reply(self, *, sender: str, to: str, body: str) -> Text:
        """Somebody answers a text. STOP and START are obeyed by the carrier, whatever anyone else does."""
        word = body.strip().upper()
        if word in _STOP:
            self.opted_out.add((to, sender))
        elif word in _START:
            self.opted_out.discard((to, sender))
        now = self.world.now()
        text = Text(
            id=f"Incoming_{self.world.new_id()}",
            sender=sender,
            to=to,
            body=body,
            at=now,
            state=TextState.RECEIVED,
        )
        self.texts.append(text)
        data = {
            "messageId": text.id,
            "from": sender.lstrip("+"),
            "to": to.lstrip("+"),
            "message": body,
            "receivedTimestamp": now.isoformat(),
            "segmentCount": segments(body),
        }
        self.events.publish("received", data, number=to)
        return text


def segments(body: str) -> int:
    """How many segments a text is billed as: GSM-7 holds 160 characters (153 when split), UCS-2 70 (67)."""
    if _GSM.fullmatch(body):
        length = len(body) + sum(body.count(one) for one in "^{}\\[~]|€")
        return 1 if length <= 160 else math.ceil(length / 153)
    length = len(body.encode("utf-16-le")) // 2
    return 1 if length <= 70 else math.ceil(length / 67)


def _refused(to: str, status: int, text: str) -> Row:
    return {"to": to, "httpStatusCode": status, "successful": False, "errorMessage": text}


def _read(raw: bytes) -> Row:
    try:
        body: Any = json.loads(raw)
    except ValueError as unreadable:
        raise CommunicationRefused(400, "BadRequest", "The body is not JSON.") from unreadable
    problems = CONTRACT.problems("smsRequest", body)
    if problems:
        raise CommunicationRefused(400, "BadRequest", "; ".join(problems))
    found: Row = body
    return found


def _date(text: str) -> datetime | None:
    """An HTTP date (RFC 1123), None when it is none."""
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo else None
