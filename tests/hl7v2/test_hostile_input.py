"""Whatever is posted to the intake gets an answer that was meant: taken, refused with a reason, or parked."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.domain.appointment import SchedulingMessage
from shared.domain.environment import Feed
from shared.hl7v2.acknowledgement import Code, acknowledge
from shared.hl7v2.dedupe import dedupe_key
from shared.hl7v2.header import MOST_SEPARATORS, NotHl7, UnusableHeader, read_header
from shared.hl7v2.message import parse
from shared.hl7v2.scheduling import Ignored, Unreadable, read_scheduling
from tests.hl7v2.siu import FEED, text

NOW = datetime(2030, 6, 1, tzinfo=UTC)

# The first seven are public: inputs that made other parsers crash or hang.
NASTY = (
    b"",
    b"MSH|0|||||||00|||2.7",
    b"MSHH0\r",
    b"MSH|0|||||||||||0",
    b"MSH|^\x01\\0|||||0||ACK^\\|||2.2^0\r0|0|2^V~\\\r0|0|00\r0)0",
    b"MSH|0|0|0|0|0|0|0|20\x7f|0|0|2.7",
    b"MSH|^|||||||^A|||2.2\r^AA",
    b"\nMSH|^~\\&|A|B|C|D|202401011200||ADT^A01|M1|P|2.5\r",
    b"MSH|^~\\&" + b"|" * 100_000,
    b"MSH|^~\\&|" + b"^" * 200_000 + b"\r",
    b"MSH|^~\\&|A|B|C|D|2024||SIU^S12|1|P|2.5\rPID|" + b"\\X" * 50_000 + b"\r",
    b"\xff\xfeM\x00S\x00H\x00",
    b"MSH||||||||||||\rPID|1\r",
    b"MSH|^~\\&|A\rMSH|^~\\&|B\r",
    b"PID|1\r",
    b"MSH",
    b"MSH|",
    b"MSH|^~\\&|A|B|C|D|20300601||SIU^S12|1|P|2.5\r" + b"FHS\r" * 2,
    b"MSH|^~\\&|A|B|C|D|20300601||SIU^S12|1|P|2.5\r\r\r\n\n|||\r^^^\r",
    b"MSH|^~\\&|A|B|C|D|20300601||SIU^S12|1|P|2.5\rSCH\rPV1\rRGS\rAIS\rPID\rZPL\r",
)


def fate(raw: bytes, *, charset: str | None = None, feed: Feed = FEED) -> str:
    """What happens to a body at the intake and after it; every answer is read back by its own rules."""
    try:
        header = read_header(raw, charset=charset)
    except NotHl7 as refused:
        return "400" if str(refused) else "400 without a word"
    except UnusableHeader as refused:
        own = acknowledge(
            refused.header,
            Code.REJECTED,
            control_id="1",
            at=NOW,
            location=refused.field,
            problem=refused.problem,
        )
        _must_be_an_answer(own)
        return "AR"
    _must_be_an_answer(acknowledge(header, Code.ACCEPTED, control_id="1", at=NOW))
    key = dedupe_key(header, raw)
    try:
        found = read_scheduling(parse(raw, header), feed, header=header, dedupe_key=key)
    except Unreadable as parked:
        return "parked" if str(parked) else "parked without a word"
    assert isinstance(found, (SchedulingMessage, Ignored))
    return "read"


def _must_be_an_answer(raw: bytes) -> None:
    assert raw.startswith(b"MSH")
    assert b"\rMSA" in raw
    assert raw.endswith(b"\r")
    assert raw.count(b"\n") == 0


def test_every_known_nasty_input_gets_the_answer_it_should() -> None:
    assert [fate(raw) for raw in NASTY] == [
        *["400"] * 6,
        "AR",
        "read",
        *["400"] * 9,
        "400",
        "parked",
        "parked",
    ]


@settings(deadline=None)
@given(raw=st.binary(max_size=400), charset=st.sampled_from([None, "utf-8", "iso-8859-1", "gb18030", "x"]))
def test_any_bytes_get_an_answer(raw: bytes, charset: str | None) -> None:
    assert fate(raw, charset=charset) in ("400", "AR", "parked", "read")


_PIECES = st.sampled_from(
    [
        *(
            "|",
            "^",
            "~",
            "\\",
            "&",
            "\r",
            "\n",
            '""',
            " ",
            "\\X",
            "\\F\\",
            "\\.br\\",
            "\x00",
            "é",
            "\ud83d\ude00"[:0],
        ),
        *(
            "SCH|",
            "PID|",
            "PV1|",
            "RGS|1|D|",
            "RGS|1|A|",
            "AIS|1|A|",
            "AIP|",
            "TQ1|",
            "ZPL|",
            "NTE|",
            "MSH|",
            "BHS",
        ),
        *(
            "203006111115",
            "20301103013000-0500",
            "99999999999999",
            "30",
            "MIN",
            "206-555-0142",
            "CP",
            "Y",
            "1",
        ),
        *("0" * 50, "²", "٣٠", "+", "-", "e9", "nan", "inf"),
    ]
)


@settings(max_examples=300, deadline=None)
@given(pieces=st.lists(_PIECES, max_size=60))
@example(pieces=["SCH|" + "|" * 10 + "^^^", "٢٠٣٠٠٦١١١١١٥"])
@example(pieces=["SCH|" + "|" * 7, "²", "|MIN"])
@example(pieces=["PID|" + "|" * 12, "٠٢٠٦٥٥٥٠١٤٢", "^^CP"])
def test_a_header_followed_by_anything_gets_an_answer(pieces: list[str]) -> None:
    head = "MSH|^~\\&|EPIC|LAMNA|VC|LAMNA|20300601101500||SIU^S12|1|P|2.3\r"
    assert fate((head + "".join(pieces)).encode()) in ("400", "parked", "read")


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_an_ordinary_message_damaged_anywhere_gets_an_answer(data: st.DataObject) -> None:
    raw = bytearray(text(more=(("NTE", {1: "1", 3: "x\\F\\y"}),)).encode())
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, len(raw) - 1))
        raw[place] = data.draw(st.integers(0, 255))
    assert fate(bytes(raw)) in ("400", "AR", "parked", "read")


@settings(deadline=None)
@given(cut=st.integers(0, 700))
def test_a_message_cut_off_anywhere_gets_an_answer(cut: int) -> None:
    assert fate(text().encode()[:cut]) in ("400", "AR", "parked", "read")


@settings(deadline=None)
@given(
    zone=st.one_of(st.text(max_size=20), st.sampled_from(["/etc/passwd", "../UTC", "", "UTC", "a\x00b"])),
    country=st.text(max_size=3),
    types=st.dictionaries(st.text(max_size=3), st.text(max_size=8), max_size=3),
)
def test_a_strange_configuration_gets_an_answer(zone: str, country: str, types: dict[str, str]) -> None:
    feed = Feed(zone=zone, country=country, phone_types=types)
    assert fate(text().encode(), feed=feed) in ("parked", "read")


@pytest.mark.parametrize("sign", ["|", "^", "~", "&", "\\", "\\X41\\", "\\E\\"])
def test_as_much_of_anything_as_the_limits_allow_is_still_read(sign: str) -> None:
    once = text()
    room = (MOST_SEPARATORS - 500) // sum(sign.count(one) for one in "|^~\\&")
    assert fate((once + "PID|" + sign * room).encode()) == "read"
    assert fate(once.replace("(206)555-0142", "x" + sign * room).encode()) == "read"
