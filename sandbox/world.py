"""What all services of the sandbox share: the clock, the people, the addresses, the log, and what goes wrong."""

import asyncio
import base64
import json
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from sandbox.trouble import Troubles

TENANT = "11111111-aaaa-4aaa-8aaa-000000000001"
# Another organization, which no stamp serves: its people prove themselves just as well and must get in nowhere.
OTHER_TENANT = "11111111-aaaa-4aaa-8aaa-000000000002"
ENTRA_CLIENT_ID = "0c0ffee0-0000-4000-8000-00000000ec01"
FACTS_FILE = "sandbox.json"
# The one mailbox from which the app may send.
MAILBOX = "visits@lamna.example"

# Enough to read what happened in a session, bounded so that a long-running sandbox does not grow.
_EVENTS_KEPT = 5000
_REFUSALS_KEPT = 1000

Pause = Callable[[float], Awaitable[None]]
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class User:
    """An invented person. `roles` are app roles, `directory_roles` ids of directory roles."""

    key: str
    oid: str
    name: str
    address: str
    roles: tuple[str, ...] = ()
    directory_roles: tuple[str, ...] = ()
    tenant: str = TENANT
    other_addresses: tuple[str, ...] = ()
    signs_in_with: str = ""

    @property
    def sign_in(self) -> str:
        """The user principal name, which need not be a mailbox."""
        return self.signs_in_with or self.address


def _oid(number: int) -> str:
    return f"22222222-aaaa-4aaa-8aaa-{number:012d}"


USERS = {
    one.key: one
    for one in (
        User("avery", _oid(1), "Avery Howard", "avery@lamna.example", ("Administrator",)),
        User(
            "priya",
            _oid(2),
            "Priya Nair",
            "priya.nair@lamna.example",
            other_addresses=("p.nair@lamna.example",),
        ),
        User("susan", _oid(3), "Susan Carter", "susan.carter@lamna.example"),
        User("visits", _oid(4), "Lamna Video Visits", MAILBOX),
        User("omar", _oid(5), "Omar Reyes", "omar.reyes@lamna.example"),
        User("kim", _oid(9), "Kim Akers", "kim@elsewhere.example", ("Administrator",), tenant=OTHER_TENANT),
    )
}


@dataclass(slots=True)
class World:
    """One run of the sandbox. `http` and `tls` are the base addresses of its two servers."""

    http: str
    tls: str
    state_dir: Path
    storage: str = ""  # connection string of the storage in which Event Grid puts its events
    keep: bool = False
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    pause: Pause = asyncio.sleep
    # Neither a proxy nor certificates of the machine matter to calls that stay on it.
    client: httpx.AsyncClient = field(
        default_factory=lambda: httpx.AsyncClient(timeout=15, trust_env=False, verify=False)  # noqa: S501
    )
    troubles: Troubles = field(default_factory=Troubles)
    events: deque[Row] = field(default_factory=lambda: deque(maxlen=_EVENTS_KEPT))
    mails: list[Row] = field(default_factory=list)
    refusals: deque[Row] = field(default_factory=lambda: deque(maxlen=_REFUSALS_KEPT))
    entra_client_secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    communication_key: str = field(default_factory=lambda: base64.b64encode(secrets.token_bytes(32)).decode())
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def now(self) -> datetime:
        return self.clock()

    def new_id(self) -> str:
        return str(uuid4())

    def log(self, service: str, what: str, **facts: object) -> None:
        """Remember that something happened, for `/api/event-log`."""
        self.events.append({"at": self.now().isoformat(), "service": service, "what": what, **facts})

    def refuse(self, service: str, why: str, **facts: object) -> None:
        """Remember a request that broke the contract, for `/api/contract-refusals`."""
        self.refusals.append({"at": self.now().isoformat(), "service": service, "why": why, **facts})
        self.log(service, f"refused: {why}", **facts)

    def recall_secrets(self) -> None:
        """Use the secrets of an earlier run in the same state folder, if there was one."""
        facts = self.state_dir / FACTS_FILE
        if facts.is_file():
            known = json.loads(facts.read_text(encoding="utf-8"))
            self.entra_client_secret = known["entra_client_secret"]
            self.communication_key = known["communication_key"]

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work` beside everything else, as long as this world lasts."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            self.log("sandbox", f"a background task failed: {type(problem).__name__}: {problem}")

    def user(self, oid: str) -> User | None:
        """The person of the served tenant with that object id."""
        return user_by_oid(oid)

    async def settled(self) -> None:
        """Wait until nothing is going on beside."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def aclose(self) -> None:
        waiting = list(self._tasks)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await self.client.aclose()


def user_by_oid(oid: str, tenant: str = TENANT) -> User | None:
    return next((one for one in USERS.values() if one.oid == oid and one.tenant == tenant), None)


def user_named(name: str, tenant: str | None = None) -> User | None:
    """A person by key, object id or address, in one tenant or in any."""
    wanted = name.strip().lower()
    return next(
        (
            one
            for one in USERS.values()
            if wanted in (one.key, one.oid, one.address) and tenant in (None, one.tenant)
        ),
        None,
    )
