"""A whole stamp's storage in memory, which keeps the promises of the real one.

    stamp = FakeStamp()
    stores, plans = stamp.stores(tenant, environment), stamp.plans

Every store of one `FakeStamp` looks at the same rows. Each call gives way once, as a call over the network
does, so that flows which race in production race here. `stamp.calls` counts them by name
(`"appointments.save"`), and `stamp.fail("appointments.save", TryAgain("away"))` makes the next one fail.
"""

import asyncio
import hashlib
import hmac
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Generic, NamedTuple, TypeVar

from shared.domain.address_use import AddressUse
from shared.domain.appointment import Appointment
from shared.domain.audit import FIRST_LINK, AuditEntry, DayChain, Linked, Place, fault_within, link
from shared.domain.due import Due
from shared.domain.environment import Environment, EnvironmentId, LiveEnvironment, kept, live
from shared.domain.errors import AlreadyThere, NotFound, OutOfStep
from shared.domain.expected import Expected
from shared.domain.geography import Geography
from shared.domain.inbound import InboundMessage, Parked, SealedMessage
from shared.domain.join_link import JoinLink
from shared.domain.last_check import LastCheck
from shared.domain.launch import Launch, VisitSession
from shared.domain.notification import Notification, NotificationRef
from shared.domain.phone_number import PhoneNumber
from shared.domain.portal_session import Colleague, HeldForm, PortalSession, SignInBegun
from shared.domain.sign_of_life import NOTED_EVERY, Sign, SignKind, Signs
from shared.domain.tenant import Person, Role, Tenant, TenantId
from shared.domain.versioned import Versioned
from shared.domain.visit import Visit, VisitRef
from shared.domain.write_back import WriteBack
from shared.flows.ports import EnvironmentStores, Plans
from shared.storage.envelopes import parse_text_ref, parse_visit_ref, unpack
from tests.fakes.keys import FakeDataKeys, FakeKeys, fake_seals

T = TypeVar("T")


class Later(NamedTuple):
    """A message on a queue of ids, with the seconds it hides at first."""

    ref: NotificationRef | VisitRef
    after: float


@dataclass(frozen=True, slots=True)
class OptOut:
    at: datetime
    how: str


class FakeTable(Generic[T]):
    """Rows with versions. `noun` is the word in refusals."""

    def __init__(self, noun: str) -> None:
        self._noun = noun
        self._writes = 0
        self.rows: dict[tuple[str, ...], Versioned[T]] = {}

    def get(self, *key: str) -> Versioned[T]:
        if key not in self.rows:
            raise NotFound(f"no such {self._noun}")
        return self.rows[key]

    def insert(self, value: T, *key: str) -> str:
        if key in self.rows:
            raise AlreadyThere(f"this {self._noun} is there already")
        return self.put(value, *key)

    def save(self, value: T, *key: str, seen: str) -> str:
        if key not in self.rows:
            raise NotFound(f"no such {self._noun}")
        if self.rows[key].version != seen:
            raise OutOfStep(f"the {self._noun} has changed meanwhile")
        return self.put(value, *key)

    def put(self, value: T, *key: str) -> str:
        self._writes += 1
        self.rows[key] = Versioned(value, str(self._writes))
        return self.rows[key].version

    def under(self, *prefix: str) -> list[T]:
        """The values whose key begins with `prefix`, in the order of their keys."""
        return [row.value for key, row in sorted(self.rows.items()) if key[: len(prefix)] == prefix]


class Steps:
    """What happens around every call: it is counted, it gives way, and it may be told to fail."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self._failures: defaultdict[str, list[Exception]] = defaultdict(list)

    def fail(self, call: str, error: Exception, *, times: int = 1) -> None:
        """Let the next `times` calls of that name fail before they do anything."""
        self._failures[call].extend([error] * times)

    async def step(self, call: str) -> None:
        self.calls[call] += 1
        await asyncio.sleep(0)
        if self._failures[call]:
            raise self._failures[call].pop(0)


class FakeStampPin:
    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self.geography: Geography | None = None

    async def pinned(self, configured: Geography, *, now: datetime) -> Geography:
        await self._steps.step("stamp_pin.pinned")
        self.geography = self.geography or configured
        return self.geography


class FakeTenants:
    def __init__(self, steps: Steps, table: FakeTable[Tenant], tenant: TenantId) -> None:
        self._steps, self._table, self._tenant = steps, table, tenant

    async def get(self) -> Tenant:
        await self._steps.step("tenants.get")
        return self._table.get(self._tenant).value

    async def create(self, tenant: Tenant) -> None:
        await self._steps.step("tenants.create")
        _must_be(tenant.id == self._tenant)
        self._table.insert(tenant, self._tenant)


class FakeEnvironments:
    def __init__(
        self,
        steps: Steps,
        table: FakeTable[Environment],
        index: FakeTable[TenantId],
        history: list[Environment],
        tenant: TenantId,
    ) -> None:
        self._steps, self._table, self._index, self._tenant = steps, table, index, tenant
        self._history = history

    async def get(self, environment: EnvironmentId) -> Versioned[Environment]:
        await self._steps.step("environments.get")
        found = self._table.get(self._tenant, environment)
        if found.value.removed_at is not None:
            raise NotFound("no such environment")
        return found

    async def all(self) -> list[Environment]:
        await self._steps.step("environments.all")
        return [one for one in self._table.under(self._tenant) if one.removed_at is None]

    async def create(self, environment: Environment) -> None:
        await self._steps.step("environments.create")
        _must_be(environment.tenant == self._tenant)
        if (environment.id,) in self._index.rows and self._index.get(environment.id).value != self._tenant:
            raise AlreadyThere("this environment is there already")
        self._table.insert(environment, self._tenant, environment.id)
        self._index.put(self._tenant, environment.id)
        self._history.append(environment)

    async def save(self, environment: Environment, *, seen: str) -> None:
        await self._steps.step("environments.save")
        _must_be(environment.tenant == self._tenant)
        self._table.save(environment, self._tenant, environment.id, seen=seen)
        self._history.append(environment)

    async def history(self, environment: EnvironmentId) -> list[Environment]:
        await self._steps.step("environments.history")
        ours = (one for one in self._history if (one.tenant, one.id) == (self._tenant, environment))
        return [_without_numbers(one) for one in ours]


def _without_numbers(environment: Environment) -> Environment:
    operation = environment.operation
    return replace(environment, operation=replace(operation, texts=replace(operation.texts, only_numbers=())))


class FakeEnvironmentIndex:
    def __init__(self, steps: Steps, table: FakeTable[Environment], index: FakeTable[TenantId]) -> None:
        self._steps, self._table, self._index = steps, table, index

    async def find(self, environment: EnvironmentId) -> LiveEnvironment:
        await self._steps.step("environment_index.find")
        tenant = self._index.get(environment).value
        return live(self._table.get(tenant, environment).value)

    async def kept(self, environment: EnvironmentId) -> LiveEnvironment:
        await self._steps.step("environment_index.kept")
        tenant = self._index.get(environment).value
        return kept(self._table.get(tenant, environment).value)


class FakeAppointments:
    def __init__(
        self, steps: Steps, table: FakeTable[Appointment], tenant: TenantId, environment: EnvironmentId
    ) -> None:
        self._steps, self._table, self._scope = steps, table, (tenant, environment)

    async def get(self, key: str) -> Versioned[Appointment]:
        await self._steps.step("appointments.get")
        return self._table.get(*self._scope, key)

    async def insert(self, appointment: Appointment) -> str:
        await self._steps.step("appointments.insert")
        _must_be((appointment.ref.tenant, appointment.ref.environment) == self._scope)
        return self._table.insert(appointment, *self._scope, appointment.ref.key)

    async def save(self, appointment: Appointment, *, seen: str) -> str:
        await self._steps.step("appointments.save")
        _must_be((appointment.ref.tenant, appointment.ref.environment) == self._scope)
        return self._table.save(appointment, *self._scope, appointment.ref.key, seen=seen)


class FakeAppointmentsByDay:
    def __init__(
        self, steps: Steps, table: FakeTable[Expected], tenant: TenantId, environment: EnvironmentId
    ) -> None:
        self._steps, self._table, self._scope = steps, table, (tenant, environment)

    async def put(self, line: Expected) -> None:
        await self._steps.step("appointments_by_day.put")
        self._table.put(line, *self._key(line))

    async def remove(self, line: Expected) -> None:
        await self._steps.step("appointments_by_day.remove")
        self._table.rows.pop(self._key(line), None)

    async def starting(self, *, after: datetime, until: datetime | None = None) -> AsyncIterator[Expected]:
        await self._steps.step("appointments_by_day.starting")
        for line in self._table.under(*self._scope):
            if after < line.starts_at and (until is None or line.starts_at <= until):
                yield line

    def _key(self, line: Expected) -> tuple[str, ...]:
        return (*self._scope, line.day.isoformat(), line.starts_at.isoformat(), line.key)


class FakeAddressIndex:
    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self.table = FakeTable[AddressUse]("use of an address")

    async def find(self, address: str) -> Versioned[AddressUse] | None:
        await self._steps.step("addresses.find")
        return self.table.rows.get((address,))

    async def insert(self, use: AddressUse) -> None:
        await self._steps.step("addresses.insert")
        self.table.insert(use, use.address)

    async def save(self, use: AddressUse, *, seen: str) -> None:
        await self._steps.step("addresses.save")
        self.table.save(use, use.address, seen=seen)


class FakeAliases:
    """`rows` holds an empty key for an alias that leads nowhere."""

    def __init__(
        self, steps: Steps, table: FakeTable[str], tenant: TenantId, environment: EnvironmentId
    ) -> None:
        self._steps, self._table, self._scope = steps, table, (tenant, environment)

    async def keys_of(self, aliases: Sequence[str]) -> dict[str, str]:
        await self._steps.step("aliases.keys_of")
        known = {alias: self._table.rows.get((*self._scope, alias)) for alias in aliases}
        return {alias: row.value for alias, row in known.items() if row is not None and row.value}

    async def claim(self, alias: str, key: str, *, own: bool) -> str:
        await self._steps.step("aliases.claim")
        standing = self._table.rows.get((*self._scope, alias))
        if standing is None:
            self._table.insert(key, *self._scope, alias)
            return key
        if standing.value in ("", key):
            return key
        if own:
            return standing.value
        self._table.put("", *self._scope, alias)
        return key


class FakeInboundMessages:
    def __init__(
        self, steps: Steps, table: FakeTable[InboundMessage], tenant: TenantId, environment: EnvironmentId
    ) -> None:
        self._steps, self._table, self._scope = steps, table, (tenant, environment)

    async def find(self, dedupe_key: str) -> InboundMessage | None:
        await self._steps.step("inbound_messages.find")
        row = self._table.rows.get((*self._scope, dedupe_key))
        return row.value if row else None

    async def record(self, message: InboundMessage) -> None:
        await self._steps.step("inbound_messages.record")
        if (*self._scope, message.dedupe_key) not in self._table.rows:
            self._table.insert(message, *self._scope, message.dedupe_key)

    async def newest(self, limit: int) -> list[InboundMessage]:
        await self._steps.step("inbound_messages.newest")
        return sorted(self._table.under(*self._scope), key=lambda one: one.received_at, reverse=True)[:limit]


class FakeParkedMessages:
    def __init__(self, steps: Steps, table: FakeTable[Parked], tenant: TenantId) -> None:
        self._steps, self._table, self._tenant = steps, table, tenant

    async def park(self, parked: Parked) -> None:
        await self._steps.step("parked_messages.park")
        _must_be(parked.tenant == self._tenant)
        key = (self._tenant, parked.environment, parked.id)
        if key not in self._table.rows:
            self._table.insert(parked, *key)

    async def all(self, environment: EnvironmentId) -> list[Parked]:
        await self._steps.step("parked_messages.all")
        return self._table.under(self._tenant, environment)


class FakeJoinLinkIndex:
    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self.table = FakeTable[JoinLink]("link")

    async def put(self, link: JoinLink) -> None:
        await self._steps.step("join_links.put")
        self.table.put(link, link.token_hash)

    async def find(self, token_hash: str) -> JoinLink:
        await self._steps.step("join_links.find")
        return self.table.get(token_hash).value


class FakeDueIndex:
    """`name` is the first half of the names under which its calls are counted."""

    def __init__(self, steps: Steps, name: str) -> None:
        self._steps, self._name = steps, name
        self.rows: dict[tuple[datetime, str, str, str, str], Due] = {}

    @property
    def plans(self) -> list[Due]:
        """Everything that is stored, due or not, in the order in which it becomes due."""
        return sorted(self.rows.values(), key=lambda plan: plan.due_at)

    async def add(self, plans: Sequence[Due], *, now: datetime) -> None:
        await self._steps.step(f"{self._name}.add")
        for plan in plans:
            stored = replace(plan, due_at=max(plan.due_at, now))
            self.rows[_due_key(stored)] = stored

    async def due(self, *, now: datetime) -> AsyncIterator[Due]:
        await self._steps.step(f"{self._name}.due")
        for plan in self.plans:
            if plan.due_at <= now:
                yield plan

    async def done(self, plan: Due) -> None:
        await self._steps.step(f"{self._name}.done")
        self.rows.pop(_due_key(plan), None)


def _due_key(plan: Due) -> tuple[datetime, str, str, str, str]:
    return plan.due_at, plan.tenant, plan.environment, plan.key, plan.slot


class FakeNotifications:
    def __init__(
        self, steps: Steps, table: FakeTable[Notification], tenant: TenantId, environment: EnvironmentId
    ) -> None:
        self._steps, self._table, self._scope = steps, table, (tenant, environment)

    async def get(self, ref: NotificationRef) -> Versioned[Notification]:
        await self._steps.step("notifications.get")
        return self._table.get(*self._key(ref))

    async def insert(self, notification: Notification) -> None:
        await self._steps.step("notifications.insert")
        self._table.insert(notification, *self._key(notification.ref))

    async def save(self, notification: Notification, *, seen: str) -> str:
        await self._steps.step("notifications.save")
        return self._table.save(notification, *self._key(notification.ref), seen=seen)

    async def of_appointment(self, key: str) -> list[Notification]:
        await self._steps.step("notifications.of_appointment")
        return self._table.under(*self._scope, key)

    def _key(self, ref: NotificationRef) -> tuple[str, ...]:
        _must_be((ref.appointment.tenant, ref.appointment.environment) == self._scope)
        return (*self._scope, ref.appointment.key, ref.slot)


class FakeCarrierMessageIndex:
    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self.table = FakeTable[NotificationRef]("tag")

    async def put(self, tag: str, ref: NotificationRef) -> None:
        await self._steps.step("carrier_messages.put")
        self.table.put(ref, tag)

    async def find(self, tag: str) -> NotificationRef | None:
        await self._steps.step("carrier_messages.find")
        row = self.table.rows.get((tag,))
        return row.value if row else None


class FakeOptOuts:
    def __init__(self, steps: Steps, table: FakeTable[OptOut], tenant: TenantId, keys: FakeKeys) -> None:
        self._steps, self._table, self._tenant, self._keys = steps, table, tenant, keys

    async def contains(self, number: PhoneNumber) -> bool:
        await self._steps.step("opt_outs.contains")
        return (self._tenant, await self._hash(number)) in self._table.rows

    async def add(self, number: PhoneNumber, *, at: datetime, how: str) -> None:
        await self._steps.step("opt_outs.add")
        key = (self._tenant, await self._hash(number))
        if key not in self._table.rows:
            self._table.insert(OptOut(at, how), *key)

    async def remove(self, number: PhoneNumber) -> None:
        await self._steps.step("opt_outs.remove")
        self._table.rows.pop((self._tenant, await self._hash(number)), None)

    async def _hash(self, number: PhoneNumber) -> str:
        key = await self._keys.opt_out_key()
        return hmac.new(key, f"{self._tenant}|{number.e164}".encode(), hashlib.sha256).hexdigest()


class FakeVisits:
    def __init__(
        self,
        steps: Steps,
        table: FakeTable[Visit],
        index: FakeTable[VisitRef],
        tenant: TenantId,
        environment: EnvironmentId,
    ) -> None:
        self._steps, self._table, self._index = steps, table, index
        self._scope = (tenant, environment)

    async def get(self, key: str) -> Versioned[Visit]:
        await self._steps.step("visits.get")
        return self._table.get(*self._scope, key)

    async def insert(self, visit: Visit) -> str:
        await self._steps.step("visits.insert")
        _must_be((visit.ref.tenant, visit.ref.environment) == self._scope)
        self._index.put(visit.ref, visit.ref.opaque)
        return self._table.insert(visit, *self._scope, visit.ref.key)

    async def save(self, visit: Visit, *, seen: str) -> str:
        await self._steps.step("visits.save")
        _must_be((visit.ref.tenant, visit.ref.environment) == self._scope)
        return self._table.save(visit, *self._scope, visit.ref.key, seen=seen)


class FakeVisitIndex:
    def __init__(self, steps: Steps, table: FakeTable[VisitRef]) -> None:
        self._steps, self._table = steps, table

    async def find(self, opaque: str) -> VisitRef:
        await self._steps.step("visit_index.find")
        return self._table.get(opaque).value


class FakeWriteBacks:
    def __init__(
        self, steps: Steps, table: FakeTable[WriteBack], tenant: TenantId, environment: EnvironmentId
    ) -> None:
        self._steps, self._table, self._scope = steps, table, (tenant, environment)

    async def insert(self, write_back: WriteBack) -> None:
        await self._steps.step("write_backs.insert")
        self._table.insert(write_back, *self._key(write_back))

    async def of_visit(self, visit: str) -> list[Versioned[WriteBack]]:
        await self._steps.step("write_backs.of_visit")
        prefix = (*self._scope, visit)
        return [row for key, row in sorted(self._table.rows.items()) if key[:3] == prefix]

    async def save(self, write_back: WriteBack, *, seen: str) -> str:
        await self._steps.step("write_backs.save")
        return self._table.save(write_back, *self._key(write_back), seen=seen)

    def _key(self, write_back: WriteBack) -> tuple[str, ...]:
        _must_be((write_back.visit.tenant, write_back.visit.environment) == self._scope)
        return (*self._scope, write_back.visit.key, f"{write_back.fact.sequence:06d}")


class FakeLaunchIndex:
    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self.table = FakeTable[Launch]("launch")

    async def insert(self, launch: Launch) -> None:
        await self._steps.step("launches.insert")
        self.table.insert(launch, launch.state_hash)

    async def claim(self, state_hash: str) -> Launch:
        await self._steps.step("launches.claim")
        launch = self.table.get(state_hash).value
        del self.table.rows[state_hash,]
        return launch


class FakeSessionIndex:
    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self.table = FakeTable[VisitSession]("session")

    async def put(self, session: VisitSession) -> None:
        await self._steps.step("sessions.put")
        self.table.put(session, session.id_hash)

    async def find(self, id_hash: str) -> VisitSession:
        await self._steps.step("sessions.find")
        return self.table.get(id_hash).value


class FakePortalSessionIndex:
    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self.table = FakeTable[PortalSession]("session")

    async def insert(self, session: PortalSession) -> None:
        await self._steps.step("portal_sessions.insert")
        self.table.insert(session, session.id_hash)

    async def change(self, id_hash: str, change: Callable[[PortalSession], PortalSession]) -> PortalSession:
        await self._steps.step("portal_sessions.change")
        changed = change(self.table.get(id_hash).value)
        self.table.put(changed, id_hash)
        return changed

    async def find(self, id_hash: str) -> PortalSession:
        await self._steps.step("portal_sessions.find")
        return self.table.get(id_hash).value


class FakeHeldFormIndex:
    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self.table = FakeTable[HeldForm]("form")

    async def insert(self, form: HeldForm) -> None:
        await self._steps.step("held_forms.insert")
        self.table.insert(form, form.id_hash)

    async def take(self, id_hash: str, *, tenant: TenantId, object_id: str) -> HeldForm:
        await self._steps.step("held_forms.take")
        form = self.table.get(id_hash).value
        _must_be((form.tenant, form.object_id) == (tenant, object_id))
        del self.table.rows[id_hash,]
        return form


class FakeMicrosoftSignInIndex:
    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self.table = FakeTable[SignInBegun]("sign-in")

    async def insert(self, begun: SignInBegun) -> None:
        await self._steps.step("microsoft_sign_ins.insert")
        self.table.insert(begun, begun.state_hash)

    async def claim(self, state_hash: str) -> SignInBegun:
        await self._steps.step("microsoft_sign_ins.claim")
        begun = self.table.get(state_hash).value
        del self.table.rows[state_hash,]
        return begun


class FakePeople:
    """`called`, `roles` and `bound` are shared by all views of one tenant."""

    def __init__(self, steps: Steps, rows: "PeopleRows", tenant: TenantId) -> None:
        self._steps, self._rows, self._tenant = steps, rows, tenant

    async def remember(self, person: Person, *, at: datetime) -> None:
        await self._steps.step("people.remember")
        called = Colleague(person.object_id, person.name, person.address)
        self._rows.called.put(called, self._tenant, person.object_id)
        self._rows.roles.put(person.roles, self._tenant, person.object_id)

    async def put(self, colleague: Colleague) -> None:
        await self._steps.step("people.put")
        self._rows.called.put(colleague, self._tenant, colleague.object_id)

    async def named(self, object_ids: Collection[str]) -> dict[str, Colleague]:
        await self._steps.step("people.named")
        rows = {one: self._rows.called.rows.get((self._tenant, one)) for one in object_ids}
        return {one: row.value for one, row in rows.items() if row is not None}

    async def administrators(self) -> list[Colleague]:
        await self._steps.step("people.administrators")
        ours = [(key[1], row.value) for key, row in self._rows.roles.rows.items() if key[0] == self._tenant]
        held = [one for one, roles in ours if Role.ADMINISTRATOR in roles]
        return sorted((await self.named(held)).values(), key=lambda one: (one.name, one.object_id))

    async def bind(self, address: str, object_id: str) -> str:
        await self._steps.step("people.bind")
        key = (self._tenant, address.strip().lower())
        if key not in self._rows.bound.rows:
            self._rows.bound.insert(object_id, *key)
        return self._rows.bound.get(*key).value

    async def bound(self, address: str) -> str | None:
        await self._steps.step("people.bound")
        row = self._rows.bound.rows.get((self._tenant, address.strip().lower()))
        return row.value if row else None

    async def addresses_of(self, object_id: str) -> frozenset[str]:
        await self._steps.step("people.addresses_of")
        rows = self._rows.bound.rows.items()
        return frozenset(key[1] for key, row in rows if key[0] == self._tenant and row.value == object_id)


@dataclass(frozen=True, slots=True)
class PeopleRows:
    called: FakeTable[Colleague]
    roles: FakeTable[frozenset[Role]]
    bound: FakeTable[str]


class FakeSignsOfLife:
    def __init__(
        self, steps: Steps, table: FakeTable[Sign], tenant: TenantId, environment: EnvironmentId
    ) -> None:
        self._steps, self._table, self._key = steps, table, (tenant, environment)

    async def note(self, kind: SignKind, *, at: datetime, other: str = "") -> None:
        known = self._table.rows.get((*self._key, kind))
        if known and at - known.value.last_at < NOTED_EVERY and known.value.other == other:
            return
        await self._steps.step("signs.note")
        first_at = known.value.first_at if known else at
        self._table.put(Sign(kind, first_at, at, other), *self._key, kind)

    async def all(self) -> Signs:
        await self._steps.step("signs.all")
        return Signs(tuple(self._table.under(*self._key)))


class FakeLastChecks:
    def __init__(self, steps: Steps, table: FakeTable[LastCheck], tenant: TenantId) -> None:
        self._steps, self._table, self._tenant = steps, table, tenant

    async def keep(self, check: LastCheck) -> None:
        await self._steps.step("last_checks.keep")
        self._table.put(check, self._tenant, check.environment)

    async def all(self) -> dict[EnvironmentId, LastCheck]:
        await self._steps.step("last_checks.all")
        return {one.environment: one for one in self._table.under(self._tenant)}


class FakeAuditLog:
    def __init__(
        self, steps: Steps, chains: defaultdict[tuple[TenantId, date], list[Linked]], tenant: TenantId
    ) -> None:
        self._steps, self._chains, self._tenant = steps, chains, tenant

    async def write(self, entry: AuditEntry) -> None:
        await self._steps.step("audit_log.write")
        days, day = self._days(), entry.at.astimezone(UTC).date()
        if day not in days and days and days[-1] > day:
            day = days[-1]
        chain = self._chains[self._tenant, day]
        earlier = [one for one in days if one < day]
        after = self._chains[self._tenant, earlier[-1]][-1].place if earlier and not chain else None
        previous = chain[-1].place.link if chain else after.link if after else FIRST_LINK
        chain.append(Linked(Place(day, len(chain) + 1, link(previous, entry)), entry, after))

    async def entries(self, day: datetime) -> list[AuditEntry]:
        await self._steps.step("audit_log.entries")
        return [one.entry for one in self._chain(day.date()).entries]

    async def proven(self, day: datetime) -> bool:
        await self._steps.step("audit_log.proven")
        return fault_within(self._chain(day.date())) is None

    async def chain(self, day: date) -> DayChain:
        await self._steps.step("audit_log.chain")
        return self._chain(day)

    async def days(self, *, first: date | None = None, last: date | None = None) -> list[date]:
        await self._steps.step("audit_log.days")
        return [day for day in self._days() if (first or day) <= day <= (last or day)]

    def _days(self) -> list[date]:
        return sorted(
            day for (tenant, day), chain in self._chains.items() if tenant == self._tenant and chain
        )

    def _chain(self, day: date) -> DayChain:
        entries = tuple(self._chains.get((self._tenant, day), ()))
        return DayChain(day, entries, entries[-1].place if entries else None)


class FakeQueues:
    """What waits, in the order in which it was put there; a test takes it away to process it."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self.hl7v2_messages: list[SealedMessage] = []
        self.texts: list[Later] = []
        self.write_backs: list[Later] = []
        self.call_events: list[str] = []

    async def accept(self, message: SealedMessage) -> None:
        await self._steps.step("queues.accept")
        self.hl7v2_messages.append(message)

    async def text(self, ref: NotificationRef, *, after: float = 0) -> None:
        await self._steps.step("queues.text")
        self.texts.append(Later(ref, after))

    async def tell(self, visit: VisitRef, *, after: float = 0) -> None:
        await self._steps.step("queues.tell")
        self.write_backs.append(Later(visit, after))

    async def observe(self, notification: str) -> None:
        await self._steps.step("queues.observe")
        self.call_events.append(notification)

    # --- the other end: what the queues' functions do with the text of a message ---

    async def accepted(self, text: str) -> list[SealedMessage]:
        await self._steps.step("queues.accepted")
        return [one for one in unpack(text) if isinstance(one, SealedMessage)]

    async def finished(self, text: str) -> None:
        await self._steps.step("queues.finished")

    async def observed(self, text: str) -> str | None:
        await self._steps.step("queues.observed")
        return text

    async def observed_for_good(self, text: str) -> None:
        await self._steps.step("queues.observed_for_good")

    def text_ref(self, text: str) -> NotificationRef:
        return parse_text_ref(text)

    def visit_ref(self, text: str) -> VisitRef:
        return parse_visit_ref(text)

    def take_texts(self) -> list[NotificationRef]:
        """The texts that wait, which no longer wait afterwards."""
        taken, self.texts = self.texts, []
        return [one.ref for one in taken if isinstance(one.ref, NotificationRef)]

    def take_write_backs(self) -> list[VisitRef]:
        taken, self.write_backs = self.write_backs, []
        return [one.ref for one in taken if isinstance(one.ref, VisitRef)]

    def take_hl7v2_messages(self) -> list[SealedMessage]:
        taken, self.hl7v2_messages = self.hl7v2_messages, []
        return taken

    def take_call_events(self) -> list[str]:
        taken, self.call_events = self.call_events, []
        return taken


class FakeStamp:
    """The storage of one stamp, with the same views as `shared.storage.stamp.Stamp`."""

    def __init__(self) -> None:
        self._steps = Steps()
        self.calls = self._steps.calls
        self.fail = self._steps.fail
        self.keys = FakeKeys()
        self.data_keys = FakeDataKeys()
        self.seals = fake_seals(self.data_keys)

        self.tenant_rows = FakeTable[Tenant]("tenant")
        self.environment_rows = FakeTable[Environment]("environment")
        self.environment_index_rows = FakeTable[TenantId]("environment")
        self.environment_history: list[Environment] = []
        self.appointment_rows = FakeTable[Appointment]("appointment")
        self.day_rows = FakeTable[Expected]("line of a day")
        self.alias_rows = FakeTable[str]("alias")
        self.inbound_rows = FakeTable[InboundMessage]("message")
        self.parked_rows = FakeTable[Parked]("parked message")
        self.notification_rows = FakeTable[Notification]("text")
        self.opt_out_rows = FakeTable[OptOut]("opt-out")
        self.visit_rows = FakeTable[Visit]("visit")
        self.visit_index_rows = FakeTable[VisitRef]("visit")
        self.write_back_rows = FakeTable[WriteBack]("write-back")
        self.sign_rows = FakeTable[Sign]("sign of life")
        self.last_check_rows = FakeTable[LastCheck]("check of an address")
        self.audit_chains: defaultdict[tuple[TenantId, date], list[Linked]] = defaultdict(list)

        self.stamp_pin = FakeStampPin(self._steps)
        self.environment_index = FakeEnvironmentIndex(
            self._steps, self.environment_rows, self.environment_index_rows
        )
        self.addresses = FakeAddressIndex(self._steps)
        self.join_links = FakeJoinLinkIndex(self._steps)
        self.reminders_due = FakeDueIndex(self._steps, "reminders_due")
        self.visits_due = FakeDueIndex(self._steps, "visits_due")
        self.outcomes_due = FakeDueIndex(self._steps, "outcomes_due")
        self.forget_due = FakeDueIndex(self._steps, "forget_due")
        self.approvals_due = FakeDueIndex(self._steps, "approvals_due")
        self.carrier_messages = FakeCarrierMessageIndex(self._steps)
        self.visit_index = FakeVisitIndex(self._steps, self.visit_index_rows)
        self.launches = FakeLaunchIndex(self._steps)
        self.sessions = FakeSessionIndex(self._steps)
        self.portal_sessions = FakePortalSessionIndex(self._steps)
        self.held_forms = FakeHeldFormIndex(self._steps)
        self.microsoft_sign_ins = FakeMicrosoftSignInIndex(self._steps)
        self.people_rows = PeopleRows(
            FakeTable[Colleague]("person"), FakeTable[frozenset[Role]]("person"), FakeTable[str]("address")
        )
        self.queues = FakeQueues(self._steps)

    @property
    def plans(self) -> Plans:
        return Plans(
            reminders=self.reminders_due,
            visits=self.visits_due,
            outcomes=self.outcomes_due,
            forgetting=self.forget_due,
            approvals=self.approvals_due,
        )

    def stores(self, tenant: TenantId, environment: EnvironmentId) -> EnvironmentStores:
        """Everything stored about one environment, as flows take it."""
        return EnvironmentStores(
            appointments=self.appointments(tenant, environment),
            by_day=self.appointments_by_day(tenant, environment),
            aliases=self.aliases(tenant, environment),
            inbound=self.inbound_messages(tenant, environment),
            notifications=self.notifications(tenant, environment),
            visits=self.visits(tenant, environment),
            write_backs=self.write_backs(tenant, environment),
        )

    def tenants(self, tenant: TenantId) -> FakeTenants:
        return FakeTenants(self._steps, self.tenant_rows, tenant)

    def environments(self, tenant: TenantId) -> FakeEnvironments:
        return FakeEnvironments(
            self._steps,
            self.environment_rows,
            self.environment_index_rows,
            self.environment_history,
            tenant,
        )

    def appointments(self, tenant: TenantId, environment: EnvironmentId) -> FakeAppointments:
        return FakeAppointments(self._steps, self.appointment_rows, tenant, environment)

    def appointments_by_day(self, tenant: TenantId, environment: EnvironmentId) -> FakeAppointmentsByDay:
        return FakeAppointmentsByDay(self._steps, self.day_rows, tenant, environment)

    def aliases(self, tenant: TenantId, environment: EnvironmentId) -> FakeAliases:
        return FakeAliases(self._steps, self.alias_rows, tenant, environment)

    def inbound_messages(self, tenant: TenantId, environment: EnvironmentId) -> FakeInboundMessages:
        return FakeInboundMessages(self._steps, self.inbound_rows, tenant, environment)

    def parked_messages(self, tenant: TenantId) -> FakeParkedMessages:
        return FakeParkedMessages(self._steps, self.parked_rows, tenant)

    def notifications(self, tenant: TenantId, environment: EnvironmentId) -> FakeNotifications:
        return FakeNotifications(self._steps, self.notification_rows, tenant, environment)

    def opt_outs(self, tenant: TenantId) -> FakeOptOuts:
        return FakeOptOuts(self._steps, self.opt_out_rows, tenant, self.keys)

    def visits(self, tenant: TenantId, environment: EnvironmentId) -> FakeVisits:
        return FakeVisits(self._steps, self.visit_rows, self.visit_index_rows, tenant, environment)

    def write_backs(self, tenant: TenantId, environment: EnvironmentId) -> FakeWriteBacks:
        return FakeWriteBacks(self._steps, self.write_back_rows, tenant, environment)

    def people(self, tenant: TenantId) -> FakePeople:
        return FakePeople(self._steps, self.people_rows, tenant)

    def last_checks(self, tenant: TenantId) -> FakeLastChecks:
        return FakeLastChecks(self._steps, self.last_check_rows, tenant)

    def signs(self, tenant: TenantId, environment: EnvironmentId) -> FakeSignsOfLife:
        return FakeSignsOfLife(self._steps, self.sign_rows, tenant, environment)

    def audit_log(self, tenant: TenantId) -> FakeAuditLog:
        return FakeAuditLog(self._steps, self.audit_chains, tenant)


def _must_be(ours: bool) -> None:
    """A store built for one tenant knows nothing of another's rows."""
    if not ours:
        raise NotFound("no such record")
