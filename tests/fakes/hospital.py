"""One hospital on one stamp, whole and in memory: the app's own functions over stores and services that are fakes.

    hospital = Hospital()
    answer = await hospital.app.post("/hl7v2/env-1", body, headers)
    await hospital.work_off()

Nothing here decides anything: the functions, flows, rules, the HL7v2 reader and the signatures are the real ones.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import azure.functions as func

from functions.api_appointments import api_appointments
from functions.api_approvals import api_approvals
from functions.api_audit import api_audit
from functions.api_document import with_api_document
from functions.api_environments import api_environments
from functions.api_readiness import api_readiness
from functions.api_records import api_records
from functions.api_sharing import api_sharing
from functions.api_tenant import api_tenant
from functions.api_texts import api_texts
from functions.api_versions import api_versions
from functions.appointment_messages import appointment_messages
from functions.approval_pages import approval_pages
from functions.audit_pages import audit_pages
from functions.call_events import call_events
from functions.certificate_pages import certificate_pages
from functions.environment_pages import environment_pages
from functions.health import health
from functions.history_pages import history_pages
from functions.hl7_intake import hl7_intake
from functions.home_page import home_page
from functions.notifications import notifications
from functions.onboarding_pages import onboarding_pages
from functions.organization_pages import organization_pages
from functions.patient_pages import patient_pages
from functions.poison_messages import poison_messages
from functions.provider_pages import provider_pages
from functions.published_keys import published_keys
from functions.readiness_pages import readiness_pages
from functions.record_pages import record_pages
from functions.record_setting_pages import record_setting_pages
from functions.removal_pages import removal_pages
from functions.sign_in import sign_in
from functions.sms_pages import sms_pages
from functions.static_files import static_files
from functions.ticks import ticks
from functions.unknown_pages import unknown_pages
from functions.visit_launch import visit_launch
from functions.write_backs import write_backs
from shared.domain.appointment import Appointment, AppointmentRef
from shared.domain.environment import (
    Certificate,
    Connection,
    ConnectionVersion,
    Environment,
    EnvironmentId,
    EnvironmentKind,
    EpicClient,
    Feed,
    LiveEnvironment,
    Meetings,
    Operation,
    Stage,
    Texts,
    WriteBackTarget,
    live,
)
from shared.domain.errors import NotFound, Refused
from shared.domain.geography import Geography
from shared.domain.join_link import LinkRole, token
from shared.domain.notification import Notification, NotificationRef
from shared.domain.portal_session import Colleague, new_session
from shared.domain.roster import CallEvent
from shared.domain.tenant import Person, Role, Tenant, TenantId
from shared.domain.visit import Visit, VisitRef
from shared.flows.launch_visit import hashed
from shared.integration_records import record_book
from shared.settings import read_settings
from shared.storage.envelopes import entry_of, pack, text_message, visit_message
from shared.wiring import Services
from shared.wording import PatientTexts
from tests.fakes.browser import Browser
from tests.fakes.clock import FixedClock
from tests.fakes.keys import FakeRotation
from tests.fakes.observers import Watchers
from tests.fakes.outside import (
    FakeAddressChecker,
    FakeCallEvents,
    FakeDirectory,
    FakeEntra,
    FakeEpicSmart,
    FakeEpicStatus,
    FakeMail,
    FakeMicrosoft,
    FakeOpener,
    FakePreflight,
    FakeTeamsMeetings,
    FakeTextMessages,
)
from tests.fakes.storage import FakeStamp
from tests.hl7v2 import cms

HOME = "https://visits.lamna.example"
ELSEWHERE = "https://visits-emea.lamna.example"
TENANT = TenantId("11111111-aaaa-4aaa-8aaa-000000000001")
OTHER_TENANT = TenantId("11111111-aaaa-4aaa-8aaa-000000000002")
ENVIRONMENT = EnvironmentId("env-1")
FHIR = "https://epic.lamna.example/api/FHIR/R4"
CARTER = "22222222-aaaa-4aaa-8aaa-000000000003"
REYES = "22222222-aaaa-4aaa-8aaa-000000000005"
SCHEDULING = "22222222-aaaa-4aaa-8aaa-000000000004"

# 11:00 on a Saturday in New York, where the hospital is.
NOW = datetime.fromisoformat("2030-06-01T15:00:00+00:00")

SETTINGS = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "GEOGRAPHY": "americas",
    "REGION": "eastus2",
    "PUBLIC_BASE_URL": HOME,
    "TENANTS": json.dumps(
        {
            TENANT: {"name": "Lamna Healthcare", "home": HOME},
            OTHER_TENANT: {"name": "Fabrikam Kliniken", "home": ELSEWHERE},
        }
    ),
    "KEY_VAULT_URL": "https://keys.lamna.example",
    "ENTRA_CLIENT_ID": "0c0ffee0-0000-4000-8000-00000000ec01",
    "COMMUNICATION_ENDPOINT": "https://texts.lamna.example",
    "MAIL_FROM": "visits@lamna.example",
    "REMINDER_TICK": "0 * * * * *",
    "SUBSCRIPTION_TICK": "0 * * * * *",
    "RECONCILE_TICK": "0 * * * * *",
    "RETENTION_TICK": "0 * * * * *",
}


def person(name: str, *roles: Role, tenant: TenantId = TENANT) -> Person:
    return Person(tenant, f"oid-{name}", name.title(), f"{name}@lamna.example", frozenset(roles))


AVERY = person("avery", Role.ADMINISTRATOR)
PRIYA = person("priya")
RILEY = person("riley", Role.REPORT_READER)
JORDAN = person("jordan", Role.AUDITOR)
DANA = person("dana")
LENA = person("lena", Role.ADMINISTRATOR, tenant=OTHER_TENANT)
NOBODY = person("noor", Role.ADMINISTRATOR, tenant=TenantId("11111111-aaaa-4aaa-8aaa-00000000ffff"))


def operation(*, texts: Texts | None = None, meetings: Meetings | None = None) -> Operation:
    return Operation(
        organization="Lamna Healthcare",
        phone="+12065550100",
        feed=Feed(zone="America/New_York", external_id_type="WPR"),
        texts=texts
        or Texts(
            on=True,
            sender="+12065550111",
            consents=("texts-2026-1", "agreed-2026-1"),
            languages=("en", "es", "zh-Hant-TW"),
        ),
        meetings=meetings
        or Meetings(scheduling_accounts=(SCHEDULING,), providers={"P77": CARTER, "P88": REYES}),
    )


def connection() -> Connection:
    signer = cms.signer()
    return Connection(
        fhir_base_url=FHIR,
        clients={kind: f"client-{kind}" for kind in EpicClient},
        approvers=(PRIYA.object_id,),
        certificates=(
            Certificate(
                signer.pem, "f" * 64, "Epic Interface", NOW - timedelta(days=1), NOW + timedelta(days=99)
            ),
        ),
        write_back=WriteBackTarget("https://epic.lamna.example/status"),
        authorize_url="https://epic.lamna.example/authorize",
        token_url="https://epic.lamna.example/token",
        issuer="https://epic.lamna.example",
        keys_url="https://epic.lamna.example/keys",
    )


def environment(
    id: EnvironmentId = ENVIRONMENT,
    *,
    tenant: TenantId = TENANT,
    kind: EnvironmentKind = EnvironmentKind.PRODUCTION,
    approved: bool = True,
    operates: Operation | None = None,
) -> Environment:
    stage = Stage.APPROVED if approved else Stage.DRAFT
    version = ConnectionVersion(1, connection(), stage, AVERY.object_id, NOW, PRIYA.object_id, NOW)
    return Environment(
        id=id,
        tenant=tenant,
        kind=kind,
        newest=version,
        live=version if approved else None,
        operation=operates or operation(),
        operation_version=1,
        changed_by=AVERY.object_id,
        changed_at=NOW,
    )


class Timer(func.TimerRequest):
    """A timer that is on time."""

    @property
    def past_due(self) -> bool:
        return False


class App:
    """The functions by name, and a router that finds them by path as the host does."""

    def __init__(self, services: Services) -> None:
        app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
        self.blueprints = (
            hl7_intake(services),
            appointment_messages(services),
            notifications(services),
            ticks(services),
            visit_launch(services),
            patient_pages(services),
            provider_pages(services),
            call_events(services),
            write_backs(services),
            api_tenant(services),
            api_environments(services),
            api_approvals(services),
            api_versions(services),
            api_sharing(services),
            api_appointments(services),
            history_pages(services),
            api_readiness(services),
            readiness_pages(services),
            published_keys(services),
            record_pages(services),
            record_setting_pages(services),
            api_records(services),
            poison_messages(services),
            health(services),
            home_page(services),
            sign_in(services),
            approval_pages(services),
            organization_pages(services),
            environment_pages(services),
            removal_pages(services),
            sms_pages(services),
            certificate_pages(services),
            api_texts(services),
            audit_pages(services),
            api_audit(services),
            onboarding_pages(services),
            static_files(),
            unknown_pages(services),
        )
        for blueprint in with_api_document(self.blueprints, services):
            app.register_functions(blueprint)
        self.functions: dict[str, Callable[..., Awaitable[Any]]] = {}
        self.routes: list[tuple[str, frozenset[str], re.Pattern[str]]] = []
        for one in app.get_functions():
            name = str(one.get_function_name())
            trigger: Any = one.get_trigger()
            self.functions[name] = one.get_user_function()
            if one.is_http_function():
                route = str(trigger.route).strip("/")
                pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(route))
                pattern = re.sub(r"\\{\\\*(\w+)\\}", r"(?P<\1>.+)", pattern)
                methods = frozenset(str(getattr(m, "value", m)) for m in trigger.methods)
                self.routes.append((name, methods, re.compile(pattern)))
        # A route with words comes before one with places, as `launch/callback` before `launch/{environment}`, and
        # both before the one that takes whatever is left.
        self.routes.sort(key=lambda route: (".+" in route[2].pattern, route[2].groups))

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> func.HttpResponse:
        return await self.ask("GET", path, b"", headers)

    async def post(
        self, path: str, body: bytes | str = b"", headers: Mapping[str, str] | None = None
    ) -> func.HttpResponse:
        return await self.ask("POST", path, body.encode() if isinstance(body, str) else body, headers)

    async def ask(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> func.HttpResponse:
        parts = urlsplit(path)
        for name, methods, pattern in self.routes:
            found = pattern.fullmatch(parts.path.strip("/"))
            if found and method in methods:
                request = func.HttpRequest(
                    method,
                    f"{HOME}{path}",
                    headers=dict(headers or {}),
                    params=dict(parse_qsl(parts.query, keep_blank_values=True)),
                    route_params=found.groupdict(),
                    body=body,
                )
                answer = await self.functions[name](request)
                assert isinstance(answer, func.HttpResponse)
                return answer
        raise AssertionError(f"no way in for {method} {parts.path}")

    async def queue(self, name: str, text: str) -> None:
        await self.functions[name](func.QueueMessage(id="q", body=text))

    async def tick(self, name: str) -> None:
        await self.functions[name](Timer())


class Hospital:
    """The hospital, its people and its phones."""

    def __init__(self, of: Environment | None = None, *, stamp: FakeStamp | None = None) -> None:
        self.clock = FixedClock(NOW)
        self.stamp = stamp or FakeStamp()
        self.carrier = FakeTextMessages()
        self.teams = FakeTeamsMeetings()
        self.watch = FakeCallEvents()
        self.directory = FakeDirectory()
        self.mail = FakeMail()
        self.opener = FakeOpener()
        self.smart = FakeEpicSmart()
        self.address_checker = FakeAddressChecker()
        self.preflight = FakePreflight()
        self.watchers = Watchers(self.clock, mail=self.mail, addresses=self.address_checker)
        self.status = FakeEpicStatus()
        self.entra = FakeEntra(
            {one.object_id: one for one in (AVERY, PRIYA, RILEY, JORDAN, DANA, LENA, NOBODY)}
        )
        self.microsoft = FakeMicrosoft(self.entra)
        self.rotation = FakeRotation(self.clock)
        self.made_ids = 0
        self.put(of or environment())
        self.stamp.tenant_rows.put(
            Tenant(TENANT, "Lamna Healthcare", Geography.AMERICAS, NOW, AVERY.object_id), TENANT
        )
        self.services = self._services()
        self.app = App(self.services)
        self.calls = self.stamp.calls

    # --- what is set up ---

    def stranger(self) -> Browser:
        """A browser that nobody has signed in with."""
        return Browser(self.app.ask, self.stamp.keys)

    def browser(self, person: Person) -> Browser:
        """A browser in which `person` has just signed in to the portal."""
        browser, now = self.stranger(), self.clock()
        # As long as a real one, and another one each time.
        id = hashlib.sha256(
            f"{person.object_id} {len(self.stamp.portal_sessions.table.rows)}".encode()
        ).hexdigest()
        session = new_session(
            hashed(id), tenant=person.tenant, object_id=person.object_id, roles=person.roles, now=now
        )
        self.stamp.portal_sessions.table.put(session, session.id_hash)
        rows = self.stamp.people_rows
        called = Colleague(person.object_id, person.name, person.address)
        rows.called.put(called, person.tenant, person.object_id)
        rows.roles.put(person.roles, person.tenant, person.object_id)
        browser.cookies["__Host-session"] = id
        return browser

    def put(self, one: Environment) -> None:
        self.stamp.environment_rows.put(one, one.tenant, one.id)
        self.stamp.environment_index_rows.put(one.tenant, one.id)

    def operate(self, **changes: Any) -> None:
        """Change texts or meetings of the environment: `operate(texts=replace(...))`."""
        known = self.stamp.environment_rows.get(TENANT, ENVIRONMENT).value
        self.put(replace(known, operation=replace(known.operation, **changes)))

    @property
    def environment(self) -> LiveEnvironment:
        return live(self.stamp.environment_rows.get(TENANT, ENVIRONMENT).value)

    # --- Epic's feed ---

    async def post(self, message: str | bytes, **headers: str) -> func.HttpResponse:
        """Post one signed message; headers by name with underscores, an empty value leaves one out."""
        body = message.encode() if isinstance(message, str) else message
        given = {
            "HL7-Signature": cms.header(body),
            "Content-Type": "application/hl7-v2; charset=utf-8",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return await self.app.post(
            f"/hl7v2/{ENVIRONMENT}", body, {name: value for name, value in given.items() if value}
        )

    async def feed(self, message: str) -> None:
        """Post one message and have it read."""
        answer = await self.post(message)
        assert answer.status_code == 200, answer.get_body()
        await self.read_feed()

    async def read_feed(self) -> None:
        for sealed in self.stamp.queues.take_hl7v2_messages():
            await self.app.queue("record_appointments", pack([entry_of(sealed)]))

    async def work_off(self) -> None:
        """Do everything that waits in the queues, until nothing waits."""
        queues = self.stamp.queues
        for _ in range(20):
            await self.read_feed()
            for text in queues.take_texts():
                await self.app.queue("send_text", text_message(text))
            for event in queues.take_call_events():
                await self.app.queue("observe_call", event)
            for visit in queues.take_write_backs():
                await self.app.queue("tell_epic", visit_message(visit))
            if not (queues.hl7v2_messages or queues.texts or queues.call_events or queues.write_backs):
                return

    async def tick(self) -> None:
        """Let every timer fire once."""
        for name in ("dispatch_due_texts", "prepare_due_visits", "judge_visits", "forget_people"):
            await self.app.tick(name)

    async def until(self, moment: datetime) -> None:
        """Let time pass until `moment`, with the timers and the queues at work at its end."""
        self.clock.set(moment)
        await self.tick()
        await self.work_off()

    # --- Teams ---

    async def happens(self, csn: str, *events: CallEvent, name: str = "") -> func.HttpResponse:
        """Let Graph tell about a call."""
        name = name or "-".join(event.id for event in events)
        self.opener.events[name] = events
        state = f"state-{self.visit_ref(csn).opaque}"
        body = json.dumps({"value": [{"clientState": state, "name": name}], "validationTokens": ["t"]})
        answer = await self.app.post("/graph/notifications", body)
        await self.work_off()
        return answer

    # --- what can be seen ---

    def appointment(self, key: str = "360001") -> Appointment:
        return self.stamp.appointment_rows.get(TENANT, ENVIRONMENT, key).value

    def visit_ref(self, key: str = "360001") -> VisitRef:
        return VisitRef(TENANT, ENVIRONMENT, key)

    def visit(self, key: str = "360001") -> Visit:
        return self.stamp.visit_rows.get(TENANT, ENVIRONMENT, key).value

    def notification(self, slot: str, key: str = "360001") -> Notification:
        return self.stamp.notification_rows.get(TENANT, ENVIRONMENT, key, slot).value

    def text_ref(self, slot: str, key: str = "360001") -> NotificationRef:
        return NotificationRef(AppointmentRef(TENANT, ENVIRONMENT, key), slot)

    def slots(self) -> list[str]:
        """Which texts the patients' phones got, in order, by the slot of each."""
        table = self.stamp.carrier_messages.table
        return [table.get(text.tag).value.slot for text in self.carrier.sent]

    async def link(self, key: str = "360001") -> str:
        """The path of the patient's link."""
        ref = AppointmentRef(TENANT, ENVIRONMENT, key)
        return f"/v/{token(await self.stamp.keys.link_key(), ref, LinkRole.PATIENT, 1)}"

    def writes(self) -> Counter[str]:
        """How often each call that changes something was made."""
        reads = {"get", "find", "of_visit", "of_appointment", "keys_of", "all", "due", "contains", "newest"}
        reads |= {"pinned", "entries", "proven"}
        return Counter({name: n for name, n in self.calls.items() if name.partition(".")[2] not in reads})

    def _services(self) -> Services:
        stamp = self.stamp
        settings = read_settings(SETTINGS)

        async def ready() -> None:
            await stamp.stamp_pin.pinned(settings.geography, now=self.clock())

        async def check_keys() -> None:
            await stamp.keys.link_key()

        async def exists(wanted: EnvironmentId) -> bool:
            try:
                await stamp.environment_index.find(wanted)
            except NotFound:
                return False
            except Refused:
                return True
            return True

        async def client_state(state: str) -> str | None:
            return state.removeprefix("state-") if state.startswith("state-") else None

        def new_id() -> str:
            self.made_ids += 1
            return f"id-{self.made_ids}"

        return Services(
            settings=settings,
            now=self.clock,
            new_id=new_id,
            ready=ready,
            check_keys=check_keys,
            environments=stamp.environment_index,
            environment_exists=exists,
            addresses=stamp.addresses,
            tenants=stamp.tenants,
            environments_of=stamp.environments,
            audit_log=stamp.audit_log,
            parked=stamp.parked_messages,
            opt_outs=stamp.opt_outs,
            stores=stamp.stores,
            signs=stamp.signs,
            last_checks=stamp.last_checks,
            record_book=record_book,
            links=stamp.join_links,
            launches=stamp.launches,
            sessions=stamp.sessions,
            portal_sessions=stamp.portal_sessions,
            held_forms=stamp.held_forms,
            microsoft_sign_ins=stamp.microsoft_sign_ins,
            people=stamp.people,
            visit_index=stamp.visit_index,
            carrier_index=stamp.carrier_messages,
            plans=stamp.plans,
            queues=stamp.queues,
            work=stamp.queues,
            seals=stamp.seals,
            keys=stamp.keys,
            meetings=lambda _tenant: self.teams,
            call_events=lambda _tenant: self.watch,
            opener=self.opener,
            visit_of_client_state=client_state,
            smart=self.smart,
            address_checker=self.address_checker,
            epic_sign_in=self.smart,
            preflight=self.preflight,
            status=self.status,
            client_keys=self.rotation.public_keys,
            rotation=self.rotation,
            carrier=self.carrier,
            wording=PatientTexts(),
            person_of=self.entra.person,
            microsoft=self.microsoft,
            directory=lambda _tenant: self.directory,
            mail=lambda _tenant: self.mail,
            mail_on=True,
            observers=lambda tenant: self.watchers.observers(signs=lambda one: stamp.signs(tenant, one)),
        )
