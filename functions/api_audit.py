"""The audit log as API: the entries that fit, and the chain of one day with its proof."""

from datetime import date, datetime, time
from http import HTTPStatus

import azure.functions as func

from functions.web import audit_models as models
from functions.web.api import Api, Call
from functions.web.audit_words import must_watch, result
from shared.domain.audit import Linked
from shared.domain.errors import Refused
from shared.flows.read_audit import Asked, Found, read_audit
from shared.wiring import Services

_A_PAGE = 50


def api_audit(services: Services) -> func.Blueprint:
    """The audit log as API, speaking to `services`."""
    api = Api(services)

    @api.endpoint(
        "api_audit_log",
        "GET",
        "audit",
        asks=models.AuditQuery,
        gives=models.AuditOut,
        tags=("Audit",),
    )
    async def entries(call: Call[None]) -> models.AuditOut:
        """The entries of the audit log that fit, newest first, fifty at a time.

        `older` of the answer is the `before` of the next request; empty: there are none.
        """
        must_watch(call.person)
        query = call.query(models.AuditQuery)
        read = await read_audit(
            Asked(query.first, query.last, query.person, query.action, query.environment),
            before=query.before,
            count=_A_PAGE,
            log=services.audit_log(call.person.tenant),
            people=services.people(call.person.tenant),
        )
        return models.AuditOut(
            entries=[_entry(one, read) for one in read.entries],
            older=read.older,
        )

    @api.endpoint(
        "api_audit",
        "GET",
        "audit/{day}",
        gives=models.AuditDayOut,
        refuses=(HTTPStatus.UNPROCESSABLE_ENTITY,),
        tags=("Audit",),
    )
    async def of_day(call: Call[None]) -> models.AuditDayOut:
        """The audit chain of one day (UTC), and whether it is whole."""
        must_watch(call.person)
        try:
            wanted = date.fromisoformat(call.path("day"))
        except ValueError:
            raise Refused({"day": "Enter a day like 2026-11-24"}) from None
        day = datetime.combine(wanted, time(), tzinfo=services.now().tzinfo)
        log = services.audit_log(call.person.tenant)
        return models.AuditDayOut(
            entries=[models.audit_entry(one) for one in await log.entries(day)],
            whole=await log.proven(day),
        )

    return api.blueprint


def _entry(one: Linked, read: Found) -> models.AuditLineOut:
    who = read.names.get(one.entry.who)
    return models.AuditLineOut(
        day=one.place.day,
        number=one.place.number,
        at=one.entry.at,
        who=one.entry.who,
        name=who.name if who else "",
        did=one.entry.did,
        to=one.entry.to,
        result=result(one.entry),
        facts=one.entry.facts,
    )
