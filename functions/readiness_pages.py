"""The readiness page: everything a video visit needs, looked at while the administrator waits."""

from collections.abc import Sequence

import azure.functions as func

from functions.web.deployment import deployment_of
from functions.web.door import door
from functions.web.portal import Portal, Visitor
from shared.domain.environment import Environment
from shared.domain.readiness import Area, Check, worst
from shared.flows.check_readiness import check_readiness
from shared.wiring import Services


def readiness_pages(services: Services) -> func.Blueprint:
    """The page, speaking to `services`."""
    pages = func.Blueprint()
    portal = Portal(services)

    @pages.function_name("readiness_page")
    @pages.route("readiness", methods=["GET"])
    @door(portal.administrator, worded=portal.worded)
    async def show(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """Look at everything, ten seconds at most, and show it by who would mend it."""
        tenant = visitor.person.tenant
        environments = visitor.environments
        found = await check_readiness(
            environments,
            observers=services.observers(tenant),
            deployment=deployment_of(services.settings),
            now=services.now,
            names=await _names(services, environments),
        )
        return portal.page(
            req,
            visitor,
            "readiness.html",
            nav="readiness",
            checked_at=found.at,
            zone=environments[0].operation.feed.zone if environments else "UTC",
            state=worst(found.checks),
            groups=_groups(found.checks),
            environments={one.id: one for one in environments},
        )

    return pages


def _groups(checks: tuple[Check, ...]) -> list[tuple[Area, list[Check]]]:
    grouped = [(area, [one for one in checks if one.area is area]) for area in Area]
    return [(area, found) for area, found in grouped if found]


async def _names(services: Services, environments: Sequence[Environment]) -> dict[str, str]:
    """What people remembered by the portal are called; others are shown by their object id."""
    if not environments:
        return {}
    meetings = [one.operation.meetings for one in environments]
    wanted = {id for one in meetings for id in (*one.scheduling_accounts, *one.providers.values())}
    known = await services.people(environments[0].tenant).named(sorted(wanted))
    return {id: colleague.name for id, colleague in known.items()}
