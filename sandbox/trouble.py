"""What goes wrong on purpose: busy services, lost answers, lost, late, doubled and swapped notifications."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Service(StrEnum):
    GRAPH = "graph"
    COMMUNICATION = "communication"
    EPIC = "epic"
    NOTIFICATIONS = "notifications"
    ENTRA = "entra"
    KEY_VAULT = "key-vault"
    EVENT_GRID = "event-grid"


class Kind(StrEnum):
    THROTTLE = "throttle"
    TIMEOUT_AFTER_ACCEPT = "timeout-after-accept"
    DROP = "drop"
    DELAY = "delay"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    DOWN = "down"


# Services that tell something on their own; all others are asked.
DELIVERING = frozenset({Service.NOTIFICATIONS, Service.EVENT_GRID})
_OF_DELIVERIES = frozenset({Kind.DROP, Kind.DELAY, Kind.DUPLICATE, Kind.REORDER})
_OF_REQUESTS = frozenset({Kind.THROTTLE, Kind.TIMEOUT_AFTER_ACCEPT, Kind.DROP, Kind.DELAY, Kind.DOWN})
# Epic is asked (FHIR, sign-in, status) and tells (scheduling messages): only these three are about its messages.
_OF_EPIC_MESSAGES = frozenset({Kind.DROP, Kind.DUPLICATE, Kind.REORDER})

_FIELDS = frozenset({"service", "kind", "times", "retry_after", "seconds", "match"})
_USUAL_SECONDS = 2.0
# Longer than any client here waits.
_LONGEST_SILENCE = 120.0


class NotATrouble(ValueError):
    """What was asked for cannot be made. The text says why."""


@dataclass(slots=True)
class Trouble:
    """Something that will go wrong the next `times` times, on requests whose path contains `match`.

    `seconds` is how late a delayed one is, how long a swapped one waits at most for the one after it, and how long
    a request stays unanswered before the connection gives up.
    """

    service: Service
    kind: Kind
    times: int = 1
    retry_after: str = "1"
    seconds: float | None = None
    match: str = ""

    @property
    def delay(self) -> float:
        return _USUAL_SECONDS if self.seconds is None else self.seconds


@dataclass(slots=True)
class Troubles:
    """The troubles that wait for their turn, first come first."""

    waiting: list[Trouble] = field(default_factory=list)

    def make(self, asked: dict[str, Any]) -> Trouble:
        """Add a trouble described in JSON, or raise NotATrouble."""
        unknown = set(asked) - _FIELDS
        if unknown:
            raise NotATrouble(f"not known: {', '.join(sorted(unknown))}")
        seconds = asked.get("seconds")
        try:
            trouble = Trouble(
                service=Service(str(asked.get("service"))),
                kind=Kind(str(asked.get("kind"))),
                times=int(asked.get("times", 1)),
                retry_after=str(asked.get("retry_after") or "1"),
                seconds=None if seconds is None else float(seconds),
                match=str(asked.get("match") or ""),
            )
        except (TypeError, ValueError) as wrong:
            raise NotATrouble(str(wrong)) from wrong
        possible = _possible(trouble.service)
        if trouble.kind not in possible:
            raise NotATrouble(f"{trouble.service} can only: {', '.join(sorted(possible))}")
        if trouble.times < 1:
            raise NotATrouble("times must be 1 or more")
        if trouble.seconds is None and trouble.kind in (Kind.DELAY, Kind.REORDER):
            trouble.seconds = _USUAL_SECONDS
        self.waiting.append(trouble)
        return trouble

    def clear(self) -> None:
        self.waiting.clear()

    def take(
        self, service: Service, path: str = "", *, kinds: frozenset[Kind] = frozenset(Kind)
    ) -> Trouble | None:
        """The trouble of one of `kinds` that is due for `path`, counted down; None when all is well."""
        for trouble in self.waiting:
            if trouble.service is service and trouble.kind in kinds and trouble.match in path:
                trouble.times -= 1
                if trouble.times == 0:
                    self.waiting.remove(trouble)
                return trouble
        return None

    def rows(self) -> list[dict[str, Any]]:
        return [asdict(one) for one in self.waiting]


def _possible(service: Service) -> frozenset[Kind]:
    if service is Service.EPIC:
        return _OF_REQUESTS | _OF_EPIC_MESSAGES
    return _OF_DELIVERIES if service in DELIVERING else _OF_REQUESTS


class TroubledService:
    """An ASGI wrapper that lets the requests of a service go wrong when that was asked for."""

    def __init__(
        self,
        app: ASGIApp,
        troubles: Troubles,
        service_of: Callable[[str], Service | None],
        log: Callable[[str, str], None],
    ) -> None:
        self._app, self._troubles, self._service_of, self._log = app, troubles, service_of, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        service = self._service_of(scope["path"]) if scope["type"] == "http" else None
        kinds = _OF_REQUESTS - _OF_EPIC_MESSAGES if service is Service.EPIC else _OF_REQUESTS
        trouble = self._troubles.take(service, scope["path"], kinds=kinds) if service else None
        if service is None or trouble is None:
            await self._app(scope, receive, send)
            return
        self._log(service, f"trouble: {trouble.kind} on {scope['method']} {scope['path']}")
        match trouble.kind:
            case Kind.THROTTLE:
                busy = _refusal(service, 429, {"Retry-After": trouble.retry_after})
                await busy(scope, receive, send)
            case Kind.DOWN:
                await _refusal(service, 503, {})(scope, receive, send)
            case Kind.DELAY:
                await asyncio.sleep(trouble.delay)
                await self._app(scope, receive, send)
            case _:
                if trouble.kind is Kind.TIMEOUT_AFTER_ACCEPT:
                    await self._app(scope, receive, _into_nothing)
                await _silence(receive, trouble.seconds)
                # What a gateway in between says when the service behind it stays silent.
                await Response(status_code=504)(scope, receive, send)


async def _into_nothing(_message: Message) -> None:
    """The answer is made and lost."""


async def _silence(receive: Receive, seconds: float | None) -> None:
    """Say nothing until the client hangs up, or for `seconds`."""
    try:
        async with asyncio.timeout(min(seconds or _LONGEST_SILENCE, _LONGEST_SILENCE)):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return


def _refusal(service: Service, status: int, headers: dict[str, str]) -> Response:
    code = "TooManyRequests" if status == 429 else "ServiceUnavailable"
    if service is Service.ENTRA:
        body: dict[str, Any] = {
            "error": "temporarily_unavailable",
            "error_description": "AADSTS90033: A transient error has occurred. Please try again.",
        }
    else:
        body = {"error": {"code": code, "message": "Please retry later."}}
    return JSONResponse(body, status_code=status, headers=headers)
