"""How two versions differ, in words: labels and values, numbers masked, certificates by fingerprint."""

from dataclasses import fields, replace
from datetime import timedelta

import pytest

from shared.domain.difference import differences, in_words
from shared.domain.environment import Department, Feed, Meetings, Texts
from tests.fakes.hospital import connection, operation


def test_nothing_differs_from_itself() -> None:
    assert differences(connection(), connection()) == []
    assert differences(operation(), operation()) == []


def test_each_changed_field_is_named_with_both_values() -> None:
    before, texts = operation(), operation().texts
    after = replace(
        before,
        organization="Fabrikam Clinic",
        texts=replace(texts, reminders=(timedelta(hours=2),), backload=True),
        meetings=replace(before.meetings, guests_may_chat=False),
    )

    assert in_words(differences(before, after)) == {
        "Organization name": "Lamna Healthcare -> Fabrikam Clinic",
        "Reminders": "1 day, 1 hour -> 2 hours",
        "Go-live backload": "off -> on",
        "Guests may chat": "on -> off",
    }


def test_numbers_are_masked_and_still_compared_whole() -> None:
    before = operation()
    after = replace(
        before,
        phone="+12065550300",
        departments={"D1": Department("Clinic", "+12065550177", "", "+12065550199")},
        texts=replace(before.texts, only_numbers=("+12065550142", "+12065550161")),
    )

    found = in_words(differences(before, after))

    assert found["Organization phone"] == "…00 -> …00"
    assert found["Department D1"] == "- -> Clinic / …77 / - / …99"
    assert found["Numbers that may be texted"] == "- -> …42, …61"
    assert "+1206" not in repr(found)


def test_an_address_that_was_typed_is_shown_and_never_written_into_the_audit_log() -> None:
    before = replace(connection(), approvers=("oid-priya",))
    after = replace(before, approvers=("oid-priya", "riley@lamna.example"))
    meetings = Meetings(scheduling_accounts=("desk@lamna.example",), providers={"E17": "dana@lamna.example"})

    found = differences(before, after)

    assert found[0].after == "oid-priya, riley@lamna.example"
    assert in_words(found) == {"Approvers": "oid-priya -> oid-priya, typed address"}
    assert in_words(differences(operation(meetings=Meetings()), operation(meetings=meetings))) == {
        "Scheduling accounts": "- -> typed address",
        "Providers": "- -> E17=typed address",
    }


def test_a_certificate_is_known_by_its_fingerprint_never_by_its_content() -> None:
    found = differences(connection(), replace(connection(), certificates=()))

    assert [one.label for one in found] == ["Public key certificates"]
    assert "f" * 16 in found[0].before
    assert "BEGIN" not in found[0].before
    assert found[0].after == ""


def test_what_is_new_differs_from_nothing() -> None:
    labels = {one.label for one in differences(None, connection())}

    assert {"FHIR base URL", "Client id for providers", "Approvers"} <= labels
    assert differences(operation(meetings=Meetings()), operation(meetings=Meetings())) == []


# What has no line of its own: quiet hours share one, and who confirmed a consent follows from the consent.
ELSEWHERE = {"quiet_from", "quiet_until", "attested"}


@pytest.mark.parametrize(
    ("part", "of"),
    [("feed", Feed), ("texts", Texts), ("meetings", Meetings)],
)
def test_no_setting_is_left_out(part: str, of: type[Feed] | type[Texts] | type[Meetings]) -> None:
    said = {one.field for one in differences(None, operation())}
    shown = {name.removeprefix(f"operation.{part}.") for name in said | SILENT}

    assert {one.name for one in fields(of)} - ELSEWHERE <= shown


# Empty in the example, so that there is no difference from nothing.
SILENT = {
    "operation.feed.sending_applications",
    "operation.feed.video_visit_types",
    "operation.feed.phone_types",
    "operation.feed.statuses",
    "operation.texts.only_numbers",
}
