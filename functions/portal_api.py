"""The portal's JSON endpoints: an administrator configures, an approver decides, both look."""

from datetime import date, datetime, time
from http import HTTPStatus

import azure.functions as func

from functions.api_configuration import made_once
from functions.web import portal_answers as answers
from functions.web import portal_models as models
from functions.web.api import Api, Call
from shared.domain.configuration import check, problems_of_connection, problems_of_operation
from shared.domain.environment import Connection, EnvironmentId, EnvironmentKind, Operation
from shared.domain.errors import NotFound, Refused
from shared.domain.inbound import InboundMessage
from shared.domain.join_link import LinkRole, token
from shared.domain.notification import Notification
from shared.domain.record_rules import problems_of_records
from shared.domain.tenant import Role, Tenant
from shared.domain.versioned import Versioned
from shared.domain.visit import Visit
from shared.domain.write_back import WriteBack
from shared.flows import configure_environment as configure
from shared.flows.admit_tenant import pin_tenant
from shared.hl7v2.signature import check_certificate
from shared.wiring import Services

_CONFLICT = HTTPStatus.CONFLICT
_NOT_ACCEPTED = HTTPStatus.UNPROCESSABLE_ENTITY


def portal_api(services: Services) -> func.Blueprint:
    """The portal's API, speaking to `services`."""
    api = Api(services)

    def checked_connection(shape: models.ConnectionIn) -> Connection:
        connection = shape.value()
        check(problems_of_connection(connection, private_hosts=services.settings.private_fhir_hosts))
        return connection

    def checked_operation(shape: models.OperationIn) -> Operation:
        operation = shape.value()
        check(
            problems_of_operation(operation)
            | problems_of_records(operation.records, book=services.record_book())
        )
        return operation

    async def visible_environment(call: Call[None]) -> EnvironmentId:
        """The environment in the path when the caller may see it; NotFound otherwise."""
        wanted = EnvironmentId(call.path("environment"))
        if wanted not in {one.id for one in await configure.visible(call.configuring())}:
            raise NotFound("no such environment")
        return wanted

    @api.endpoint(
        "api_pin_tenant",
        "POST",
        "tenant",
        takes=models.TenantIn,
        gives=answers.TenantOut,
        status=HTTPStatus.CREATED,
        tags=("Tenant",),
    )
    async def pin(call: Call[models.TenantIn]) -> answers.TenantOut:
        """Pin the caller's tenant to this stamp's geography, which the body repeats as a confirmation."""
        tenant = call.person.tenant
        pinned = await pin_tenant(
            call.person,
            confirmed=call.body.geography,
            geography=services.settings.geography,
            name=services.settings.tenants[tenant].name,
            tenants=services.tenants(tenant),
            audit=services.audit_log(tenant),
            now=services.now(),
        )
        return _tenant(pinned)

    @api.endpoint("api_show_tenant", "GET", "tenant", gives=answers.TenantOut, tags=("Tenant",))
    async def show_tenant(call: Call[None]) -> answers.TenantOut:
        """Where the caller's tenant lives."""
        return _tenant(await services.tenants(call.person.tenant).get())

    @api.endpoint(
        "api_create_environment",
        "POST",
        "environments",
        takes=models.EnvironmentIn,
        gives=answers.EnvironmentOut,
        status=HTTPStatus.CREATED,
        refuses=(_CONFLICT,),
        tags=("Environments",),
    )
    async def create(call: Call[models.EnvironmentIn]) -> answers.EnvironmentOut:
        """A new environment as a draft."""
        once = call.body.once
        made = await configure.create_environment(
            made_once(call.person.tenant, once) if once else EnvironmentId(services.new_id()),
            EnvironmentKind(call.body.kind),
            checked_connection(call.body.connection),
            checked_operation(call.body.operation),
            given=call.configuring(),
            now=services.now(),
        )
        return answers.shown(made, whole=True)

    @api.endpoint(
        "api_list_environments", "GET", "environments", gives=answers.EnvironmentsOut, tags=("Environments",)
    )
    async def list_all(call: Call[None]) -> answers.EnvironmentsOut:
        """The environments the caller may see."""
        every = await configure.visible(call.configuring())
        return answers.EnvironmentsOut(environments=[answers.shown(one) for one in every])

    @api.endpoint(
        "api_show_environment",
        "GET",
        "environments/{environment}",
        gives=answers.EnvironmentOut,
        tags=("Environments",),
    )
    async def show(call: Call[None]) -> answers.EnvironmentOut:
        """One environment with the version to send back when changing it."""
        environment = await visible_environment(call)
        found = await services.environments_of(call.person.tenant).get(environment)
        return answers.shown(
            found.value, version=found.version, whole=Role.ADMINISTRATOR in call.person.roles
        )

    @api.endpoint(
        "api_change_connection",
        "PUT",
        "environments/{environment}/connection",
        takes=models.ConnectionChange,
        gives=answers.EnvironmentOut,
        refuses=(_CONFLICT,),
        tags=("Environments",),
    )
    async def change_connection(call: Call[models.ConnectionChange]) -> answers.EnvironmentOut:
        """A new draft of the connection."""
        changed = await configure.change_connection(
            EnvironmentId(call.path("environment")),
            checked_connection(call.body.connection),
            seen=call.body.version,
            given=call.configuring(),
            now=services.now(),
        )
        return answers.shown(changed, whole=True)

    @api.endpoint(
        "api_change_operation",
        "PUT",
        "environments/{environment}/operation",
        takes=models.OperationChange,
        gives=answers.EnvironmentOut,
        refuses=(_CONFLICT,),
        tags=("Environments",),
    )
    async def change_operation(call: Call[models.OperationChange]) -> answers.EnvironmentOut:
        """A new operation, live at once."""
        changed = await configure.change_operation(
            EnvironmentId(call.path("environment")),
            checked_operation(call.body.operation),
            seen=call.body.version,
            given=call.configuring(),
            now=services.now(),
        )
        return answers.shown(changed, whole=True)

    @api.endpoint(
        "api_add_certificate",
        "POST",
        "environments/{environment}/certificates",
        takes=models.CertificateIn,
        gives=answers.EnvironmentOut,
        status=HTTPStatus.CREATED,
        refuses=(_CONFLICT,),
        tags=("Environments",),
    )
    async def add_certificate(call: Call[models.CertificateIn]) -> answers.EnvironmentOut:
        """One more certificate that proves the sender of appointments."""
        changed = await configure.add_certificate(
            EnvironmentId(call.path("environment")),
            check_certificate(call.body.pem.encode(), now=services.now()),
            given=call.configuring(),
            now=services.now(),
        )
        return answers.shown(changed, whole=True)

    @api.endpoint(
        "api_messages",
        "GET",
        "environments/{environment}/messages",
        gives=answers.MessagesOut,
        tags=("Looking",),
    )
    async def messages(call: Call[None]) -> answers.MessagesOut:
        """What became of the newest HL7v2 messages, and what is parked."""
        environment = await visible_environment(call)
        newest = await services.stores(call.person.tenant, environment).inbound.newest(100)
        parked = await services.parked(call.person.tenant).all(environment)
        return answers.MessagesOut(
            messages=[_message(one) for one in newest],
            parked=[
                answers.ParkedOut(id=one.id, queue=one.queue, reason=one.reason, parked_at=one.parked_at)
                for one in parked
            ],
        )

    @api.endpoint(
        "api_appointment",
        "GET",
        "environments/{environment}/appointments/{csn}",
        gives=answers.AppointmentOut,
        tags=("Looking",),
    )
    async def appointment(call: Call[None]) -> answers.AppointmentOut:
        """Where one appointment stands: its texts, its visit and what Epic was told. Ids and states only."""
        environment = await visible_environment(call)
        stores = services.stores(call.person.tenant, environment)
        csn = call.path("csn")
        keys = await stores.aliases.keys_of([csn])
        found = (await stores.appointments.get(keys.get(csn, csn))).value
        secret = token(await services.keys.link_key(), found.ref, LinkRole.PATIENT, found.link_generation)
        try:
            visit: Versioned[Visit] | None = await stores.visits.get(found.ref.key)
        except NotFound:
            visit = None
        # The link opens the patient's own page: whoever only reads reports or approves gets none.
        is_administrator = Role.ADMINISTRATOR in call.person.roles
        return answers.AppointmentOut(
            csn=found.csn,
            state=found.state,
            by_video=found.by_video,
            starts_at=found.starts_at,
            doubtful_time=found.doubtful_time,
            forgotten_at=found.forgotten_at,
            link=f"{services.settings.public_base_url}/v/{secret}" if is_administrator else None,
            texts=[_text(one) for one in await stores.notifications.of_appointment(found.ref.key)],
            visit=_visit(visit.value) if visit else None,
            write_backs=[_write_back(one.value) for one in await stores.write_backs.of_visit(found.ref.key)],
        )

    @api.endpoint(
        "api_audit",
        "GET",
        "audit/{day}",
        gives=answers.AuditDayOut,
        refuses=(_NOT_ACCEPTED,),
        tags=("Audit",),
    )
    async def audit(call: Call[None]) -> answers.AuditDayOut:
        """The audit chain of one day (UTC), and whether it is whole."""
        if Role.ADMINISTRATOR not in call.person.roles:
            call.person.must_be(Role.AUDITOR)
        try:
            wanted = date.fromisoformat(call.path("day"))
        except ValueError:
            raise Refused({"day": "Enter a day like 2026-11-24"}) from None
        day = datetime.combine(wanted, time(), tzinfo=services.now().tzinfo)
        log = services.audit_log(call.person.tenant)
        return answers.AuditDayOut(
            entries=[answers.audit_entry(one) for one in await log.entries(day)],
            whole=await log.proven(day),
        )

    return api.blueprint


def _tenant(tenant: Tenant) -> answers.TenantOut:
    return answers.TenantOut(id=tenant.id, name=tenant.name, geography=tenant.geography)


def _message(one: InboundMessage) -> answers.MessageOut:
    return answers.MessageOut(
        received_at=one.received_at,
        event=one.event,
        control_id=one.control_id,
        sending_application=one.sending_application,
        fate=one.fate,
        reason=one.reason,
        appointment=one.appointment,
        doubtful_time=one.doubtful_time,
    )


def _text(one: Notification) -> answers.TextOut:
    return answers.TextOut(slot=one.ref.slot, kind=one.kind, state=one.state, reason=one.reason)


def _visit(one: Visit) -> answers.VisitOut:
    return answers.VisitOut(
        id=one.ref.opaque,
        meeting=one.meeting.id if one.meeting else None,
        opens_in_browser=one.meeting.guest_url_opens_in_browser if one.meeting else None,
        watched=one.subscription is not None,
        outcome=one.outcome,
        ended_at=one.ended_at,
        participants=[
            answers.ParticipantOut(who=person.role, presence=person.presence, since=person.since)
            for person in one.participants
        ],
    )


def _write_back(one: WriteBack) -> answers.WriteBackStateOut:
    return answers.WriteBackStateOut(
        sequence=one.fact.sequence,
        who=one.fact.role,
        what=one.fact.kind,
        at=one.fact.at,
        state=one.state,
        attempts=one.attempts,
        last_answer=one.last_answer,
        told_at=one.told_at,
    )
