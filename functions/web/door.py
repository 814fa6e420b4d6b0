"""The door every HTTP request comes through: who may enter, and how a refusal is worded."""

import logging
import secrets
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TypeVar

import azure.functions as func

from functions.web.replies import problem_reply
from shared.domain.errors import (
    AlreadyThere,
    DomainError,
    Misdirected,
    NotAllowed,
    NotFound,
    NotSignedIn,
    OutOfStep,
    Refused,
    TryAgain,
    TurnedDown,
)

logger = logging.getLogger(__name__)

Who = TypeVar("Who")
Guard = Callable[[func.HttpRequest], Awaitable[Who]]
Handler = Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]
GuardedHandler = Callable[[func.HttpRequest, Who], Awaitable[func.HttpResponse]]
Worded = Callable[
    [func.HttpRequest, HTTPStatus, str, Exception, str], func.HttpResponse | Awaitable[func.HttpResponse]
]


class TooLarge(DomainError):
    """More was sent than is ever needed."""


class NotJson(DomainError):
    """What was sent does not call itself JSON, and an API takes nothing else."""


# The kinds of refusal with their status and the stable code that the documentation explains.
_STATUS: tuple[tuple[type[Exception], HTTPStatus, str], ...] = (
    (NotSignedIn, HTTPStatus.UNAUTHORIZED, "not-signed-in"),
    (Misdirected, HTTPStatus.MISDIRECTED_REQUEST, "other-region"),
    (NotAllowed, HTTPStatus.FORBIDDEN, "not-allowed"),
    (NotFound, HTTPStatus.NOT_FOUND, "not-found"),
    (OutOfStep, HTTPStatus.CONFLICT, "changed-meanwhile"),
    (AlreadyThere, HTTPStatus.CONFLICT, "already-there"),
    (TooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large"),
    (NotJson, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "not-json"),
    (Refused, HTTPStatus.UNPROCESSABLE_ENTITY, "not-accepted"),
    (DomainError, HTTPStatus.UNPROCESSABLE_ENTITY, "not-accepted"),
    (TryAgain, HTTPStatus.SERVICE_UNAVAILABLE, "try-again"),
    (TurnedDown, HTTPStatus.BAD_GATEWAY, "refused-outside"),
)

# The codes that each status can mean.
CODES: dict[HTTPStatus, tuple[str, ...]] = {
    status: tuple(dict.fromkeys(code for _, other, code in _STATUS if other is status))
    for _, status, _ in _STATUS
}


def status_of(refusal: Exception) -> tuple[HTTPStatus, str]:
    """The status and code of a refusal."""
    for kind, status, code in _STATUS:
        if isinstance(refusal, kind):
            return status, code
    return HTTPStatus.INTERNAL_SERVER_ERROR, "unexpected"


def new_reference() -> str:
    """A short number that a person can read out and support can find in the log."""
    return secrets.token_hex(4).upper()


def as_problem(
    req: func.HttpRequest, status: HTTPStatus, code: str, refusal: Exception, reference: str
) -> func.HttpResponse:
    """A refusal as problem details, for programs."""
    errors = refusal.problems if isinstance(refusal, Refused) else None
    detail = str(refusal) if isinstance(refusal, DomainError) else "Try again in a few minutes."
    headers = {"X-Reference": reference}
    if isinstance(refusal, Misdirected):
        headers["X-Home"] = refusal.home
        detail = f"{detail}: {refusal.home}"
    if isinstance(refusal, TryAgain):
        headers["Retry-After"] = str(int(refusal.after or 10))
    return problem_reply(status, code, detail, errors=errors, headers=headers)


def door(guard: Guard[Who], *, worded: Worded = as_problem) -> Callable[[GuardedHandler[Who]], Handler]:
    """Let `guard` say who is asking, then call the handler with the answer; `worded` words refusals."""

    def hang(handler: GuardedHandler[Who]) -> Handler:
        async def answer(req: func.HttpRequest) -> func.HttpResponse:
            try:
                return await handler(req, await guard(req))
            except (DomainError, TryAgain, TurnedDown) as refusal:
                status, code = status_of(refusal)
                reference = new_reference()
                # Only the kind is logged: texts of refusals are for the person who asked.
                logger.info("%s refused with %s, reference %s", handler.__name__, code, reference)
                said = worded(req, status, code, refusal, reference)
                # A page may have to look up who can help, or keep what was typed.
                return await said if isinstance(said, Awaitable) else said

        # Not functools.wraps: the Functions worker binds arguments by signature and has to see (req),
        # never the handler's (req, who).
        answer.__name__, answer.__doc__ = handler.__name__, handler.__doc__
        answer.guard = guard  # type: ignore[attr-defined]
        return answer

    return hang


async def anyone(_req: func.HttpRequest) -> None:
    """A guard for what is public by design; a test lists every way in that uses it."""
