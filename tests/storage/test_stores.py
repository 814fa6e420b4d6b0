"""One set of promises, kept in memory and in Azure Storage."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from shared.domain.appointment import AppointmentState
from shared.domain.environment import EnvironmentId
from shared.domain.errors import AlreadyThere, NotFound, OutOfStep, Refused
from shared.domain.geography import Geography
from shared.domain.inbound import Fate, InboundMessage, Parked
from shared.domain.join_link import JoinLink, LinkRole
from shared.domain.launch import VisitSession
from shared.domain.notification import NotificationRef, NotificationState
from shared.domain.phone_number import PhoneNumber
from shared.domain.tenant import Person, Role, Tenant, TenantId
from shared.domain.visit import Subscription
from tests.fakes.clock import FixedClock
from tests.storage.made_up import (
    NOW,
    PHONE,
    an_environment,
    appointment,
    connection,
    fact,
    launch,
    notification,
    visit,
    write_back,
)
from tests.storage.stores import Stores

THEIRS = TenantId("33333333-aaaa-4aaa-8aaa-000000000001")


class TestStampPin:
    async def test_the_first_geography_stands(self, stamp: Stores) -> None:
        first = await stamp.stamp_pin.pinned(Geography.EMEA, now=NOW)

        assert await stamp.stamp_pin.pinned(Geography.APAC, now=NOW) is first

    async def test_instances_that_start_together_see_one_pin(self, stamp: Stores) -> None:
        seen = await asyncio.gather(*(stamp.stamp_pin.pinned(geography, now=NOW) for geography in Geography))

        assert len(set(seen)) == 1


class TestTenants:
    async def test_a_tenant_is_pinned_once(self, stamp: Stores, tenant: TenantId) -> None:
        ours = Tenant(tenant, "Lamna Healthcare", Geography.AMERICAS, NOW, "admin-1")
        await stamp.tenants(tenant).create(ours)

        with pytest.raises(AlreadyThere):
            await stamp.tenants(tenant).create(replace(ours, geography=Geography.EMEA))
        assert await stamp.tenants(tenant).get() == ours

    async def test_a_tenant_is_not_found_before_its_first_sign_in(
        self, stamp: Stores, tenant: TenantId
    ) -> None:
        with pytest.raises(NotFound):
            await stamp.tenants(tenant).get()

    async def test_nobody_can_create_another_tenant(self, stamp: Stores, tenant: TenantId) -> None:
        with pytest.raises(NotFound):
            await stamp.tenants(tenant).create(
                Tenant(THEIRS, "Somebody else", Geography.AMERICAS, NOW, "admin-1")
            )


ADMIN = Person(TenantId("t"), "admin-1", "Avery", "avery@lamna.example", frozenset({Role.ADMINISTRATOR}))


class TestEnvironments:
    async def test_what_is_created_is_read_back_whole(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        ours = an_environment(tenant, environment)
        await stamp.environments(tenant).create(ours)

        assert (await stamp.environments(tenant).get(environment)).value == ours
        assert await stamp.environments(tenant).all() == [ours]

    async def test_an_environment_is_created_once(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        ours = an_environment(tenant, environment)
        await stamp.environments(tenant).create(ours)

        with pytest.raises(AlreadyThere):
            await stamp.environments(tenant).create(ours)

    async def test_nobody_takes_over_the_id_of_anothers_environment(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        await stamp.environments(tenant).create(an_environment(tenant, environment))
        other = TenantId(str(uuid4()))

        with pytest.raises(AlreadyThere):
            await stamp.environments(other).create(an_environment(other, environment))
        assert (await stamp.environment_index.find(environment)).tenant == tenant

    async def test_a_stale_writer_is_refused(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        environments = stamp.environments(tenant)
        await environments.create(an_environment(tenant, environment))
        seen = await environments.get(environment)
        changed = seen.value.redrafted(connection(approvers=("x",)), by=ADMIN, at=NOW)
        await environments.save(changed, seen=seen.version)

        with pytest.raises(OutOfStep):
            await environments.save(replace(changed, operation_version=9), seen=seen.version)
        assert (await environments.get(environment)).value == changed

    async def test_another_tenants_environment_is_not_found(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        await stamp.environments(tenant).create(an_environment(tenant, environment))
        theirs = stamp.environments(THEIRS)

        with pytest.raises(NotFound):
            await theirs.get(environment)
        with pytest.raises(NotFound):
            await theirs.save(an_environment(tenant, environment), seen="1")
        assert await theirs.all() == []

    async def test_the_index_leads_to_what_is_approved(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        ours = an_environment(tenant, environment)
        await stamp.environments(tenant).create(ours)

        found = await stamp.environment_index.find(environment)

        assert (found.tenant, found.operation) == (tenant, ours.operation)
        assert ours.live is not None
        assert found.connection == ours.live.connection

    async def test_the_index_refuses_what_is_not_approved_yet_and_sees_the_approval_at_once(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        approved = an_environment(tenant, environment)
        await stamp.environments(tenant).create(replace(approved, live=None))
        with pytest.raises(Refused):
            await stamp.environment_index.find(environment)

        seen = await stamp.environments(tenant).get(environment)
        await stamp.environments(tenant).save(approved, seen=seen.version)

        assert (await stamp.environment_index.find(environment)).id == environment

    async def test_the_index_sees_a_new_operation_within_seconds(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId, clock: FixedClock
    ) -> None:
        environments = stamp.environments(tenant)
        await environments.create(an_environment(tenant, environment))
        await stamp.environment_index.find(environment)
        seen = await environments.get(environment)
        operation = replace(seen.value.operation, organization="Lamna Clinics")
        await environments.save(seen.value.operated(operation, by=ADMIN, at=NOW), seen=seen.version)

        clock.advance(timedelta(seconds=5))

        assert (await stamp.environment_index.find(environment)).operation == operation

    async def test_an_unknown_id_is_not_found(self, stamp: Stores, environment: EnvironmentId) -> None:
        with pytest.raises(NotFound):
            await stamp.environment_index.find(environment)


class TestAppointments:
    async def test_what_is_inserted_is_read_back_whole(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        appointments = stamp.appointments(tenant, environment)
        version = await appointments.insert(appointment(tenant, environment))

        found = await appointments.get("0001001")

        assert found.value == appointment(tenant, environment)
        assert found.version == version

    async def test_a_csn_is_a_text_with_whatever_epic_puts_into_it(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        odd = appointment(tenant, environment, "00/7#?|ü 1'%")
        await stamp.appointments(tenant, environment).insert(odd)

        assert (await stamp.appointments(tenant, environment).get("00/7#?|ü 1'%")).value == odd

    async def test_an_appointment_is_inserted_once(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        appointments = stamp.appointments(tenant, environment)
        await appointments.insert(appointment(tenant, environment))

        with pytest.raises(AlreadyThere):
            await appointments.insert(appointment(tenant, environment))

    async def test_a_saved_appointment_can_be_saved_again_with_the_version_it_got(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        appointments = stamp.appointments(tenant, environment)
        first = await appointments.insert(appointment(tenant, environment))
        second = await appointments.save(appointment(tenant, environment).settled(), seen=first)

        await appointments.save(appointment(tenant, environment).forgotten(NOW), seen=second)

        assert (await appointments.get("0001001")).value.phone is None

    async def test_of_two_who_save_at_once_one_is_out_of_step(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        appointments = stamp.appointments(tenant, environment)
        seen = await appointments.insert(appointment(tenant, environment))
        cancelled = replace(appointment(tenant, environment), state=AppointmentState.CANCELLED)
        moved = replace(appointment(tenant, environment), minutes=45)

        results = await asyncio.gather(
            appointments.save(cancelled, seen=seen),
            appointments.save(moved, seen=seen),
            return_exceptions=True,
        )

        assert [type(result) for result in results if isinstance(result, Exception)] == [OutOfStep]
        winner = cancelled if isinstance(results[0], str) else moved
        assert (await appointments.get("0001001")).value == winner

    @pytest.mark.parametrize("whose", ["tenant", "environment"])
    async def test_anothers_appointment_cannot_be_read_or_written(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId, whose: str
    ) -> None:
        ours = appointment(tenant, environment)
        version = await stamp.appointments(tenant, environment).insert(ours)
        theirs = stamp.appointments(
            THEIRS if whose == "tenant" else tenant,
            EnvironmentId("other") if whose == "environment" else environment,
        )

        with pytest.raises(NotFound):
            await theirs.get("0001001")
        with pytest.raises(NotFound):
            await theirs.save(ours, seen=version)
        with pytest.raises(NotFound):
            await theirs.insert(ours)

    async def test_what_was_never_inserted_cannot_be_saved(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        seen = await stamp.appointments(tenant, environment).insert(appointment(tenant, environment))

        with pytest.raises(NotFound):
            await stamp.appointments(tenant, environment).save(
                appointment(tenant, environment, "2"), seen=seen
            )


class TestAliases:
    async def test_known_aliases_lead_to_their_appointment_and_others_nowhere(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        aliases = stamp.aliases(tenant, environment)
        await aliases.claim("100", "100", own=True)
        await aliases.claim("SCH/1", "100", own=False)

        assert await aliases.keys_of(["100", "SCH/1", "999", "100"]) == {"100": "100", "SCH/1": "100"}
        assert await stamp.aliases(THEIRS, environment).keys_of(["100"]) == {}

    async def test_the_first_claim_of_a_csn_stands(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        aliases = stamp.aliases(tenant, environment)
        await aliases.claim("200", "100", own=True)

        assert await aliases.claim("200", "200", own=True) == "100"
        assert await aliases.keys_of(["200"]) == {"200": "100"}

    async def test_claiming_twice_changes_nothing(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        aliases = stamp.aliases(tenant, environment)
        await aliases.claim("S", "100", own=False)

        assert await aliases.claim("S", "100", own=False) == "100"
        assert await aliases.keys_of(["S"]) == {"S": "100"}

    async def test_an_alias_of_two_appointments_leads_nowhere_for_good(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        aliases = stamp.aliases(tenant, environment)
        await aliases.claim("constant", "100", own=False)

        assert await aliases.claim("constant", "200", own=False) == "200"
        assert await aliases.keys_of(["constant"]) == {}
        assert await aliases.claim("constant", "300", own=True) == "300"
        assert await aliases.keys_of(["constant"]) == {}

    async def test_of_many_who_claim_a_csn_at_once_all_learn_of_one_winner(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        aliases = stamp.aliases(tenant, environment)

        keys = await asyncio.gather(
            *(aliases.claim("500", f"key-{number}", own=True) for number in range(10))
        )

        assert len(set(keys)) == 1
        assert await aliases.keys_of(["500"]) == {"500": keys[0]}

    async def test_many_who_claim_a_constant_at_once_leave_it_leading_nowhere(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        aliases = stamp.aliases(tenant, environment)
        wanted = [f"key-{number}" for number in range(10)]

        keys = await asyncio.gather(*(aliases.claim("constant", key, own=False) for key in wanted))

        assert list(keys) == wanted
        assert await aliases.keys_of(["constant"]) == {}


def message(dedupe_key: str, *, minutes: int = 0, fate: Fate = Fate.APPLIED) -> InboundMessage:
    return InboundMessage(
        dedupe_key=dedupe_key,
        received_at=NOW + timedelta(minutes=minutes),
        event="S12",
        control_id="0001",
        sending_application="EPIC",
        sending_facility="LAMNA",
        fate=fate,
        appointment="0001001",
    )


class TestInboundMessages:
    async def test_the_first_record_of_a_message_stands(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        messages = stamp.inbound_messages(tenant, environment)
        await messages.record(message("a"))
        await messages.record(message("a", minutes=1, fate=Fate.OLD))

        assert await messages.find("a") == message("a")
        assert await messages.newest(10) == [message("a")]

    async def test_an_unknown_message_is_none(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        assert await stamp.inbound_messages(tenant, environment).find("a") is None

    async def test_the_newest_come_first_and_no_more_than_asked_for(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        messages = stamp.inbound_messages(tenant, environment)
        # Enough of them that each partition holds more than are asked for.
        for number in range(60):
            await messages.record(message(f"m-{number}", minutes=number))

        newest = await messages.newest(5)

        assert newest == [message(f"m-{number}", minutes=number) for number in (59, 58, 57, 56, 55)]
        assert await stamp.inbound_messages(THEIRS, environment).newest(5) == []


class TestParkedMessages:
    async def test_parking_twice_parks_once(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        parked = Parked("p/1", tenant, environment, "texts", "it failed", NOW, "sealed.1.v1.parked.AAAA")
        await stamp.parked_messages(tenant).park(parked)
        await stamp.parked_messages(tenant).park(replace(parked, reason="again"))

        assert await stamp.parked_messages(tenant).all(environment) == [parked]
        assert await stamp.parked_messages(tenant).all(EnvironmentId("other")) == []
        assert await stamp.parked_messages(THEIRS).all(environment) == []

    @pytest.mark.parametrize("size", [70_000, 1_500_000], ids=["larger than a column", "larger than a row"])
    async def test_a_large_message_is_parked_whole_and_once(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId, size: int
    ) -> None:
        parked = Parked("p-1", tenant, environment, "texts", "it failed", NOW, "s" * size)
        await stamp.parked_messages(tenant).park(parked)
        await stamp.parked_messages(tenant).park(replace(parked, sealed="t" * size))

        assert await stamp.parked_messages(tenant).all(environment) == [parked]

    async def test_nothing_is_parked_for_another_tenant(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        with pytest.raises(NotFound):
            await stamp.parked_messages(tenant).park(
                Parked("p-1", THEIRS, environment, "texts", "it failed", NOW, "sealed")
            )


class TestIndexes:
    async def test_a_link_is_found_by_its_hash_and_may_be_revoked(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        link = JoinLink(uuid4().hex, appointment(tenant, environment).ref, LinkRole.PATIENT, 1)
        await stamp.join_links.put(link)
        assert await stamp.join_links.find(link.token_hash) == link

        await stamp.join_links.put(replace(link, revoked=True))

        assert (await stamp.join_links.find(link.token_hash)).revoked
        with pytest.raises(NotFound):
            await stamp.join_links.find(uuid4().hex)

    async def test_a_tag_leads_to_its_text(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        tag, ref = uuid4().hex, NotificationRef(appointment(tenant, environment).ref, "booked-1")
        await stamp.carrier_messages.put(tag, ref)
        await stamp.carrier_messages.put(tag, ref)

        assert await stamp.carrier_messages.find(tag) == ref
        assert await stamp.carrier_messages.find(uuid4().hex) is None

    async def test_a_session_is_found_by_its_hash(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        session = VisitSession(uuid4().hex, tenant, environment, "0001001", "provider:p-1", NOW)
        await stamp.sessions.put(session)

        assert await stamp.sessions.find(session.id_hash) == session
        with pytest.raises(NotFound):
            await stamp.sessions.find(uuid4().hex)


class TestNotifications:
    async def test_a_text_is_inserted_once_and_saved_with_its_version(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        texts = stamp.notifications(tenant, environment)
        planned = notification(appointment(tenant, environment).ref)
        await texts.insert(planned)
        with pytest.raises(AlreadyThere):
            await texts.insert(planned)

        seen = await texts.get(planned.ref)
        version = await texts.save(planned.claimed(NOW), seen=seen.version)
        with pytest.raises(OutOfStep):
            await texts.save(planned.claimed(NOW), seen=seen.version)
        await texts.save(planned.claimed(NOW).accepted(NOW, "c-1"), seen=version)

        assert (await texts.get(planned.ref)).value.state is NotificationState.ACCEPTED

    async def test_the_texts_of_an_appointment_are_its_own(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        texts = stamp.notifications(tenant, environment)
        of_one = [notification(appointment(tenant, environment, "1").ref, slot) for slot in ("a-1", "b-1")]
        for one in (*of_one, notification(appointment(tenant, environment, "10").ref)):
            await texts.insert(one)

        assert await texts.of_appointment("1") == of_one
        assert await texts.of_appointment("2") == []

    async def test_anothers_text_is_not_found(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        planned = notification(appointment(tenant, environment).ref)
        await stamp.notifications(tenant, environment).insert(planned)

        with pytest.raises(NotFound):
            await stamp.notifications(THEIRS, environment).get(planned.ref)
        with pytest.raises(NotFound):
            await stamp.notifications(THEIRS, environment).insert(planned)


class TestOptOuts:
    async def test_an_opt_out_holds_for_one_tenant_until_it_is_taken_back(
        self, stamp: Stores, tenant: TenantId
    ) -> None:
        opt_outs = stamp.opt_outs(tenant)
        await opt_outs.add(PHONE, at=NOW, how="STOP")
        await opt_outs.add(PHONE, at=NOW, how="STOP")

        assert await opt_outs.contains(PHONE)
        assert not await opt_outs.contains(PhoneNumber("+12065550143"))
        assert not await stamp.opt_outs(THEIRS).contains(PHONE)

        await opt_outs.remove(PHONE)
        await opt_outs.remove(PHONE)
        assert not await opt_outs.contains(PHONE)


class TestVisits:
    async def test_what_is_inserted_is_read_back_whole_and_found_by_its_opaque_name(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        ours = visit(tenant, environment)
        version = await stamp.visits(tenant, environment).insert(ours)

        found = await stamp.visits(tenant, environment).get("0001001")
        assert (found.value, found.version) == (ours, version)
        assert await stamp.visit_index.find(ours.ref.opaque) == ours.ref

    async def test_a_visit_is_inserted_once(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        results = await asyncio.gather(
            *(stamp.visits(tenant, environment).insert(visit(tenant, environment)) for _ in range(5)),
            return_exceptions=True,
        )

        assert sum(isinstance(result, AlreadyThere) for result in results) == 4

    async def test_a_stale_writer_is_refused(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        visits, ours = stamp.visits(tenant, environment), visit(tenant, environment)
        seen = await visits.insert(ours)
        watched = replace(ours, subscription=Subscription("s-1", NOW), owed=(fact(1),), external_ids={})
        await visits.save(watched, seen=seen)

        with pytest.raises(OutOfStep):
            await visits.save(ours, seen=seen)
        assert (await visits.get("0001001")).value == watched

    async def test_anothers_visit_is_not_found(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        await stamp.visits(tenant, environment).insert(visit(tenant, environment))

        with pytest.raises(NotFound):
            await stamp.visits(THEIRS, environment).get("0001001")
        with pytest.raises(NotFound):
            await stamp.visits(THEIRS, environment).insert(visit(tenant, environment))
        with pytest.raises(NotFound):
            await stamp.visit_index.find("unknown")


class TestWriteBacks:
    async def test_the_facts_of_a_visit_come_in_the_order_of_their_numbers(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        rows, ref = stamp.write_backs(tenant, environment), visit(tenant, environment, "1").ref
        for sequence in (10, 9, 100, 1):
            await rows.insert(write_back(ref, sequence))
        await rows.insert(write_back(visit(tenant, environment, "10").ref, 1))

        found = await rows.of_visit("1")

        assert [one.value for one in found] == [write_back(ref, sequence) for sequence in (1, 9, 10, 100)]
        assert await stamp.write_backs(THEIRS, environment).of_visit("1") == []

    async def test_a_fact_is_owed_once_and_told_once(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        rows, owed = stamp.write_backs(tenant, environment), write_back(visit(tenant, environment).ref, 1)
        await rows.insert(owed)
        with pytest.raises(AlreadyThere):
            await rows.insert(owed)
        (seen,) = await rows.of_visit(owed.visit.key)

        results = await asyncio.gather(
            *(rows.save(owed.telling(NOW), seen=seen.version) for _ in range(5)), return_exceptions=True
        )

        assert sum(isinstance(result, OutOfStep) for result in results) == 4
        (telling,) = await rows.of_visit(owed.visit.key)
        await rows.save(telling.value.told(NOW), seen=telling.version)
        (told,) = await rows.of_visit(owed.visit.key)
        assert told.value.external_id is None


class TestLaunches:
    async def test_a_launch_is_claimed_whole_and_once(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        begun = launch(tenant, environment, uuid4().hex)
        await stamp.launches.insert(begun)

        assert await stamp.launches.claim(begun.state_hash) == begun
        with pytest.raises(NotFound):
            await stamp.launches.claim(begun.state_hash)

    async def test_an_unknown_launch_is_not_found(self, stamp: Stores) -> None:
        with pytest.raises(NotFound):
            await stamp.launches.claim(uuid4().hex)

    async def test_of_twenty_who_claim_at_once_one_gets_it(
        self, stamp: Stores, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        begun = launch(tenant, environment, uuid4().hex)
        await stamp.launches.insert(begun)

        results = await asyncio.gather(
            *(stamp.launches.claim(begun.state_hash) for _ in range(20)), return_exceptions=True
        )

        assert [result for result in results if not isinstance(result, NotFound)] == [begun]
