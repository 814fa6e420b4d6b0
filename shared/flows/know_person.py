"""By which names an environment may know somebody: their object id, and the addresses that became theirs for good."""

from collections.abc import Sequence

from shared.domain.environment import Environment
from shared.domain.tenant import Person
from shared.flows.ports import People


async def approver_names(
    person: Person, people: People, environments: Sequence[Environment]
) -> frozenset[str]:
    """The names by which `environments`, those of the person's tenant, may call them an approver.

    An address that was typed for an environment becomes this person's when they are the first to come with it.
    Whoever comes with the same address later gets nothing: addresses change hands, object ids do not.
    """
    typed = {one.lower() for each in environments for one in each.newest.connection.approvers if "@" in one}
    if not typed:
        return frozenset((person.object_id,))
    address = person.address.strip().lower()
    if address in typed and await people.bound(address) is None:
        await people.bind(address, person.object_id)
    return frozenset((person.object_id, *await people.addresses_of(person.object_id)))


def named_on_any(names: frozenset[str], environments: Sequence[Environment]) -> bool:
    """Whether one of `environments` names somebody who goes by `names` as approver of what is newest."""
    return any(one.names_as_approver(names) for one in environments)
