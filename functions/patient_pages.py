"""What a patient sees behind the link in a text message: no account, no cookie, one button."""

from datetime import datetime
from http import HTTPStatus

import azure.functions as func

from functions.web.door import door
from functions.web.pages import language_of, page
from functions.web.replies import see_other
from functions.work import preparing
from shared.domain.attested import spoken_to
from shared.domain.errors import NotAllowed, NotFound
from shared.domain.join_link import PageState
from shared.domain.participant import Presence
from shared.flows.join_visit import Link, join, look, presence_of_patient
from shared.wiring import Services

_OPEN = frozenset({PageState.READY, PageState.LATE})


def patient_pages(services: Services) -> func.Blueprint:
    """The patient's pages, speaking to `services`."""
    endpoints = func.Blueprint()

    async def link_holder(req: func.HttpRequest) -> Link:
        """Whoever holds the link: the token in the path is the credential."""
        await services.ready()
        return await look(
            req.route_params["token"],
            links=services.links,
            environments=services.environments,
            stores_of=lambda environment: services.stores(environment.tenant, environment.id),
            now=services.now(),
        )

    @endpoints.function_name("patient_page")
    @endpoints.route("v/{token}", methods=["GET"])
    @door(link_holder, worded=_worded)
    async def show(req: func.HttpRequest, seen: Link) -> func.HttpResponse:
        """Show where the visit stands. Changes nothing: previews and scanners open links too."""
        return _join_page(req, seen, services.now())

    @endpoints.function_name("join_visit")
    @endpoints.route("v/{token}/join", methods=["POST"])
    @door(link_holder, worded=_worded)
    async def press(req: func.HttpRequest, seen: Link) -> func.HttpResponse:
        """Join: the meeting is made when it is missing, and the next page leads there."""
        token, language = req.route_params["token"], _spoken(req, seen)
        try:
            await join(seen, preparing=preparing(services, seen.environment), now=services.now())
        except NotAllowed:
            return see_other(f"/v/{token}?lang={language}")
        return see_other(f"/v/{token}/waiting?lang={language}&go=1")

    @endpoints.function_name("waiting_page")
    @endpoints.route("v/{token}/waiting", methods=["GET"])
    @door(link_holder, worded=_worded)
    async def waiting(req: func.HttpRequest, seen: Link) -> func.HttpResponse:
        """Lead to the meeting, then tell the patient where they stand in it."""
        presence = presence_of_patient(seen)
        if seen.state not in _OPEN and presence not in (Presence.WAITING, Presence.CONNECTED):
            return _join_page(req, seen, services.now())
        visit = seen.visit.value if seen.visit else None
        return page(
            "waiting.html",
            language=_spoken(req, seen),
            organization=seen.environment.operation.organization,
            offered=seen.environment.operation.texts.languages,
            phone=_phone(seen),
            presence=presence.value,
            meeting_url=visit.meeting.guest_url if visit and visit.meeting else None,
            token=req.route_params["token"],
            closes_at=seen.window.closes_at if seen.window else None,
            zone=seen.appointment.zone,
            go=req.params.get("go") == "1",
        )

    return endpoints


def _join_page(req: func.HttpRequest, seen: Link, now: datetime) -> func.HttpResponse:
    appointment = seen.appointment
    token = req.route_params["token"]
    return page(
        "join.html",
        language=_spoken(req, seen),
        state=seen.state.value,
        organization=seen.environment.operation.organization,
        offered=seen.environment.operation.texts.languages,
        phone=_phone(seen),
        starts_at=appointment.starts_at,
        ends_at=appointment.ends_at,
        zone=appointment.zone,
        opens_at=seen.window.opens_at if seen.window else None,
        closes_at=seen.window.closes_at if seen.window else None,
        now=now,
        token=token,
        path=f"/v/{token}",
    )


def _phone(seen: Link) -> str:
    operation = seen.environment.operation
    department = operation.departments.get(seen.appointment.department)
    return (department.phone if department else "") or operation.phone


def _spoken(req: func.HttpRequest, seen: Link) -> str:
    """The language that was asked for, or the patient's, when it is on here; English otherwise."""
    texts = seen.environment.operation.texts
    return spoken_to(texts, language_of(req, seen.appointment.language or "en"))


def _worded(
    req: func.HttpRequest, status: HTTPStatus, code: str, refusal: Exception, reference: str
) -> func.HttpResponse:
    """The same page for a wrong and a deleted link, so that guessing learns nothing; else "not your fault"."""
    state = "unknown" if isinstance(refusal, NotFound) else "down"
    return page(
        "join.html",
        language=language_of(req),
        status=HTTPStatus.NOT_FOUND if state == "unknown" else HTTPStatus.SERVICE_UNAVAILABLE,
        state=state,
        organization="",
        phone="",
        starts_at=None,
        ends_at=None,
        zone="UTC",
        opens_at=None,
        closes_at=None,
        token=req.route_params["token"] if state == "down" else "",
        path=f"/v/{req.route_params['token']}" if state == "down" else "",
    )
