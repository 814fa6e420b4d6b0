"""Whether the app runs, and whether what it needs answers."""

from http import HTTPStatus

import azure.functions as func

from functions.web.door import anyone, door
from functions.web.replies import json_reply
from shared.domain.errors import DomainError, OutsideError
from shared.wiring import Services


def health(services: Services) -> func.Blueprint:
    """The health endpoints, speaking to `services`."""
    endpoints = func.Blueprint()

    @endpoints.function_name("health_live")
    @endpoints.route("health/live", methods=["GET"])
    @door(anyone)
    async def live(_req: func.HttpRequest, _nobody: None) -> func.HttpResponse:
        """The process answers."""
        return json_reply({"status": "live"})

    @endpoints.function_name("health_ready")
    @endpoints.route("health/ready", methods=["GET"])
    @door(anyone)
    async def ready(_req: func.HttpRequest, _nobody: None) -> func.HttpResponse:
        """Storage answers and is pinned to this stamp's geography, and the keys can be read."""
        checks = {"storage": services.ready, "keys": services.check_keys}
        answers: dict[str, str] = {}
        for name, check in checks.items():
            try:
                await check()
            except (DomainError, OutsideError) as problem:
                answers[name] = str(problem)
            else:
                answers[name] = "ready"
        well = all(answer == "ready" for answer in answers.values())
        return json_reply(
            {"status": "ready" if well else "not ready", "checks": answers},
            HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE,
        )

    return endpoints
