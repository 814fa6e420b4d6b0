"""Signs of life: launches and messages leave when they came, and a mix-up of records is called by its name."""

from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote

from shared.domain.environment import EnvironmentId, EnvironmentKind
from shared.domain.errors import TryAgain
from shared.domain.sign_of_life import SignKind, Signs
from tests.fakes.hospital import ENVIRONMENT, NOW, TENANT, Hospital, environment
from tests.functions.test_visit_launch import CONTEXT, SENT, booked, comes_back, launch_path
from tests.hl7v2.siu import text

TEST = EnvironmentId("env-test")
TEST_FHIR = "https://test.epic.lamna.example/api/FHIR/R4"


async def signs(hospital: Hospital, of: EnvironmentId = ENVIRONMENT) -> Signs:
    return await hospital.services.signs(TENANT, of).all()


def with_test_environment(hospital: Hospital) -> None:
    one = environment(TEST, kind=EnvironmentKind.TEST)
    assert one.live
    live = replace(one.live, connection=replace(one.live.connection, fhir_base_url=TEST_FHIR))
    hospital.put(replace(one, newest=live, live=live))


async def launched(hospital: Hospital, role: str = "provider") -> int:
    answer = await comes_back(hospital, await hospital.app.get(launch_path(role)))
    return int(answer.status_code)


async def test_the_first_launch_is_remembered_by_its_record() -> None:
    hospital = await booked()
    assert (await signs(hospital)).first_launch is None

    await launched(hospital)
    hospital.clock.advance(timedelta(hours=1))
    await launched(hospital)

    first = (await signs(hospital)).first_launch
    assert first is not None
    assert (first.kind, first.first_at, first.last_at) == (
        SignKind.PROVIDER,
        NOW,
        NOW + timedelta(hours=1),
    )


async def test_a_group_is_told_by_a_session_that_is_no_csn() -> None:
    hospital = await booked()
    hospital.smart.contexts[SENT[1]] = replace(CONTEXT, csn="360009")

    await launched(hospital)

    last = (await signs(hospital)).last_launch
    assert last is not None
    assert last.kind is SignKind.GROUP_PROVIDER


async def test_an_accepted_message_is_a_sign() -> None:
    hospital = Hospital()

    await hospital.feed(text("S12"))

    message = (await signs(hospital)).message
    assert message is not None
    assert message.last_at == NOW


async def test_a_launch_from_the_other_environments_epic_is_named_and_nothing_is_fetched() -> None:
    hospital = await booked()
    with_test_environment(hospital)

    answer = await hospital.app.get(launch_path(iss=TEST_FHIR))

    assert answer.status_code == 403
    words = "A launch came from Test with the Production record. Check the records in Epic."
    assert words in answer.get_body().decode()
    assert not hospital.stamp.launches.table.rows
    mixed = (await signs(hospital)).mix_up
    assert mixed is not None
    assert (mixed.kind, mixed.other) == (SignKind.OTHER_EPIC, TEST)


async def test_a_record_stamped_for_the_other_environment_is_named() -> None:
    hospital = await booked()
    with_test_environment(hospital)
    hospital.smart.contexts[SENT[1]] = replace(CONTEXT, environment=TEST)

    answer = await comes_back(hospital, await hospital.app.get(launch_path()))

    assert "A launch came from Production with the Test record." in answer.get_body().decode()
    mixed = (await signs(hospital)).mix_up
    assert mixed is not None
    assert (mixed.kind, mixed.other) == (SignKind.OTHER_RECORD, TEST)


async def test_a_right_launch_after_a_mix_up_settles_it() -> None:
    hospital = await booked()
    with_test_environment(hospital)
    await hospital.app.get(launch_path(iss=TEST_FHIR))
    hospital.clock.advance(timedelta(minutes=2))

    await launched(hospital)

    assert (await signs(hospital)).mix_up is None


async def test_a_stranger_leaves_no_sign_and_is_shown_nothing() -> None:
    hospital = await booked()
    with_test_environment(hospital)

    answer = await hospital.app.get(launch_path(iss="https://evil.example/R4"))

    assert answer.status_code == 403
    assert "A launch came from" not in answer.get_body().decode()
    assert (await signs(hospital)).every == () or (await signs(hospital)).mix_up is None


async def test_another_tenants_epic_is_not_recognised() -> None:
    hospital = await booked()
    theirs = environment(EnvironmentId("env-theirs"), tenant=type(TENANT)("another"))
    assert theirs.live
    live = replace(theirs.live, connection=replace(theirs.live.connection, fhir_base_url=TEST_FHIR))
    hospital.put(replace(theirs, live=live))

    answer = await hospital.app.get(launch_path(iss=TEST_FHIR))

    assert "A launch came from" not in answer.get_body().decode()
    assert (await signs(hospital)).mix_up is None


async def test_a_launch_goes_on_when_its_sign_cannot_be_written() -> None:
    hospital = await booked()
    hospital.stamp.fail("signs.note", TryAgain("storage is away"))

    assert await launched(hospital) == 303


async def test_two_environments_of_one_kind_are_told_apart_by_their_organizations() -> None:
    hospital = await booked()
    with_test_environment(hospital)
    other = hospital.stamp.environment_rows.get(TENANT, TEST).value
    hospital.put(
        replace(
            other,
            kind=EnvironmentKind.PRODUCTION,
            operation=replace(other.operation, organization="Lamna North"),
        )
    )

    answer = await hospital.app.get(f"/launch/{ENVIRONMENT}/provider?iss={quote(TEST_FHIR)}&launch=x")

    body = answer.get_body().decode()
    assert "from Lamna North with the Lamna Healthcare record" in body
