"""Reading, from an appointment or encounter in Epic, the contact serial number (CSN) that names the visit."""

import logging
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx

from shared.clients.web_call import call
from shared.domain.errors import TurnedDown

logger = logging.getLogger(__name__)

# The CSN's identifier system at every Epic site: urn:oid:1.2.840.114350.1.13.<site>.<kind>.7.3.698084.8
_CSN = ".7.3.698084.8"


async def csn_of(
    http: httpx.AsyncClient,
    fhir_base_url: str,
    *,
    access_token: str,
    appointment: str,
    encounter: str,
    now: datetime,
) -> str:
    """The CSN, or nothing where Epic names no visit or may not show it to this app. Raise TryAgain.

    `appointment` and `encounter` are FHIR ids; the appointment is asked first, because that is what was booked.
    """
    for kind, id in (("Appointment", appointment), ("Encounter", encounter)):
        if not id:
            continue
        answer = await call(
            http,
            "GET",
            f"{fhir_base_url.rstrip('/')}/{kind}/{quote(id, safe='')}",
            service="Epic",
            headers={"Accept": "application/fhir+json", "Authorization": f"Bearer {access_token}"},
        )
        logger.info("read an %s for its CSN: Epic answered %s", kind, answer.status)
        if not answer.good:
            problem = answer.failure(now=now)
            if isinstance(problem, TurnedDown):
                continue
            raise problem
        csn = _csn(kind, answer.json())
        if csn:
            return csn
    return ""


def _csn(kind: str, resource: dict[str, Any]) -> str:
    # Imported at first use, which is rare: 0.2 s of a cold start.
    from fhirclient.models.identifier import Identifier  # noqa: PLC0415

    identifiers = resource.get("identifier")
    if resource.get("resourceType") != kind or not isinstance(identifiers, list):
        return ""
    for entry in identifiers:
        if not isinstance(entry, dict):
            continue
        # Not strict: Epic sends elements of its own, which the models would refuse.
        identifier = Identifier(entry, strict=False)
        if str(identifier.system or "").endswith(_CSN) and identifier.value:
            return str(identifier.value).strip()
    return ""
