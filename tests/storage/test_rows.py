"""What is written to a row is read from it again, whatever Epic, a person or Graph put into it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.domain.appointment import Appointment
from shared.domain.environment import Department, Environment
from shared.domain.errors import Refused
from shared.domain.visit import Visit
from shared.domain.write_back import WriteBack
from shared.storage import appointments, environment_rows, visits, write_backs
from shared.storage.keys import Scope, from_key_part, joined, key_part, parted, shard_of
from shared.storage.rows import gathered, instant, moment, spread
from tests.storage import made_up

# Building one of everything takes hypothesis a while on a busy machine; the rows themselves take no time.
patient = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)

FORBIDDEN = set("/\\#?%'") | {chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))}


@patient
@given(made_up.appointments)
def test_an_appointment_comes_back_whole(appointment: Appointment) -> None:
    row = appointments.to_row(appointment, phone="sealed-phone", external_id="sealed-id")
    scope = Scope(appointment.ref.tenant, appointment.ref.environment)
    phone = appointment.phone.e164 if appointment.phone else ""

    assert appointments.from_row(row, scope, phone=phone, external_id=appointment.external_id) == appointment


@patient
@given(made_up.visits)
def test_a_visit_comes_back_whole(visit: Visit) -> None:
    row = visits.to_row(visit, external_ids="sealed")

    assert visits.from_row(row, Scope(visit.ref.tenant, visit.ref.environment), visit.external_ids) == visit


@patient
@given(made_up.write_backs)
def test_a_write_back_comes_back_whole(write_back: WriteBack) -> None:
    row = write_backs.to_row(write_back, external_id="sealed")
    scope = Scope(write_back.visit.tenant, write_back.visit.environment)

    assert write_backs.from_row(row, scope, write_back.external_id) == write_back


@patient
@given(made_up.environments)
def test_an_environment_comes_back_whole_and_with_the_hash_that_was_approved(
    environment: Environment,
) -> None:
    row = environment_rows.columns(environment, only_numbers="sealed")
    again = environment_rows.environment_of(row, only_numbers=environment.operation.texts.only_numbers)

    assert again == environment
    assert again.newest.connection.content_hash() == environment.newest.connection.content_hash()


@patient
@given(made_up.environments)
def test_no_column_of_an_environment_is_longer_than_a_column_takes(environment: Environment) -> None:
    many = {f"1050{number}": Department("Video visits", "+14255550102", "") for number in range(900)}
    large = replace(environment, operation=replace(environment.operation, departments=many))

    row = environment_rows.columns(large, only_numbers="")

    assert max(len(str(column).encode("utf-16-le")) for column in row.values()) <= 64 * 1024
    assert environment_rows.environment_of(row, only_numbers=()).operation.departments == many


@given(st.text(max_size=79_999))
def test_a_long_text_is_spread_and_gathered(text: str) -> None:
    assert gathered(spread("column", text), "column") == text


def test_a_text_that_no_row_takes_is_refused() -> None:
    with pytest.raises(Refused):
        spread("column", "x" * 1_000_000)


@given(made_up.moments)
def test_a_moment_keeps_its_microseconds(at: datetime) -> None:
    assert moment(instant(at)) == at


@given(made_up.moments, made_up.moments)
def test_moments_sort_as_their_texts_do(one: datetime, other: datetime) -> None:
    assert (one < other) == (instant(one) < instant(other))


def test_a_moment_is_stored_in_utc() -> None:
    at = datetime(2026, 3, 2, 9, 0, tzinfo=timezone(timedelta(hours=-6)))

    assert instant(at) == "2026-03-02T15:00:00.000000+00:00"
    assert moment(instant(at)).tzinfo is UTC


def test_a_moment_without_a_zone_is_never_stored() -> None:
    with pytest.raises(ValueError, match="time zone"):
        instant(datetime(2026, 3, 2))  # noqa: DTZ001 - the case under test


@given(st.lists(st.text(max_size=20), min_size=1, max_size=4))
def test_keys_are_joined_and_parted_without_loss(parts: list[str]) -> None:
    assert parted(joined(*parts)) == tuple(parts)


@given(st.text(max_size=20))
def test_a_key_holds_nothing_that_table_storage_forbids(text: str) -> None:
    part = key_part(text)

    assert not FORBIDDEN & set(part)
    assert "|" not in part
    assert from_key_part(part) == text


def test_the_parts_of_a_key_cannot_run_into_each_other() -> None:
    assert joined("a|b", "c") != joined("a", "b|c")


def test_an_id_longer_than_a_key_is_refused() -> None:
    with pytest.raises(Refused):
        key_part("7" * 300)


def test_the_longest_key_fits() -> None:
    assert len(joined("1" * 36, "2" * 36, "3" * 240, "reminder-10080-20260302T150000", "00123456")) <= 512


@given(st.text(max_size=20))
def test_a_key_always_has_the_same_shard(key: str) -> None:
    assert shard_of(key, 16) == shard_of(key, 16)
    assert int(shard_of(key, 16), 16) < 16


def test_keys_are_spread_over_all_shards() -> None:
    assert {shard_of(f"{number:07d}", 16) for number in range(1000)} == {
        f"{shard:02x}" for shard in range(16)
    }
