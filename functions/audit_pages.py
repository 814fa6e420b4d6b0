"""The audit log for the people who watch: a page, one entry in full, and a file."""

import re
from collections.abc import Mapping
from datetime import date
from http import HTTPStatus
from urllib.parse import urlencode

import azure.functions as func

from functions.web.audit_words import ACTIONS, action, as_csv, changes, must_watch, other_facts, result, utc
from functions.web.door import door
from functions.web.portal import Portal, Visitor
from shared.domain.audit import Linked, fault_within
from shared.domain.errors import NotFound, Refused
from shared.domain.words import said
from shared.flows.read_audit import Asked, Found, environment_of, read_audit
from shared.wiring import Services

_A_PAGE = 50
_A_FILE = 50_000

# The filters of the page, by the names they have in its address.
_FILTERS = ("from", "to", "person", "action", "environment")


def audit_pages(services: Services) -> func.Blueprint:
    """The pages below /audit, speaking to `services`."""
    pages = func.Blueprint()
    portal = Portal(services)

    async def watching(req: func.HttpRequest) -> Visitor:
        """A guard: an administrator or an auditor."""
        visitor = await portal.signed_in(req)
        must_watch(visitor.person)
        return visitor

    async def found(visitor: Visitor, asked: Asked, *, before: str, count: int) -> Found:
        tenant = visitor.person.tenant
        return await read_audit(
            asked,
            before=before,
            count=count,
            log=services.audit_log(tenant),
            people=services.people(tenant),
        )

    @pages.function_name("audit_page")
    @pages.route("audit", methods=["GET"])
    @door(watching, worded=portal.worded)
    async def show(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """The newest entries that fit the filters, fifty at a time."""
        typed = {name: req.params.get(name, "").strip() for name in _FILTERS}
        problems: Mapping[str, str] = {}
        shown = Found()
        try:
            shown = await found(visitor, _asked(typed), before=req.params.get("before", ""), count=_A_PAGE)
        except Refused as refused:
            problems = refused.problems
        given = {name: value for name, value in typed.items() if value}
        return portal.page(
            req,
            visitor,
            "audit.html",
            nav="audit",
            status=HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK,
            problems=problems,
            typed=typed,
            filtered=bool(given),
            entries=shown.entries,
            names=shown.names,
            environments={one.id: one for one in visitor.environments},
            actions=ACTIONS,
            action=action,
            result=result,
            utc=utc,
            environment_of=environment_of,
            older=f"/audit?{urlencode({**given, 'before': shown.older})}" if shown.older else "",
            is_first=not req.params.get("before"),
            newest=f"/audit?{urlencode(given)}",
            file=f"/audit.csv?{urlencode(given)}",
        )

    @pages.function_name("audit_entry_page")
    @pages.route("audit/{day}/{number}", methods=["GET"])
    @door(watching, worded=portal.worded)
    async def show_one(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """One entry in full: what it held before and after, and its place in the chain."""
        day = _date(req.route_params["day"])
        number = req.route_params["number"]
        chain = await services.audit_log(visitor.person.tenant).chain(day) if day else None
        entry = (
            next((one for one in chain.entries if str(one.place.number) == number), None) if chain else None
        )
        if chain is None or entry is None:
            raise NotFound(said("There is no such entry in the audit log."))
        return portal.page(
            req,
            visitor,
            "audit_entry.html",
            nav="audit",
            one=entry,
            names=await services.people(visitor.person.tenant).named({entry.entry.who}),
            environments={one.id: one for one in visitor.environments},
            action=action,
            result=result,
            utc=utc,
            environment_of=environment_of,
            changes=changes(entry.entry),
            facts=other_facts(entry.entry),
            whole=fault_within(chain) is None,
        )

    @pages.function_name("audit_file")
    @pages.route("audit.csv", methods=["GET"])
    @door(watching, worded=portal.worded)
    async def download(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """The entries that fit the filters as a file, the newest 50,000 at most."""
        asked = _asked({name: req.params.get(name, "").strip() for name in _FILTERS})
        read = [await found(visitor, asked, before="", count=_A_FILE)]
        while read[-1].older and sum(len(one.entries) for one in read) < _A_FILE:
            read.append(await found(visitor, asked, before=read[-1].older, count=_A_FILE))
        entries = [entry for one in read for entry in one.entries][:_A_FILE]
        names = {id: who for one in read for id, who in one.names.items()}
        organization = services.settings.tenants[visitor.person.tenant].name
        return func.HttpResponse(
            as_csv(entries, names),
            mimetype="text/csv",
            charset="utf-8",
            headers={
                "Cache-Control": "no-store",
                "X-Content-Type-Options": "nosniff",
                "Content-Disposition": f'attachment; filename="{_file_name(organization, entries)}"',
            },
        )

    return pages


def _asked(typed: Mapping[str, str]) -> Asked:
    """The filters of the page. Raises Refused with a sentence for each that is wrong."""
    problems: dict[str, str] = {}
    days: dict[str, date | None] = {}
    for name in ("from", "to"):
        days[name] = _date(typed[name])
        if typed[name] and days[name] is None:
            problems[name] = said("Enter a date like 2026-11-24")
    if problems:
        raise Refused(problems)
    return Asked(days["from"], days["to"], typed["person"], typed["action"], typed["environment"])


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _file_name(organization: str, entries: list[Linked]) -> str:
    """`audit_lamna-healthcare_2026-10-26_2026-11-24.csv`, by the days that are in it."""
    name = re.sub(r"[^a-z0-9]+", "-", organization.lower()).strip("-") or "log"
    days = [one.place.day.isoformat() for one in (entries[-1], entries[0])] if entries else ["empty"]
    return f"audit_{'_'.join([name, *days])}.csv"
