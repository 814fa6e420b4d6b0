"""The front page of a stamp."""

import azure.functions as func

from functions.web.door import anyone, door
from functions.web.pages import language_of, page
from shared.wiring import Services


def home_page(services: Services) -> func.Blueprint:
    """The front page; it says what this is and where its health can be seen."""
    endpoints = func.Blueprint()

    @endpoints.function_name("home_page")
    @endpoints.route("/", methods=["GET"])
    @door(anyone)
    async def show(req: func.HttpRequest, _nobody: None) -> func.HttpResponse:
        """Show the front page."""
        return page("home.html", language=language_of(req), geography=services.settings.geography.value)

    return endpoints
