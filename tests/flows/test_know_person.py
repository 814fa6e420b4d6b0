"""A typed address becomes the first person's who comes with it; names and addresses that change hands give nothing."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.environment import Environment
from shared.domain.tenant import Person
from shared.flows.know_person import approver_names, named_on_any
from tests.fakes.hospital import ENVIRONMENT, PRIYA, TENANT, Hospital
from tests.fakes.storage import FakeStamp

ADDRESS = "priya@lamna.example"


def naming(*approvers: str) -> list[Environment]:
    known = Hospital().stamp.environment_rows.get(TENANT, ENVIRONMENT).value
    connection = replace(known.newest.connection, approvers=approvers)
    return [replace(known, newest=replace(known.newest, connection=connection))]


def somebody(object_id: str, address: str = ADDRESS) -> Person:
    return Person(TENANT, object_id, "Priya", address, frozenset())


async def test_the_first_with_the_address_is_the_approver_and_the_next_is_not() -> None:
    people, environments = FakeStamp().people(TENANT), naming(ADDRESS)

    first = await approver_names(somebody("oid-1"), people, environments)
    second = await approver_names(somebody("oid-2"), people, environments)

    assert first == {"oid-1", ADDRESS}
    assert second == {"oid-2"}
    assert (named_on_any(first, environments), named_on_any(second, environments)) == (True, False)


async def test_the_first_keeps_it_under_another_address() -> None:
    people, environments = FakeStamp().people(TENANT), naming(ADDRESS)
    await approver_names(somebody("oid-1"), people, environments)

    names = await approver_names(somebody("oid-1", "priya.nair@lamna.example"), people, environments)

    assert named_on_any(names, environments)


async def test_an_address_that_nobody_typed_is_bound_to_nobody() -> None:
    people = FakeStamp().people(TENANT)

    assert await approver_names(somebody("oid-1"), people, naming("other@lamna.example")) == {"oid-1"}
    assert await people.bound(ADDRESS) is None


@pytest.mark.parametrize("typed", ["PRIYA@Lamna.Example", "priya@lamna.example"])
async def test_case_makes_no_difference(typed: str) -> None:
    names = await approver_names(
        somebody("oid-1", "Priya@lamna.example"), FakeStamp().people(TENANT), naming(typed)
    )

    assert named_on_any(names, naming(typed))


async def test_somebody_named_by_object_id_needs_no_look_at_addresses() -> None:
    stamp, environments = FakeStamp(), naming(PRIYA.object_id)

    names = await approver_names(PRIYA, stamp.people(TENANT), environments)

    assert named_on_any(names, environments)
    assert stamp.calls == {}


async def test_a_person_whose_token_names_no_address_is_nobody_by_address() -> None:
    names = await approver_names(somebody("oid-1", ""), FakeStamp().people(TENANT), naming(ADDRESS))

    assert names == {"oid-1"}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy")), max_size=8))
async def test_whoever_comes_in_whatever_order_an_address_has_one_owner(
    visits: list[tuple[str, str]],
) -> None:
    people = FakeStamp().people(TENANT)
    environments = naming("x@lamna.example", "y@lamna.example")
    for person, address in visits:
        await approver_names(somebody(f"oid-{person}", f"{address}@lamna.example"), people, environments)

    for address in "xy":
        came = [person for person, with_address in visits if with_address == address]
        owner = await people.bound(f"{address}@lamna.example")
        assert owner == (f"oid-{came[0]}" if came else None)
