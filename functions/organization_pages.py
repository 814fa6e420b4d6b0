"""The portal's list of organizations and their environments, and the form that adds one."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import azure.functions as func

from functions.web.colleagues import people_of, resolved, spoken_names
from functions.web.connection_form import (
    APPROVERS,
    approver_rows,
    looked_at,
    problems_of,
    rows_changed,
    typed_twice,
)
from functions.web.connection_sections import FHIR, approvers_of, fhir_url
from functions.web.door import door
from functions.web.forms import Form
from functions.web.made_once import made_once
from functions.web.operation_sections import NAME, PHONE, ZONE
from functions.web.portal import Portal, Visitor
from functions.web.replies import see_other
from functions.web.setup_tasks import setup_steps
from functions.web.time_zones import suggested_zones
from functions.web.tried import never_tested
from shared.domain.configuration import check, problems_of_operation
from shared.domain.environment import Connection, Environment, EnvironmentId, EnvironmentKind, Feed, Operation
from shared.domain.errors import AlreadyThere, Refused
from shared.domain.fhir_check import AddressCheck
from shared.domain.last_check import LastCheck, last_check
from shared.domain.words import said
from shared.flows import configure_environment as configure
from shared.flows.check_again import check_again
from shared.wiring import Services

LIST = "/setup/organizations"


def organization_pages(services: Services) -> func.Blueprint:
    """The list and the form, speaking to `services`."""
    endpoints = func.Blueprint()
    portal = Portal(services)
    pages = _Pages(services, portal)

    @endpoints.function_name("organizations_page")
    @endpoints.route("setup/organizations", methods=["GET"])
    @door(portal.signed_in, worded=portal.worded)
    async def show_list(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """The environments, and for an administrator the form that adds one."""
        return await pages.listing(req, visitor, form=await portal.held(req, visitor))

    @endpoints.function_name("organizations_add")
    @endpoints.route("setup/organizations", methods=["POST"])
    @door(portal.administrator, worded=portal.worded)
    async def add(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """Check an address, add a row for an approver, or save a new environment as a draft."""
        form = await portal.form(req, visitor)
        if rows_changed(form):
            return await pages.listing(req, visitor, form=form)
        if form.action in ("check", "use"):
            return await pages.checked(req, visitor, form)
        try:
            made = await pages.create(visitor, form)
        except _FailedCheck as failed:
            return await pages.listing(
                req, visitor, form=form, found=failed.found, status=HTTPStatus.UNPROCESSABLE_ENTITY
            )
        except Refused as refused:
            return await pages.listing(
                req, visitor, form=form, problems=refused.problems, status=HTTPStatus.UNPROCESSABLE_ENTITY
            )
        return see_other(f"{LIST}/{made.id}?done=added")

    @endpoints.function_name("organizations_check")
    @endpoints.route("setup/organizations/{environment}/check", methods=["POST"])
    @door(portal.administrator, worded=portal.worded)
    async def check_environment(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """Look at the address of an environment again; the list then says what was found."""
        await portal.form(req, visitor)
        made = await check_again(
            EnvironmentId(req.route_params.get("environment", "")),
            checker=services.address_checker,
            checks=services.last_checks(visitor.person.tenant),
            given=portal.configuring(visitor),
            now=services.now(),
        )
        return see_other(f"{LIST}#check-{made.environment}")

    return endpoints


class _FailedCheck(Exception):
    """The address did not pass its check; a test environment may be saved all the same."""

    def __init__(self, found: AddressCheck) -> None:
        super().__init__("the address did not pass its check")
        self.found = found


@dataclass(frozen=True, slots=True)
class _Pages:
    """What the handlers show and save."""

    services: Services
    portal: Portal

    async def listing(
        self,
        req: func.HttpRequest,
        visitor: Visitor,
        *,
        form: Form | None = None,
        problems: Mapping[str, str] | None = None,
        found: AddressCheck | None = None,
        status: int = HTTPStatus.OK,
    ) -> func.HttpResponse:
        every = visitor.environments
        names = await people_of(self.services, visitor, every)
        if found is not None and found.problem is not None:
            problems = {**(problems or {}), FHIR.name: found.problem}
        return self.portal.page(
            req,
            visitor,
            "organizations.html",
            nav="organizations",
            status=status,
            form=form,
            problems=problems,
            environments=every,
            names=names,
            setup=setup_steps(every, names=spoken_names(names)),
            may_change=visitor.is_administrator,
            checks=await self._checks(visitor),
            approvers=approver_rows(form, ()),
            found=found,
            may_save_anyway=found is not None and not found.ok and _kind(form) is EnvironmentKind.TEST,
            untested=_kind(form) is EnvironmentKind.PRODUCTION and await never_tested(self.services, every),
            once_key=self.services.new_id(),
            zones=suggested_zones(self.services.settings.geography),
            fields={"name": NAME, "phone": PHONE, "zone": ZONE, "fhir": FHIR},
        )

    async def _checks(self, visitor: Visitor) -> dict[EnvironmentId, LastCheck]:
        """The last look at each address, as long as the environment still has that address."""
        kept = await self.services.last_checks(visitor.person.tenant).all()
        return {
            one.id: kept[one.id] for one in visitor.environments if one.id in kept and kept[one.id].is_of(one)
        }

    async def checked(self, req: func.HttpRequest, visitor: Visitor, form: Form) -> func.HttpResponse:
        """The form again, with what is found at the typed address, or at the one that was offered instead."""
        form, found = await looked_at(self.services, form)
        status = HTTPStatus.OK if found.ok else HTTPStatus.UNPROCESSABLE_ENTITY
        return await self.listing(req, visitor, form=form, found=found, status=status)

    async def create(self, visitor: Visitor, form: Form) -> Environment:
        """A new draft from the form, or raise Refused or _FailedCheck."""
        people = await resolved(self.services, visitor, approvers_of(form))
        kind = _kind(form)
        problems: dict[str, str] = {}
        if kind is None:
            problems["kind"] = said("Select test or production")
        connection = Connection(fhir_url(form), {}, people.approvers)
        operation = Operation(form.text(NAME.name), form.text(PHONE.name), Feed(zone=form.text(ZONE.name)))
        problems |= (
            problems_of_operation(operation) | problems_of(self.services, connection) | typed_twice(form)
        )
        if people.problems:
            problems[APPROVERS] = next(iter(people.problems.values()))
        check({name: problems[name] for name in _in_order(problems)})
        if kind is None:
            raise Refused(problems)
        found = None
        if not (form.action == "save-anyway" and kind is EnvironmentKind.TEST):
            found = await self.services.address_checker.check(connection.fhir_base_url)
            if not found.ok:
                raise _FailedCheck(found)
        try:
            made = await self._made(visitor, form.text("once"), kind, connection, operation)
        except AlreadyThere:
            # The page was kept open and another environment was typed into it: this is a new deed.
            made = await self._made(visitor, "", kind, connection, operation)
        if found is not None:
            kept = last_check(made.id, connection.fhir_base_url, found, at=self.services.now())
            await self.services.last_checks(visitor.person.tenant).keep(kept)
        return made

    async def _made(
        self, visitor: Visitor, once: str, kind: EnvironmentKind, connection: Connection, operation: Operation
    ) -> Environment:
        return await configure.create_environment(
            made_once(visitor.person.tenant, once) if once else EnvironmentId(self.services.new_id()),
            kind,
            connection,
            operation,
            given=self.portal.configuring(visitor),
            now=self.services.now(),
        )


def _kind(form: Form | None) -> EnvironmentKind | None:
    typed = form.text("kind") if form else ""
    return EnvironmentKind(typed) if typed in set(EnvironmentKind) else None


_ORDER = (NAME.name, PHONE.name, "kind", FHIR.name, APPROVERS, ZONE.name)


def _in_order(problems: Mapping[str, str]) -> list[str]:
    """The names of the problems as their fields stand on the page."""
    return sorted(problems, key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))
