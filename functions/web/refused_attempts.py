"""Writes down that somebody who is signed in tried to change what they may not."""

import logging
import re
from urllib.parse import unquote, urlsplit

import azure.functions as func

from functions.web.door import status_of
from shared.domain.audit import AuditEntry
from shared.domain.errors import DomainError, NotAllowed, OutsideError
from shared.domain.tenant import Person
from shared.wiring import Services

logger = logging.getLogger(__name__)

_READS = frozenset({"GET", "HEAD"})
_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


async def note_refusal(services: Services, req: func.HttpRequest, person: Person, refusal: Exception) -> None:
    """One entry for one refused attempt to change something; none for looking, or for what was merely mistyped.

    The entry names the way that was tried without the ids in it. That it cannot be written changes nothing about
    the refusal.
    """
    if req.method.upper() in _READS or not isinstance(refusal, NotAllowed):
        return
    environment = req.route_params.get("environment", "")
    entry = AuditEntry(
        services.now(),
        person.object_id,
        "was refused",
        f"environment/{environment}" if _ID.fullmatch(environment) else "portal",
        {"attempt": f"{req.method.upper()} {_way(req)}", "code": status_of(refusal)[1]},
    )
    try:
        await services.audit_log(person.tenant).write(entry)
    except (DomainError, OutsideError) as lost:
        logger.exception("a refused attempt could not be written down: %s", type(lost).__name__)


def _way(req: func.HttpRequest) -> str:
    """The path with the names of its places instead of what stands there, which may be anything."""
    names = {value: name for name, value in req.route_params.items()}
    parts = urlsplit(req.url).path.split("/")
    return "/".join(f"{{{names[unquote(part)]}}}" if unquote(part) in names else part for part in parts)
