"""Whatever a feed sends, in any order, with crashes anywhere: patients hear the truth once and are forgotten."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shared.domain.errors import TryAgain
from shared.storage.envelopes import entry_of, pack, text_message
from tests.fakes.crashes import Crash, CrashingStamp
from tests.fakes.hospital import ENVIRONMENT, NOW, TENANT, Hospital
from tests.hl7v2.siu import text

NEW_YORK = ZoneInfo("America/New_York")
CSNS = ("360001", "360002")
ENDS = ("S15", "S17", "S26")
# In the crash budget of most steps: larger numbers mean that a step runs whole.
FUSES = st.one_of(st.none(), st.integers(0, 14))


@dataclass(frozen=True)
class Message:
    """One message as Epic would send it: what it says, and when Epic said it."""

    event: str
    csn: str
    sent_at: datetime
    starts_at: datetime
    control_id: str
    comment: str = ""

    @property
    def ends(self) -> bool:
        return self.event in ENDS

    def text(self) -> str:
        sent, start = (
            one.astimezone(NEW_YORK).strftime("%Y%m%d%H%M%S") for one in (self.sent_at, self.starts_at)
        )
        last = int(self.csn) - 360000
        return text(
            self.event,
            MSH={7: sent, 10: self.control_id},
            SCH={1: self.csn, 2: self.csn, 11: f"^^30^{start[:12]}"},
            PID={
                3: f"M10{last}^^^LAMNA^MRN~E20{last}^^^LAMNA^WPR",
                13: f"(206)555-014{last}^P^CP^^1^206^555014{last}",
            },
            PV1={19: self.csn},
            more=(("NTE", {3: self.comment}),) if self.comment else (),
        )


class AnyFeed(RuleBasedStateMachine):
    """Epic sends, the network repeats and reorders, the process dies; the queue brings back what was not finished."""

    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.stamp = CrashingStamp()
        self.hospital = Hospital(stamp=self.stamp)
        self.queued: list[tuple[str, str]] = []
        self.sent: list[Message] = []
        self.arrived: dict[str, list[tuple[datetime, bool, int, Message]]] = {csn: [] for csn in CSNS}
        self.arrivals = 0
        self.said_at: list[datetime] = []
        self.known_cancelled: dict[str, int] = {}

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            try:
                self.finish()
            finally:
                self.loop.close()

    def run(self, work: Coroutine[Any, Any, None], fuse: int | None = None) -> bool:
        """Whether the step was done; False when the process died in it."""
        self.stamp.fuse.left = fuse
        try:
            self.loop.run_until_complete(work)
        except (Crash, TryAgain):
            return False
        finally:
            self.stamp.fuse.left = None
            new = len(self.hospital.carrier.sent) - len(self.said_at)
            self.said_at.extend([self.hospital.clock()] * new)
        return True

    # --- what Epic does ---

    def say(self, event: str, csn: str, *, seconds: int, day: int, hour: int, comment: str = "") -> None:
        self.hospital.clock.advance(timedelta(seconds=1))
        message = Message(
            event,
            csn,
            self.hospital.clock() - timedelta(seconds=seconds),
            (NOW + timedelta(days=day)).replace(hour=hour),
            f"c{len(self.sent)}",
            comment,
        )
        self.sent.append(message)
        self.post(message)

    def post(self, message: Message) -> None:
        self.arrivals += 1
        self.hospital.clock.advance(timedelta(milliseconds=1))
        assert self.run(self.posted(message))
        self.arrived[message.csn].append(
            (message.sent_at.replace(microsecond=0), message.ends, self.arrivals, message)
        )

    async def posted(self, message: Message) -> None:
        answer = await self.hospital.post(message.text())
        assert answer.status_code == 200
        self.queued += [
            ("record_appointments", pack([entry_of(one)])) for one in self.stamp.queues.take_hl7v2_messages()
        ]

    @rule(
        event=st.sampled_from(("S12", "S13", "S14", "S15", "S26")),
        csn=st.sampled_from(CSNS),
        late=st.sampled_from((0, 0, 0, 1, 60, 3600)),
        day=st.integers(1, 3),
        hour=st.integers(12, 22),
    )
    def epic_says(self, event: str, csn: str, late: int, day: int, hour: int) -> None:
        self.say(event, csn, seconds=late, day=day, hour=hour)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def epic_comments(self, data: st.DataObject) -> None:
        last = data.draw(st.sampled_from(self.sent))
        if not last.ends:
            self.hospital.clock.advance(timedelta(seconds=1))
            said = replace(
                last,
                event="S14",
                sent_at=self.hospital.clock(),
                comment="parking",
                control_id=f"c{len(self.sent)}",
            )
            self.sent.append(said)
            self.post(said)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def the_network_repeats(self, data: st.DataObject) -> None:
        message = data.draw(st.sampled_from(self.sent))
        assert self.run(self.posted(message))

    # --- what the app does ---

    @precondition(lambda self: self.queued)
    @rule(data=st.data(), fuse=FUSES)
    def a_worker_takes_a_message(self, data: st.DataObject, fuse: int | None) -> None:
        index = data.draw(st.integers(0, len(self.queued) - 1))
        self.work(index, fuse)

    def work(self, index: int, fuse: int | None) -> None:
        name, body = self.queued[index]
        if self.run(self.hospital.app.queue(name, body), fuse):
            del self.queued[index]
        self.queued += [("send_text", text_message(one)) for one in self.stamp.queues.take_texts()]

    @rule(minutes=st.sampled_from((1, 30, 180, 720, 1440)), fuse=FUSES)
    def time_passes(self, minutes: int, fuse: int | None) -> None:
        self.hospital.clock.advance(timedelta(minutes=minutes))
        self.run(self.hospital.tick(), fuse)
        self.queued += [("send_text", text_message(one)) for one in self.stamp.queues.take_texts()]

    @precondition(lambda self: self.queued)
    @rule()
    def everything_is_worked_off(self) -> None:
        for _ in range(200):
            if not self.queued:
                return
            self.work(0, None)
            if self.queued and self.queued[0][0] == "send_text":
                self.hospital.clock.advance(timedelta(seconds=10))
        raise AssertionError("work that never ends")

    # --- what must always hold ---

    @invariant()
    def a_text_goes_out_at_most_once(self) -> None:
        if hasattr(self, "hospital"):
            table = self.stamp.carrier_messages.table
            texts = Counter(table.get(one.tag).value for one in self.hospital.carrier.sent)
            assert not [ref for ref, times in texts.items() if times > 1]

    @invariant()
    def nobody_is_texted_at_night_but_of_what_is_near(self) -> None:
        if not hasattr(self, "hospital"):
            return
        table = self.stamp.carrier_messages.table
        for one, at in zip(self.hospital.carrier.sent, self.said_at, strict=True):
            if not 8 <= at.astimezone(NEW_YORK).hour < 21:
                assert not table.get(one.tag).value.slot.startswith("reminder")
                morning = (at.astimezone(NEW_YORK) + timedelta(hours=3)).replace(hour=8, minute=0, second=0)
                starts = {m.starts_at.astimezone(NEW_YORK) for m in self.sent}
                assert any(
                    start <= morning or start.date() == at.astimezone(NEW_YORK).date() for start in starts
                )

    @invariant()
    def after_a_known_cancellation_only_the_cancellation_is_said(self) -> None:
        if not hasattr(self, "hospital"):
            return
        table = self.stamp.carrier_messages.table
        for csn in CSNS:
            slots = [
                ref.slot
                for one in self.hospital.carrier.sent
                if (ref := table.get(one.tag).value).appointment.key == csn
            ]
            row = self.stamp.appointment_rows.rows.get((TENANT, ENVIRONMENT, csn))
            over = row is not None and row.value.state != "booked"
            seen = self.known_cancelled.get(csn)
            if not over:
                self.known_cancelled.pop(csn, None)
            elif seen is None:
                self.known_cancelled[csn] = len(slots)
            else:
                assert all(slot.startswith("cancelled") for slot in slots[seen:])

    def finish(self) -> None:
        """Everything that waits is done and everything is over: the newest message has won, and nobody is known."""
        if self.queued:
            self.everything_is_worked_off()
        for csn, messages in self.arrived.items():
            if not messages:
                continue
            *_, newest = max(messages, key=lambda one: one[:3])
            appointment = self.hospital.appointment(csn)
            assert (appointment.state != "booked") == newest.ends
            if not newest.ends:
                assert appointment.starts_at == newest.starts_at.replace(second=0, microsecond=0)
        for _ in range(4):
            self.time_passes(1440 * 3, None)
            if self.queued:
                self.everything_is_worked_off()
        kept = [row.value for row in self.stamp.appointment_rows.rows.values()]
        assert not [one.ref.key for one in kept if one.phone or one.external_id or one.patient_hash]


TestAnyFeed = AnyFeed.TestCase
TestAnyFeed.settings = settings(
    max_examples=150,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
