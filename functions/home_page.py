"""The front page: what this is for whoever comes, and what is left to set up for whoever signed in."""

from dataclasses import dataclass

import azure.functions as func

from functions.web.door import door
from functions.web.portal import Portal, Visitor
from functions.web.setup_tasks import Health, environment_health, setup_tasks
from functions.web.tried import signs_of, tested
from shared.domain.errors import NotSignedIn
from shared.domain.integration_record import KINDS
from shared.domain.words import Said
from shared.wiring import Services


@dataclass(frozen=True, slots=True)
class Doing:
    """How one environment is doing."""

    name: str
    kind: Said
    lines: tuple[Health, ...]


def home_page(services: Services) -> func.Blueprint:
    """The front page, speaking to `services`."""
    endpoints = func.Blueprint()
    portal = Portal(services)

    async def whoever(req: func.HttpRequest) -> Visitor | None:
        """A guard that lets strangers in too: they are told what this is and how to sign in."""
        try:
            return await portal.signed_in(req)
        except NotSignedIn:
            return None

    @endpoints.function_name("home_page")
    @endpoints.route("/", methods=["GET"])
    @door(whoever, worded=portal.worded)
    async def show(req: func.HttpRequest, visitor: Visitor | None) -> func.HttpResponse:
        """Show the front page."""
        if visitor is None:
            return portal.page(req, None, "home.html")
        every = visitor.environments
        signs = await signs_of(services, every)
        approvers = {id for one in every for id in one.newest.connection.approvers if "@" not in id}
        known = await services.people(visitor.person.tenant).named(approvers)
        now = services.now()
        return portal.page(
            req,
            visitor,
            "home.html",
            nav="home",
            started=bool(every),
            may_change=visitor.is_administrator,
            tasks=setup_tasks(
                every, names={id: one.name or id for id, one in known.items()}, tested=tested(every, signs)
            ),
            health=[
                Doing(
                    one.operation.organization,
                    KINDS[one.kind],
                    environment_health(one, signs[one.id], every=every, now=now),
                )
                for one in every
                if one.id in signs
            ],
        )

    return endpoints
