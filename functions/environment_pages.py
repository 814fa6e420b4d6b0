"""The portal's pages of one environment: all its parts, and the form of each."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus

import azure.functions as func

from functions.web.approving import callback_url
from functions.web.colleagues import (
    address_of,
    called,
    organized,
    people_of,
    resolved,
    spoken_names,
    with_addresses,
)
from functions.web.connection_form import (
    APPROVERS,
    approver_rows,
    looked_at,
    problems_of,
    rows_changed,
    typed_twice,
)
from functions.web.connection_sections import FHIR, approvers_of
from functions.web.department_section import department_rows
from functions.web.door import door
from functions.web.environment_found import find_environment
from functions.web.environment_sections import SECTIONS, changed_meanwhile
from functions.web.forms import Form
from functions.web.portal import Portal, Visitor
from functions.web.replies import see_other
from functions.web.section_parts import Section
from functions.web.setup_tasks import setup_steps
from functions.web.time_zones import suggested_zones
from functions.web.tried import never_tested
from shared.domain.configuration import check, problems_of_operation
from shared.domain.environment import Environment, EnvironmentId, EnvironmentKind, EpicClient, Stage
from shared.domain.errors import NotFound, OutOfStep, Refused
from shared.domain.fhir_check import AddressCheck
from shared.domain.versioned import Versioned
from shared.domain.words import said
from shared.flows import configure_environment as configure
from shared.wiring import Services

LIST = "/setup/organizations"


def environment_pages(services: Services) -> func.Blueprint:
    """The pages of one environment, speaking to `services`."""
    endpoints = func.Blueprint()
    portal = Portal(services)
    pages = _Pages(services, portal)

    @endpoints.function_name("organization_page")
    @endpoints.route("setup/organizations/{environment}", methods=["GET"])
    @door(portal.signed_in, worded=portal.worded)
    async def show_one(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """One environment: all parts with what they hold, and what to do next."""
        return await pages.overview(req, visitor, await find_environment(portal, req, visitor))

    @endpoints.function_name("organization_section_page")
    @endpoints.route("setup/organizations/{environment}/{section}", methods=["GET"])
    @door(portal.administrator, worded=portal.worded)
    async def show_section(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """The form of one part."""
        section, found = _section(req), await find_environment(portal, req, visitor)
        return await pages.section(req, visitor, section, found, form=await portal.held(req, visitor))

    @endpoints.function_name("organization_section_save")
    @endpoints.route("setup/organizations/{environment}/{section}", methods=["POST"])
    @door(portal.administrator, worded=portal.worded)
    async def save_section(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """Save one part; who saves on top of somebody else's change sees both."""
        form = await portal.form(req, visitor)
        section, found = _section(req), await find_environment(portal, req, visitor)
        if form.action == "add-row" or rows_changed(form):
            return await pages.section(req, visitor, section, found, form=form)
        if section.id == "connection" and form.action in ("check", "use"):
            form, looked = await looked_at(services, form)
            status = HTTPStatus.OK if looked.ok else HTTPStatus.UNPROCESSABLE_ENTITY
            return await pages.section(req, visitor, section, found, form=form, looked=looked, status=status)
        try:
            await pages.save(visitor, section, found, form)
        except OutOfStep:
            return await pages.section(
                req,
                visitor,
                section,
                await find_environment(portal, req, visitor),
                form=form,
                status=HTTPStatus.CONFLICT,
            )
        except Refused as refused:
            return await pages.section(
                req,
                visitor,
                section,
                found,
                form=form,
                problems=refused.problems,
                status=HTTPStatus.UNPROCESSABLE_ENTITY,
            )
        return see_other(f"{LIST}/{found.value.id}?done=saved-{section.half}")

    return endpoints


def _section(req: func.HttpRequest) -> Section:
    section = SECTIONS.get(req.route_params.get("section", ""))
    if section is None:
        raise NotFound(said("There is no such part of an environment."))
    return section


@dataclass(frozen=True, slots=True)
class _Pages:
    """What the handlers show and save."""

    services: Services
    portal: Portal

    async def overview(
        self,
        req: func.HttpRequest,
        visitor: Visitor,
        found: Versioned[Environment],
    ) -> func.HttpResponse:
        one = found.value
        names = await people_of(self.services, visitor, [one])
        return self.portal.page(
            req,
            visitor,
            "organization.html",
            nav="organizations",
            environment=one,
            names=names,
            setup=setup_steps([one], names=spoken_names(names)),
            may_change=visitor.is_administrator,
            sections=list(SECTIONS.values()),
            shown={part.id: with_addresses(part.show(one), names) for part in SECTIONS.values()},
            may_submit=one.newest.stage in (Stage.DRAFT, Stage.REJECTED, Stage.WITHDRAWN),
            untested=await self._first_try(visitor, one),
            zone=one.operation.feed.zone or "UTC",
        )

    async def _first_try(self, visitor: Visitor, one: Environment) -> bool:
        """Whether `one` is a production environment on its way while no visit was ever tested."""
        if one.kind is EnvironmentKind.TEST or one.live is not None:
            return False
        return await never_tested(self.services, visitor.environments)

    async def section(
        self,
        req: func.HttpRequest,
        visitor: Visitor,
        section: Section,
        found: Versioned[Environment],
        *,
        form: Form | None = None,
        problems: Mapping[str, str] | None = None,
        looked: AddressCheck | None = None,
        status: int = HTTPStatus.OK,
    ) -> func.HttpResponse:
        one = found.value
        if looked is not None and looked.problem is not None:
            problems = {FHIR.name: looked.problem}
        names = await people_of(self.services, visitor, [one])
        known = [address_of(names, id) for id in one.newest.connection.approvers]
        conflict = status == HTTPStatus.CONFLICT and form is not None
        return self.portal.page(
            req,
            visitor,
            "organization_section.html",
            nav="organizations",
            status=status,
            form=form,
            problems=problems,
            environment=one,
            section=section,
            current=with_addresses(section.show(one), names),
            found=looked,
            version=form.text("version") if form and not conflict else found.version,
            approvers=approver_rows(form, known),
            departments=_departments(section, one, form),
            differing=changed_meanwhile(section, one, form) if conflict and form else [],
            names=names,
            changed_by=called(names, one.changed_by),
            zones=suggested_zones(self.services.settings.geography),
            zone=one.operation.feed.zone or "UTC",
            callback=callback_url(self.services),
            key_addresses=_key_addresses(self.services.settings.public_base_url, one.id),
        )

    async def save(
        self, visitor: Visitor, section: Section, found: Versioned[Environment], form: Form
    ) -> None:
        """Save the part, or raise Refused, or OutOfStep when somebody saved after the visitor had looked."""
        given, now = self.portal.configuring(visitor), self.services.now()
        one, seen = found.value, form.text("version")
        if section.read_connection is not None:
            connection = section.read_connection(form, one.newest.connection)
            problems = problems_of(self.services, connection)
            if section.id == "connection":
                problems |= typed_twice(form)
                people = await resolved(self.services, visitor, approvers_of(form))
                if people.problems:
                    problems[APPROVERS] = next(iter(people.problems.values()))
                connection = replace(connection, approvers=people.approvers)
            check(problems)
            await configure.change_connection(one.id, connection, seen=seen, given=given, now=now)
        elif section.read_operation is not None:
            operation = section.read_operation(form, one.operation)
            if section.id == "meetings":
                operation = await organized(self.services, visitor, one, operation)
            check(_on_page(problems_of_operation(operation), form))
            await configure.change_operation(one.id, operation, seen=seen, given=given, now=now)


def _key_addresses(home: str, environment: EnvironmentId) -> dict[EpicClient, str]:
    """Where Epic finds the keys of each client, as it is registered there."""
    return {kind: f"{home}/keys/{environment}/{kind}/.well-known/jwks.json" for kind in EpicClient}


def _on_page(problems: Mapping[str, str], form: Form) -> dict[str, str]:
    """The problems, each at the field that shows it: a department's zone is known by its row."""
    rows = {row["id"]: row["number"] for row in department_rows(form)}
    found: dict[str, str] = {}
    for name, words in problems.items():
        head, _, tail = name.removeprefix("operation.departments.").rpartition(".")
        at_row = name.startswith("operation.departments.") and head in rows
        found[f"department.{rows[head]}.{tail}" if at_row else name] = words
    return found


def _departments(section: Section, one: Environment, form: Form | None) -> list[dict[str, str]]:
    """The rows that the page shows: all that are known or typed, and an empty one after them."""
    if section.id != "departments":
        return []
    if form and form.has("department.1.id"):
        rows = department_rows(form)
    else:
        rows = [
            {
                "number": str(number),
                "id": id,
                "name": about.name,
                "phone": about.phone,
                "zone": about.zone,
                "emergency": about.emergency,
            }
            for number, (id, about) in enumerate(one.operation.departments.items(), start=1)
        ]
    last = max((int(row["number"]) for row in rows), default=0)
    return [*rows, {"number": str(last + 1), "id": "", "name": "", "phone": "", "zone": "", "emergency": ""}]
