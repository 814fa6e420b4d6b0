"""The onboarding page: the whole way to real visits, who does what on it, and how far this organization is."""

import azure.functions as func

from functions.web.door import door
from functions.web.onboarding import PREREQUISITES, legs
from functions.web.portal import Portal, Visitor
from functions.web.tried import signs_of
from shared.wiring import Services


def onboarding_pages(services: Services) -> func.Blueprint:
    """The page, speaking to `services`."""
    pages = func.Blueprint()
    portal = Portal(services)

    @pages.function_name("onboarding_page")
    @pages.route("onboarding", methods=["GET"])
    @door(portal.signed_in, worded=portal.worded)
    async def show(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """The five stages with what is known to be done."""
        every = visitor.environments
        return portal.page(
            req,
            visitor,
            "onboarding.html",
            nav="onboarding",
            legs=legs(every, await signs_of(services, every)),
            prerequisites=PREREQUISITES,
        )

    return pages
