"""One call to another service: bounded in time and size, with failures that say whether trying again can help."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from shared.domain.errors import TryAgain, TurnedDown

# A busy or broken server mends itself; 501 and 505 are statements about what it can do.
_MENDABLE = frozenset({408, 425, 429, 500, 502, 503, 504, 507, 509})

# Whatever a service asks for, somebody looks again within a day.
_LONGEST_WAIT = 86_400.0

# The largest thing ever read this way is a CapabilityStatement, some hundred kilobytes at most.
LARGEST_ANSWER = 1024 * 1024


def asked_wait(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """The seconds of a Retry-After header, if there is a usable one.

    RFC 9110, 10.2.3: whole seconds or a date. Graph also sends decimals such as `2.128`, and Azure services
    `retry-after-ms`.
    """
    lower = {name.lower(): value.strip() for name, value in headers.items()}
    for name, unit in (("retry-after-ms", 0.001), ("x-ms-retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(lower[name]) * unit
        except (KeyError, ValueError):
            continue
        if 0 <= seconds < float("inf"):
            return min(seconds, _LONGEST_WAIT)
    try:
        until = parsedate_to_datetime(lower["retry-after"])
    except (KeyError, ValueError, OverflowError):
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max(0.0, (until - now).total_seconds()), _LONGEST_WAIT)


def failure(
    service: str, status: int, headers: Mapping[str, str], *, now: datetime, code: str = ""
) -> TryAgain | TurnedDown:
    """The error for an answer that is not a success. `code` is the service's own, already known to be harmless."""
    if status in _MENDABLE:
        return TryAgain(f"{service} answered {status}", after=asked_wait(headers, now=now))
    return TurnedDown(f"{service} answered {status}", code=code or str(status))


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, read whole. Its repr must never reach a log: bodies lead to people."""

    service: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"<{self.service} answered {self.status}>"

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> dict[str, Any]:
        """The body as a JSON object, or raise TurnedDown."""
        try:
            content = json.loads(self.body)
        except (ValueError, RecursionError):
            # Not `from`: a JSON error carries the whole text it could not read. One that is nested a thousand deep
            # is no answer either.
            content = None
        if not isinstance(content, dict):
            raise TurnedDown(f"{self.service} did not answer with a JSON object", code="not-readable")
        return content

    def failure(self, *, now: datetime, code: str = "") -> TryAgain | TurnedDown:
        return failure(self.service, self.status, self.headers, now=now, code=code)


async def call(
    http: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    service: str,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
    seconds: float = 12.0,
) -> Answer:
    """Ask and read the whole answer, whatever its status. Redirects are answers, never followed.

    Raise TryAgain when no answer came in `seconds`, TurnedDown when it is too large or no HTTP at all. For
    services whose requests may be repeated.
    """
    try:
        target = httpx.URL(url)
        if target.scheme not in ("https", "http") or not target.host:
            raise TurnedDown(f"the address of {service} cannot be called", code="bad-address")
        # `params` alone would replace the query that the address already has.
        request = http.build_request(
            method,
            target.copy_merge_params(params) if params else target,
            headers={"Accept-Encoding": "identity", **(headers or {})},
            data=form,
        )
        async with asyncio.timeout(seconds):
            response = await http.send(request, stream=True, follow_redirects=False)
            try:
                body = await _bounded(response, service)
            finally:
                await response.aclose()
                # A client serves many hospitals; none of them gets to set cookies.
                http.cookies.clear()
    except TimeoutError as late:
        raise TryAgain(f"{service} did not answer in time") from late
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError):
        raise TurnedDown(f"the address of {service} cannot be called", code="bad-address") from None
    except httpx.TransportError as away:
        raise TryAgain(f"{service} could not be reached: {type(away).__name__}") from None
    except httpx.DecodingError:
        raise TurnedDown(f"{service} sent something unreadable", code="not-readable") from None
    return Answer(service, response.status_code, response.headers, body)


async def _bounded(response: httpx.Response, service: str) -> bytes:
    # Nothing compressed is asked for. What is compressed twice all the same grows by a million: two kilobytes of it
    # would fill the memory before the first piece could be counted.
    if len(response.headers.get_list("content-encoding", split_commas=True)) > 1:
        raise TurnedDown(f"{service} sent something unreadable", code="not-readable")
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > LARGEST_ANSWER:
            raise TurnedDown(f"{service} sent more than is ever needed", code="too-large")
    return bytes(body)
