"""Answers to messages, as an interface engine reads them."""

from datetime import UTC, datetime, timedelta, timezone

import hl7
import pytest

from shared.hl7v2.acknowledgement import Code, acknowledge
from shared.hl7v2.header import Header, UnusableHeader, read_header
from tests.hl7v2.siu import header_of, text

AT = datetime(2030, 6, 1, 10, 15, 3, tzinfo=timezone(timedelta(hours=-4)))


def answer(header: Header, code: Code = Code.ACCEPTED, *, location: str = "", problem: str = "") -> str:
    raw = acknowledge(header, code, control_id="vc-1", at=AT, location=location, problem=problem)
    return raw.decode(header.reply_codec)


def refusal(message: str) -> hl7.Message:
    """The answer to a message with an unusable header, read back."""
    with pytest.raises(UnusableHeader) as refused:
        header_of(message)
    problem = refused.value
    return hl7.parse(answer(problem.header, Code.REJECTED, location=problem.field, problem=problem.problem))


def test_a_message_that_was_taken_is_acknowledged() -> None:
    assert answer(header_of(text("S13", MSH={11: "T"}))) == (
        "MSH|^~\\&|VISITCONNECTOR|LAMNA|EPIC^SIU_GENERIC|LAMNA|20300601141503+0000||ACK^S13^ACK|vc-1|T|2.3"
        "||||||UNICODE UTF-8\r"
        "MSA|AA|1001\r"
    )


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({7: ""}, "7", "101"),
        ({7: "soon"}, "7", "102"),
        ({9: ""}, "9", "101"),
        ({9: "SIU"}, "9", "200"),
        ({10: ""}, "10", "101"),
        ({3: "x" * 300}, "3", "102"),
    ],
)
@pytest.mark.parametrize("version", ["2.3", "2.4", "2.5.1", "2.8"])
def test_a_refusal_names_the_field_in_every_version(
    changes: dict[int, str], field: str, code: str, version: str
) -> None:
    read = refusal(text(MSH={**changes, 12: version}))

    assert read["MSA.F1"] == "AR"
    assert [read[f"ERR.F2.R1.C{place}"] for place in (1, 2, 3)] == ["MSH", "1", field]
    assert read["ERR.F3.R1.C1"] == code
    assert read["ERR.F4"] == "E"
    assert read["ERR.F8"]
    if version < "2.5":
        assert read["ERR.F1.R1.C1"] == "MSH"
        assert read["ERR.F1.R1.C3"] == field
        assert read["ERR.F1.R1.C4.S1"] == code


def test_a_message_for_another_environment_is_refused() -> None:
    read = hl7.parse(
        answer(
            header_of(text()),
            Code.REJECTED,
            location="MSH-6",
            problem="this message is for another environment",
        )
    )
    assert read["MSA.F1"] == "AR"
    assert read["MSA.F2"] == "1001"
    assert read["ERR.F2.R1.C3"] == "6"
    assert read["ERR.F8"] == "this message is for another environment"


def test_a_part_of_a_field_can_be_named() -> None:
    read = hl7.parse(answer(header_of(text()), Code.ERROR, location="SCH-11.4", problem="holds no time"))
    assert (read["MSA.F1"], read["ERR.F2.R1.C1"], read["ERR.F2.R1.C4"]) == ("AE", "SCH", "4")


def test_an_error_without_a_place_is_one_of_the_application() -> None:
    read = hl7.parse(answer(header_of(text()), Code.ERROR, problem="try again"))
    assert (read["ERR.F3.R1.C1"], read["ERR.F8"]) == ("207", "try again")


@pytest.mark.parametrize("signs", ["|^~\\&", "#*!?@", "|^~\\&#"[:5], "$%:\\;"])
def test_separators_are_those_of_the_message(signs: str) -> None:
    message = (
        text().split("\r")[0].translate({ord(old): new for old, new in zip("|^~\\&", signs, strict=True)})
    )
    own = answer(header_of(message), Code.REJECTED, location="MSH-10", problem=f"all of {signs} and ^~\\&|")
    read = hl7.parse(own)

    assert own.startswith(f"MSH{signs}{signs[0]}")
    assert (read["MSH.F5.R1.C2"], read["MSA.F2"]) == ("SIU_GENERIC", "1001")
    assert read["ERR.F8"] == f"all of {signs} and ^~\\&|"


def test_a_message_that_names_one_separator_only_is_answered_alike() -> None:
    header = read_header(b"MSH|^|A^B|C|D|E|20300601||SIU^S12|1|P|2.2\r", charset=None)
    read = hl7.parse(answer(header, Code.REJECTED, location="MSH-10", problem="a^b|c~d&e"))
    assert read["MSA.F2"] == "1"
    assert read["ERR.F2.R1.C3"] == "10"


@pytest.mark.parametrize(
    ("charset", "codec", "named"),
    [
        (None, "utf-8", "UNICODE UTF-8"),
        ("utf-8", "utf-8", "UNICODE UTF-8"),
        ("iso-8859-1", "iso8859-1", "8859/1"),
        ("us-ascii", "ascii", "ASCII"),
        ("windows-1252", "cp1252", ""),
    ],
)
def test_an_answer_is_written_in_the_set_that_http_named(charset: str | None, codec: str, named: str) -> None:
    sender = "PRAXIS" if codec == "ascii" else "PRAXIS MÜLLER"
    raw = text(MSH={4: sender}).encode(codec)
    own = acknowledge(read_header(raw, charset=charset), Code.ACCEPTED, control_id="vc-1", at=AT)
    read = hl7.parse(own.decode(codec))
    assert (read["MSH.F6"], read["MSH.F18"]) == (sender, named)


def test_control_characters_of_a_sender_do_not_come_back() -> None:
    own = answer(header_of(text(MSH={10: "10\x0001\x85\u2028x"})))
    assert own.split("\r")[1] == "MSA|AA|10 01  x"
    assert len(own.splitlines()) == 2


def test_the_time_of_an_answer_says_that_it_is_utc() -> None:
    sent = acknowledge(header_of(text()), Code.ACCEPTED, control_id="1", at=AT.astimezone(UTC))
    assert b"|20300601141503+0000|" in sent
