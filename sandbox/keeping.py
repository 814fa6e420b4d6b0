"""Keeps meetings, subscriptions, numbers and opt-outs for the next run of a sandbox that was told to keep."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.communication import Communication
from sandbox.graph_subscriptions import GraphSubscriptions, Subscription
from sandbox.phone_numbers import PhoneNumbers
from sandbox.teams import Teams
from sandbox.teams_meeting import Meeting
from sandbox.world import Row, user_by_oid

FILE = "microsoft.json"
_PLAIN = ("id", "short_id", "thread", "join_url", "subject", "external_id", "attendees", "settings")
_TIMES = ("created_at", "starts_at", "ends_at", "expires_at")
_WATCH = (
    *("id", "tenant", "app", "resource", "join_url", "notification_url", "lifecycle_url"),
    *("client_state", "certificate_id", "tls", "paused"),
)


@dataclass(frozen=True, slots=True)
class Keeping:
    """What is kept, and the file. Calls are not: a restart ends them, as it ends everybody's connection."""

    state_dir: Path
    teams: Teams
    subscriptions: GraphSubscriptions
    communication: Communication
    numbers: PhoneNumbers

    def keep(self) -> None:
        """Write everything down, whole or not at all."""
        kept = {
            "meetings": [_meeting_row(one) for one in self.teams.meetings.values()],
            "subscriptions": [_watch_row(one) for one in self.subscriptions.all.values()],
            "numbers": sorted(self.communication.owned),
            "opted_out": sorted(self.communication.opted_out),
        }
        fresh = self.state_dir / f"{FILE}.new"
        fresh.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        fresh.replace(self.state_dir / FILE)

    def recall(self) -> None:
        """Read back what an earlier run kept, if one did."""
        file = self.state_dir / FILE
        if not file.is_file():
            return
        kept = json.loads(file.read_text(encoding="utf-8"))
        for row in kept["meetings"]:
            meeting = _meeting(row)
            if meeting is not None:
                self.teams.meetings[meeting.id] = meeting
        for row in kept["subscriptions"]:
            self.subscriptions.all[row["id"]] = _watch(row)
        for number in kept["numbers"]:
            self.numbers.register(number)
        self.communication.opted_out |= {(sender, to) for sender, to in kept["opted_out"]}


class KeepingAfterChanges:
    """An ASGI wrapper that keeps after every request that may have changed something."""

    def __init__(self, app: ASGIApp, keep: Callable[[], None]) -> None:
        self._app, self._keep = app, keep

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)
        if scope["type"] == "http" and scope["method"] != "GET":
            self._keep()


def _meeting_row(one: Meeting) -> Row:
    plain = {name: getattr(one, name) for name in _PLAIN}
    times = {name: getattr(one, name).isoformat() for name in _TIMES}
    return {**plain, **times, "organizer": one.organizer.oid}


def _meeting(row: Row) -> Meeting | None:
    organizer = user_by_oid(row["organizer"])
    if organizer is None:
        return None
    times: Row = {name: datetime.fromisoformat(row[name]) for name in _TIMES}
    return Meeting(organizer=organizer, **times, **{name: row[name] for name in _PLAIN})


def _watch_row(one: Subscription) -> Row:
    encoded = base64.b64encode(one.certificate.public_bytes(Encoding.DER)).decode() if one.certificate else ""
    plain = {name: getattr(one, name) for name in _WATCH}
    return {**plain, "expires_at": one.expires_at.isoformat(), "certificate": encoded}


def _watch(row: Row) -> Subscription:
    encoded = row["certificate"]
    return Subscription(
        expires_at=datetime.fromisoformat(row["expires_at"]),
        certificate=x509.load_der_x509_certificate(base64.b64decode(encoded)) if encoded else None,
        **{name: row[name] for name in _WATCH},
    )
