"""The portal's JSON endpoints: an administrator configures, an approver decides, both look."""

from datetime import date, datetime, time
from http import HTTPStatus
from typing import TypeVar

import azure.functions as func

from functions.web import portal_models as models
from functions.web.door import door
from functions.web.replies import json_reply
from shared.domain.audit import AuditEntry
from shared.domain.configuration import check, problems_of_connection, problems_of_operation
from shared.domain.environment import Connection, EnvironmentId, EnvironmentKind, Operation
from shared.domain.errors import NotFound, NotSignedIn, Refused
from shared.domain.inbound import InboundMessage
from shared.domain.join_link import LinkRole, token
from shared.domain.notification import Notification
from shared.domain.tenant import Person, Role, TenantId
from shared.domain.versioned import Versioned
from shared.domain.visit import Visit
from shared.domain.write_back import WriteBack
from shared.flows import configure_environment as configure
from shared.flows.admit_tenant import admitted, pin_tenant
from shared.hl7v2.signature import check_certificate
from shared.wiring import Services

_MOST_BYTES = 256 * 1024
Shape = TypeVar("Shape", bound=models.Model)


def portal_api(services: Services) -> func.Blueprint:
    """The portal's API, speaking to `services`."""
    endpoints = func.Blueprint()

    async def signed_in(req: func.HttpRequest) -> Person:
        """A person of a tenant that lives here, by their Microsoft Entra access token."""
        await services.ready()
        scheme, _, bearer = req.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not bearer:
            raise NotSignedIn("sign in with your Microsoft 365 account")
        person = await services.person_of(bearer.strip())
        admitted(person.tenant, allowed=services.settings.tenants, here=services.settings.public_base_url)
        return person

    def configuring(person: Person) -> configure.Configuring:
        return configure.Configuring(
            person=person,
            tenants=services.tenants(person.tenant),
            environments=services.environments_of(person.tenant),
            audit=services.audit_log(person.tenant),
        )

    def checked_connection(shape: models.ConnectionIn) -> Connection:
        connection = shape.value()
        check(problems_of_connection(connection, private_hosts=services.settings.private_fhir_hosts))
        return connection

    def checked_operation(shape: models.OperationIn) -> Operation:
        operation = shape.value()
        check(problems_of_operation(operation))
        return operation

    @endpoints.function_name("api_pin_tenant")
    @endpoints.route("api/v1/tenant", methods=["POST"])
    @door(signed_in)
    async def pin(req: func.HttpRequest, person: Person) -> func.HttpResponse:
        """Pin the caller's tenant to this stamp's geography, which the body repeats as a confirmation."""
        wanted = _read(req, models.TenantIn)
        tenant = await pin_tenant(
            person,
            confirmed=wanted.geography,
            geography=services.settings.geography,
            name=services.settings.tenants[person.tenant].name,
            tenants=services.tenants(person.tenant),
            audit=services.audit_log(person.tenant),
            now=services.now(),
        )
        return json_reply(_tenant(tenant.id, tenant.name, tenant.geography), HTTPStatus.CREATED)

    @endpoints.function_name("api_show_tenant")
    @endpoints.route("api/v1/tenant", methods=["GET"])
    @door(signed_in)
    async def show_tenant(req: func.HttpRequest, person: Person) -> func.HttpResponse:
        """Where the caller's tenant lives."""
        tenant = await services.tenants(person.tenant).get()
        return json_reply(_tenant(tenant.id, tenant.name, tenant.geography))

    @endpoints.function_name("api_create_environment")
    @endpoints.route("api/v1/environments", methods=["POST"])
    @door(signed_in)
    async def create(req: func.HttpRequest, person: Person) -> func.HttpResponse:
        """A new environment as a draft."""
        wanted = _read(req, models.EnvironmentIn)
        made = await configure.create_environment(
            EnvironmentId(services.new_id()),
            EnvironmentKind(wanted.kind),
            checked_connection(wanted.connection),
            checked_operation(wanted.operation),
            given=configuring(person),
            now=services.now(),
        )
        return json_reply(models.shown(made), HTTPStatus.CREATED)

    @endpoints.function_name("api_list_environments")
    @endpoints.route("api/v1/environments", methods=["GET"])
    @door(signed_in)
    async def list_all(req: func.HttpRequest, person: Person) -> func.HttpResponse:
        """The environments the caller may see."""
        every = await configure.visible(configuring(person))
        return json_reply({"environments": [models.shown(one) for one in every]})

    @endpoints.function_name("api_show_environment")
    @endpoints.route("api/v1/environments/{environment}", methods=["GET"])
    @door(signed_in)
    async def show(req: func.HttpRequest, person: Person) -> func.HttpResponse:
        """One environment with the version to send back when changing it."""
        environment = await visible_environment(req, person)
        found = await services.environments_of(person.tenant).get(environment)
        return json_reply(models.shown(found.value, version=found.version))

    async def visible_environment(req: func.HttpRequest, person: Person) -> EnvironmentId:
        """The environment in the path when the caller may see it; NotFound otherwise."""
        wanted = EnvironmentId(req.route_params["environment"])
        if wanted not in {one.id for one in await configure.visible(configuring(person))}:
            raise NotFound("no such environment")
        return wanted

    @endpoints.function_name("api_change_connection")
    @endpoints.route("api/v1/environments/{environment}/connection", methods=["PUT"])
    @door(signed_in)
    async def change_connection(req: func.HttpRequest, person: Person) -> func.HttpResponse:
        """A new draft of the connection."""
        wanted = _read(req, models.ConnectionChange)
        changed = await configure.change_connection(
            EnvironmentId(req.route_params["environment"]),
            checked_connection(wanted.connection),
            seen=wanted.version,
            given=configuring(person),
            now=services.now(),
        )
        return json_reply(models.shown(changed))

    @endpoints.function_name("api_change_operation")
    @endpoints.route("api/v1/environments/{environment}/operation", methods=["PUT"])
    @door(signed_in)
    async def change_operation(req: func.HttpRequest, person: Person) -> func.HttpResponse:
        """A new operation, live at once."""
        wanted = _read(req, models.OperationChange)
        changed = await configure.change_operation(
            EnvironmentId(req.route_params["environment"]),
            checked_operation(wanted.operation),
            seen=wanted.version,
            given=configuring(person),
            now=services.now(),
        )
        return json_reply(models.shown(changed))

    @endpoints.function_name("api_add_certificate")
    @endpoints.route("api/v1/environments/{environment}/certificates", methods=["POST"])
    @door(signed_in)
    async def add_certificate(req: func.HttpRequest, person: Person) -> func.HttpResponse:
        """One more certificate that proves the sender of appointments."""
        wanted = _read(req, models.CertificateIn)
        changed = await configure.add_certificate(
            EnvironmentId(req.route_params["environment"]),
            check_certificate(wanted.pem.encode(), now=services.now()),
            given=configuring(person),
            now=services.now(),
        )
        return json_reply(models.shown(changed), HTTPStatus.CREATED)

    @endpoints.function_name("api_submit")
    @endpoints.route("api/v1/environments/{environment}/submission", methods=["POST"])
    @door(signed_in)
    async def submit(req: func.HttpRequest, person: Person) -> func.HttpResponse:
        """Ask for approval of the newest connection."""
        waiting = await configure.submit(
            EnvironmentId(req.route_params["environment"]),
            smart=services.smart,
            given=configuring(person),
            now=services.now(),
        )
        return json_reply(models.shown(waiting))

    @endpoints.function_name("api_decide")
    @endpoints.route("api/v1/environments/{environment}/decision", methods=["POST"])
    @door(signed_in)
    async def decide(req: func.HttpRequest, person: Person) -> func.HttpResponse:
        """The named approver approves or rejects what they saw."""
        wanted = _read(req, models.DecisionIn)
        decided = await configure.decide(
            EnvironmentId(req.route_params["environment"]),
            approve=wanted.decision == "approve",
            content_hash=wanted.content_hash,
            reason=wanted.reason,
            given=configuring(person),
            now=services.now(),
        )
        return json_reply(models.shown(decided))

    @endpoints.function_name("api_messages")
    @endpoints.route("api/v1/environments/{environment}/messages", methods=["GET"])
    @door(signed_in)
    async def messages(req: func.HttpRequest, person: Person) -> func.HttpResponse:
        """What became of the newest HL7v2 messages, and what is parked."""
        environment = await visible_environment(req, person)
        newest = await services.stores(person.tenant, environment).inbound.newest(100)
        parked = await services.parked(person.tenant).all(environment)
        return json_reply(
            {
                "messages": [_message(one) for one in newest],
                "parked": [
                    {"id": one.id, "queue": one.queue, "reason": one.reason, "parked_at": one.parked_at}
                    for one in parked
                ],
            }
        )

    @endpoints.function_name("api_appointment")
    @endpoints.route("api/v1/environments/{environment}/appointments/{csn}", methods=["GET"])
    @door(signed_in)
    async def appointment(req: func.HttpRequest, person: Person) -> func.HttpResponse:
        """Where one appointment stands: its texts, its visit and what Epic was told. Ids and states only."""
        environment = await visible_environment(req, person)
        stores = services.stores(person.tenant, environment)
        csn = req.route_params["csn"]
        keys = await stores.aliases.keys_of([csn])
        found = (await stores.appointments.get(keys.get(csn, csn))).value
        secret = token(await services.keys.link_key(), found.ref, LinkRole.PATIENT, found.link_generation)
        try:
            visit: Versioned[Visit] | None = await stores.visits.get(found.ref.key)
        except NotFound:
            visit = None
        return json_reply(
            {
                "csn": found.csn,
                "state": found.state,
                "by_video": found.by_video,
                "starts_at": found.starts_at,
                "doubtful_time": found.doubtful_time,
                "forgotten_at": found.forgotten_at,
                # The link opens the patient's own page: whoever only reads reports or approves gets none.
                "link": f"{services.settings.public_base_url}/v/{secret}"
                if Role.ADMINISTRATOR in person.roles
                else None,
                "texts": [_text(one) for one in await stores.notifications.of_appointment(found.ref.key)],
                "visit": _visit(visit.value) if visit else None,
                "write_backs": [
                    _write_back(one.value) for one in await stores.write_backs.of_visit(found.ref.key)
                ],
            }
        )

    @endpoints.function_name("api_audit")
    @endpoints.route("api/v1/audit/{day}", methods=["GET"])
    @door(signed_in)
    async def audit(req: func.HttpRequest, person: Person) -> func.HttpResponse:
        """The audit chain of one day (UTC), and whether it is whole."""
        if Role.ADMINISTRATOR not in person.roles:
            person.must_be(Role.AUDITOR)
        try:
            wanted = date.fromisoformat(req.route_params["day"])
        except ValueError:
            raise Refused({"day": "Enter a day like 2026-11-24"}) from None
        day = datetime.combine(wanted, time(), tzinfo=services.now().tzinfo)
        log = services.audit_log(person.tenant)
        return json_reply(
            {"entries": [_entry(one) for one in await log.entries(day)], "whole": await log.proven(day)}
        )

    return endpoints


def _read(req: func.HttpRequest, shape: type[Shape]) -> Shape:
    body = req.get_body()
    if len(body) > _MOST_BYTES:
        raise Refused({"": f"Send {_MOST_BYTES} bytes or fewer"})
    return models.read(shape, body)


def _tenant(tenant: TenantId, name: str, geography: str) -> dict[str, str]:
    return {"id": tenant, "name": name, "geography": geography}


def _message(one: InboundMessage) -> dict[str, object]:
    return {
        "received_at": one.received_at,
        "event": one.event,
        "control_id": one.control_id,
        "sending_application": one.sending_application,
        "fate": one.fate,
        "reason": one.reason,
        "appointment": one.appointment,
        "doubtful_time": one.doubtful_time,
    }


def _text(one: Notification) -> dict[str, object]:
    return {"slot": one.ref.slot, "kind": one.kind, "state": one.state, "reason": one.reason}


def _visit(one: Visit) -> dict[str, object]:
    return {
        "id": one.ref.opaque,
        "meeting": one.meeting.id if one.meeting else None,
        "opens_in_browser": one.meeting.guest_url_opens_in_browser if one.meeting else None,
        "watched": one.subscription is not None,
        "outcome": one.outcome,
        "ended_at": one.ended_at,
        "participants": [
            {"who": person.role, "presence": person.presence, "since": person.since}
            for person in one.participants
        ],
    }


def _write_back(one: WriteBack) -> dict[str, object]:
    return {
        "sequence": one.fact.sequence,
        "who": one.fact.role,
        "what": one.fact.kind,
        "at": one.fact.at,
        "state": one.state,
        "attempts": one.attempts,
        "last_answer": one.last_answer,
        "told_at": one.told_at,
    }


def _entry(one: AuditEntry) -> dict[str, object]:
    return {"at": one.at, "who": one.who, "did": one.did, "to": one.to, "facts": one.facts}
