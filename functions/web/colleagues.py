"""Colleagues on the portal's pages: who an id is, and whom an address that was typed leads to."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from functions.web.portal import Visitor
from shared.domain.environment import Environment, Operation
from shared.domain.errors import OutsideError, Refused
from shared.domain.portal_session import Colleague
from shared.domain.words import Said, said
from shared.flows.look_up_people import Resolved, resolve_approvers
from shared.wiring import Services

_ACCOUNTS = "operation.meetings.scheduling_accounts"
_PROVIDERS = "operation.meetings.providers"


async def people_of(
    services: Services, visitor: Visitor, every: Sequence[Environment]
) -> Mapping[str, Colleague]:
    """Approvers, organizers and whoever changed something, by object id, as far as they are known."""
    ids = {id for one in every for id in _ids_in(one)}
    return await services.people(visitor.person.tenant).named({id for id in ids if id and "@" not in id})


async def resolved(services: Services, visitor: Visitor, typed: Sequence[str]) -> Resolved:
    """The approvers whom the typed addresses lead to."""
    tenant = visitor.person.tenant
    return await resolve_approvers(
        typed, directory=services.directory(tenant), people=services.people(tenant)
    )


async def organized(
    services: Services, visitor: Visitor, one: Environment, operation: Operation
) -> Operation:
    """The operation with every organizer by object id; raises Refused for an address that leads to nobody.

    Unlike an approver, an organizer never signs in here, so an address can never bind later.
    """
    known = {who.address.lower(): id for id, who in (await people_of(services, visitor, [one])).items()}
    directory = services.directory(visitor.person.tenant)

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
        await services.people(visitor.person.tenant).put(found)
        known[typed.lower()] = found.object_id
        return found.object_id

    meetings = operation.meetings
    accounts = [await id_of(one, _ACCOUNTS) for one in meetings.scheduling_accounts]
    providers = {key: await id_of(who, _PROVIDERS) for key, who in meetings.providers.items()}
    organizers = replace(meetings, scheduling_accounts=tuple(accounts), providers=providers)
    return replace(operation, meetings=organizers)


def _ids_in(one: Environment) -> tuple[str, ...]:
    meetings = one.operation.meetings
    organizers = (*meetings.scheduling_accounts, *meetings.providers.values())
    return (*one.newest.connection.approvers, *organizers, one.changed_by)


def _not_looked_up(typed: str) -> Said:
    return said("%(email)s could not be looked up now. Try again, or enter the object id.", email=typed)


def with_addresses(shown: Mapping[str, str], names: Mapping[str, Colleague]) -> dict[str, str]:
    """What a part holds, with organizers by address where it is known."""
    found = dict(shown)
    for name in (_ACCOUNTS, _PROVIDERS):
        lines = [line.rpartition(" = ") for line in found.get(name, "").splitlines()]
        found[name] = "\n".join(f"{head}{sign}{address_of(names, id)}" for head, sign, id in lines)
    return found


def address_of(names: Mapping[str, Colleague], id: str) -> str:
    """The address of one, or the id where none is known."""
    return names[id].address if id in names and names[id].address else id


def spoken_names(names: Mapping[str, Colleague]) -> dict[str, str]:
    """What people call each of them."""
    return {id: one.name or one.address for id, one in names.items()}


def called(names: Mapping[str, Colleague], id: str) -> Said | str:
    """The name of one, or words for somebody unknown."""
    return names[id].name if id in names and names[id].name else said("Another administrator")
