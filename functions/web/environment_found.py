"""Finds the environment that a page of the portal is about, for whoever may see it."""

import azure.functions as func

from functions.web.portal import Portal, Visitor
from shared.domain.environment import Environment, EnvironmentId
from shared.domain.errors import NotFound
from shared.domain.versioned import Versioned
from shared.domain.words import said
from shared.flows.configure_environment import visible


async def find_environment(portal: Portal, req: func.HttpRequest, visitor: Visitor) -> Versioned[Environment]:
    """The environment in the path when the visitor may see it; NotFound otherwise."""
    wanted = EnvironmentId(req.route_params.get("environment", ""))
    if wanted not in {one.id for one in await visible(portal.configuring(visitor))}:
        raise NotFound(said("There is no such environment."))
    return await portal.services.environments_of(visitor.person.tenant).get(wanted)
