"""Creating, changing, approving, restoring, copying, sharing and removing an environment, over a stamp in memory."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.address_use import ShareStage, address_hash
from shared.domain.certificates import accepted
from shared.domain.environment import (
    Environment,
    EnvironmentId,
    EnvironmentKind,
    Stage,
    WriteBackTarget,
)
from shared.domain.errors import AlreadyThere, NotAllowed, NotFound, OutOfStep, Refused
from shared.domain.geography import Geography
from shared.domain.history import Half
from shared.domain.portal_session import EpicProof
from shared.domain.tenant import Person, Role, Tenant, TenantId
from shared.flows import configure_environment as configure
from shared.flows.configuring import ChangedMeanwhile, Configuring
from shared.flows.foresee_effects import foresee
from shared.flows.restore_version import copy_to_production, history, restore
from shared.flows.share_address import Sharing, answer_share, ask_to_share, requests
from tests.fakes.hospital import (
    AVERY,
    ENVIRONMENT,
    FHIR,
    NOW,
    OTHER_TENANT,
    PRIYA,
    RILEY,
    TENANT,
    Hospital,
    connection,
    environment,
    operation,
    person,
)
from tests.fakes.office import desk
from tests.fakes.outside import FakeEpicSmart
from tests.fakes.storage import FakeStamp

SECOND = EnvironmentId("env-2")
ELSEWHERE = replace(connection(), fhir_base_url=FHIR.replace("epic.", "other."), certificates=())
LENA = person("lena", Role.ADMINISTRATOR, tenant=OTHER_TENANT)
OTHER_APPROVER = person("olga", tenant=OTHER_TENANT)
NAMES = {TENANT: "Lamna Healthcare", OTHER_TENANT: "Fabrikam Kliniken"}
LATER = NOW + timedelta(minutes=1)


def a_stamp() -> FakeStamp:
    stamp = FakeStamp()
    for tenant in (TENANT, OTHER_TENANT):
        pinned = Tenant(tenant, NAMES[tenant], Geography.AMERICAS, NOW, "someone")
        stamp.tenant_rows.put(pinned, tenant)
    return stamp


def at(stamp: FakeStamp, who: Person, *names: str) -> Configuring:
    return desk(stamp, who, names=frozenset(names), organizations=NAMES)


async def made(
    stamp: FakeStamp, id: EnvironmentId = ENVIRONMENT, who: Person = AVERY, **changes: str
) -> Environment:
    content = replace(connection(), **changes)  # type: ignore[arg-type]
    return await configure.create_environment(
        id, EnvironmentKind.TEST, content, operation(), given=at(stamp, who), now=NOW
    )


async def approve(
    stamp: FakeStamp, id: EnvironmentId = ENVIRONMENT, *, asks: Person = AVERY, by: Person = PRIYA
) -> Environment:
    waiting = await configure.submit(id, smart=FakeEpicSmart(), given=at(stamp, asks), now=NOW)
    content = waiting.newest.connection.content_hash()
    return await configure.decide(
        id,
        approve=True,
        content_hash=content,
        reason="",
        proof=EpicProof(id, content, NOW),
        given=at(stamp, by),
        now=LATER,
    )


async def acts(stamp: FakeStamp, tenant: TenantId = TENANT) -> list[str]:
    return [entry.did for entry in await stamp.audit_log(tenant).entries(NOW)]


class TestCreating:
    async def test_a_double_click_makes_one_environment(self) -> None:
        stamp = a_stamp()

        first, second = await made(stamp), await made(stamp)

        assert first == second
        assert len(await stamp.environments(TENANT).all()) == 1
        assert await acts(stamp) == ["created the environment"]

    async def test_the_same_id_with_other_content_is_refused(self) -> None:
        stamp = a_stamp()
        await made(stamp)

        with pytest.raises(AlreadyThere):
            await made(stamp, fhir_base_url=ELSEWHERE.fhir_base_url)

    async def test_a_second_environment_with_the_same_address_is_told_whose_it_is(self) -> None:
        stamp = a_stamp()
        await made(stamp)

        with pytest.raises(Refused) as refused:
            await made(stamp, SECOND, fhir_base_url=FHIR.upper().replace("HTTPS", "https"))

        assert refused.value.problems == {
            "connection.fhir_base_url": "This FHIR base URL is already used by Lamna Healthcare (Test)"
        }


class TestChanging:
    async def test_the_second_of_two_administrators_is_shown_what_the_first_saved(self) -> None:
        stamp = a_stamp()
        await made(stamp)
        seen = (await stamp.environments(TENANT).get(ENVIRONMENT)).version
        theirs = replace(operation(), organization="Theirs")
        await configure.change_operation(ENVIRONMENT, theirs, seen=seen, given=at(stamp, AVERY), now=NOW)

        with pytest.raises(ChangedMeanwhile) as late:
            await configure.change_operation(
                ENVIRONMENT,
                replace(operation(), organization="Mine"),
                seen=seen,
                given=at(stamp, AVERY),
                now=LATER,
            )

        assert late.value.newest.value.operation.organization == "Theirs"
        assert late.value.newest.value.changed_by == AVERY.object_id

    async def test_saving_what_is_there_already_changes_nothing_and_is_no_conflict(self) -> None:
        stamp = a_stamp()
        await made(stamp)
        seen = (await stamp.environments(TENANT).get(ENVIRONMENT)).version
        new = replace(operation(), organization="New")

        for _ in range(2):
            await configure.change_operation(ENVIRONMENT, new, seen=seen, given=at(stamp, AVERY), now=NOW)

        assert (await stamp.environments(TENANT).get(ENVIRONMENT)).value.operation_version == 2
        assert await acts(stamp) == ["created the environment", "changed the operation"]

    async def test_the_audit_says_what_changed_and_masks_numbers(self) -> None:
        stamp = a_stamp()
        await made(stamp)

        await configure.change_operation(
            ENVIRONMENT, replace(operation(), phone="+12065550177"), seen="", given=at(stamp, AVERY), now=NOW
        )

        entry = (await stamp.audit_log(TENANT).entries(NOW))[-1]
        assert entry.facts == {"version": "2", "Organization phone": "…00 -> …77"}

    async def test_a_certificate_can_be_taken_out_of_the_draft(self) -> None:
        stamp = a_stamp()
        await made(stamp)

        changed = await configure.remove_certificate(ENVIRONMENT, "f" * 64, given=at(stamp, AVERY), now=NOW)

        assert changed.newest.connection.certificates == ()
        with pytest.raises(NotFound):
            await configure.remove_certificate(ENVIRONMENT, "f" * 64, given=at(stamp, AVERY), now=NOW)


class TestDeciding:
    async def test_an_approver_named_by_a_bound_address_may_decide(self) -> None:
        stamp = a_stamp()
        content = replace(connection(), approvers=("Priya@Lamna.example",))
        await configure.create_environment(
            ENVIRONMENT, EnvironmentKind.TEST, content, operation(), given=at(stamp, AVERY), now=NOW
        )
        waiting = await configure.submit(ENVIRONMENT, smart=FakeEpicSmart(), given=at(stamp, AVERY), now=NOW)
        hash = waiting.newest.connection.content_hash()

        async def rejected(*names: str) -> Environment:
            return await configure.decide(
                ENVIRONMENT,
                approve=False,
                content_hash=hash,
                reason="Use the other server",
                given=at(stamp, PRIYA, *names),
                now=LATER,
            )

        with pytest.raises(NotAllowed):
            await rejected()
        decided = await rejected("priya@lamna.example")

        assert (decided.newest.stage, decided.newest.reason) == (Stage.REJECTED, "Use the other server")

    @pytest.mark.parametrize("age", [None, timedelta(minutes=16)], ids=["no sign-in", "too old"])
    async def test_approving_needs_a_fresh_sign_in_at_epic(self, age: timedelta | None) -> None:
        stamp = a_stamp()
        await made(stamp)
        waiting = await configure.submit(ENVIRONMENT, smart=FakeEpicSmart(), given=at(stamp, AVERY), now=NOW)
        content = waiting.newest.connection.content_hash()
        proof = EpicProof(ENVIRONMENT, content, NOW - age) if age else None

        with pytest.raises(Refused):
            await configure.decide(
                ENVIRONMENT,
                approve=True,
                content_hash=content,
                reason="",
                proof=proof,
                given=at(stamp, PRIYA),
                now=NOW,
            )

        assert (await stamp.environments(TENANT).get(ENVIRONMENT)).value.live is None

    async def test_what_waits_can_be_withdrawn_and_sent_again(self) -> None:
        stamp = a_stamp()
        await made(stamp)
        await configure.submit(ENVIRONMENT, smart=FakeEpicSmart(), given=at(stamp, AVERY), now=NOW)

        withdrawn = await configure.withdraw(ENVIRONMENT, given=at(stamp, AVERY), now=LATER)
        with pytest.raises(OutOfStep):
            await configure.withdraw(ENVIRONMENT, given=at(stamp, AVERY), now=LATER)

        assert withdrawn.newest.stage is Stage.WITHDRAWN
        assert (await approve(stamp)).newest.stage is Stage.APPROVED


class TestHistory:
    async def test_an_operation_is_restored_at_once_and_keeps_todays_numbers(self) -> None:
        stamp = a_stamp()
        await made(stamp)
        numbers = replace(operation().texts, only_numbers=("+12065550142",))
        changed = replace(operation(), organization="Other", texts=numbers)
        await configure.change_operation(ENVIRONMENT, changed, seen="", given=at(stamp, AVERY), now=LATER)

        restored = await restore(
            ENVIRONMENT, Half.OPERATION, 1, seen="", given=at(stamp, AVERY), now=LATER + timedelta(minutes=1)
        )

        assert restored.operation_version == 3
        assert restored.operation.organization == "Lamna Healthcare"
        assert restored.operation.texts.only_numbers == ("+12065550142",)

    async def test_a_connection_is_restored_as_a_draft_and_what_is_live_stays(self) -> None:
        stamp = a_stamp()
        await made(stamp)
        await approve(stamp)
        await configure.change_connection(
            ENVIRONMENT, ELSEWHERE, seen="", given=at(stamp, AVERY), now=LATER + timedelta(minutes=1)
        )

        restored = await restore(
            ENVIRONMENT, Half.CONNECTION, 1, seen="", given=at(stamp, AVERY), now=LATER + timedelta(minutes=2)
        )
        found = await history(ENVIRONMENT, at(stamp, AVERY))

        assert (restored.newest.stage, restored.newest.number) == (Stage.DRAFT, 3)
        assert restored.newest.connection.fhir_base_url == FHIR
        assert restored.live is not None
        stages = [(one.number, one.stage) for one in found if one.kind is Half.CONNECTION]
        assert stages == [(3, Stage.DRAFT), (2, Stage.DRAFT), (1, Stage.APPROVED)]

    async def test_a_restored_certificate_takes_over_as_a_new_one_does_so_that_no_message_is_refused(
        self,
    ) -> None:
        stamp = a_stamp()
        await made(stamp)
        await approve(stamp)
        (first,) = stamp.environment_rows.get(TENANT, ENVIRONMENT).value.newest.connection.certificates
        second = replace(first, fingerprint="2" * 64)
        await configure.add_certificate(ENVIRONMENT, second, given=at(stamp, AVERY), now=NOW)
        await configure.remove_certificate(ENVIRONMENT, first.fingerprint, given=at(stamp, AVERY), now=NOW)
        await approve(stamp)

        await restore(ENVIRONMENT, Half.CONNECTION, 1, seen="", given=at(stamp, AVERY), now=NOW)
        restored = await approve(stamp)

        assert restored.live is not None
        held = restored.live.connection.certificates
        fingerprints = {first.fingerprint, second.fingerprint}
        assert {one.fingerprint for one in accepted(held, now=NOW + timedelta(days=6))} == fingerprints
        week_later = accepted(held, now=NOW + timedelta(days=8))
        assert [one.fingerprint for one in week_later] == [first.fingerprint]

    async def test_an_unknown_version_and_a_reader_of_reports_are_refused(self) -> None:
        stamp = a_stamp()
        await made(stamp)

        with pytest.raises(NotFound):
            await restore(ENVIRONMENT, Half.OPERATION, 9, seen="", given=at(stamp, AVERY), now=NOW)
        with pytest.raises(NotAllowed):
            await history(ENVIRONMENT, at(stamp, RILEY))


class TestCopying:
    async def test_production_begins_with_what_was_tested_but_nothing_that_names_the_test(self) -> None:
        stamp = a_stamp()
        await made(stamp)
        await approve(stamp)

        copied = await copy_to_production(ENVIRONMENT, to=SECOND, given=at(stamp, AVERY), now=LATER)

        content = copied.newest.connection
        assert copied.kind is EnvironmentKind.PRODUCTION
        assert (content.fhir_base_url, content.clients, content.certificates) == ("", {}, ())
        assert content.write_back == WriteBackTarget("")
        assert content.approvers == connection().approvers
        assert copied.operation.feed == operation().feed
        assert copied.operation.texts.only_numbers == ()
        with pytest.raises(Refused) as missing:
            await configure.submit(SECOND, smart=FakeEpicSmart(), given=at(stamp, AVERY), now=LATER)
        assert set(missing.value.problems) == {
            "connection.fhir_base_url",
            "connection.clients.provider",
            "connection.clients.patient",
            "connection.clients.backend",
            "connection.write_back.url",
        }

    async def test_only_what_was_approved_is_tested(self) -> None:
        stamp = a_stamp()
        await made(stamp)

        with pytest.raises(OutOfStep):
            await copy_to_production(ENVIRONMENT, to=SECOND, given=at(stamp, AVERY), now=LATER)


async def other_side(stamp: FakeStamp) -> None:
    content = replace(connection(), approvers=(OTHER_APPROVER.object_id,))
    await configure.create_environment(
        SECOND, EnvironmentKind.PRODUCTION, content, operation(), given=at(stamp, LENA), now=NOW
    )


def sharing(stamp: FakeStamp, who: Person) -> Sharing:
    return Sharing(at(stamp, who), stamp.audit_log)


class TestSharing:
    async def test_another_organization_gets_in_once_both_sides_said_yes(self) -> None:
        stamp = a_stamp()
        await made(stamp)
        await approve(stamp)
        await other_side(stamp)
        with pytest.raises(Refused) as refused:
            await approve(stamp, SECOND, asks=LENA, by=OTHER_APPROVER)
        assert "already used by Lamna Healthcare" in str(refused.value)

        await ask_to_share(SECOND, sharing=sharing(stamp, LENA), now=LATER)
        [asked] = await requests(at(stamp, AVERY))
        await answer_share(
            asked.address, OTHER_TENANT, ShareStage.ALLOWED, sharing=sharing(stamp, AVERY), now=LATER
        )
        approved = await approve(stamp, SECOND, asks=LENA, by=OTHER_APPROVER)

        assert (asked.organization, asked.theirs, asked.stage) == (
            "Fabrikam Kliniken",
            True,
            ShareStage.ASKED,
        )
        assert approved.live is not None
        for tenant in (TENANT, OTHER_TENANT):
            done = await acts(stamp, tenant)
            assert {"asked to share an address", "allowed an address to be shared"} <= set(done)

    async def test_nobody_answers_for_the_holder(self) -> None:
        stamp = a_stamp()
        await made(stamp)
        await approve(stamp)
        await other_side(stamp)
        await ask_to_share(SECOND, sharing=sharing(stamp, LENA), now=LATER)

        with pytest.raises(NotFound):
            await answer_share(
                address_hash(FHIR),
                OTHER_TENANT,
                ShareStage.ALLOWED,
                sharing=sharing(stamp, LENA),
                now=LATER,
            )

    async def test_a_refusal_and_a_withdrawal_keep_the_door_shut(self) -> None:
        stamp = a_stamp()
        await made(stamp)
        await approve(stamp)
        await other_side(stamp)
        for stage, who in ((ShareStage.REFUSED, AVERY), (ShareStage.WITHDRAWN, LENA)):
            await ask_to_share(SECOND, sharing=sharing(stamp, LENA), now=LATER)
            await answer_share(
                address_hash(FHIR), OTHER_TENANT, stage, sharing=sharing(stamp, who), now=LATER
            )
            with pytest.raises(Refused):
                await approve(stamp, SECOND, asks=LENA, by=OTHER_APPROVER)

    async def test_what_is_in_use_cannot_be_withdrawn(self) -> None:
        stamp = a_stamp()
        await made(stamp)
        await approve(stamp)
        await other_side(stamp)
        await ask_to_share(SECOND, sharing=sharing(stamp, LENA), now=LATER)
        given = sharing(stamp, AVERY)
        await answer_share(address_hash(FHIR), OTHER_TENANT, ShareStage.ALLOWED, sharing=given, now=LATER)
        await approve(stamp, SECOND, asks=LENA, by=OTHER_APPROVER)

        with pytest.raises(Refused):
            await answer_share(
                address_hash(FHIR), OTHER_TENANT, ShareStage.WITHDRAWN, sharing=given, now=LATER
            )

    async def test_two_that_approve_one_address_at_once_do_not_both_go_live(self) -> None:
        stamp = a_stamp()
        await made(stamp)
        await other_side(stamp)
        waiting = await configure.submit(SECOND, smart=FakeEpicSmart(), given=at(stamp, LENA), now=NOW)
        await approve(stamp)

        content = waiting.newest.connection.content_hash()
        with pytest.raises(Refused):
            await configure.decide(
                SECOND,
                approve=True,
                content_hash=content,
                reason="",
                proof=EpicProof(SECOND, content, NOW),
                given=at(stamp, OTHER_APPROVER),
                now=LATER,
            )

        assert (await stamp.environments(OTHER_TENANT).get(SECOND)).value.live is None

    async def test_an_address_that_is_given_up_is_free_again(self) -> None:
        stamp = a_stamp()
        await made(stamp)
        await approve(stamp)
        await other_side(stamp)

        await configure.remove_environment(
            ENVIRONMENT, confirmed="Lamna Healthcare", seen="", given=at(stamp, AVERY), now=LATER
        )

        assert (await approve(stamp, SECOND, asks=LENA, by=OTHER_APPROVER)).live is not None


class TestRemoving:
    async def test_the_organizations_name_must_be_typed(self) -> None:
        stamp = a_stamp()
        await made(stamp)

        with pytest.raises(Refused) as refused:
            await configure.remove_environment(
                ENVIRONMENT, confirmed="lamna", seen="", given=at(stamp, AVERY), now=NOW
            )

        assert refused.value.problems == {"organization": "Type the organization name to confirm"}

    async def test_one_that_changed_before_it_was_gone_keeps_its_address(self) -> None:
        stamp = a_stamp()
        await made(stamp)
        await approve(stamp)
        await other_side(stamp)
        stamp.fail("environments.save", OutOfStep("somebody saved it"))

        with pytest.raises(ChangedMeanwhile):
            await configure.remove_environment(
                ENVIRONMENT, confirmed="Lamna Healthcare", seen="", given=at(stamp, AVERY), now=LATER
            )

        with pytest.raises(Refused):
            await approve(stamp, SECOND, asks=LENA, by=OTHER_APPROVER)

    async def test_nothing_starts_from_it_and_what_had_begun_is_finished_without_texts(self) -> None:
        hospital = Hospital()
        await configure.remove_environment(
            ENVIRONMENT, confirmed="Lamna Healthcare", seen="", given=at(hospital.stamp, AVERY), now=NOW
        )

        with pytest.raises(NotFound):
            await hospital.stamp.environment_index.find(ENVIRONMENT)
        assert (await hospital.stamp.environment_index.kept(ENVIRONMENT)).operation.texts.on is False
        assert (await hospital.post("MSH|^~\\&|")).status_code == 404
        launched = await hospital.app.get(f"/launch/{ENVIRONMENT}/provider?iss={FHIR}&launch=x")
        assert launched.status_code in (403, 404)
        assert await acts(hospital.stamp) == ["removed the environment"]


async def test_effects_are_counted_from_the_visits_that_are_stored() -> None:
    stamp = a_stamp()
    known = environment()
    given = at(stamp, AVERY)

    effects = await foresee(known, known.removed(by=AVERY, at=NOW), given=given, now=NOW)

    assert (effects.stops_visits, effects.visits, effects.texts) == (True, 0, 0)
