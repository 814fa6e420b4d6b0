"""What is said at an address that nothing answers: a page for people, problem details for programs."""

from http import HTTPStatus
from urllib.parse import urlsplit

import azure.functions as func

from functions.web.door import anyone, as_problem, door
from functions.web.portal import Portal
from shared.domain.errors import NotFound
from shared.domain.words import said
from shared.wiring import Services


def unknown_pages(services: Services) -> func.Blueprint:
    """The last of all ways in, speaking to `services`: every other route goes before a catch-all."""
    endpoints = func.Blueprint()
    portal = Portal(services)

    async def worded(
        req: func.HttpRequest, status: HTTPStatus, code: str, refusal: Exception, reference: str
    ) -> func.HttpResponse:
        if urlsplit(req.url).path.lower().startswith("/api/"):
            return as_problem(req, status, code, refusal, reference)
        return await portal.worded(req, status, code, refusal, reference)

    @endpoints.function_name("unknown_page")
    @endpoints.route("{*path}", methods=["GET"])
    @door(anyone, worded=worded)
    async def nothing_here(_req: func.HttpRequest, _: None) -> func.HttpResponse:
        """Say that there is nothing here, and where to begin."""
        raise NotFound(said("There is nothing at this address, or it was removed. Check the whole link."))

    return endpoints
