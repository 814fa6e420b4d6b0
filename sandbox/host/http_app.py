"""Answers web requests: finds the function for the address, hands it the request, sends its answer back.

An ASGI application for HTTP only. What a function sees and what a browser gets follow the real host: addresses are
decoded once except for `%2F`, repeated headers and query parameters are joined by commas, a body is bytes, an unknown
address and a wrong method are both 404, and a failure is 500 without a body.
"""

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from http.cookies import Morsel, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from azure.functions import meta

from sandbox.host.app_loader import LoadedFunction
from sandbox.host.invocation import Invoker
from sandbox.host.routes import RouteTable

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# The real host's limit on a request (100 MB).
LARGEST_BODY = 100 * 1024 * 1024

# The server frames the answer itself.
_FRAMING = frozenset({"connection", "content-length", "transfer-encoding", "keep-alive"})


@dataclass(frozen=True, slots=True)
class Keys:
    """The access keys when they are asked for: the master key opens everything, the function key all but `admin`."""

    master: str
    function: str

    def admit(self, level: str, given: str) -> bool:
        if level == "ANONYMOUS":
            return True
        master = hmac.compare_digest(given.encode(), self.master.encode())
        function = hmac.compare_digest(given.encode(), self.function.encode())
        return master or (function and level != "ADMIN")


class _TooLarge(Exception):
    """The request body is over the limit."""


class _Gone(Exception):
    """The caller hung up before the request was complete."""


class HttpApp:
    def __init__(
        self,
        routes: RouteTable[LoadedFunction],
        invoker: Invoker,
        *,
        keys: Keys | None = None,
        largest_body: int = LARGEST_BODY,
    ) -> None:
        self._routes = routes
        self._invoker = invoker
        self._keys = keys
        self._largest_body = largest_body

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return None
        found = self._routes.find(scope["method"], _parts(scope))
        if found is None:
            return await _answer(send, 404)
        function, parameters = found
        headers = _headers(scope)
        query = _query(scope)
        if self._keys is not None:
            given = headers.get("x-functions-key") or query.get("code", "")
            if not self._keys.admit(str(function.trigger.get("authLevel", "FUNCTION")).upper(), given):
                return await _answer(send, 401)
        try:
            body = await _body(receive, headers, self._largest_body)
        except _TooLarge:
            return await _answer(send, 413, close=True)
        except _Gone:
            return None
        outcome = await self._invoker.attempt(function, _request(scope, headers, query, parameters, body))
        if outcome.failed:
            return await _answer(send, 500)
        if outcome.answer is None:
            return await _answer(send, 204)
        return await _answer_with(send, outcome.answer)


def _parts(scope: Message) -> list[str]:
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    # httpx's ASGI transport leaves nothing behind the path, but other servers may leave the query there.
    path = raw.partition(b"?")[0].decode("latin-1").strip("/")
    if path == "":
        return []
    parts = path.split("/")
    if "%" not in path:
        return parts
    return [unquote(part.replace("%2F", "%252F").replace("%2f", "%252f")) for part in parts]


def _headers(scope: Message) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        # Cookies sent in several headers belong together as in one; everything else is a comma list.
        headers[name] = (
            f"{headers[name]}{'; ' if name == 'cookie' else ','}{value}" if name in headers else value
        )
    return headers


def _query(scope: Message) -> dict[str, str]:
    text = scope.get("query_string", b"")
    if not text:
        return {}
    query: dict[str, str] = {}
    for name, value in parse_qsl(text.decode("latin-1"), keep_blank_values=True):
        query[name] = f"{query[name]},{value}" if name in query else value
    return query


async def _body(receive: Receive, headers: dict[str, str], limit: int) -> bytes:
    announced = headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise _TooLarge
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise _Gone
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _TooLarge
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _request(
    scope: Message, headers: dict[str, str], query: dict[str, str], parameters: dict[str, str], body: bytes
) -> meta.Datum:
    raw_path: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    url = f"{scope.get('scheme', 'http')}://{headers.get('host', 'localhost')}{raw_path.decode('latin-1')}"
    if scope.get("query_string") and "?" not in url:
        url = f"{url}?{scope['query_string'].decode('latin-1')}"
    return meta.Datum(
        {
            "method": meta.Datum(scope["method"], "string"),
            "url": meta.Datum(url, "string"),
            "headers": {name: meta.Datum(value, "string") for name, value in headers.items()},
            "query": {name: meta.Datum(value, "string") for name, value in query.items()},
            "params": {name: meta.Datum(value, "string") for name, value in parameters.items()},
            "body": meta.Datum(body, "bytes"),
        },
        "http",
    )


async def _answer_with(send: Send, answer: meta.Datum) -> None:
    if answer.type != "http":
        text: str = answer.value
        return await _answer(send, 200, [(b"content-type", b"text/plain; charset=utf-8")], text.encode())
    value = answer.value
    try:
        headers = [
            (name.lower().encode("latin-1"), datum.value.encode("latin-1"))
            for name, datum in value["headers"].items()
            if name.lower() not in _FRAMING
        ]
        cookies = [
            (b"set-cookie", _set_cookie(morsel).encode("latin-1"))
            for cookie in value["cookies"] or ()
            for morsel in _morsels(cookie)
        ]
    except UnicodeEncodeError:
        return await _answer(send, 500)
    return await _answer(send, int(value["status_code"].value), headers + cookies, value["body"].value)


def _morsels(cookie: SimpleCookie) -> list[Morsel[str]]:
    return list(cookie.values())


def _set_cookie(morsel: Morsel[str]) -> str:
    """A cookie as ASP.NET Core writes it for the real host, which escapes every value."""
    text = f"{morsel.key}={quote(morsel.value, safe='')}"
    for attribute in ("expires", "max-age", "domain", "path", "samesite"):
        if morsel[attribute]:
            text += f"; {attribute}={morsel[attribute]}"
    for flag in ("secure", "httponly"):
        if morsel[flag]:
            text += f"; {flag}"
    return text


async def _answer(
    send: Send,
    status: int,
    headers: list[tuple[bytes, bytes]] | None = None,
    body: bytes = b"",
    *,
    close: bool = False,
) -> None:
    framed = list(headers or ())
    if status >= 200 and status not in (204, 304):
        framed.append((b"content-length", str(len(body)).encode()))
    else:
        body = b""
    if close:
        framed.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": framed})
    await send({"type": "http.response.body", "body": body})
