"""What is sealed opens only where and for what it was sealed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import Unsealable
from shared.domain.tenant import TenantId
from shared.storage.seals import parse
from tests.fakes.keys import FakeDataKeys, fake_seals

OURS, THEIRS = TenantId("t-1"), TenantId("t-2")
NUMBER = b"+12065550142"


@given(st.binary(max_size=300))
async def test_what_was_sealed_opens_whole(content: bytes) -> None:
    seals = fake_seals()

    sealed = await seals.seal(content, purpose="phone", tenant=OURS)

    assert await seals.open(sealed, purpose="phone", tenant=OURS) == content


async def test_a_sealed_value_names_its_key_version_and_purpose_and_nothing_else() -> None:
    sealed = await fake_seals().seal(NUMBER, purpose="external-id", tenant=OURS)

    assert sealed.startswith("sealed.1.v1.external-id.")
    assert "5550142" not in sealed
    assert (parse(sealed).key_version, parse(sealed).purpose) == ("v1", "external-id")


async def test_two_seals_of_one_number_are_not_alike() -> None:
    seals = fake_seals()

    assert await seals.seal(NUMBER, purpose="phone", tenant=OURS) != await seals.seal(
        NUMBER, purpose="phone", tenant=OURS
    )


@pytest.mark.parametrize(
    ("purpose", "tenant"), [("phone", THEIRS), ("launch", OURS)], ids=["another tenant", "another purpose"]
)
async def test_a_moved_value_does_not_open(purpose: str, tenant: TenantId) -> None:
    seals = fake_seals()
    sealed = await seals.seal(NUMBER, purpose="phone", tenant=OURS)

    with pytest.raises(Unsealable):
        await seals.open(sealed, purpose=purpose, tenant=tenant)


async def test_a_value_relabelled_for_another_purpose_does_not_open() -> None:
    seals = fake_seals()
    sealed = await seals.seal(NUMBER, purpose="phone", tenant=OURS)

    with pytest.raises(Unsealable):
        await seals.open(sealed.replace(".phone.", ".launch."), purpose="launch", tenant=OURS)


@given(st.integers(min_value=0), st.sampled_from("AQgw"))
async def test_a_changed_value_does_not_open(place: int, letter: str) -> None:
    seals = fake_seals()
    sealed = await seals.seal(NUMBER, purpose="phone", tenant=OURS)
    head, content = sealed.rsplit(".", 1)
    at = place % (len(content) - 1)  # the last letter may hold unused bits
    if content[at] == letter:
        return

    with pytest.raises(Unsealable):
        await seals.open(f"{head}.{content[:at]}{letter}{content[at + 1 :]}", purpose="phone", tenant=OURS)


@pytest.mark.parametrize(
    "text", ["", "+12065550142", "sealed.1.v1.phone.", "sealed.1.v1.phone.A", "sealed.1.v1.phone.AAAA"]
)
async def test_what_was_never_sealed_does_not_open(text: str) -> None:
    with pytest.raises(Unsealable):
        await fake_seals().open(text, purpose="phone", tenant=OURS)


async def test_a_renewed_key_still_opens_what_the_old_one_sealed() -> None:
    keys = FakeDataKeys()
    seals = fake_seals(keys)
    sealed = await seals.seal(NUMBER, purpose="phone", tenant=OURS)

    keys.renew()

    assert (await seals.seal(NUMBER, purpose="phone", tenant=OURS)).startswith("sealed.1.v2.")
    assert await seals.open(sealed, purpose="phone", tenant=OURS) == NUMBER


async def test_nothing_opens_once_its_key_is_gone() -> None:
    keys = FakeDataKeys()
    seals = fake_seals(keys)
    sealed = await seals.seal(NUMBER, purpose="phone", tenant=OURS)
    keys.renew()

    keys.lose("v1")

    with pytest.raises(Unsealable):
        await seals.open(sealed, purpose="phone", tenant=OURS)
