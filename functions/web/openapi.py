"""What the API's own description says: every way to ask, what may be sent, and every answer that can come back."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from functions.web.api import MOST_BYTES, PLACE, PREFIX, Endpoint
from functions.web.door import CODES
from functions.web.portal_models import Model

# Whatever is asked: who is asking, whether their tenant lives here and is pinned, and what may be away or at fault.
_ALWAYS = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.MISDIRECTED_REQUEST,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_WITH_BODY = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)

_HEADERS_OF = {
    HTTPStatus.MISDIRECTED_REQUEST: ("X-Home", "The address of the stamp in which this organization lives"),
    HTTPStatus.SERVICE_UNAVAILABLE: ("Retry-After", "Seconds to wait"),
}

_ABOUT = (
    "Set up video visits between Epic and Microsoft Teams, approve them, and look at what became of them. Errors are "
    f"problem details (RFC 9457) with a stable `code`. A body has {MOST_BYTES} bytes at most."
)

_SECURITY_SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A Microsoft Entra v2.0 access token for this app, for scripts",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-session",
        "description": "The session of the portal, for its own pages",
    },
    "csrf": {
        "type": "apiKey",
        "in": "header",
        "name": "X-CSRF-Token",
        "description": "Needed with a session when something is changed, from a page of this address",
    },
}


def describe(endpoints: Iterable[Endpoint], *, address: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document of `endpoints`, which are served at `address`."""
    # Making schemas takes some 50 ms; only a request for the document waits for it.
    from pydantic.json_schema import models_json_schema  # noqa: PLC0415

    every = list(endpoints)
    wanted: list[tuple[type[Model], Any]] = [(one.gives, "serialization") for one in every]
    wanted += [(shape, "validation") for one in every for shape in (one.takes, one.asks) if shape is not None]
    names, schemas = models_json_schema(
        list(dict.fromkeys(wanted)), ref_template="#/components/schemas/{model}"
    )
    found: dict[str, Any] = schemas.get("$defs", {})
    # The fields of a query are parameters; as one object they mean nothing.
    queries = {
        one.asks: found.pop(_name(names[one.asks, "validation"]))
        for one in {one.asks: one for one in every}.values()
        if one.asks is not None
    }
    paths: dict[str, dict[str, Any]] = {}
    for one in every:
        takes = names[one.takes, "validation"] if one.takes is not None else None
        asks = queries[one.asks] if one.asks is not None else {}
        operation = _operation(one, gives=names[one.gives, "serialization"], takes=takes, asks=asks)
        paths.setdefault(f"/{PREFIX}/{one.path}", {})[one.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Visit Connector",
            "version": "1",
            "description": _ABOUT,
        },
        "servers": [{"url": address}],
        "tags": [{"name": tag} for tag in dict.fromkeys(tag for one in every for tag in one.tags)],
        "paths": paths,
        "components": {
            "schemas": {**found, "Problem": _PROBLEM},
            "securitySchemes": _SECURITY_SCHEMES,
        },
    }


def _name(reference: Any) -> str:
    return str(reference["$ref"]).rpartition("/")[2]


def _operation(one: Endpoint, *, gives: Any, takes: Any, asks: dict[str, Any]) -> dict[str, Any]:
    summary, _, more = one.summary.partition("\n")
    described: dict[str, Any] = {
        "operationId": one.name.removeprefix("api_"),
        "summary": summary.rstrip("."),
        "tags": list(one.tags),
        "security": [
            {"bearer": []},
            {"session": []} if one.method == "GET" else {"session": [], "csrf": []},
        ],
        "responses": _responses(one, gives),
    }
    if more.strip():
        described["description"] = more.strip()
    if parameters := [*map(_place, one.places), *_queries(asks)]:
        described["parameters"] = parameters
    if takes is not None:
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": takes}}}
    return described


def _place(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": {"type": "string", "format": "date"}
        if name == "day"
        else {"type": "string", "pattern": PLACE},
    }


def _queries(shape: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "query",
            "required": name in shape.get("required", ()),
            **({"description": field.pop("description")} if "description" in field else {}),
            "schema": field,
        }
        for name, field in shape.get("properties", {}).items()
    ]


def _responses(one: Endpoint, gives: Any) -> dict[str, Any]:
    refuses = {*_ALWAYS, *one.refuses, *(_WITH_BODY if one.takes is not None else ())}
    return {
        str(one.status.value): {
            "description": one.status.phrase,
            "content": {"application/json": {"schema": gives}},
        },
        **{str(status.value): _refusal(status) for status in sorted(refuses)},
        # The host answers for a fault of the app, and it answers without a body.
        "500": {"description": "A fault of the app (`unexpected`); the log has the details"},
    }


def _refusal(status: HTTPStatus) -> dict[str, Any]:
    codes = CODES[status]
    headers = {"X-Reference": {"schema": {"type": "string"}, "description": "The number in the log"}}
    if status in _HEADERS_OF:
        name, meaning = _HEADERS_OF[status]
        headers[name] = {"schema": {"type": "string"}, "description": meaning}
    return {
        "description": f"{status.phrase}: {', '.join(f'`{code}`' for code in codes)}",
        "headers": headers,
        "content": {
            "application/problem+json": {
                "schema": {
                    "allOf": [{"$ref": "#/components/schemas/Problem"}],
                    "properties": {"code": {"enum": list(codes)}, "status": {"const": status.value}},
                }
            }
        },
    }


_PROBLEM = {
    "title": "Problem",
    "description": "What went wrong, for programs by its code and for people in a sentence (RFC 9457)",
    "type": "object",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "enum": sorted({code for codes in CODES.values() for code in codes})},
        "detail": {"type": "string"},
        "errors": {
            "type": "object",
            "description": "A sentence for each wrong field, by its dotted path",
            "additionalProperties": {"type": "string"},
        },
    },
}
