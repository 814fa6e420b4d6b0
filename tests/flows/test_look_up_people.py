"""A typed approver becomes the colleague behind the address, or stays typed when nobody can be asked."""

import pytest

from shared.domain.errors import TryAgain, TurnedDown
from shared.domain.portal_session import Colleague
from shared.flows.look_up_people import Resolved, resolve_approvers
from tests.fakes.outside import FakeDirectory

PRIYA = Colleague("oid-priya", "Priya Nair", "priya.nair@lamna.example")
OMAR = Colleague("oid-omar", "Omar Reyes", "omar.reyes@lamna.example")


class KnownPeople:
    """The people of one tenant, in memory."""

    def __init__(self) -> None:
        self.bindings: dict[str, str] = {}
        self.remembered: list[Colleague] = []

    async def bound(self, address: str) -> str | None:
        return self.bindings.get(address)

    async def put(self, colleague: Colleague) -> None:
        self.remembered.append(colleague)


@pytest.fixture
def directory() -> FakeDirectory:
    known = FakeDirectory()
    known.add(PRIYA, OMAR)
    return known


@pytest.fixture
def people() -> KnownPeople:
    return KnownPeople()


async def resolve(directory: FakeDirectory, people: KnownPeople, *typed: str) -> Resolved:
    return await resolve_approvers(typed, directory=directory, people=people)


async def test_an_address_in_the_directory_becomes_its_object_id_and_is_remembered(
    directory: FakeDirectory, people: KnownPeople
) -> None:
    found = await resolve(directory, people, " Priya.Nair@lamna.example ", "omar.reyes@lamna.example", "")

    assert found == Resolved(("oid-priya", "oid-omar"), (PRIYA, OMAR))
    assert people.remembered == [PRIYA, OMAR]


async def test_an_object_id_stays_as_it_is(directory: FakeDirectory, people: KnownPeople) -> None:
    assert await resolve(directory, people, "oid-sam") == Resolved(("oid-sam",))


async def test_a_person_typed_in_two_ways_is_one_approver(
    directory: FakeDirectory, people: KnownPeople
) -> None:
    found = await resolve(directory, people, "oid-priya", PRIYA.address, PRIYA.address.upper())

    assert found.approvers == ("oid-priya",)


async def test_an_address_that_signed_in_before_stays_with_that_person(
    directory: FakeDirectory, people: KnownPeople
) -> None:
    people.bindings[PRIYA.address] = "oid-first"

    assert (await resolve(directory, people, PRIYA.address)).approvers == ("oid-first",)


async def test_somebody_who_is_not_in_the_directory_is_a_problem(
    directory: FakeDirectory, people: KnownPeople
) -> None:
    found = await resolve(directory, people, "sam@elsewhere.example", PRIYA.address)

    assert found.problems == {
        "sam@elsewhere.example": "sam@elsewhere.example is not in your Microsoft 365 organization"
    }
    assert found.approvers == ("oid-priya",)


@pytest.mark.parametrize("typed", ["a@", "a b@lamna.example", "<a@lamna.example>"])
async def test_what_cannot_be_an_address_is_a_problem(
    directory: FakeDirectory, people: KnownPeople, typed: str
) -> None:
    found = await resolve(directory, people, typed)

    assert (list(found.problems), found.approvers) == ([typed], ())


@pytest.mark.parametrize("trouble", [TryAgain("busy"), TurnedDown("no", code="Authorization_RequestDenied")])
async def test_addresses_stay_as_typed_when_the_directory_cannot_be_asked(
    directory: FakeDirectory, people: KnownPeople, trouble: Exception
) -> None:
    directory.fail(trouble)
    found = await resolve(directory, people, "Priya.Nair@lamna.example", "sam@elsewhere.example")

    assert found.approvers == ("priya.nair@lamna.example", "sam@elsewhere.example")
    assert (found.problems, people.remembered) == ({}, [])


async def test_an_address_of_several_people_stays_as_typed_and_the_next_is_still_looked_up(
    directory: FakeDirectory, people: KnownPeople
) -> None:
    directory.fail(TurnedDown("several", code="ambiguous"))
    found = await resolve(directory, people, "front.desk@lamna.example", OMAR.address)

    assert found.approvers == ("front.desk@lamna.example", "oid-omar")
    assert found.problems == {}
