"""Carries scheduling messages to the connector as a hospital's interface engine does: in order, and until answered.

A message that is not accepted holds up everything behind it. It is tried again for a while and then set aside, so
that a broken connection cannot fill the sandbox for ever.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

import httpx

from sandbox.epic.hl7_signature import Signature, Signer, signature_header

Clock = Callable[[], datetime]
Pause = Callable[[float], Awaitable[None]]

# Waits before the second attempt, the third and so on: about two minutes in all.
WAITS = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
CONTENT_TYPE = "application/hl7-v2; charset=utf-8"

# HL7 answers with these codes mean that the message arrived and will not be asked for again.
_ACCEPTED = frozenset({"AA", "CA"})
# Refused for what it is: the same message cannot succeed later.
_REJECTED = frozenset({"AR", "CR"})


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message on its way. `insist` is off for raw messages that are sent to see them refused."""

    raw: bytes
    control_id: str
    event: str
    csn: str = ""
    signature: Signature = Signature.GOOD
    insist: bool = True


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What came back for one attempt. `code` is MSA-1, empty when the answer was not HL7."""

    at: datetime
    control_id: str
    event: str
    csn: str
    attempt: int
    http_status: int
    code: str
    text: str
    message: str

    @property
    def accepted(self) -> bool:
        return 200 <= self.http_status < 300 and self.code in _ACCEPTED

    @property
    def final(self) -> bool:
        return self.accepted or (200 <= self.http_status < 300 and self.code in _REJECTED)


class InterfaceEngine:
    """The outgoing queue of one instance, and everything that was answered."""

    def __init__(
        self,
        *,
        http: httpx.AsyncClient,
        signer: Signer,
        other: Callable[[], Signer],
        clock: Clock,
        pause: Pause = asyncio.sleep,
        waits: tuple[float, ...] = WAITS,
    ) -> None:
        self._http = http
        self._signer = signer
        self._other = other
        self._clock = clock
        self._pause = pause
        self._waits = waits
        self._waiting: deque[Outgoing] = deque()
        self._overtaken: list[Outgoing] = []
        self._running: asyncio.Task[None] | None = None
        self.url = ""
        self.held: list[Outgoing] = []
        self.acknowledgements: list[Acknowledgement] = []
        self.set_aside: list[Outgoing] = []

    @property
    def waiting(self) -> int:
        """How many messages have not been answered yet, held ones not counted."""
        return len(self._waiting) + len(self._overtaken)

    @property
    def certificate_pem(self) -> bytes:
        """The certificate of the key that signs messages, as it is handed to whoever receives them."""
        return self._signer.certificate_pem()

    def connect(self, url: str) -> None:
        """Messages go to `url` from now on, those that have been waiting first."""
        self.url = url
        self._start()

    def enqueue(self, *messages: Outgoing) -> None:
        """Send these in order, and behind them what they were to overtake."""
        self._waiting.extend(messages)
        if messages:
            self._waiting.extend(self._overtaken)
            self._overtaken = []
        self._start()

    def let_overtake(self, message: Outgoing) -> None:
        """Send a message right after the next one."""
        self._overtaken.append(message)

    def hold(self, message: Outgoing) -> None:
        """Keep a message back until `release`, so that later ones overtake it."""
        self.held.append(message)

    def release(self, *, newest_first: bool = False) -> int:
        """Send what was held, in the order it was written or the other way round. Returns how many."""
        held, self.held = self.held, []
        self.enqueue(*(reversed(held) if newest_first else held))
        return len(held)

    async def answered(self) -> None:
        """Wait until nothing is waiting any more, or nothing can move."""
        if self._running is not None and not self._running.done():
            await asyncio.shield(self._running)

    async def aclose(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    def _start(self) -> None:
        if self.url and self._waiting and (self._running is None or self._running.done()):
            self._running = asyncio.create_task(self._deliver_all())

    async def _deliver_all(self) -> None:
        while self._waiting:
            await self._deliver(self._waiting[0])
            self._waiting.popleft()

    async def _deliver(self, message: Outgoing) -> None:
        """Try until the message is accepted, rejected, or the patience of the engine is used up."""
        for attempt, wait in enumerate((*self._waits, None), start=1):
            answer = await self._attempt(message, attempt)
            self.acknowledgements.append(answer)
            if answer.final:
                return
            if wait is None or not message.insist:
                break
            await self._pause(wait)
        self.set_aside.append(message)

    async def _attempt(self, message: Outgoing, attempt: int) -> Acknowledgement:
        headers = {"Content-Type": CONTENT_TYPE, "Date": format_datetime(self._clock(), usegmt=True)}
        # Signed at each attempt, because the signature holds the time of signing. In a thread: RSA takes a while.
        signature = await asyncio.to_thread(
            signature_header, message.signature, message.raw, signer=self._signer, other=self._other
        )
        if signature is not None:
            headers["HL7-Signature"] = signature
        try:
            response = await self._http.post(self.url, content=message.raw, headers=headers)
        except httpx.HTTPError as failure:
            return self._answer(message, attempt, 0, "", f"no answer: {type(failure).__name__}")
        code, text = _read(response)
        return self._answer(message, attempt, response.status_code, code, text)

    def _answer(self, message: Outgoing, attempt: int, status: int, code: str, text: str) -> Acknowledgement:
        return Acknowledgement(
            at=self._clock(),
            control_id=message.control_id,
            event=message.event,
            csn=message.csn,
            attempt=attempt,
            http_status=status,
            code=code,
            text=text,
            message=message.raw.decode("utf-8", "replace"),
        )


def _read(response: httpx.Response) -> tuple[str, str]:
    """MSA-1 and the words that came with it: MSA-3 and ERR, or the text of a refusal that is not HL7."""
    body = response.content.decode("utf-8", "replace")
    if not body.startswith("MSH"):
        return "", body.strip()[:300]
    code, words = "", []
    for segment in body.replace("\n", "\r").split("\r"):
        fields = segment.split("|")
        if fields[0] == "MSA":
            code = fields[1] if len(fields) > 1 else ""
            words += fields[3:4]
        elif fields[0] == "ERR":
            words.append(segment)
    return code, " ".join(word for word in words if word)[:300]


def describe(raw: bytes) -> tuple[str, str]:
    """Control id and event of any text that may be a message, for the log: MSH-10 and MSH-9.2."""
    first = raw.decode("utf-8", "replace").replace("\n", "\r").split("\r")[0].split("|")
    if first[0] != "MSH":
        return "", ""
    event = first[8].split("^") if len(first) > 8 else []
    return (first[9] if len(first) > 9 else ""), (event[1] if len(event) > 1 else "")
