"""The shapes an HTTP answer can take."""

import json
from collections.abc import Mapping
from http import HTTPStatus

import azure.functions as func

# Answers about patients and settings are nobody's to keep.
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def json_reply(
    body: object, status: HTTPStatus = HTTPStatus.OK, *, headers: dict[str, str] | None = None
) -> func.HttpResponse:
    return func.HttpResponse(
        json.dumps(body, default=str),
        status_code=status,
        mimetype="application/json",
        headers={**_HEADERS, **(headers or {})},
    )


def answer_reply(
    json_text: str, status: HTTPStatus, *, headers: Mapping[str, str] | None = None
) -> func.HttpResponse:
    """An answer of the API that is JSON already."""
    return func.HttpResponse(
        json_text,
        status_code=status,
        mimetype="application/json",
        headers={**_HEADERS, **(headers or {})},
    )


def problem_reply(
    status: HTTPStatus,
    code: str,
    detail: str,
    *,
    errors: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> func.HttpResponse:
    """An error as problem details (RFC 9457); `code` is stable and documented, `errors` names fields."""
    body: dict[str, object] = {
        "type": f"/problems/{code}",
        "title": status.phrase,
        "status": status.value,
        "code": code,
        "detail": detail,
    }
    if errors:
        body["errors"] = errors
    return func.HttpResponse(
        json.dumps(body),
        status_code=status,
        mimetype="application/problem+json",
        headers={**_HEADERS, **(headers or {})},
    )


def text_reply(text: str, status: HTTPStatus) -> func.HttpResponse:
    return func.HttpResponse(
        text, status_code=status, mimetype="text/plain", charset="utf-8", headers=dict(_HEADERS)
    )


def see_other(location: str, *, cookies: tuple[str, ...] = ()) -> func.HttpResponse:
    """Send the browser on with a GET (303). `cookies` are whole Set-Cookie values."""
    return _redirect(location, HTTPStatus.SEE_OTHER, cookies)


def found(location: str, *, cookies: tuple[str, ...] = ()) -> func.HttpResponse:
    """Send the browser elsewhere (302), as OAuth expects."""
    return _redirect(location, HTTPStatus.FOUND, cookies)


def _redirect(location: str, status: HTTPStatus, cookies: tuple[str, ...]) -> func.HttpResponse:
    headers = {**_HEADERS, "Location": location, "Referrer-Policy": "no-referrer"}
    answer = func.HttpResponse(b"", status_code=status, headers=headers)
    for cookie in cookies:
        answer.headers.add("Set-Cookie", cookie)
    return answer


def empty_reply(status: HTTPStatus) -> func.HttpResponse:
    return func.HttpResponse(b"", status_code=status, headers=dict(_HEADERS))
