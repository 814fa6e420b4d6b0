"""Where real storage and real services are built and handed to the functions. Nowhere else, and the only clock."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import httpx

from shared.clients.communication_resource import CommunicationResource
from shared.clients.credentials import OwnCredential, TenantCredential
from shared.clients.directory import Directory
from shared.clients.entra import EntraTokens
from shared.clients.epic_backend import BackendTokens
from shared.clients.epic_check import AddressChecker
from shared.clients.epic_preflight import EpicPreflight
from shared.clients.epic_smart import EpicSmart
from shared.clients.epic_status import EpicStatus
from shared.clients.graph import Graph
from shared.clients.guarded_http import guarded_client
from shared.clients.key_vault import KeyVault
from shared.clients.linked_numbers import LinkedNumbers
from shared.clients.mail import Mail
from shared.clients.microsoft_checks import MicrosoftChecks
from shared.clients.microsoft_sign_in import MicrosoftSignIn
from shared.clients.outside_clock import OutsideClock
from shared.clients.own_resource import OwnResource
from shared.clients.published_keys import PublishedKeys
from shared.clients.teams_call_events import TeamsCallEvents, visit_of_client_state
from shared.clients.teams_meetings import TeamsMeetings
from shared.clients.teams_notifications import TeamsNotifications
from shared.clients.text_messages import TextMessages
from shared.domain.environment import EnvironmentId, EpicClient
from shared.domain.errors import NotFound, Refused
from shared.domain.geography import Geography, check_pin
from shared.domain.integration_record import RecordBook
from shared.domain.tenant import Person, TenantId
from shared.flows import ports
from shared.integration_records import record_book
from shared.settings import Settings
from shared.storage.audit_log import AuditLog
from shared.storage.queues import queue_service
from shared.storage.seals import Seals
from shared.storage.stamp import Stamp
from shared.storage.tables import AUDIT_LOG, Table, table_service
from shared.wording import PatientTexts


@dataclass(frozen=True, slots=True)
class Services:
    """What the functions may use. Built once a process; what belongs to a tenant is made for that tenant."""

    settings: Settings
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    ready: Callable[[], Awaitable[None]]
    check_keys: Callable[[], Awaitable[None]]

    environments: ports.EnvironmentIndex
    addresses: ports.AddressIndex
    environment_exists: Callable[[EnvironmentId], Awaitable[bool]]
    tenants: Callable[[TenantId], ports.Tenants]
    environments_of: Callable[[TenantId], ports.Environments]
    audit_log: Callable[[TenantId], ports.AuditLog]
    parked: Callable[[TenantId], ports.ParkedMessages]
    opt_outs: Callable[[TenantId], ports.OptOuts]
    stores: Callable[[TenantId, EnvironmentId], ports.EnvironmentStores]
    signs: Callable[[TenantId, EnvironmentId], ports.SignsOfLife]
    last_checks: Callable[[TenantId], ports.LastChecks]
    record_book: Callable[[], RecordBook]
    links: ports.JoinLinkIndex
    launches: ports.LaunchIndex
    sessions: ports.SessionIndex
    portal_sessions: ports.PortalSessionIndex
    held_forms: ports.HeldFormIndex
    microsoft_sign_ins: ports.MicrosoftSignInIndex
    people: Callable[[TenantId], ports.People]
    visit_index: ports.VisitIndex
    carrier_index: ports.CarrierMessageIndex
    plans: ports.Plans
    queues: ports.Queues
    work: ports.WaitingWork
    seals: ports.Seals
    keys: ports.Keys

    meetings: Callable[[TenantId], ports.TeamsMeetings]
    call_events: Callable[[TenantId], ports.CallEvents]
    opener: ports.NotificationOpener
    visit_of_client_state: Callable[[str], Awaitable[str | None]]
    smart: ports.EpicSmart
    address_checker: ports.AddressChecker
    epic_sign_in: ports.EpicSignIn
    preflight: ports.EpicPreflight
    status: ports.EpicStatus
    client_keys: Callable[[EnvironmentId, EpicClient], Awaitable[dict[str, Any]]]
    rotation: ports.KeyRotation
    carrier: ports.TextMessages
    wording: ports.Wording
    person_of: Callable[[str], Awaitable[Person]]
    microsoft: ports.MicrosoftSignIn

    directory: Callable[[TenantId], ports.Directory]
    mail: Callable[[TenantId], ports.Mail]
    mail_on: bool
    observers: Callable[[TenantId], ports.Observers]


def _now() -> datetime:
    return datetime.now(UTC)


def _new_id() -> str:
    # 64 random bits in 16 characters: short enough for an HL7v2 control id (20) and for a path.
    return secrets.token_hex(8)


def real_services(settings: Settings) -> Services:
    """The services of one process. Nothing is called before a function needs it."""
    identity = OwnCredential()
    vault = KeyVault(url=settings.key_vault_url, credential=identity, now=_now)
    stamp = _stamp(settings, identity, vault)
    epic_http = guarded_client(allowed=settings.private_fhir_hosts)
    published = PublishedKeys(epic_http, now=_now)
    smart = EpicSmart(epic_http, smart_keys=vault.smart_key, keys=published, now=_now, new_id=_new_id)
    # Microsoft's own addresses are settings, so they need no guard.
    entra = EntraTokens(
        keys=PublishedKeys(httpx.AsyncClient(timeout=8.0), now=_now),
        authority=settings.authority,
        client_id=settings.entra_client_id,
        tenants=settings.tenants,
        now=_now,
    )
    graph, credential = _graph(settings, identity, vault)
    checker = AddressChecker(epic_http, smart=smart, private_hosts=settings.private_fhir_hosts)
    meetings, call_events = _teams(settings, vault, graph, credential)
    texts = _texts(settings, identity, vault)

    async def client_state(state: str) -> str | None:
        return visit_of_client_state(await vault.cookie_key(), state)

    async def check_keys() -> None:
        await vault.link_key()
        await vault.current()

    async def environment_exists(environment: EnvironmentId) -> bool:
        try:
            await stamp.environment_index.find(environment)
        except NotFound:
            return False
        except Refused:
            return True  # a draft: its keys are registered at Epic before it is approved
        return True

    return Services(
        settings=settings,
        now=_now,
        new_id=_new_id,
        ready=_once_ready(stamp, settings),
        check_keys=check_keys,
        environments=stamp.environment_index,
        addresses=stamp.addresses,
        environment_exists=environment_exists,
        tenants=stamp.tenants,
        environments_of=stamp.environments,
        audit_log=stamp.audit_log,
        parked=stamp.parked_messages,
        opt_outs=stamp.opt_outs,
        stores=lambda tenant, environment: _stores(stamp, tenant, environment),
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
        plans=ports.Plans(
            reminders=stamp.reminders_due,
            visits=stamp.visits_due,
            outcomes=stamp.outcomes_due,
            forgetting=stamp.forget_due,
            approvals=stamp.approvals_due,
        ),
        queues=stamp.queues,
        work=stamp.queues,
        seals=Seals(vault),
        keys=vault,
        meetings=meetings,
        call_events=call_events,
        opener=TeamsNotifications(tokens=entra, key_named=vault.call_events_key_named, now=_now),
        visit_of_client_state=client_state,
        smart=smart,
        epic_sign_in=smart,
        preflight=EpicPreflight(epic_http, smart=smart, smart_keys=vault.smart_key, now=_now, new_id=_new_id),
        address_checker=checker,
        status=EpicStatus(
            epic_http,
            tokens=BackendTokens(epic_http, smart_keys=vault.smart_key, now=_now, new_id=_new_id),
            secret=vault.get,
            now=_now,
        ),
        client_keys=vault.public_keys,
        rotation=vault,
        carrier=TextMessages(texts, now=_now),
        wording=PatientTexts(),
        person_of=entra.person,
        microsoft=_sign_in(settings, identity, vault, entra),
        directory=lambda tenant: Directory(graph, credential=credential(tenant)),
        mail=lambda tenant: Mail(graph, credential=credential(tenant), mailbox=settings.mail_from),
        mail_on=bool(settings.mail_from),
        observers=_observers(settings, identity, vault, stamp, graph, credential, checker, texts),
    )


@asynccontextmanager
async def audit_logs(settings: Settings) -> AsyncIterator[Callable[[TenantId], ports.AuditLog]]:
    """The audit logs of a deployment, for a program that reads them and ends. Nothing else is built or called."""
    async with OwnCredential() as identity:
        by_string = bool(settings.storage_connection)
        address = settings.storage_connection or settings.table_endpoint
        async with table_service(address, None if by_string else identity) as tables:
            yield lambda tenant: AuditLog(Table(tables.get_table_client(AUDIT_LOG), "audit entry"), tenant)


def _stamp(settings: Settings, identity: OwnCredential, vault: KeyVault) -> Stamp:
    if settings.storage_connection:
        tables = table_service(settings.storage_connection)
        queues = queue_service(settings.storage_connection)
    else:
        tables = table_service(settings.table_endpoint, identity)
        queues = queue_service(settings.queue_endpoint, identity)
    return Stamp(tables, queues, seals=Seals(vault), keys=vault, clock=_now)


def _stores(stamp: Stamp, tenant: TenantId, environment: EnvironmentId) -> ports.EnvironmentStores:
    return ports.EnvironmentStores(
        appointments=stamp.appointments(tenant, environment),
        by_day=stamp.appointments_by_day(tenant, environment),
        aliases=stamp.aliases(tenant, environment),
        inbound=stamp.inbound_messages(tenant, environment),
        notifications=stamp.notifications(tenant, environment),
        visits=stamp.visits(tenant, environment),
        write_backs=stamp.write_backs(tenant, environment),
    )


def _once_ready(stamp: Stamp, settings: Settings) -> Callable[[], Awaitable[None]]:
    """Make sure, once a process, that the storage is there and belongs to this stamp's geography.

    Raises WrongGeography whenever it does not: nothing is read or written then.
    """
    lock = asyncio.Lock()
    proven = False

    async def ready() -> None:
        nonlocal proven
        if proven:
            return
        async with lock:
            if not proven:
                await stamp.ensure()
                pinned = await stamp.stamp_pin.pinned(settings.geography, now=_now())
                check_pin(pinned, configured=settings.geography)
                proven = True

    return ready


def _secret(vault: KeyVault, name: str) -> Callable[[], Awaitable[str]]:
    """A secret that is read when it is needed, so that a new one is used without a restart."""

    async def read() -> str:
        return await vault.get(name)

    return read


def _graph(
    settings: Settings, identity: OwnCredential, vault: KeyVault
) -> tuple[Graph, Callable[[TenantId], TenantCredential]]:
    graph = Graph(base_url=settings.graph_base_url, now=_now)
    secret = _secret(vault, "entra-client-secret")

    # One credential for each tenant and process: it keeps the tokens it was given.
    @cache
    def credential(tenant: TenantId) -> TenantCredential:
        by_secret = settings.entra_credential == "secret"
        return TenantCredential(
            tenant=tenant,
            client_id=settings.entra_client_id,
            authority=settings.authority,
            secret=secret if by_secret else None,
            identity=None if by_secret else identity,
        )

    return graph, credential


def _teams(
    settings: Settings,
    vault: KeyVault,
    graph: Graph,
    credential: Callable[[TenantId], TenantCredential],
) -> tuple[Callable[[TenantId], ports.TeamsMeetings], Callable[[TenantId], ports.CallEvents]]:
    @cache
    def meetings(tenant: TenantId) -> ports.TeamsMeetings:
        return TeamsMeetings(graph, credential=credential(tenant), probe_guest_url=True)

    @cache
    def call_events(tenant: TenantId) -> ports.CallEvents:
        return TeamsCallEvents(
            graph,
            credential=credential(tenant),
            public_base_url=settings.public_base_url,
            cookie_key=vault.cookie_key,
            certificate=vault.call_events_key,
            now=_now,
            version=settings.call_events_version,
        )

    return meetings, call_events


def _sign_in(
    settings: Settings, identity: OwnCredential, vault: KeyVault, entra: EntraTokens
) -> MicrosoftSignIn:
    by_secret = settings.entra_credential == "secret"
    return MicrosoftSignIn(
        authority=settings.authority,
        client_id=settings.entra_client_id,
        tokens=entra,
        http=httpx.AsyncClient(timeout=8.0),
        secret=_secret(vault, "entra-client-secret") if by_secret else None,
        identity=None if by_secret else identity,
    )


def _texts(settings: Settings, identity: OwnCredential, vault: KeyVault) -> CommunicationResource:
    by_key = settings.communication_credential == "key"
    return CommunicationResource(
        endpoint=settings.communication_endpoint,
        key=_secret(vault, "communication-key") if by_key else None,
        identity=None if by_key else identity,
    )


def _observers(
    settings: Settings,
    identity: OwnCredential,
    vault: KeyVault,
    stamp: Stamp,
    graph: Graph,
    credential: Callable[[TenantId], TenantCredential],
    checker: AddressChecker,
    texts: CommunicationResource,
) -> Callable[[TenantId], ports.Observers]:
    """Everybody who can say whether a tenant is ready, asked only when somebody wants to know."""

    # Microsoft's own addresses are settings, so they need no guard.
    http = httpx.AsyncClient(timeout=8.0)
    numbers = LinkedNumbers(texts, now=_now)
    resource = settings.resource_manager
    own = OwnResource(http, url=resource, identity=identity, now=_now) if resource else None

    async def pinned() -> Geography:
        return await stamp.stamp_pin.pinned(settings.geography, now=_now())

    def observers(tenant: TenantId) -> ports.Observers:
        return ports.Observers(
            microsoft=MicrosoftChecks(
                graph, credential=credential(tenant), client_id=settings.entra_client_id
            ),
            mail=Mail(graph, credential=credential(tenant), mailbox=settings.mail_from),
            graph_clock=OutsideClock(http, service="Microsoft Graph", url=f"{settings.graph_base_url}/v1.0/"),
            vault_clock=OutsideClock(http, service="key vault", url=settings.key_vault_url),
            secrets=vault,
            own_resource=own,
            numbers=numbers,
            pinned=pinned,
            addresses=checker,
            signs=lambda environment: stamp.signs(tenant, environment),
        )

    return observers
