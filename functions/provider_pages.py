"""What a clinician sees after the launch: who waits, who is connected, and the way into Teams."""

import hashlib
import json
import secrets
from http import HTTPStatus

import azure.functions as func

from functions.web.cookies import VISIT, read_cookie
from functions.web.door import door
from functions.web.pages import language_of, page
from functions.web.replies import empty_reply, json_reply
from shared.domain.environment import LiveEnvironment
from shared.domain.errors import NotFound, NotSignedIn
from shared.domain.join_link import LinkRole, token
from shared.domain.launch import VisitSession
from shared.domain.participant import Participant, ParticipantRole, Presence
from shared.domain.visit import Visit, VisitRef
from shared.flows.launch_visit import hashed
from shared.wiring import Services

_LIVE_HEADERS = {"Cache-Control": "private, no-cache"}


def provider_pages(services: Services) -> func.Blueprint:
    """The clinician's pages, speaking to `services`."""
    endpoints = func.Blueprint()

    async def in_visit(req: func.HttpRequest) -> VisitSession:
        """The clinician whose launch led to the visit in the path, for some hours."""
        await services.ready()
        value = read_cookie(req, VISIT)
        try:
            session = await services.sessions.find(hashed(value))
        except NotFound:
            raise NotSignedIn("start the visit from Epic again") from None
        ref = VisitRef(session.tenant, session.environment, session.visit)
        if session.expires_at <= services.now() or not secrets.compare_digest(
            ref.opaque, req.route_params["visit"]
        ):
            raise NotSignedIn("start the visit from Epic again")
        return session

    async def visit_and_environment(session: VisitSession) -> tuple[Visit, LiveEnvironment]:
        stores = services.stores(session.tenant, session.environment)
        visit = (await stores.visits.get(session.visit)).value
        return visit, await services.environments.find(session.environment)

    @endpoints.function_name("provider_page")
    @endpoints.route("visit/{visit}", methods=["GET"])
    @door(in_visit, worded=_worded)
    async def show(req: func.HttpRequest, session: VisitSession) -> func.HttpResponse:
        """The live page of one visit."""
        visit, environment = await visit_and_environment(session)
        stores = services.stores(session.tenant, session.environment)
        appointment = (await stores.appointments.get(visit.appointments[0])).value
        secret = token(
            await services.keys.link_key(), appointment.ref, LinkRole.PATIENT, appointment.link_generation
        )
        return page(
            "provider.html",
            language=language_of(req),
            organization=environment.operation.organization,
            starts_at=visit.starts_at,
            zone=appointment.zone,
            join_url=visit.meeting.join_url if visit.meeting else None,
            patient_link=f"{services.settings.public_base_url}/v/{secret}",
            participants=[_row(one) for one in _shown(visit)],
            outcome=visit.outcome.value,
            ended=visit.ended_at is not None,
            watched=visit.subscription is not None,
            live_path=f"/visit/{visit.ref.opaque}/live",
        )

    @endpoints.function_name("provider_live")
    @endpoints.route("visit/{visit}/live", methods=["GET"])
    @door(in_visit)
    async def live(req: func.HttpRequest, session: VisitSession) -> func.HttpResponse:
        """Who is here, as JSON; 304 while nothing has changed (RFC 9110, If-None-Match)."""
        visit, _ = await visit_and_environment(session)
        body = {
            "participants": [_row(one) for one in _shown(visit)],
            "outcome": visit.outcome.value,
            "ended": visit.ended_at is not None,
            "watched": visit.subscription is not None,
            "meeting": visit.meeting.join_url if visit.meeting else None,
        }
        tag = '"' + hashlib.sha256(json.dumps(body, default=str).encode()).hexdigest()[:24] + '"'
        if req.headers.get("if-none-match") == tag:
            unchanged = empty_reply(HTTPStatus.NOT_MODIFIED)
            unchanged.headers["ETag"] = tag
            return unchanged
        return json_reply(body, headers={**_LIVE_HEADERS, "ETag": tag})

    return endpoints


def _shown(visit: Visit) -> list[Participant]:
    """Everyone seen, and the patient and a provider even before they came."""
    roles = {one.role for one in visit.participants}
    expected = [
        Participant(role.value, role)
        for role in (ParticipantRole.PATIENT, ParticipantRole.PROVIDER)
        if role not in roles
    ]
    return sorted((*visit.participants, *expected), key=lambda one: (one.role != "patient", one.role, one.id))


def _row(one: Participant) -> dict[str, object]:
    since = one.since if one.presence is not Presence.ABSENT else None
    return {"who": one.role.value, "presence": one.presence.value, "since": since}


def _worded(
    req: func.HttpRequest, status: HTTPStatus, code: str, refusal: Exception, reference: str
) -> func.HttpResponse:
    problem = {HTTPStatus.UNAUTHORIZED: "signed-out", HTTPStatus.NOT_FOUND: "not-found"}
    return page(
        "problem.html",
        language=language_of(req),
        status=status,
        problem=problem.get(status, "service-down"),
        reference=reference,
    )
