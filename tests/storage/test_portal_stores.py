"""What the portal stores about staff: sessions, names, held forms and sign-ins, in memory and in Azure Storage."""

import asyncio
import hashlib
from dataclasses import replace
from datetime import timedelta
from functools import partial
from uuid import uuid4

import pytest

from shared.domain.environment import EnvironmentId
from shared.domain.errors import AlreadyThere, NotFound
from shared.domain.portal_session import (
    Colleague,
    EpicProof,
    HeldForm,
    PortalSession,
    SignInBegun,
    new_session,
)
from shared.domain.tenant import Person, Role, TenantId
from shared.storage.stamp import Stamp
from tests.storage.made_up import NOW
from tests.storage.real import raw_rows
from tests.storage.stores import Stores

THEIRS = TenantId("33333333-aaaa-4aaa-8aaa-000000000001")
AVERY = Colleague("oid-avery", "Avery Howard", "avery@lamna.example")


def avery(tenant: TenantId, *roles: Role) -> Person:
    return Person(tenant, AVERY.object_id, AVERY.name, AVERY.address, frozenset(roles))


def replaced_by(wanted: PortalSession, _stored: PortalSession) -> PortalSession:
    return wanted


class TestPortalSessions:
    async def test_a_session_is_read_back_whole_through_its_life(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        begun = new_session(
            uuid4().hex,
            tenant=tenant,
            object_id="oid-avery",
            roles=frozenset({Role.ADMINISTRATOR, Role.AUDITOR}),
            now=NOW,
        )
        proven = begun.proven(EpicProof(environment, "c-1", NOW)).seen(NOW + timedelta(minutes=6))
        await stamp.portal_sessions.insert(begun)
        assert await stamp.portal_sessions.find(begun.id_hash) == begun

        for session in (proven, proven.ended(NOW + timedelta(minutes=7))):
            assert await stamp.portal_sessions.change(begun.id_hash, partial(replaced_by, session)) == session
            assert await stamp.portal_sessions.find(begun.id_hash) == session
        with pytest.raises(AlreadyThere):
            await stamp.portal_sessions.insert(begun)

    async def test_clicks_at_the_moment_of_signing_out_bring_nothing_back(
        self, stamp: Stores, tenant: TenantId
    ) -> None:
        sessions, later = stamp.portal_sessions, NOW + timedelta(minutes=10)
        begun = new_session(uuid4().hex, tenant=tenant, object_id="o", roles=frozenset(), now=NOW)
        await sessions.insert(begun)
        changes = [lambda one: one.seen(later)] * 6 + [lambda one: one.ended(later)]

        await asyncio.gather(*(sessions.change(begun.id_hash, change) for change in changes))

        left = await sessions.find(begun.id_hash)
        assert left.over(later)
        assert left.seen_at == later

    async def test_an_unknown_session_is_not_found(self, stamp: Stores) -> None:
        with pytest.raises(NotFound):
            await stamp.portal_sessions.find(uuid4().hex)
        with pytest.raises(NotFound):
            await stamp.portal_sessions.change(uuid4().hex, lambda one: one)


class TestPeople:
    async def test_who_signed_in_is_called_by_name_in_their_own_tenant(
        self, stamp: Stores, tenant: TenantId
    ) -> None:
        await stamp.people(tenant).remember(avery(tenant), at=NOW)

        assert await stamp.people(tenant).named(["oid-avery", "oid-unknown"]) == {"oid-avery": AVERY}
        assert await stamp.people(THEIRS).named(["oid-avery"]) == {}

    async def test_the_directorys_name_replaces_the_one_before_and_keeps_the_roles(
        self, stamp: Stores, tenant: TenantId
    ) -> None:
        people, renamed = stamp.people(tenant), replace(AVERY, name="Avery Howard-Lee")
        await people.remember(avery(tenant, Role.ADMINISTRATOR), at=NOW)
        await people.put(renamed)

        assert await people.named(["oid-avery"]) == {"oid-avery": renamed}
        assert await people.administrators() == [renamed]

    async def test_administrators_are_those_of_the_last_sign_in_by_name(
        self, stamp: Stores, tenant: TenantId
    ) -> None:
        people = stamp.people(tenant)
        zoe = Person(tenant, "oid-a", "Zoë", "zoe@lamna.example", frozenset({Role.ADMINISTRATOR}))
        for person in (
            zoe,
            avery(tenant, Role.ADMINISTRATOR),
            replace(zoe, object_id="b", roles=frozenset()),
        ):
            await people.remember(person, at=NOW)

        assert [one.name for one in await people.administrators()] == ["Avery Howard", "Zoë"]
        await people.remember(avery(tenant), at=NOW)
        assert [one.name for one in await people.administrators()] == ["Zoë"]
        assert await stamp.people(THEIRS).administrators() == []

    async def test_an_address_belongs_to_the_first_who_comes_with_it_for_good(
        self, stamp: Stores, tenant: TenantId
    ) -> None:
        people = stamp.people(tenant)

        assert await people.bound("avery@lamna.example") is None
        assert await people.bind(" Avery@Lamna.example", "oid-avery") == "oid-avery"
        assert await people.bind("avery@lamna.example", "oid-other") == "oid-avery"
        assert await people.bound("AVERY@lamna.example ") == "oid-avery"
        assert await people.addresses_of("oid-avery") == {"avery@lamna.example"}
        assert await people.addresses_of("oid-other") == frozenset()
        assert await stamp.people(THEIRS).bound("avery@lamna.example") is None

    async def test_of_twenty_who_come_with_one_address_at_once_one_gets_it(
        self, stamp: Stores, tenant: TenantId
    ) -> None:
        people = stamp.people(tenant)
        owners = await asyncio.gather(*(people.bind("a@lamna.example", f"oid-{n}") for n in range(20)))
        held = [n for n in range(20) if await people.addresses_of(f"oid-{n}")]

        assert len(set(owners)) == 1
        assert [f"oid-{n}" for n in held] == [owners[0]]

    async def test_an_object_id_that_begins_like_another_has_its_own_addresses(
        self, stamp: Stores, tenant: TenantId
    ) -> None:
        people = stamp.people(tenant)
        await people.bind("a@lamna.example", "oid-1")
        await people.bind("b@lamna.example", "oid-12")

        assert await people.addresses_of("oid-1") == {"a@lamna.example"}


def form(tenant: TenantId, content: str = "typed") -> HeldForm:
    return HeldForm(uuid4().hex, tenant, "oid-avery", content, NOW)


class TestHeldForms:
    async def test_a_form_is_taken_whole_and_once(self, stamp: Stores, tenant: TenantId) -> None:
        held = form(tenant, "typed “ü” " * 20_000)
        await stamp.held_forms.insert(held)

        assert await stamp.held_forms.take(held.id_hash, tenant=tenant, object_id="oid-avery") == held
        with pytest.raises(NotFound):
            await stamp.held_forms.take(held.id_hash, tenant=tenant, object_id="oid-avery")

    async def test_nobody_else_takes_it(self, stamp: Stores, tenant: TenantId) -> None:
        held = form(tenant)
        await stamp.held_forms.insert(held)

        for whose, who in ((THEIRS, "oid-avery"), (tenant, "oid-other")):
            with pytest.raises(NotFound):
                await stamp.held_forms.take(held.id_hash, tenant=whose, object_id=who)
        assert await stamp.held_forms.take(held.id_hash, tenant=tenant, object_id="oid-avery") == held

    async def test_one_id_holds_one_form(self, stamp: Stores, tenant: TenantId) -> None:
        held = form(tenant)
        await stamp.held_forms.insert(held)

        with pytest.raises(AlreadyThere):
            await stamp.held_forms.insert(held)


def begun() -> SignInBegun:
    return SignInBegun(uuid4().hex, "b-1", '{"code_verifier": "a-secret-verifier"}', "/readiness", NOW)


class TestSignIns:
    async def test_a_sign_in_is_claimed_whole_and_once(self, stamp: Stores) -> None:
        ours = begun()
        await stamp.microsoft_sign_ins.insert(ours)

        results = await asyncio.gather(
            *(stamp.microsoft_sign_ins.claim(ours.state_hash) for _ in range(20)), return_exceptions=True
        )

        assert [one for one in results if not isinstance(one, NotFound)] == [ours]

    async def test_an_unknown_sign_in_is_not_found(self, stamp: Stores) -> None:
        with pytest.raises(NotFound):
            await stamp.microsoft_sign_ins.claim(uuid4().hex)


async def test_no_row_shows_what_was_typed_or_a_secret_of_a_sign_in(
    in_azure: Stamp, azurite: str, tenant: TenantId
) -> None:
    await in_azure.held_forms.insert(form(tenant, "what-was-typed"))
    await in_azure.microsoft_sign_ins.insert(begun())

    rows = [row for row in await raw_rows(azurite) if row.startswith(("HeldForms", "MicrosoftSignIns"))]

    assert len(rows) >= 2
    assert [row for row in rows if "what-was-typed" in row or "a-secret-verifier" in row] == []


async def test_names_and_addresses_of_staff_rest_under_their_tenant_only(
    in_azure: Stamp, azurite: str, tenant: TenantId
) -> None:
    address = f"{tenant}@lamna.example"
    person = Person(tenant, "oid-avery", "Avery", address, frozenset({Role.ADMINISTRATOR}))
    await in_azure.people(tenant).remember(person, at=NOW)
    await in_azure.people(tenant).bind(address, "oid-avery")
    session = new_session(
        hashlib.sha256(tenant.encode()).hexdigest(),
        tenant=tenant,
        object_id="oid-avery",
        roles=person.roles,
        now=NOW,
    )
    await in_azure.portal_sessions.insert(session)

    rows = [row for row in await raw_rows(azurite) if address in row]

    assert rows
    assert all(row.startswith("People ") for row in rows)
