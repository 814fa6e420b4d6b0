"""Which character set a message is written in: hospitals outside the United States often do not use UTF-8."""

from dataclasses import dataclass

# HL7 table 0211 and the names HTTP uses (IANA), in lower case, with Python's codec. Only sets in which ASCII
# stands for itself: separators could not be found otherwise. Never looked up by name: Python has codecs that
# are not character sets at all, and slow ones.
_CODECS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "unicode utf-8": "utf-8",
    "unicode": "utf-8",
    # Many senders say ASCII, or nothing, and write UTF-8, of which ASCII is a part.
    "ascii": "utf-8",
    "us-ascii": "utf-8",
    **{f"8859/{part}": f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)},
    **{f"iso-8859-{part}": f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)},
    "latin1": "iso8859-1",
    **{f"windows-125{part}": f"cp125{part}" for part in (0, 1, 2)},
    "gb 18030-2000": "gb18030",
    "gb18030": "gb18030",
    "big-5": "big5",
    "big5": "big5",
    "ks x 1001": "euc-kr",
    "euc-kr": "euc-kr",
}

# The name that MSH-18 of an answer gives, by codec.
_TABLE_0211 = {
    "ascii": "ASCII",
    "utf-8": "UNICODE UTF-8",
    **{f"iso8859-{part}": f"8859/{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)},
    "gb18030": "GB 18030-2000",
    "big5": "BIG-5",
    "euc-kr": "KS X 1001",
}

DEFAULT = "utf-8"


@dataclass(frozen=True, slots=True)
class Decoded:
    text: str
    codec: str


def codec_named(name: str) -> str | None:
    """Python's codec for a name of HL7 table 0211 or of HTTP, or None when this app does not read that set."""
    return _CODECS.get(name.strip().lower())


def codec_for_reply(charset: str | None, *, codec: str) -> str:
    """What an answer is written in: the set that HTTP named, because the answer bears the same Content-Type.

    `codec` is what the message was written in. Without a name the answer is UTF-8.
    """
    if charset is None:
        return DEFAULT
    return "ascii" if "ascii" in charset.lower() else codec


def table_0211(codec: str) -> str:
    """What MSH-18 calls `codec`; empty for the sets that the table does not name."""
    return _TABLE_0211.get(codec, "")


def decode(raw: bytes, *, declared: str | None) -> Decoded | None:
    """`raw` as text, or None when it is not written in the set that was declared.

    Without a declaration: UTF-8, else ISO 8859-1. Everything that is read from a message (ids, codes, times,
    numbers) is ASCII in both, so a wrong guess between them changes nothing but names, which are not read.
    """
    if declared is not None:
        try:
            return Decoded(raw.decode(declared), declared)
        except UnicodeDecodeError:
            return None
    try:
        return Decoded(raw.decode(DEFAULT), DEFAULT)
    except UnicodeDecodeError:
        return Decoded(raw.decode("iso8859-1"), "iso8859-1")
