"""The header of a message: read before anything else, or refused with what to do about it."""

import pytest

from shared.hl7v2.dedupe import dedupe_key
from shared.hl7v2.header import (
    MOST_FIELDS,
    MOST_SEGMENTS,
    MOST_SEPARATORS,
    NotHl7,
    UnusableHeader,
    read_header,
)
from tests.hl7v2.siu import header_of, text


def test_the_header_is_read_as_it_was_written() -> None:
    header = header_of(text("S13", MSH={3: "EP\\T\\IC^SIU", 9: "SIU^S13^SIU_S12", 15: "AL", 16: "NE"}))

    assert (header.message_type, header.event, header.control_id) == ("SIU", "S13", "1001")
    assert (header.sending_application, header.sending_facility) == ("EP\\T\\IC^SIU", "LAMNA")
    assert (header.receiving_application, header.receiving_facility) == ("VISITCONNECTOR", "LAMNA")
    assert (header.sent, header.processing_id, header.version) == ("20300601101500", "P", "2.3")
    assert (header.accept_acknowledgement, header.application_acknowledgement) == ("AL", "NE")
    assert (header.separator, header.component, header.repetition) == ("|", "^", "~")
    assert (header.escape, header.subcomponent) == ("\\", "&")


@pytest.mark.parametrize("before", ["\n", "\r\n\r\n", " \t", "\x0b", "\ufeff", "\ufeff\n"])
def test_what_some_engines_put_before_msh_is_tolerated(before: str) -> None:
    assert header_of(before + text()).control_id == "1001"


def test_the_frame_of_mllp_is_tolerated() -> None:
    assert header_of(f"\x0b{text()}\x1c\r").control_id == "1001"


@pytest.mark.parametrize(
    ("raw", "advice"),
    [
        (b"", "no body"),
        (b"\r\n", "no body"),
        (b"\xef\xbb\xbf", "no body"),
        (b"PID|1\r", "does not begin with an MSH"),
        (b"MSHH0\r", "separators"),
        (b"hello", "does not begin with an MSH"),
        (b"<ADT_A01/>", "XML"),
        (b"BHS|^~\\&|A\r", "one message per request"),
        (b"FHS|^~\\&|A\r", "one message per request"),
        (b"MSH", "cut off"),
        (b"MSH|", "cut off"),
        (b"MSH|^~\\&", "cut off"),
        (b"MSH||||||||||||\rPID|1\r", "separators"),
        (b"MSH|0|||||||00|||2.7", "separators"),
        (b"MSH|^^~\\|A|", "separators"),
        (b"MSH|^~\\&#%|A|", "separators"),
        (b"MSH|^|~|A\rMSH|^~\\&|B\r", "more than one message"),
        ("MSH|^~\\&|".encode("utf-16"), "UTF-16"),
        ("MSH|^~\\&|".encode("utf-16-le"), "UTF-16"),
        ("MSH|^~\\&|".encode("utf-16-be"), "UTF-16"),
        ("MSH|^~\\&|".encode("utf-32-be"), "UTF-16 or UTF-32"),
    ],
)
def test_what_is_not_one_hl7_message_is_refused_with_advice(raw: bytes, advice: str) -> None:
    with pytest.raises(NotHl7, match=advice):
        read_header(raw, charset=None)


def test_a_second_message_is_refused() -> None:
    with pytest.raises(NotHl7, match="more than one message"):
        header_of(text() + text())


@pytest.mark.parametrize(
    ("raw", "limit"),
    [
        (text() + "OBX|1\r" * MOST_SEGMENTS, f"more than {MOST_SEGMENTS} lines"),
        (text() + "ZZZ|" + "^" * MOST_SEPARATORS, f"more than {MOST_SEPARATORS} separators"),
        (text() + "ZZZ|" + "\\X" * MOST_SEPARATORS, f"more than {MOST_SEPARATORS} separators"),
        ("MSH|^~\\&" + "|" * MOST_FIELDS, f"more than {MOST_FIELDS} fields"),
    ],
    ids=["segments", "carets", "escapes", "fields"],
)
def test_a_body_no_reader_should_take_apart_is_refused(raw: str, limit: str) -> None:
    with pytest.raises(NotHl7, match=limit):
        header_of(raw)


@pytest.mark.parametrize(
    ("raw", "charset", "advice"),
    [
        (text(PID={5: "Müller"}).encode("iso8859-1"), "utf-8", "Content-Type names"),
        (text(MSH={18: "UNICODE UTF-8"}, PID={5: "Müller"}).encode("iso8859-1"), None, "MSH-18 names"),
        (text().encode(), "utf-16", "charset in Content-Type"),
        (text().encode(), "zip", "charset in Content-Type"),
        (text().encode(), "punycode", "charset in Content-Type"),
    ],
)
def test_a_wrong_character_set_is_refused(raw: bytes, charset: str | None, advice: str) -> None:
    with pytest.raises(NotHl7, match=advice):
        read_header(raw, charset=charset)


def test_the_character_set_of_http_wins_over_that_of_the_message() -> None:
    raw = text(MSH={18: "8859/1"}, PID={5: "Müller"}).encode()
    assert read_header(raw, charset="UTF-8").codec == "utf-8"
    assert read_header(raw, charset=None).codec == "iso8859-1"


def test_a_charset_without_a_name_says_nothing() -> None:
    assert read_header(text(MSH={18: "8859/1"}).encode(), charset="").codec == "iso8859-1"


def test_an_unknown_name_in_msh_18_is_as_good_as_none() -> None:
    assert header_of(text(MSH={18: "ISO IR6"})).codec == "utf-8"


@pytest.mark.parametrize(
    ("changes", "field", "problem"),
    [
        ({7: ""}, "MSH-7", "missing"),
        ({7: '""'}, "MSH-7", "missing"),
        ({7: "2030"}, "MSH-7", "not a time"),
        ({7: "yesterday"}, "MSH-7", "not a time"),
        ({9: ""}, "MSH-9", "SIU and S12"),
        ({9: "SIU"}, "MSH-9", "SIU and S12"),
        ({9: "^S12"}, "MSH-9", "SIU and S12"),
        ({10: ""}, "MSH-10", "missing"),
        ({10: "   "}, "MSH-10", "missing"),
        ({10: "7" * 251}, "MSH-10", "longer than 250"),
        ({3: "E" * 251}, "MSH-3", "longer than 250"),
    ],
)
def test_an_unusable_header_names_the_field(changes: dict[int, str], field: str, problem: str) -> None:
    with pytest.raises(UnusableHeader, match=problem) as refused:
        header_of(text(MSH=changes))
    assert refused.value.field == field
    assert refused.value.header.sending_facility == "LAMNA"


@pytest.mark.parametrize(
    "sent", ["20300601", "203006011015", "2030060110150000", "20300601101500+0100", "20300601101500.1234 "]
)
def test_the_time_of_a_message_may_be_of_any_length(sent: str) -> None:
    assert header_of(text(MSH={7: sent})).sent == sent.strip()


@pytest.mark.parametrize("version", ["", "2.1", "2.5.1", "2.8.2", "2.5^USA", "3"])
def test_no_version_is_refused(version: str) -> None:
    assert header_of(text(MSH={12: version})).version == version


@pytest.mark.parametrize(
    "changes",
    [{3: "EPIC^OTHER"}, {10: "1002"}, {7: "20300601101501"}, {9: "SIU^S15"}],
    ids=["sender", "control id", "time", "body"],
)
def test_messages_that_differ_anywhere_are_no_duplicates(changes: dict[int, str]) -> None:
    once, other = text(), text(MSH=changes)
    assert dedupe_key(header_of(once), once.encode()) == dedupe_key(header_of(once), once.encode())
    assert dedupe_key(header_of(once), once.encode()) != dedupe_key(header_of(other), other.encode())


def test_a_control_id_that_is_counted_anew_swallows_nothing() -> None:
    booked, cancelled = text("S12"), text("S15")
    assert dedupe_key(header_of(booked), booked.encode()) != dedupe_key(
        header_of(cancelled), cancelled.encode()
    )
