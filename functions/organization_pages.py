"""The portal's pages of organizations: list, add, change, submit, withdraw and remove an environment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus

import azure.functions as func

from functions.web.approving import callback_url
from functions.web.connection_sections import FHIR, approvers_of, fhir_url
from functions.web.department_section import department_rows
from functions.web.door import door
from functions.web.environment_sections import SECTIONS, changed_meanwhile
from functions.web.forms import Form
from functions.web.operation_sections import NAME, PHONE, ZONE
from functions.web.portal import Portal, Visitor
from functions.web.replies import see_other
from functions.web.section_parts import Section
from functions.web.setup_tasks import setup_steps
from functions.web.time_zones import suggested_zones
from shared.domain.configuration import check, problems_of_connection, problems_of_operation
from shared.domain.environment import (
    Connection,
    Environment,
    EnvironmentId,
    EnvironmentKind,
    EpicClient,
    Feed,
    Operation,
    Stage,
)
from shared.domain.errors import AlreadyThere, NotFound, OutOfStep, OutsideError, Refused
from shared.domain.fhir_check import AddressCheck
from shared.domain.portal_session import Colleague
from shared.domain.versioned import Versioned
from shared.domain.words import Said, said
from shared.flows import configure_environment as configure
from shared.flows.foresee_effects import foresee
from shared.flows.look_up_people import Resolved, resolve_approvers
from shared.wiring import Services

LIST = "/setup/organizations"
_APPROVERS = "connection.approvers"
_ACCOUNTS = "operation.meetings.scheduling_accounts"
_PROVIDERS = "operation.meetings.providers"
_MOST_ROWS = 10


def organization_pages(services: Services) -> func.Blueprint:
    """The pages below /setup/organizations, speaking to `services`."""
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
        if _rows_changed(form):
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

    @endpoints.function_name("organization_page")
    @endpoints.route("setup/organizations/{environment}", methods=["GET"])
    @door(portal.signed_in, worded=portal.worded)
    async def show_one(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """One environment: all parts with what they hold, and what to do next."""
        return await pages.overview(req, visitor, await pages.find(req, visitor))

    @endpoints.function_name("organization_remove_page")
    @endpoints.route("setup/organizations/{environment}/remove", methods=["GET"])
    @door(portal.administrator, worded=portal.worded)
    async def show_remove(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """What removing an environment would stop, before anybody can."""
        return await pages.removal(req, visitor, await pages.find(req, visitor))

    @endpoints.function_name("organization_remove")
    @endpoints.route("setup/organizations/{environment}/remove", methods=["POST"])
    @door(portal.administrator, worded=portal.worded)
    async def remove(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """Remove an environment whose organization's name was typed."""
        form = await portal.form(req, visitor)
        found = await pages.find(req, visitor)
        problems: Mapping[str, str] = {}
        status = HTTPStatus.OK
        try:
            await configure.remove_environment(
                found.value.id,
                confirmed=form.text("organization"),
                seen=form.text("version"),
                given=portal.configuring(visitor),
                now=services.now(),
            )
        except Refused as refused:
            problems, status = refused.problems, HTTPStatus.UNPROCESSABLE_ENTITY
        except OutOfStep as changed:
            problems, status = {"": changed.args[0]}, HTTPStatus.CONFLICT
        else:
            return see_other(f"{LIST}?done=removed")
        return await pages.removal(
            req, visitor, await pages.find(req, visitor), form=form, problems=problems, status=status
        )

    @endpoints.function_name("organization_section_page")
    @endpoints.route("setup/organizations/{environment}/{section}", methods=["GET"])
    @door(portal.administrator, worded=portal.worded)
    async def show_section(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """The form of one part."""
        section, found = _section(req), await pages.find(req, visitor)
        return await pages.section(req, visitor, section, found, form=await portal.held(req, visitor))

    @endpoints.function_name("organization_section_save")
    @endpoints.route("setup/organizations/{environment}/{section}", methods=["POST"])
    @door(portal.administrator, worded=portal.worded)
    async def save_section(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """Save one part; who saves on top of somebody else's change sees both."""
        form = await portal.form(req, visitor)
        section, found = _section(req), await pages.find(req, visitor)
        if form.action == "add-row" or _rows_changed(form):
            return await pages.section(req, visitor, section, found, form=form)
        if section.id == "connection" and form.action in ("check", "use"):
            form, looked = await pages.looked_at(form)
            status = HTTPStatus.OK if looked.ok else HTTPStatus.UNPROCESSABLE_ENTITY
            return await pages.section(req, visitor, section, found, form=form, looked=looked, status=status)
        try:
            await pages.save(visitor, section, found, form)
        except OutOfStep:
            return await pages.section(
                req, visitor, section, await pages.find(req, visitor), form=form, status=HTTPStatus.CONFLICT
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


def _rows_changed(form: Form) -> bool:
    """Whether the button only adds or removes the row of an approver: nothing is saved then."""
    return form.action == "add-approver" or form.action.startswith("remove-approver-")


def approver_rows(form: Form | None, known: Sequence[str]) -> list[str]:
    """The rows of approvers that a page shows: what was typed after the pressed button did its work."""
    rows = list(form.all(_APPROVERS)) if form and form.has(_APPROVERS) else list(known)
    action = form.action if form else ""
    if action.startswith("remove-approver-"):
        number = action.removeprefix("remove-approver-")
        if number.isascii() and number.isdecimal() and len(number) < 3 and int(number) < len(rows):
            del rows[int(number)]
    if action == "add-approver" and len(rows) < _MOST_ROWS:
        rows.append("")
    return rows or [""]


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

    async def find(self, req: func.HttpRequest, visitor: Visitor) -> Versioned[Environment]:
        """The environment in the path when the visitor may see it; NotFound otherwise."""
        wanted = EnvironmentId(req.route_params.get("environment", ""))
        if wanted not in {one.id for one in await configure.visible(self.portal.configuring(visitor))}:
            raise NotFound(said("There is no such environment."))
        return await self.services.environments_of(visitor.person.tenant).get(wanted)

    async def removal(
        self,
        req: func.HttpRequest,
        visitor: Visitor,
        found: Versioned[Environment],
        *,
        form: Form | None = None,
        problems: Mapping[str, str] | None = None,
        status: int = HTTPStatus.OK,
    ) -> func.HttpResponse:
        one, now = found.value, self.services.now()
        effects = await foresee(
            one, one.removed(by=visitor.person, at=now), given=self.portal.configuring(visitor), now=now
        )
        return self.portal.page(
            req,
            visitor,
            "remove_environment.html",
            nav="organizations",
            status=status,
            form=form,
            problems=problems,
            environment=one,
            effects=effects,
            version=found.version,
        )

    # --- the list and the form that adds an environment ---

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
        every = await configure.visible(self.portal.configuring(visitor))
        names = await self.names(visitor, every)
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
            setup=setup_steps(every, names=_spoken_names(names)),
            may_change=visitor.is_administrator,
            approvers=approver_rows(form, ()),
            found=found,
            may_save_anyway=found is not None and not found.ok and _kind(form) is EnvironmentKind.TEST,
            untested=_kind(form) is EnvironmentKind.PRODUCTION and not any(one.live for one in every),
            once_key=self.services.new_id(),
            zones=suggested_zones(self.services.settings.geography),
            fields={"name": NAME, "phone": PHONE, "zone": ZONE, "fhir": FHIR},
        )

    async def checked(self, req: func.HttpRequest, visitor: Visitor, form: Form) -> func.HttpResponse:
        """The form again, with what is found at the typed address, or at the one that was offered instead."""
        form, found = await self.looked_at(form)
        status = HTTPStatus.OK if found.ok else HTTPStatus.UNPROCESSABLE_ENTITY
        return await self.listing(req, visitor, form=form, found=found, status=status)

    async def looked_at(self, form: Form) -> tuple[Form, AddressCheck]:
        """The form with the address that is meant, and what is found there."""
        if form.action == "use":
            form = replace(form, values={**form.values, FHIR.name: [form.text("suggested")]})
        return form, await self.services.address_checker.check(fhir_url(form))

    async def create(self, visitor: Visitor, form: Form) -> Environment:
        """A new draft from the form, or raise Refused or _FailedCheck."""
        resolved = await self.resolved(visitor, approvers_of(form))
        kind = _kind(form)
        problems: dict[str, str] = {}
        if kind is None:
            problems["kind"] = said("Select test or production")
        connection = Connection(fhir_url(form), {}, resolved.approvers)
        operation = Operation(form.text(NAME.name), form.text(PHONE.name), Feed(zone=form.text(ZONE.name)))
        problems |= problems_of_operation(operation) | self.problems_of(connection) | _typed_twice(form)
        if resolved.problems:
            problems[_APPROVERS] = next(iter(resolved.problems.values()))
        check({name: problems[name] for name in _in_order(problems)})
        if kind is None:
            raise Refused(problems)
        if not (form.action == "save-anyway" and kind is EnvironmentKind.TEST):
            found = await self.services.address_checker.check(connection.fhir_base_url)
            if not found.ok:
                raise _FailedCheck(found)
        try:
            return await self._made(visitor, form.text("once"), kind, connection, operation)
        except AlreadyThere:
            # The page was kept open and another environment was typed into it: this is a new deed.
            return await self._made(visitor, "", kind, connection, operation)

    async def _made(
        self, visitor: Visitor, once: str, kind: EnvironmentKind, connection: Connection, operation: Operation
    ) -> Environment:
        return await configure.create_environment(
            EnvironmentId(_id(once) or self.services.new_id()),
            kind,
            connection,
            operation,
            given=self.portal.configuring(visitor),
            now=self.services.now(),
        )

    def problems_of(self, connection: Connection) -> dict[str, str]:
        return problems_of_connection(connection, private_hosts=self.services.settings.private_fhir_hosts)

    # --- one environment ---

    async def overview(
        self,
        req: func.HttpRequest,
        visitor: Visitor,
        found: Versioned[Environment],
    ) -> func.HttpResponse:
        one = found.value
        names = await self.names(visitor, [one])
        return self.portal.page(
            req,
            visitor,
            "organization.html",
            nav="organizations",
            environment=one,
            names=names,
            setup=setup_steps([one], names=_spoken_names(names)),
            may_change=visitor.is_administrator,
            sections=list(SECTIONS.values()),
            shown={part.id: _with_addresses(part.show(one), names) for part in SECTIONS.values()},
            may_submit=one.newest.stage in (Stage.DRAFT, Stage.REJECTED, Stage.WITHDRAWN),
            zone=one.operation.feed.zone or "UTC",
        )

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
        names = await self.names(visitor, [one])
        known = [_address(names, id) for id in one.newest.connection.approvers]
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
            current=_with_addresses(section.show(one), names),
            found=looked,
            version=form.text("version") if form and not conflict else found.version,
            approvers=approver_rows(form, known),
            departments=_departments(section, one, form),
            differing=changed_meanwhile(section, one, form) if conflict and form else [],
            names=names,
            changed_by=_called(names, one.changed_by),
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
            problems = self.problems_of(connection)
            if section.id == "connection":
                problems |= _typed_twice(form)
                resolved = await self.resolved(visitor, approvers_of(form))
                if resolved.problems:
                    problems[_APPROVERS] = next(iter(resolved.problems.values()))
                connection = _with_approvers(connection, resolved)
            check(problems)
            await configure.change_connection(one.id, connection, seen=seen, given=given, now=now)
        elif section.read_operation is not None:
            operation = section.read_operation(form, one.operation)
            if section.id == "meetings":
                operation = await self.organized(visitor, one, operation)
            check(_on_page(problems_of_operation(operation), form))
            await configure.change_operation(one.id, operation, seen=seen, given=given, now=now)

    # --- people ---

    async def resolved(self, visitor: Visitor, typed: Sequence[str]) -> Resolved:
        tenant = visitor.person.tenant
        return await resolve_approvers(
            typed, directory=self.services.directory(tenant), people=self.services.people(tenant)
        )

    async def organized(self, visitor: Visitor, one: Environment, operation: Operation) -> Operation:
        """The operation with every organizer by object id; raises Refused for an address that leads to nobody.

        Unlike an approver, an organizer never signs in here, so an address can never bind later.
        """
        known = {who.address.lower(): id for id, who in (await self.names(visitor, [one])).items()}
        directory = self.services.directory(visitor.person.tenant)

        async def id_of(typed: str, field: str) -> str:
            if "@" not in typed:
                return typed
            if typed.lower() in known:
                return known[typed.lower()]
            try:
                found = await directory.find(typed)
            except OutsideError as away:
                raise Refused({field: _not_looked_up(typed)}) from away
            if found is None:
                words = said("%(email)s is not in your Microsoft 365 organization", email=typed)
                raise Refused({field: words})
            await self.services.people(visitor.person.tenant).put(found)
            known[typed.lower()] = found.object_id
            return found.object_id

        meetings = operation.meetings
        accounts = [await id_of(one, _ACCOUNTS) for one in meetings.scheduling_accounts]
        providers = {key: await id_of(who, _PROVIDERS) for key, who in meetings.providers.items()}
        organizers = replace(meetings, scheduling_accounts=tuple(accounts), providers=providers)
        return replace(operation, meetings=organizers)

    async def names(self, visitor: Visitor, every: Sequence[Environment]) -> Mapping[str, Colleague]:
        ids = {id for one in every for id in _ids_in(one)}
        return await self.services.people(visitor.person.tenant).named(
            {id for id in ids if id and "@" not in id}
        )


def _ids_in(one: Environment) -> tuple[str, ...]:
    meetings = one.operation.meetings
    organizers = (*meetings.scheduling_accounts, *meetings.providers.values())
    return (*one.newest.connection.approvers, *organizers, one.changed_by)


def _not_looked_up(typed: str) -> Said:
    return said("%(email)s could not be looked up now. Try again, or enter the object id.", email=typed)


def _with_addresses(shown: Mapping[str, str], names: Mapping[str, Colleague]) -> dict[str, str]:
    """What a part holds, with organizers by address where it is known."""
    found = dict(shown)
    for name in (_ACCOUNTS, _PROVIDERS):
        lines = [line.rpartition(" = ") for line in found.get(name, "").splitlines()]
        found[name] = "\n".join(f"{head}{sign}{_address(names, id)}" for head, sign, id in lines)
    return found


def _key_addresses(home: str, environment: EnvironmentId) -> dict[EpicClient, str]:
    """Where Epic finds the keys of each client, as it is registered there."""
    return {kind: f"{home}/keys/{environment}/{kind}/.well-known/jwks.json" for kind in EpicClient}


def _kind(form: Form | None) -> EnvironmentKind | None:
    typed = form.text("kind") if form else ""
    return EnvironmentKind(typed) if typed in set(EnvironmentKind) else None


def _id(key: str) -> str:
    """The form's key as the new environment's id: a second click then creates the same one."""
    return key if key.isascii() and key.isalnum() and 8 <= len(key) <= 40 else ""


def _typed_twice(form: Form) -> dict[str, str]:
    seen: set[str] = set()
    for one in approvers_of(form):
        if "@" in one and one.lower() in seen:
            return {_APPROVERS: said("%(email)s is already in the list", email=one)}
        seen.add(one.lower())
    return {}


def _with_approvers(connection: Connection, resolved: Resolved) -> Connection:

    return replace(connection, approvers=resolved.approvers)


_ORDER = (NAME.name, PHONE.name, "kind", FHIR.name, _APPROVERS, ZONE.name)


def _in_order(problems: Mapping[str, str]) -> list[str]:
    """The names of the problems as their fields stand on the page."""
    return sorted(problems, key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))


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


def _address(names: Mapping[str, Colleague], id: str) -> str:
    return names[id].address if id in names and names[id].address else id


def _spoken_names(names: Mapping[str, Colleague]) -> dict[str, str]:
    return {id: one.name or one.address for id, one in names.items()}


def _called(names: Mapping[str, Colleague], id: str) -> Said | str:
    return names[id].name if id in names and names[id].name else said("Another administrator")
