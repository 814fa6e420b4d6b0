"""Finds the environment that a page or an endpoint is about, for whoever may see it or change it."""

from collections.abc import Iterable
from typing import Any

import azure.functions as func

from functions.web.api import Call
from functions.web.portal import Portal, Visitor
from shared.domain.environment import Environment, EnvironmentId
from shared.domain.errors import NotFound
from shared.domain.tenant import Role
from shared.domain.versioned import Versioned
from shared.domain.words import said
from shared.flows.configure_environment import visible
from shared.flows.configuring import Configuring


async def find_environment(portal: Portal, req: func.HttpRequest, visitor: Visitor) -> Versioned[Environment]:
    """The environment in the path when the visitor may see it; NotFound otherwise."""
    wanted = EnvironmentId(req.route_params.get("environment", ""))
    return await _among(visitor.environments, wanted, portal.configuring(visitor))


async def seen_environment(call: Call[Any]) -> Versioned[Environment]:
    """The environment in the path when the caller may see it; NotFound otherwise."""
    given = call.configuring()
    return await _among(await visible(given), call.environment, given)


async def administered_environment(call: Call[Any]) -> Versioned[Environment]:
    """The environment in the path, for an administrator only."""
    call.person.must_be(Role.ADMINISTRATOR)
    return await call.services.environments_of(call.person.tenant).get(call.environment)


async def _among(
    seen: Iterable[Environment], wanted: EnvironmentId, given: Configuring
) -> Versioned[Environment]:
    if wanted not in {one.id for one in seen}:
        raise NotFound(said("There is no such environment."))
    return await given.environments.get(wanted)
