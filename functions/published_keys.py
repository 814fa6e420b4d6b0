"""The public keys by which Epic recognises this app, one set for each client of each environment."""

import azure.functions as func

from functions.web.door import anyone, door
from functions.web.replies import json_reply
from shared.domain.environment import EnvironmentId, EpicClient
from shared.domain.errors import NotFound
from shared.wiring import Services


def published_keys(services: Services) -> func.Blueprint:
    """The key sets, speaking to `services`."""
    endpoints = func.Blueprint()

    @endpoints.function_name("published_keys")
    @endpoints.route("keys/{environment}/{client}/.well-known/jwks.json", methods=["GET"])
    @door(anyone)
    async def keys(req: func.HttpRequest, _nobody: None) -> func.HttpResponse:
        """The JSON Web Key Set (RFC 7517) of one client: a followed key stays in it for a week."""
        return await key_set(req)

    @endpoints.function_name("published_keys_before")
    @endpoints.route("keys/{environment}/{client}/jwks.json", methods=["GET"])
    @door(anyone)
    async def keys_before(req: func.HttpRequest, _nobody: None) -> func.HttpResponse:
        """The same at the address that was registered at Epic by version 0.1."""
        return await key_set(req)

    async def key_set(req: func.HttpRequest) -> func.HttpResponse:
        await services.ready()
        client, environment = req.route_params["client"], EnvironmentId(req.route_params["environment"])
        if client not in set(EpicClient) or not await services.environment_exists(environment):
            raise NotFound("no such key set")
        keys = await services.client_keys(environment, EpicClient(client))
        return json_reply(keys, headers={"Cache-Control": "public, max-age=300"})

    return endpoints
