"""The mistakes people make when they copy a value into Epic, and the words for each.

A pasted value is mended step by step towards the right one; each step that applies is one mistake by name. What
is left after the last step is told by the place of its characters.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from difflib import SequenceMatcher
from enum import StrEnum

from shared.domain.environment import EnvironmentId
from shared.domain.words import Said, said


class Cause(StrEnum):
    MISSING = "missing"
    EXTRA = "extra"
    NAME = "name"
    ENVIRONMENT = "environment"
    TOKEN = "token"  # noqa: S105 - what Epic fills in, not a secret
    SCHEME = "scheme"
    ENCODED = "encoded"
    SPACES = "spaces"
    CASE = "case"
    CHARACTERS = "characters"
    TOO_LONG = "too-long"
    OTHER_RECORD = "other-record"


# difflib looks at every pair of equal characters, some again and again: two of Epic's values have a thousand pairs,
# and two long texts of a few letters keep everybody waiting for minutes.
_MOST_PAIRS = 10_000
_RANGES_SHOWN = 5
_LONGEST_SHOWN = 60
_SPACES = re.compile(r"\s+")

Mistake = tuple[Cause, Said]
_Mended = tuple[Cause, Said, str] | None


def usual_mistakes(
    text: str, wanted: str, *, own: EnvironmentId, others: Mapping[EnvironmentId, str]
) -> tuple[list[Mistake], str]:
    """The mistakes in `text` that have a name, and `text` without them."""
    mends: tuple[Callable[[str, str], _Mended], ...] = (
        _encoded,
        _scheme,
        lambda text, wanted: _environment(text, wanted, own=own, others=others),
        _token,
        _spaces,
        _case,
    )
    found: list[Mistake] = []
    for mend in mends:
        if (mended := mend(text, wanted)) is not None:
            cause, words, text = mended
            found.append((cause, words))
    return found, text


def _encoded(text: str, wanted: str) -> _Mended:
    if "%25" not in text or "%25" in wanted:
        return None
    words = said("The percent signs are encoded as %(code)s. Enter them as they are.", code="%25")
    return Cause.ENCODED, words, text.replace("%25", "%")


def _scheme(text: str, wanted: str) -> _Mended:
    ours, theirs = wanted.partition("://")[0], text.partition("://")[0]
    if ours == theirs or {ours, theirs.lower()} != {"http", "https"}:
        return None
    words = said(
        "The address begins with %(theirs)s in Epic and with %(ours)s in the record.",
        theirs=f"{theirs}://",
        ours=f"{ours}://",
    )
    return Cause.SCHEME, words, f"{ours}{text[len(theirs) :]}"


def _environment(
    text: str, wanted: str, *, own: EnvironmentId, others: Mapping[EnvironmentId, str]
) -> _Mended:
    for other, label in others.items():
        if other in text and other not in wanted and own in wanted:
            words = said(
                "This is the %(environment)s record: it carries %(id)s. Enter the record of this environment.",
                environment=label,
                id=other,
            )
            return Cause.ENVIRONMENT, words, text.replace(other, own)
    return None


def _token(text: str, wanted: str) -> _Mended:
    """CSN and CONFERENCEID taken for each other: at the first place where the two differ."""
    for theirs, ours, where in (
        ("%CSN%", "%CONFERENCEID%", said("a group visit")),
        ("%CONFERENCEID%", "%CSN%", said("a visit with one patient")),
    ):
        if text.count(theirs) > wanted.count(theirs) and text.count(ours) < wanted.count(ours):
            words = said(
                "It says %(theirs)s where the record of %(where)s says %(ours)s.",
                theirs=theirs,
                ours=ours,
                where=where,
            )
            return Cause.TOKEN, words, _in_place(text, wanted, theirs, ours)
    return None


def _in_place(text: str, wanted: str, theirs: str, ours: str) -> str:
    """`text` with `ours` for `theirs` wherever `wanted` has it, part by part of a query string."""
    parts, wanted_parts = text.split("&"), wanted.split("&")
    known = {part.partition("=")[0]: part for part in wanted_parts}
    return "&".join(
        part.replace(theirs, ours) if ours in known.get(part.partition("=")[0], "") else part
        for part in parts
    )


def _spaces(text: str, wanted: str) -> _Mended:
    bare = _SPACES.sub("", text)
    if bare != _SPACES.sub("", wanted) or text == wanted:
        return None
    more = len(text) - len(wanted)
    if more > 0:
        words = said("There is a space too many. The record has none there.")
    elif more < 0:
        words = said("A space is missing. Copy the value as it is, with its spaces.")
    else:
        words = said("A space is in the wrong place, or is not an ordinary space.")
    return Cause.SPACES, words, wanted


def _case(text: str, wanted: str) -> _Mended:
    if text == wanted or text.casefold() != wanted.casefold():
        return None
    return Cause.CASE, said("Upper and lower case differ from the record."), wanted


def marked(text: str, wanted: str) -> tuple[tuple[tuple[str, bool], ...], tuple[tuple[str, bool], ...]]:
    """Both texts in pieces, each with whether it differs from the other."""
    ours: list[tuple[str, bool]] = []
    theirs: list[tuple[str, bool]] = []
    for tag, i1, i2, j1, j2 in steps(text, wanted):
        if i2 > i1:
            theirs.append((text[i1:i2], tag != "equal"))
        if j2 > j1:
            ours.append((wanted[j1:j2], tag != "equal"))
    return tuple(theirs), tuple(ours)


def ranges(text: str, wanted: str) -> list[Said]:
    """Where the characters differ, in words; places are counted in what was pasted, from 1."""
    found = [
        _range(tag, i1 + 1, i2, text[i1:i2], wanted[j1:j2])
        for tag, i1, i2, j1, j2 in steps(text, wanted)
        if tag != "equal"
    ]
    if len(found) > _RANGES_SHOWN:
        return [said("It differs from the record in %(count)s places. Copy it again.", count=len(found))]
    return found


def steps(text: str, wanted: str) -> Sequence[tuple[str, int, int, int, int]]:
    """How `text` becomes `wanted`, as difflib says it; one step in the middle where looking closer takes too long."""
    there, here = Counter(text), Counter(wanted)
    if sum(count * here[sign] for sign, count in there.items()) <= _MOST_PAIRS:
        return SequenceMatcher(None, text, wanted, autojunk=False).get_opcodes()
    common = min(len(text), len(wanted))
    first = next((place for place in range(common) if text[place] != wanted[place]), common)
    rest = common - first
    last = next((place for place in range(rest) if text[-1 - place] != wanted[-1 - place]), rest)
    end, wanted_end = len(text) - last, len(wanted) - last
    tag = "replace" if first < end and first < wanted_end else "delete" if first < end else "insert"
    found = (
        ("equal", 0, first, 0, first),
        (tag, first, end, first, wanted_end),
        ("equal", end, len(text), wanted_end, len(wanted)),
    )
    return [one for one in found if one[1] < one[2] or one[3] < one[4]]


def _range(tag: str, first: int, last: int, theirs: str, ours: str) -> Said:
    if tag == "insert":
        return said("%(ours)s is missing before character %(first)s.", ours=shown(ours), first=first)
    if tag == "delete":
        return said(
            "%(theirs)s at character %(first)s is not in the record.", theirs=shown(theirs), first=first
        )
    return said(
        "Characters %(first)s to %(last)s: Epic holds %(theirs)s, the record says %(ours)s.",
        first=first,
        last=last,
        theirs=shown(theirs),
        ours=shown(ours),
    )


def shown(text: str) -> str:
    """`text` so that it can be seen: spaces at its ends get a shape, what is invisible its code point."""
    inner = text.strip(" ")
    before, after = len(text) - len(text.lstrip(" ")), len(text) - len(text.rstrip(" ")) if inner else 0
    visible = "".join(one if one.isprintable() else f"[U+{ord(one):04X}]" for one in inner)
    visible = "␠" * before + visible + "␠" * after
    return visible if len(visible) <= _LONGEST_SHOWN else visible[:_LONGEST_SHOWN] + "…"
