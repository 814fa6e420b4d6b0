"""A message taken apart: fields, repetitions, components, escapes, and what is absent or null."""

import pytest

from tests.hl7v2.siu import taken_apart, text

MESSAGE = text(
    PID={3: "A^^^X&Y&Z^MR~B^^^W^PI", 5: "O\\T\\Brien\\.br\\Jr^\\X414E\\N", 6: '""', 7: '^""^x'},
    more=(("NTE", {1: "1", 3: "belongs to ZPL"}),),
)


def test_fields_repetitions_components_and_subcomponents_are_counted_from_one() -> None:
    field = taken_apart(MESSAGE).first("PID").field(3)

    assert [one.component(1) for one in field.repetitions] == ["A", "B"]
    assert field.component(4) == "X"
    assert field.component(4, 3) == "Z"
    assert field.repetitions[1].component(5) == "PI"


@pytest.mark.parametrize("number", [0, -1, 3, 99])
def test_what_is_not_there_is_empty(number: int) -> None:
    pid = taken_apart(MESSAGE).first("PV2")
    assert pid.text(number) == ""
    assert taken_apart(MESSAGE).first("PID").text(3, number + 100) == ""
    assert taken_apart(MESSAGE).first("PID").field(3).component(1, number + 100) == ""


def test_a_null_differs_from_what_is_absent() -> None:
    pid = taken_apart(MESSAGE).first("PID")

    assert (pid.field(6).null, pid.text(6)) == (True, "")
    assert (pid.field(8).null, pid.text(8)) == (False, "")
    assert (pid.field(7).null, pid.text(7, 2), pid.text(7, 3)) == (False, "", "x")


def test_escapes_are_resolved() -> None:
    assert taken_apart(MESSAGE).first("PID").text(5) == "O&Brien\nJr"
    assert taken_apart(MESSAGE).first("PID").text(5, 2) == "ANN"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("a\\F\\b\\S\\c\\R\\d\\E\\e", "a|b^c~d\\e"),
        ("\\H\\bold\\N\\", "bold"),
        ("\\XZZ\\", ""),
        ("\\XC3A9\\", "é"),
        ("\\Zsite\\x", "x"),
        ("\\Cxxyy\\x", "x"),
        ("\\.sp 2\\x", "x"),
        ("C:\\temp", "C:\\temp"),
        ("a\\", "a\\"),
        ("\\\\", "\\\\"),
        ("\\E\\F\\E\\", "\\F\\"),
    ],
)
def test_every_kind_of_escape_has_a_meaning_or_stays(written: str, read: str) -> None:
    assert taken_apart(text(PID={5: written})).first("PID").text(5) == read


def test_notes_belong_to_the_segment_they_follow() -> None:
    message = text().replace("\rPID|", "\rNTE|1||of the visit\rNTE|2||too\rPID|") + "NTE|1||of another\r"

    assert [one.text(3) for one in taken_apart(message).notes_on("SCH")] == ["of the visit", "too"]
    assert [one.text(3) for one in taken_apart(message).notes_on("ZPL")] == ["of another"]
    assert taken_apart(message).notes_on("PV1") == ()


def test_groups_begin_at_their_leader() -> None:
    message = taken_apart(text() + "RGS|2\rAIL|1\r")
    assert [[one.name for one in group] for group in message.groups("RGS")] == [
        ["RGS", "AIS", "AIP", "ZPL"],
        ["RGS", "AIL"],
    ]
