"""The API's description, for programs and for the people who write them."""

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from http import HTTPStatus

import azure.functions as func

from functions.web.api import endpoints_of
from functions.web.door import anyone, door
from shared.wiring import Services


def with_api_document(blueprints: Sequence[func.Blueprint], services: Services) -> tuple[func.Blueprint, ...]:
    """`blueprints`, and one more that describes the API they make up together."""
    endpoints = func.Blueprint()

    @cache
    def document() -> tuple[bytes, str]:
        """The document and its tag. Made at its first request, once a process."""
        from functions.web.openapi import describe  # noqa: PLC0415

        text = json.dumps(describe(endpoints_of(blueprints), address=services.settings.public_base_url))
        return text.encode(), f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'

    @endpoints.function_name("api_document")
    @endpoints.route("api/openapi.json", methods=["GET"])
    @door(anyone)
    async def show(req: func.HttpRequest, _nobody: None) -> func.HttpResponse:
        """The OpenAPI document of the API. It holds no data, so anyone may read it."""
        content, tag = document()
        headers = {"ETag": tag, "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
        if tag in (one.strip().removeprefix("W/") for one in req.headers.get("If-None-Match", "").split(",")):
            return func.HttpResponse(b"", status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return func.HttpResponse(
            content, status_code=HTTPStatus.OK, mimetype="application/json", headers=headers
        )

    return (*blueprints, endpoints)
