"""The other services as the control room meets them: the phone, Teams, and what goes wrong on purpose."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sandbox.control_room.pages import CannotDo
from sandbox.control_room.view import Row, TroubleLine
from sandbox.open_api import OpenApi
from sandbox.teams_meeting import CannotJoin, Meeting
from sandbox.trouble import Kind, NotATrouble
from sandbox.world import TENANT, user_named


@dataclass(frozen=True, slots=True)
class SandboxNeighbours:
    """The control room sees exactly what `/api` shows."""

    api: OpenApi

    def texts(self) -> list[Row]:
        return [*self.api.text_rows()]

    def meetings(self) -> list[Row]:
        return [*self.api.meeting_rows()]

    def mails(self) -> list[Row]:
        return [*self.api.mail_rows()]

    def troubles(self) -> list[TroubleLine]:
        return [_line(one) for one in self.api.world.troubles.rows()]

    async def join(self, meeting: str, *, name: str, user: str) -> None:
        """Join as a guest called `name`, or as the person of the tenant whose address is `user`."""
        person = user_named(user, TENANT) if user else None
        if user and person is None:
            raise CannotDo("Choose who joins.")
        with _said():
            self.api.teams.join(self._find(meeting), name=name, user=person)

    async def admit(self, meeting: str, participant: str) -> None:
        with _said():
            self.api.teams.admit(self._find(meeting), participant)

    async def leave(self, meeting: str, participant: str) -> None:
        with _said():
            self.api.teams.leave(self._find(meeting), participant)

    def make_trouble(self, asked: Mapping[str, Any]) -> None:
        with _said():
            self.api.world.troubles.make(dict(asked))

    def clear_trouble(self) -> None:
        self.api.world.troubles.clear()

    def _find(self, meeting: str) -> Meeting:
        return self.api.teams.find(meeting)


@contextmanager
def _said() -> Iterator[None]:
    """Turn a refusal into a sentence for the page."""
    try:
        yield
    except (CannotJoin, NotATrouble) as refusal:
        text = str(refusal)
        raise CannotDo(f"{text[0].upper()}{text[1:]}.") from refusal


def _line(row: Mapping[str, Any]) -> TroubleLine:
    details = []
    if row["kind"] is Kind.THROTTLE:
        details.append(f"Retry-After {row['retry_after']} s")
    elif row["seconds"] is not None:
        details.append(f"{row['seconds']} s")
    if row["match"]:
        details.append(f"where {row['match']} occurs")
    service, kind = (str(row[name]).replace("-", " ") for name in ("service", "kind"))
    return TroubleLine(f"{service.capitalize()}: {kind}", ", ".join(details), f"{row['times']} left")
