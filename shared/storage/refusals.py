"""What storage answered, in the domain's words and without what was stored."""

from collections.abc import Iterator
from contextlib import contextmanager

from azure.core.exceptions import AzureError, HttpResponseError

from shared.domain.errors import AlreadyThere, NotFound, OutOfStep, TryAgain, TurnedDown

# Requests that are wrong as they stand. Everything else may pass: a role that was assigned a minute ago is
# not known everywhere yet, so 401 and 403 are among what passes.
_WRONG_AS_THEY_STAND = frozenset({400, 405, 413, 414})

_TABLE_MISSING = ("TableNotFound", "TableBeingDeleted")
_QUEUE_MISSING = ("QueueNotFound", "QueueBeingDeleted")


@contextmanager
def translated(noun: str) -> Iterator[None]:
    """Raise NotFound, AlreadyThere, OutOfStep, TurnedDown or TryAgain for what Azure raises.

    `noun` is what was asked for, such as "appointment"; nothing else of the request gets into the error.
    """
    try:
        yield
    except HttpResponseError as answer:
        raise _meaning(answer, noun) from answer
    except AzureError as failure:
        raise TryAgain(f"storage could not be reached for the {noun}: {type(failure).__name__}") from failure


def _meaning(answer: HttpResponseError, noun: str) -> Exception:
    # The status says more than the class: a transaction has one class for all its failures.
    status = answer.status_code
    if status == 404 and not _room_is_missing(answer):
        return NotFound(f"no such {noun}")
    if status == 409 and not _room_is_missing(answer):
        return AlreadyThere(f"this {noun} is there already")
    if status == 412:
        return OutOfStep(f"the {noun} has changed meanwhile")
    if status in _WRONG_AS_THEY_STAND:
        return TurnedDown(f"storage does not take this {noun}", code=str(status))
    return TryAgain(f"storage answered {status or 'nothing'} for the {noun}")


def _room_is_missing(answer: HttpResponseError) -> bool:
    """Whether the table or queue itself is not there, which says nothing about the row."""
    code = getattr(answer, "error_code", None)
    name = str(getattr(code, "value", code) or "")
    return name in (*_TABLE_MISSING, *_QUEUE_MISSING) or any(
        missing in str(answer) for missing in (*_TABLE_MISSING, *_QUEUE_MISSING)
    )
