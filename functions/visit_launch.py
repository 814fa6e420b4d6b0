"""Epic hands a clinician or a patient over: the launch, and the way back from Epic's sign-in."""

import logging
from http import HTTPStatus

import azure.functions as func

from functions.web.approving import back_from_epic, callback_url
from functions.web.cookies import LAUNCH, VISIT, cookie, read_cookie
from functions.web.door import anyone, door
from functions.web.pages import language_of, page
from functions.web.portal import Portal
from functions.web.replies import found, see_other
from functions.work import landing, noting
from shared.domain.environment import EnvironmentId
from shared.domain.launch import (
    BEGUN_BY_EPIC,
    LAUNCH_LIVES,
    SESSION_LIVES,
    LaunchFailed,
    LaunchFailure,
    LaunchRole,
)
from shared.flows.launch_visit import ToVisit, begin_launch, claim_launch, finish_launch
from shared.wiring import Services

logger = logging.getLogger(__name__)

_FAILURE_STATUS = {
    LaunchFailure.UNKNOWN_ENVIRONMENT: HTTPStatus.NOT_FOUND,
    LaunchFailure.NO_VISIT: HTTPStatus.NOT_FOUND,
    LaunchFailure.EPIC_AWAY: HTTPStatus.SERVICE_UNAVAILABLE,
    LaunchFailure.TEAMS_AWAY: HTTPStatus.SERVICE_UNAVAILABLE,
}


def visit_launch(services: Services) -> func.Blueprint:
    """The launch endpoints, speaking to `services`."""
    endpoints = func.Blueprint()
    portal = Portal(services)

    @endpoints.function_name("begin_launch")
    @endpoints.route("launch/{environment}/{role}", methods=["GET"])
    @door(anyone, worded=_failed)
    async def begin(req: func.HttpRequest, _nobody: None) -> func.HttpResponse:
        """Send whoever launches to Epic's sign-in, when Epic is who it says."""
        await services.ready()
        role = req.route_params["role"]
        if role not in BEGUN_BY_EPIC:
            raise LaunchFailed(LaunchFailure.UNKNOWN_ENVIRONMENT)
        begun = await begin_launch(
            EnvironmentId(req.route_params["environment"]),
            LaunchRole(role),
            iss=req.params.get("iss", ""),
            epic_launch=req.params.get("launch", ""),
            redirect_uri=callback_url(services),
            environments=services.environments,
            smart=services.smart,
            launches=services.launches,
            noting=noting(services),
            now=services.now(),
        )
        tied = cookie(
            LAUNCH,
            begun.cookie,
            path="/launch/callback",
            lives=int(LAUNCH_LIVES.total_seconds()),
            public_base_url=services.settings.public_base_url,
        )
        return found(begun.authorize_url, cookies=(tied,))

    @endpoints.function_name("finish_launch")
    @endpoints.route("launch/callback", methods=["GET"])
    @door(anyone, worded=_failed)
    async def finish(req: func.HttpRequest, _nobody: None) -> func.HttpResponse:
        """Bring whoever comes back from Epic to their visit, and an approver to the page they came from."""
        await services.ready()
        launch = await claim_launch(req.params.get("state", ""), launches=services.launches)
        if launch.role is LaunchRole.APPROVAL:
            return await back_from_epic(req, launch, services=services, portal=portal)
        going = await finish_launch(
            launch,
            code=req.params.get("code", ""),
            error=req.params.get("error", ""),
            cookie=read_cookie(req, LAUNCH),
            given=landing(services),
            now=services.now(),
        )
        if not isinstance(going, ToVisit):
            return see_other(f"/v/{going.token}")
        session = cookie(
            VISIT,
            going.session,
            path=f"/visit/{going.visit}",
            lives=int(SESSION_LIVES.total_seconds()),
            public_base_url=services.settings.public_base_url,
        )
        return see_other(f"/visit/{going.visit}", cookies=(session,))

    return endpoints


def _failed(
    req: func.HttpRequest, status: HTTPStatus, code: str, refusal: Exception, reference: str
) -> func.HttpResponse:
    """A page that names the cause and a reference number, and nothing that was sent."""
    cause = refusal.cause if isinstance(refusal, LaunchFailed) else LaunchFailure.EPIC_AWAY
    if isinstance(refusal, LaunchFailed):
        status = _FAILURE_STATUS.get(cause, HTTPStatus.FORBIDDEN)
    logger.warning("a launch failed: %s, reference %s", cause, reference)
    return page(
        "launch_failed.html",
        language=language_of(req),
        status=status,
        cause=cause.value,
        mix_up=refusal.mix_up if isinstance(refusal, LaunchFailed) else None,
        reference=reference,
        organization="",
    )
