"""The integration records: what each holds, and what a site may change in it."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.environment import (
    Certificate,
    Connection,
    ConnectionVersion,
    Environment,
    EnvironmentId,
    EnvironmentKind,
    EpicClient,
    Feed,
    Operation,
    RecordField,
    RecordSettings,
    Stage,
    Texts,
    WriteBackTarget,
)
from shared.domain.integration_record import (
    Record,
    RecordKind,
    as_json,
    as_text,
    book_of,
    pieces,
    record_of,
    records_of,
    sample_link,
)
from shared.domain.record_rules import problems_of_records
from shared.domain.tenant import TenantId
from shared.integration_records import record_book

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
APP = "https://visits.lamna.example"
DEPARTMENT = "departmentId=%PERFDEPID;;; ; ;;NONE;%"


def connection() -> Connection:
    ends = NOW + timedelta(days=400)
    return Connection(
        fhir_base_url="https://epic.lamna.example/api/FHIR/R4",
        clients={client: f"id-of-{client}" for client in EpicClient},
        approvers=("priya",),
        certificates=(
            Certificate("PEM", "0" * 64, "CN=old", NOW, NOW + timedelta(days=9)),
            Certificate("PEM", "f" * 64, "CN=new", NOW, ends),
        ),
        write_back=WriteBackTarget(
            "https://epic.lamna.example/status",
            statuses={"connected": "1", "disconnected": "2", "device-test-passed": "7"},
        ),
    )


def environment(records: RecordSettings | None = None, id: str = "a1b2c3d4e5f60718") -> Environment:
    operation = Operation(
        "Lamna Healthcare",
        "+12065550100",
        Feed("America/New_York"),
        texts=Texts(sender="+18335550142"),
        records=records or RecordSettings(),
    )
    version = ConnectionVersion(1, connection(), Stage.APPROVED, "avery", NOW)
    return Environment(
        EnvironmentId(id),
        TenantId("t"),
        EnvironmentKind.TEST,
        version,
        version,
        operation,
        1,
        "avery",
        NOW,
    )


def made(records: RecordSettings | None = None, id: str = "a1b2c3d4e5f60718") -> tuple[Record, ...]:
    return records_of(environment(records, id), connection=connection(), book=record_book(), app=APP)


def value(kind: RecordKind, id: str, records: RecordSettings | None = None) -> str:
    record = record_of(made(records), kind)
    assert record is not None
    return next(one.text for one in record.values if one.id == id)


def test_every_kind_of_record_is_there() -> None:
    assert [one.kind for one in made()] == list(RecordKind)


@pytest.mark.parametrize("kind", [RecordKind.PROVIDER, RecordKind.PATIENT])
def test_a_visit_with_one_patient_is_known_by_its_csn(kind: RecordKind) -> None:
    parts = value(kind, "context").split("&")

    assert parts[:3] == ["sessionId=%CSN%", "csn=%CSN%", DEPARTMENT]
    assert "%CONFERENCEID%" not in value(kind, "context")


@pytest.mark.parametrize("kind", [RecordKind.GROUP_PROVIDER, RecordKind.GROUP_PATIENT])
def test_a_group_is_known_by_its_conference_and_each_patient_by_the_csn(kind: RecordKind) -> None:
    assert value(kind, "context").split("&")[:3] == ["sessionId=%CONFERENCEID%", "csn=%CSN%", DEPARTMENT]


def test_the_environment_is_in_every_launch_address_and_every_context() -> None:
    for record in made():
        for one in record.values:
            if one.id in ("launch", "context", "messages", "keys"):
                assert "a1b2c3d4e5f60718" in one.text, (record.kind, one.name)


def test_the_patient_record_holds_the_context_of_the_device_test() -> None:
    assert value(RecordKind.PATIENT, "device-test") == value(RecordKind.DEVICE_TEST, "context")


def test_the_addresses_are_those_of_this_app() -> None:
    assert value(RecordKind.PROVIDER, "launch") == f"{APP}/launch/a1b2c3d4e5f60718/provider"
    assert value(RecordKind.PROVIDER, "redirect") == f"{APP}/launch/callback"
    assert value(RecordKind.SMS_CONFIGURATION, "messages") == f"{APP}/hl7v2/a1b2c3d4e5f60718"
    assert value(RecordKind.PATIENT, "keys") == f"{APP}/keys/a1b2c3d4e5f60718/patient/.well-known/jwks.json"


def test_what_the_connection_says_stands_in_the_records() -> None:
    assert value(RecordKind.PROVIDER, "client") == "id-of-provider"
    assert value(RecordKind.PROVIDER, "status") == "connected=1&disconnected=2"
    assert value(RecordKind.DEVICE_TEST, "status") == "device-test-passed=7"
    assert value(RecordKind.SMS_CONFIGURATION, "certificate") == "f" * 64


def test_a_field_without_anything_to_say_is_left_out() -> None:
    bare = replace(connection(), certificates=(), write_back=None)

    records = records_of(environment(), connection=bare, book=record_book(), app=APP)

    ids = {f"{record.kind}.{one.id}" for record in records for one in record.values}
    assert not ids & {
        "provider.status",
        "provider.vendor",
        "device-test.status",
        "sms-configuration.certificate",
    }
    assert "provider.launch" in ids


def test_nothing_in_braces_is_left_in_any_record() -> None:
    assert not [one for record in made() for one in record.values if re.search(r"[{}]", one.text)]


def test_own_fields_ride_along_in_every_visits_context() -> None:
    settings = RecordSettings(own_fields=(("site", "north"), ("room", "%ROOMID%")))

    for kind in (
        RecordKind.PROVIDER,
        RecordKind.PATIENT,
        RecordKind.GROUP_PROVIDER,
        RecordKind.GROUP_PATIENT,
    ):
        assert value(kind, "context", settings).endswith("&site=north&room=%ROOMID%")


def test_a_site_may_call_tokens_fields_and_values_otherwise() -> None:
    settings = RecordSettings(
        tokens={"session": "visit"},
        fields={
            "provider.launch": RecordField("PATIENTOPENURL"),
            "provider.client": RecordField("", "x-{client_provider}"),
        },
    )
    record = record_of(made(settings), "provider")
    assert record is not None

    assert record.values[0].name == "PATIENTOPENURL"
    assert record.values[1].text == "x-id-of-provider"
    assert value(RecordKind.PROVIDER, "context", settings).startswith("visit=%CSN%&")
    assert problems_of_records(settings, book=record_book()) == {}


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        (RecordSettings(own_fields=(("1st", "x"),)), "records.own_fields.0.name"),
        (RecordSettings(own_fields=(("csn", "x"),)), "records.own_fields.0.name"),
        (RecordSettings(own_fields=(("a", "x"), ("a", "y"))), "records.own_fields.1.name"),
        (RecordSettings(own_fields=(("a", "x&csn=1"),)), "records.own_fields.0.value"),
        (RecordSettings(own_fields=(("a", "%half"),)), "records.own_fields.0.value"),
        (RecordSettings(own_fields=(("a", ""),)), "records.own_fields.0.value"),
        (RecordSettings(own_fields=tuple((f"a{n}", "x") for n in range(11))), "records.own_fields"),
        (RecordSettings(tokens={"surgeon": "x"}), "records.tokens.surgeon"),
        (RecordSettings(tokens={"csn": "x y"}), "records.tokens.csn"),
        (RecordSettings(tokens={"csn": "sessionId"}), "records.tokens"),
        (RecordSettings(fields={"provider.none": RecordField("x")}), "records.fields.provider.none"),
        (RecordSettings(fields={"provider.launch": RecordField("a:b")}), "records.fields.provider.launch"),
        (RecordSettings(fields={"provider.launch": RecordField("", " x")}), "records.fields.provider.launch"),
        (
            RecordSettings(fields={"provider.launch": RecordField("", "{magic}")}),
            "records.fields.provider.launch",
        ),
    ],
)
def test_what_cannot_work_is_refused_at_its_field(settings: RecordSettings, field: str) -> None:
    assert list(problems_of_records(settings, book=record_book())) == [field]


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"])))
def test_the_pieces_of_a_value_are_the_value(text: str) -> None:
    assert "".join(piece for piece, _ in pieces(text)) == text


def test_what_epic_fills_in_is_told_apart_even_with_spaces_in_it() -> None:
    filled = [piece for piece, by_epic in pieces(f"a=%CSN%&{DEPARTMENT}") if by_epic]

    assert filled == ["%CSN%", "%PERFDEPID;;; ; ;;NONE;%"]


def test_the_files_hold_what_the_page_shows() -> None:
    records = made()

    text = as_text(records[0], heading="Lamna Healthcare, Test")
    content = json.loads(as_json(records, environment=EnvironmentId("a1b2c3d4e5f60718")))

    assert f"Launch URL: {APP}/launch/a1b2c3d4e5f60718/provider\n" in text
    assert content["environment"] == "a1b2c3d4e5f60718"
    assert [one["kind"] for one in content["records"]] == list(RecordKind)


def test_a_sample_link_is_what_epic_would_open() -> None:
    link = sample_link(
        app=APP, environment=EnvironmentId("e-1"), role="provider", iss="https://e.example/R4", launch="a+b"
    )

    assert link == f"{APP}/launch/e-1/provider?iss=https%3A%2F%2Fe.example%2FR4&launch=a%2Bb"


@pytest.mark.parametrize(
    "content",
    [
        {"tokens": {}, "records": []},
        {"tokens": [], "records": []},
        {
            "tokens": {},
            "records": [{"kind": "provider", "fields": [{"id": "a", "name": "A", "value": "{x}"}]}],
        },
    ],
    ids=["no records", "no tokens", "one kind only"],
)
def test_a_book_that_is_not_whole_is_refused_when_it_is_read(content: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="book"):
        book_of(content)
