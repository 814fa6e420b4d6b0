"""The API's readiness check: is this environment's hospital ready for video visits, and what is missing."""

import azure.functions as func

from functions.web.api import Api, Call
from functions.web.deployment import deployment_of
from functions.web.environment_found import administered_environment
from functions.web.readiness_models import ReadinessOut, readiness_out
from shared.flows.check_readiness import check_readiness
from shared.wiring import Services


def api_readiness(services: Services) -> func.Blueprint:
    """The endpoint, speaking to `services`."""
    api = Api(services)

    @api.endpoint(
        "api_check_readiness",
        "GET",
        "environments/{environment}/readiness",
        gives=ReadinessOut,
        tags=("Readiness",),
    )
    async def check(call: Call[None]) -> ReadinessOut:
        """Look, for an administrator, at everything the environment needs; takes ten seconds at most."""
        wanted = (await administered_environment(call)).value
        return readiness_out(
            await check_readiness(
                [wanted],
                observers=services.observers(call.person.tenant),
                deployment=deployment_of(services.settings),
                now=services.now,
            )
        )

    return api.blueprint
