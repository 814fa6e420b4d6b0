"""The storage of one stamp: every store, each built for the tenant and environment it may speak of."""

from collections.abc import Callable
from datetime import datetime

from azure.data.tables.aio import TableServiceClient
from azure.storage.queue.aio import QueueServiceClient

from shared.domain.environment import EnvironmentId
from shared.domain.tenant import TenantId
from shared.storage import queues, tables
from shared.storage.address_index import AddressIndex
from shared.storage.aliases import Aliases
from shared.storage.appointments import Appointments
from shared.storage.appointments_by_day import AppointmentsByDay
from shared.storage.audit_log import AuditLog
from shared.storage.due_rows import DueIndex
from shared.storage.environments import EnvironmentIndex, Environments
from shared.storage.held_forms import HeldFormIndex
from shared.storage.inbound_messages import InboundMessages
from shared.storage.join_links import JoinLinkIndex
from shared.storage.large_messages import LargeMessages
from shared.storage.last_checks import LastChecks
from shared.storage.launches import LaunchIndex
from shared.storage.microsoft_sign_ins import MicrosoftSignInIndex
from shared.storage.notifications import CarrierMessageIndex, Notifications
from shared.storage.opt_outs import OptOutKeys, OptOuts
from shared.storage.parked_messages import ParkedMessages
from shared.storage.people import People
from shared.storage.portal_sessions import PortalSessionIndex
from shared.storage.queues import Queues
from shared.storage.seals import Seals
from shared.storage.sessions import SessionIndex
from shared.storage.signs import SignsOfLife, SignTimes
from shared.storage.stamp_pin import StampPin
from shared.storage.tables import Table
from shared.storage.tenants import Tenants
from shared.storage.visits import VisitIndex, Visits
from shared.storage.write_backs import WriteBacks


class Stamp:
    """Built once a process; the stores it hands out are light. It closes nothing: the clients are the wiring's."""

    def __init__(
        self,
        table_service: TableServiceClient,
        queue_service: QueueServiceClient,
        *,
        seals: Seals,
        keys: OptOutKeys,
        clock: Callable[[], datetime],
    ) -> None:
        def table(name: str, noun: str) -> Table:
            return Table(table_service.get_table_client(name), noun)

        self._table_service = table_service
        self._queue_service = queue_service
        self._seals = seals
        self._keys = keys

        self._tenants = table(tables.TENANTS, "tenant")
        self._environments = table(tables.ENVIRONMENTS, "environment")
        self._environment_index = table(tables.ENVIRONMENT_INDEX, "environment")
        self._appointments = table(tables.APPOINTMENTS, "appointment")
        self._appointments_by_day = table(tables.APPOINTMENTS_BY_DAY, "line of a day")
        self._aliases = table(tables.ALIASES, "alias")
        self._inbound_messages = table(tables.INBOUND_MESSAGES, "message")
        self._parked_messages = table(tables.PARKED_MESSAGES, "parked message")
        self._large_messages = LargeMessages(table(tables.LARGE_MESSAGES, "large message"))
        self._notifications = table(tables.NOTIFICATIONS, "text")
        self._opt_outs = table(tables.OPT_OUTS, "opt-out")
        self._visits = table(tables.VISITS, "visit")
        self._visit_index = table(tables.VISIT_INDEX, "visit")
        self._write_backs = table(tables.WRITE_BACKS, "write-back")
        self._audit_log = table(tables.AUDIT_LOG, "audit entry")
        self._signs = table(tables.SIGNS, "sign of life")
        self._sign_times = SignTimes()
        self._people = table(tables.PEOPLE, "person")
        self._last_checks = table(tables.LAST_CHECKS, "check of an address")

        self.stamp_pin = StampPin(table(tables.STAMP, "pin"))
        self.environment_index = EnvironmentIndex(self._environment_index, self._environments, seals, clock)
        self.addresses = AddressIndex(table(tables.ISSUERS, "use of an address"))
        self.join_links = JoinLinkIndex(table(tables.JOIN_LINKS, "link"))
        self.reminders_due = DueIndex(table(tables.REMINDERS_DUE, "plan"))
        self.visits_due = DueIndex(table(tables.VISITS_DUE, "plan"))
        self.outcomes_due = DueIndex(table(tables.OUTCOMES_DUE, "plan"))
        self.forget_due = DueIndex(table(tables.FORGET_DUE, "plan"))
        self.approvals_due = DueIndex(table(tables.APPROVALS_DUE, "plan"))
        self.carrier_messages = CarrierMessageIndex(table(tables.CARRIER_MESSAGES, "tag"))
        self.visit_index = VisitIndex(self._visit_index)
        self.launches = LaunchIndex(table(tables.LAUNCHES, "launch"), seals)
        self.sessions = SessionIndex(table(tables.SESSIONS, "session"))
        self.portal_sessions = PortalSessionIndex(table(tables.PORTAL_SESSIONS, "session"))
        self.held_forms = HeldFormIndex(table(tables.HELD_FORMS, "form"), seals)
        self.microsoft_sign_ins = MicrosoftSignInIndex(table(tables.MICROSOFT_SIGN_INS, "sign-in"), seals)
        self.queues = Queues(queue_service, self._large_messages)

    async def ensure(self) -> None:
        """Create the tables and queues that are missing. Two calls when none is."""
        await tables.ensure_tables(self._table_service)
        await queues.ensure_queues(self._queue_service)

    def tenants(self, tenant: TenantId) -> Tenants:
        return Tenants(self._tenants, tenant)

    def environments(self, tenant: TenantId) -> Environments:
        return Environments(self._environments, self._environment_index, tenant, self._seals)

    def appointments(self, tenant: TenantId, environment: EnvironmentId) -> Appointments:
        return Appointments(self._appointments, tenant, environment, self._seals)

    def appointments_by_day(self, tenant: TenantId, environment: EnvironmentId) -> AppointmentsByDay:
        return AppointmentsByDay(self._appointments_by_day, tenant, environment)

    def aliases(self, tenant: TenantId, environment: EnvironmentId) -> Aliases:
        return Aliases(self._aliases, tenant, environment)

    def inbound_messages(self, tenant: TenantId, environment: EnvironmentId) -> InboundMessages:
        return InboundMessages(self._inbound_messages, tenant, environment)

    def parked_messages(self, tenant: TenantId) -> ParkedMessages:
        return ParkedMessages(self._parked_messages, self._large_messages, tenant)

    def notifications(self, tenant: TenantId, environment: EnvironmentId) -> Notifications:
        return Notifications(self._notifications, tenant, environment)

    def opt_outs(self, tenant: TenantId) -> OptOuts:
        return OptOuts(self._opt_outs, tenant, self._keys)

    def visits(self, tenant: TenantId, environment: EnvironmentId) -> Visits:
        return Visits(self._visits, self._visit_index, tenant, environment, self._seals)

    def write_backs(self, tenant: TenantId, environment: EnvironmentId) -> WriteBacks:
        return WriteBacks(self._write_backs, tenant, environment, self._seals)

    def audit_log(self, tenant: TenantId) -> AuditLog:
        return AuditLog(self._audit_log, tenant)

    def people(self, tenant: TenantId) -> People:
        return People(self._people, tenant)

    def last_checks(self, tenant: TenantId) -> LastChecks:
        return LastChecks(self._last_checks, tenant)

    def signs(self, tenant: TenantId, environment: EnvironmentId) -> SignsOfLife:
        return SignsOfLife(self._signs, tenant, environment, self._sign_times)
