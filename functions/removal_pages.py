"""The portal's page that removes an environment: what stops is counted first, and the organization's name is typed."""

from collections.abc import Mapping
from http import HTTPStatus

import azure.functions as func

from functions.web.door import door
from functions.web.environment_found import find_environment
from functions.web.forms import Form
from functions.web.portal import Portal, Visitor
from functions.web.replies import see_other
from shared.domain.environment import Environment
from shared.domain.errors import OutOfStep, Refused
from shared.domain.versioned import Versioned
from shared.flows import configure_environment as configure
from shared.flows.foresee_effects import foresee
from shared.wiring import Services

LIST = "/setup/organizations"


def removal_pages(services: Services) -> func.Blueprint:
    """The page and what it does, speaking to `services`."""
    endpoints = func.Blueprint()
    portal = Portal(services)

    @endpoints.function_name("organization_remove_page")
    @endpoints.route("setup/organizations/{environment}/remove", methods=["GET"])
    @door(portal.administrator, worded=portal.worded)
    async def show_remove(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """What removing an environment would stop, before anybody can."""
        return await _removal(portal, req, visitor, await find_environment(portal, req, visitor))

    @endpoints.function_name("organization_remove")
    @endpoints.route("setup/organizations/{environment}/remove", methods=["POST"])
    @door(portal.administrator, worded=portal.worded)
    async def remove(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """Remove an environment whose organization's name was typed."""
        form = await portal.form(req, visitor)
        found = await find_environment(portal, req, visitor)
        problems: Mapping[str, str] = {}
        status = HTTPStatus.OK
        try:
            await configure.remove_environment(
                found.value.id,
                confirmed=form.text("organization"),
                seen=form.text("version"),
                given=portal.configuring(visitor),
                now=services.now(),
            )
        except Refused as refused:
            problems, status = refused.problems, HTTPStatus.UNPROCESSABLE_ENTITY
        except OutOfStep as changed:
            problems, status = {"": changed.args[0]}, HTTPStatus.CONFLICT
        else:
            return see_other(f"{LIST}?done=removed")
        return await _removal(
            portal,
            req,
            visitor,
            await find_environment(portal, req, visitor),
            form=form,
            problems=problems,
            status=status,
        )

    return endpoints


async def _removal(
    portal: Portal,
    req: func.HttpRequest,
    visitor: Visitor,
    found: Versioned[Environment],
    *,
    form: Form | None = None,
    problems: Mapping[str, str] | None = None,
    status: int = HTTPStatus.OK,
) -> func.HttpResponse:
    one, now = found.value, portal.services.now()
    effects = await foresee(
        one, one.removed(by=visitor.person, at=now), given=portal.configuring(visitor), now=now
    )
    return portal.page(
        req,
        visitor,
        "remove_environment.html",
        nav="organizations",
        status=status,
        form=form,
        problems=problems,
        environment=one,
        effects=effects,
        version=found.version,
    )
