"""The portal's "Review and finish": the integration records of an approved environment, and whether Epic uses them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

import azure.functions as func

from functions.web.colleagues import spoken_names
from functions.web.door import door
from functions.web.forms import Form
from functions.web.pages import spoken
from functions.web.portal import Portal, Visitor
from functions.web.records_of import against, one_of, samples
from functions.web.records_of import records as records_of_approved
from functions.web.records_shown import Shown, file_name, heading, shown, zipped
from functions.web.replies import json_reply, see_other
from functions.web.setup_tasks import setup_steps
from functions.web.stopping import spoken_number
from shared.domain.environment import Environment
from shared.domain.errors import NotFound
from shared.domain.integration_record import KINDS, as_text, record_of
from shared.domain.portal_session import Colleague
from shared.domain.record_comparison import MOST_PASTED, compare
from shared.domain.words import said
from shared.flows.finish_setup import finish_setup
from shared.wiring import Services

LIST = "/records"
_NAV = "records"
_LONGEST_LAUNCH = 2000


def record_pages(services: Services) -> func.Blueprint:
    """The pages below /records, speaking to `services`."""
    endpoints = func.Blueprint()
    portal = Portal(services)
    pages = RecordPages(services, portal)

    @endpoints.function_name("records_index")
    @endpoints.route("records", methods=["GET"])
    @door(portal.signed_in, worded=portal.worded)
    async def show_first(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """The records of the first environment, or where one is made."""
        every = visitor.environments
        first = next((one for one in every if one.live), every[0] if every else None)
        return see_other(f"{LIST}/{first.id}" if first else "/setup/organizations")

    @endpoints.function_name("records_page")
    @endpoints.route("records/{environment}", methods=["GET"])
    @door(portal.signed_in, worded=portal.worded)
    async def show(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """Everything to hand over to Epic, and what came from there."""
        return await pages.show(req, visitor, form=await portal.held(req, visitor))

    @endpoints.function_name("records_act")
    @endpoints.route("records/{environment}", methods=["POST"])
    @door(portal.signed_in, worded=portal.worded)
    async def act(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """Hold what was pasted against the records, or finish the setup."""
        form = await portal.form(req, visitor)
        if form.action == "finish":
            one, _ = await pages.find(req, visitor)
            await finish_setup(one.id, given=portal.configuring(visitor), now=services.now())
            return see_other(f"{LIST}/{one.id}?done=finished")
        problems = _problems_of_paste(form)
        return await pages.show(req, visitor, form=form, problems=problems, compared=not problems)

    @endpoints.function_name("records_live")
    @endpoints.route("records/{environment}/live", methods=["GET"])
    @door(portal.signed_in, worded=portal.worded)
    async def live(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """Signs of life in the reader's words, for the page that is open."""
        one, every = await pages.find(req, visitor)
        return json_reply((await pages.signs(visitor, one, every)).as_json())

    @endpoints.function_name("records_file")
    @endpoints.route("records/{environment}/files/{file}", methods=["GET"])
    @door(portal.signed_in, worded=portal.worded)
    async def download(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """One record as text, or all of them as text and JSON in a zip file."""
        one, _ = await pages.find(req, visitor)
        return pages.file(visitor, one, req.route_params["file"])

    return endpoints


def _problems_of_paste(form: Form) -> dict[str, str]:
    pasted = form.text("pasted")
    if not pasted:
        return {"pasted": said("Paste what Epic holds")}
    if len(pasted) > MOST_PASTED:
        return {"pasted": said("Paste one record at a time: %(most)s characters or fewer", most=MOST_PASTED)}
    return {}


@dataclass(frozen=True, slots=True)
class RecordPages:
    """What the pages of records share."""

    services: Services
    portal: Portal

    async def find(
        self, req: func.HttpRequest, visitor: Visitor
    ) -> tuple[Environment, Sequence[Environment]]:
        """The environment in the path when the visitor may see it, and all that they may see."""
        every = visitor.environments
        return one_of(every, req.route_params.get("environment", "")), every

    async def signs(self, visitor: Visitor, one: Environment, every: Sequence[Environment]) -> Shown:
        return shown(
            await self.services.signs(one.tenant, one.id).all(),
            environment=one,
            every=every,
            language=visitor.language,
            now=self.services.now(),
        )

    async def show(
        self,
        req: func.HttpRequest,
        visitor: Visitor,
        *,
        form: Form | None = None,
        problems: Mapping[str, str] | None = None,
        compared: bool = False,
    ) -> func.HttpResponse:
        one, every = await self.find(req, visitor)
        records = records_of_approved(self.services, one)
        launch = req.params.get("launch", "")[:_LONGEST_LAUNCH]
        names = await self._names(visitor, one)
        return self.portal.page(
            req,
            visitor,
            "records.html",
            nav=_NAV,
            status=HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK,
            form=form,
            problems=problems,
            environment=one,
            every=every,
            records=records,
            names=names,
            setup=setup_steps([one], names=spoken_names(names)),
            spoken_number=spoken_number,
            live=await self.signs(visitor, one, every),
            comparison=compare(
                form.text("pasted"),
                records=records,
                kind=form.text("record"),
                against=against(one, every),
            )
            if compared and form and records
            else None,
            titles={record.kind: record.title for record in records},
            samples=samples(self.services, one, launch or "sample"),
            launch=launch,
            heading=heading(one, spoken(visitor.language, KINDS[one.kind])),
            may_change=visitor.is_administrator,
            mail_on=self.services.mail_on,
            zone=one.operation.feed.zone or "UTC",
        )

    async def _names(self, visitor: Visitor, one: Environment) -> Mapping[str, Colleague]:
        live = one.live
        ids = {
            *one.newest.connection.approvers,
            *((live.decided_by, *live.connection.approvers) if live else ()),
        }
        known = sorted(id for id in ids if id and "@" not in id)
        return await self.services.people(visitor.person.tenant).named(known)

    def file(self, visitor: Visitor, one: Environment, name: str) -> func.HttpResponse:
        records, kind = records_of_approved(self.services, one), str(KINDS[one.kind])
        if name == "all.zip" and records:
            return _download(
                zipped(records, one, kind=kind), "application/zip", file_name(one, "records.zip")
            )
        record = record_of(records, name.removesuffix(".txt")) if name.endswith(".txt") else None
        if record is None:
            raise NotFound(said("There is no such file."))
        text = as_text(record, heading=heading(one, kind)).encode()
        return _download(text, "text/plain; charset=utf-8", file_name(one, name))


def _download(content: bytes, kind: str, name: str) -> func.HttpResponse:
    return func.HttpResponse(
        content,
        mimetype=kind,
        headers={
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Content-Disposition": f'attachment; filename="{name}"',
        },
    )
