"""The portal's pages of versions: look back and restore, copy to production, export, import, and share."""

from http import HTTPStatus
from typing import Any

import azure.functions as func

from functions.web import environment_files as files
from functions.web.door import door
from functions.web.environment_found import find_environment
from functions.web.forms import Form
from functions.web.made_once import made_once
from functions.web.portal import Portal, Visitor
from functions.web.replies import see_other
from functions.web.stopping import KEEP, Change, answer_in, question
from functions.web.version_models import file_of
from shared.domain.address_use import ShareStage
from shared.domain.difference import differences
from shared.domain.environment import EnvironmentId
from shared.domain.errors import DomainError, NotFound, OutOfStep, Refused
from shared.domain.history import Half, HistoryEntry, version
from shared.domain.tenant import TenantId
from shared.domain.words import said
from shared.flows import restore_version as versions
from shared.flows import share_address as sharing
from shared.wiring import Services

_UNPROCESSABLE = HTTPStatus.UNPROCESSABLE_ENTITY
_SETUP = "/setup/organizations"


def history_pages(services: Services) -> func.Blueprint:
    """The pages of versions, speaking to `services`."""
    endpoints = func.Blueprint()
    portal = Portal(services)
    _history(endpoints, portal)
    _copies(endpoints, portal)
    _files(endpoints, portal)
    _sharing(endpoints, portal)
    return endpoints


def _history(endpoints: func.Blueprint, portal: Portal) -> None:
    services = portal.services

    async def shown(
        req: func.HttpRequest, visitor: Visitor, *, status: int = HTTPStatus.OK, **facts: Any
    ) -> func.HttpResponse:
        found = await find_environment(portal, req, visitor)
        entries = await versions.history(found.value.id, portal.configuring(visitor))
        ids = {one.saved_by for one in entries} | {one.decided_by for one in entries}
        newest = {"connection": found.value.newest.number, "operation": found.value.operation_version}
        return portal.page(
            req,
            visitor,
            "history.html",
            nav="organizations",
            status=status,
            environment=found.value,
            version=found.version,
            entries=entries,
            newest=newest,
            people=await services.people(visitor.person.tenant).named(ids - {""}),
            zone=found.value.operation.feed.zone or "UTC",
            **{**_compared(req, entries), **facts},
        )

    @endpoints.function_name("history_page")
    @endpoints.route("setup/history/{environment}", methods=["GET"])
    @door(portal.administrator, worded=portal.worded)
    async def show(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """Every version, and how two of them differ."""
        return await shown(req, visitor)

    @endpoints.function_name("history_restore")
    @endpoints.route("setup/history/{environment}", methods=["POST"])
    @door(portal.administrator, worded=portal.worded)
    async def restore(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """Bring an earlier version back, after a confirmation when that stops something."""
        form = await portal.form(req, visitor)
        found = await find_environment(portal, req, visitor)
        given, now = portal.configuring(visitor), services.now()
        here = f"/setup/history/{found.value.id}"
        kind, number = _half(form.text("kind")), _number(form.text("number"))
        past = await services.environments_of(visitor.person.tenant).history(found.value.id)
        after = versions.restored(found.value, version(past, kind, number), by=visitor.person, at=now)
        carried = {"kind": kind.value, "number": str(number), "version": form.text("version")}
        asked = await _asked(portal, req, visitor, form, Change(found.value, after), here, carried)
        if asked is not None:
            return asked
        try:
            await versions.restore(
                found.value.id, kind, number, seen=form.text("version"), given=given, now=now
            )
        except (Refused, OutOfStep) as refused:
            return await shown(req, visitor, status=_UNPROCESSABLE, problems=_said(refused))
        return see_other(f"{here}?done=restored")


def _compared(req: func.HttpRequest, entries: list[HistoryEntry]) -> dict[str, Any]:
    """What the query asks to compare, if anything."""
    kind = req.params.get("kind", "")
    if not kind:
        return {"compared": ""}
    half = _half(kind)
    older, newer = _number(req.params.get("older", "0")), _number(req.params.get("newer", ""))
    found = {one.number: one.value for one in entries if one.kind is half}
    if newer not in found:
        raise NotFound(said("There is no such version."))
    return {
        "compared": half.value,
        "older": older if older in found else 0,
        "newer": newer,
        "differences": differences(found.get(older), found[newer]),
    }


def _half(name: str) -> Half:
    try:
        return Half(name)
    except ValueError:
        raise NotFound(said("There is no such version.")) from None


def _number(text: str) -> int:
    if not text.isdecimal() or not text.isascii() or len(text) > 9:
        raise NotFound(said("There is no such version."))
    return int(text)


def _said(refused: DomainError) -> dict[str, str]:
    """The problems of a refusal, as a page lists them."""
    return refused.problems if isinstance(refused, Refused) else {"": refused.args[0]}


async def _asked(
    portal: Portal,
    req: func.HttpRequest,
    visitor: Visitor,
    form: Form,
    change: Change,
    action: str,
    carried: dict[str, str],
) -> func.HttpResponse | None:
    """The page that asks before a change stops something, or the way back; None once the answer is to change."""
    if answer_in(form) == KEEP:
        return see_other(f"{_SETUP}/{change.before.id}")
    return await question(
        req,
        [change],
        portal=portal,
        visitor=visitor,
        form=form,
        action=action,
        nav="organizations",
        also=carried,
    )


def _copies(endpoints: func.Blueprint, portal: Portal) -> None:
    services = portal.services

    async def shown(
        req: func.HttpRequest, visitor: Visitor, *, status: int = HTTPStatus.OK, **facts: Any
    ) -> func.HttpResponse:
        environment = (await find_environment(portal, req, visitor)).value
        found = []
        try:
            copy = versions.for_production(environment)
        except OutOfStep:
            copy = None
        if copy is not None and environment.live is not None:
            found = [
                *differences(environment.live.connection, copy.connection),
                *differences(environment.operation, copy.operation),
            ]
        return portal.page(
            req,
            visitor,
            "copy_environment.html",
            nav="organizations",
            status=status,
            environment=environment,
            copy=copy,
            differences=found,
            once_key=services.new_id(),
            **facts,
        )

    @endpoints.function_name("copy_page")
    @endpoints.route("setup/copy/{environment}", methods=["GET"])
    @door(portal.administrator, worded=portal.worded)
    async def show(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """What production would take over, what differs, and what is still to be filled in."""
        return await shown(req, visitor)

    @endpoints.function_name("copy_make")
    @endpoints.route("setup/copy/{environment}", methods=["POST"])
    @door(portal.administrator, worded=portal.worded)
    async def make(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """Make the production environment, once."""
        form = await portal.form(req, visitor)
        environment = (await find_environment(portal, req, visitor)).value
        try:
            made = await versions.copy_to_production(
                environment.id,
                to=made_once(visitor.person.tenant, form.text("once") or services.new_id()),
                given=portal.configuring(visitor),
                now=services.now(),
            )
        except (Refused, OutOfStep) as refused:
            return await shown(req, visitor, status=_UNPROCESSABLE, form=form, problems=_said(refused))
        return see_other(f"{_SETUP}/{made.id}?done=added")


def _files(endpoints: func.Blueprint, portal: Portal) -> None:
    services = portal.services

    async def shown(
        req: func.HttpRequest, visitor: Visitor, *, status: int = HTTPStatus.OK, **facts: Any
    ) -> func.HttpResponse:
        return portal.page(
            req,
            visitor,
            "import_environment.html",
            nav="organizations",
            status=status,
            environments=visitor.environments,
            once_key=services.new_id(),
            **facts,
        )

    @endpoints.function_name("export_environment")
    @endpoints.route("setup/export/{environment}", methods=["GET"])
    @door(portal.administrator, worded=portal.worded)
    async def export(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """The newest settings as a file."""
        environment = (await find_environment(portal, req, visitor)).value
        name = f"environment-{environment.kind.value}-{environment.id}.json"
        return func.HttpResponse(
            file_of(environment).model_dump_json(indent=2) + "\n",
            headers={
                "Content-Type": "application/json; charset=utf-8",
                "Content-Disposition": f'attachment; filename="{name}"',
                "Cache-Control": "no-store",
                "X-Content-Type-Options": "nosniff",
            },
        )

    @endpoints.function_name("import_page")
    @endpoints.route("setup/import", methods=["GET"])
    @door(portal.administrator, worded=portal.worded)
    async def show(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """The form that takes a file."""
        return await shown(req, visitor, form=await portal.held(req, visitor))

    @endpoints.function_name("import_environment")
    @endpoints.route("setup/import", methods=["POST"])
    @door(portal.administrator, worded=portal.worded)
    async def take_in(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """A new environment, or a change of one that is there, from a file."""
        form = await portal.form(req, visitor)
        given = portal.configuring(visitor)
        content = form.file("file") or form.text("content").encode()
        try:
            file = files.read_file(content)
            if not form.text("into"):
                once = form.text("once") or services.new_id()
                id = made_once(visitor.person.tenant, once)
                made = await files.make(file, id=id, services=services, given=given)
                return see_other(f"{_SETUP}/{made.id}?done=added")
            found = await given.environments.get(EnvironmentId(form.text("into")))
            halves = files.settings_in(file).over(found.value)
            files.checked(halves, services)
            now = services.now()
            after = found.value.operated(halves.operation, by=visitor.person, at=now)
            seen = form.text("version") or found.version
            carried = {"content": content.decode(), "into": found.value.id, "version": seen}
            asked = await _asked(
                portal, req, visitor, form, Change(found.value, after), "/setup/import", carried
            )
            if asked is not None:
                return asked
            await files.change(found.value, halves, seen=seen, services=services, given=given)
        except (Refused, OutOfStep) as refused:
            return await shown(req, visitor, status=_UNPROCESSABLE, form=form, problems=_said(refused))
        return see_other(f"{_SETUP}/{found.value.id}?done=saved")


def _sharing(endpoints: func.Blueprint, portal: Portal) -> None:
    services = portal.services

    async def shown(
        req: func.HttpRequest, visitor: Visitor, *, status: int = HTTPStatus.OK, **facts: Any
    ) -> func.HttpResponse:
        given = portal.configuring(visitor)
        every = visitor.environments
        named = [
            (one.id, f"{one.operation.organization}: {one.newest.connection.fhir_base_url}") for one in every
        ]
        return portal.page(
            req,
            visitor,
            "sharing.html",
            nav="sharing",
            status=status,
            shares=await sharing.requests(given),
            options=named,
            **facts,
        )

    async def answered(form: Form, visitor: Visitor) -> str:
        """Do what the pressed button says, and return the code of what was done."""
        both = sharing.Sharing(portal.configuring(visitor), services.audit_log)
        if form.action == "ask":
            wanted = EnvironmentId(form.text("environment"))
            await sharing.ask_to_share(wanted, sharing=both, now=services.now())
            return "asked"
        stages = {stage.value: stage for stage in ShareStage if stage is not ShareStage.ASKED}
        if form.action not in stages:
            raise Refused({"": said("Choose what to do")})
        await sharing.answer_share(
            form.text("address"),
            TenantId(form.text("tenant")),
            stages[form.action],
            sharing=both,
            now=services.now(),
        )
        return "answered"

    @endpoints.function_name("sharing_page")
    @endpoints.route("setup/sharing", methods=["GET"])
    @door(portal.administrator, worded=portal.worded)
    async def show(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """What is shared with other organizations, or asked for."""
        return await shown(req, visitor)

    @endpoints.function_name("sharing_act")
    @endpoints.route("setup/sharing", methods=["POST"])
    @door(portal.administrator, worded=portal.worded)
    async def act(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """Ask, allow, refuse or withdraw."""
        form = await portal.form(req, visitor)
        try:
            done = await answered(form, visitor)
        except (Refused, OutOfStep) as refused:
            return await shown(req, visitor, status=_UNPROCESSABLE, form=form, problems=_said(refused))
        return see_other(f"/setup/sharing?done={done}")
