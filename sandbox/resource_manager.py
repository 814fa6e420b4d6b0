"""Azure Resource Manager, as far as an app asks it about itself: where the app runs."""

import re
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.entra_tokens import RESOURCE_MANAGER, BadToken, EntraTokens
from sandbox.world import World

_API_VERSION = re.compile(r"20\d\d-\d\d-\d\d(-preview)?")
_SITE = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Web/sites/{site}"


@dataclass(slots=True)
class ResourceManager:
    """The handler. `region` is where every site is, as Azure writes it in a resource: `East US 2`."""

    world: World
    tokens: EntraTokens
    region: str = "East US 2"

    def routes(self) -> list[Route]:
        return [Route(f"/arm{_SITE}", self.site)]

    async def site(self, request: Request) -> Response:
        try:
            self.tokens.check(request.headers.get("authorization", ""), audiences=[RESOURCE_MANAGER])
        except BadToken as refusal:
            self.world.refuse("resource-manager", str(refusal), path=request.url.path)
            return _error(401, "AuthenticationFailed", "Authentication failed.")
        if not _API_VERSION.fullmatch(request.query_params.get("api-version", "")):
            self.world.refuse("resource-manager", "api-version is needed", path=request.url.path)
            return _error(400, "MissingApiVersionParameter", "The api-version query parameter is required.")
        return JSONResponse(
            {
                "id": request.url.path.removeprefix("/arm"),
                "name": request.path_params["site"],
                "type": "Microsoft.Web/sites",
                "kind": "functionapp,linux",
                "location": self.region,
                "properties": {"state": "Running"},
            }
        )


def _error(status: int, code: str, text: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": text}}, status_code=status)
