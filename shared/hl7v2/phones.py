"""Which of a patient's phone numbers may get a text: a mobile before a home number, and nobody else's."""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum

from shared.domain.phone_number import PhoneNumber
from shared.hl7v2.message import Repetition


class Kind(StrEnum):
    MOBILE = "mobile"
    HOME = "home"
    WORK = "work"
    SKIP = "skip"


# HL7 tables 0201 (XTN.2) and 0202 (XTN.3) and the words that sites use instead. Epic writes P (primary) in XTN.2
# beside the type in XTN.3; alone it says no more than a blank. PH in XTN.3 says that it is a telephone, not whose,
# and is left out, so that XTN.2 counts. A number of which nothing is known counts as a home number.
_USUAL: dict[str, Kind] = {
    **dict.fromkeys(("CP", "MC", "C", "M", "MOBILE", "CELL", "CELLPHONE", "CELLULAR"), Kind.MOBILE),
    **dict.fromkeys(("P", "PRN", "H", "HOME", "HP", "ORN", "VHN", "PRS"), Kind.HOME),
    **dict.fromkeys(("WPN", "B", "W", "WP", "WORK", "BUSINESS", "OFFICE"), Kind.WORK),
    **dict.fromkeys(("NET", "X.400", "INTERNET", "EMAIL", "E-MAIL"), Kind.SKIP),
    # T is a temporary number; EMR (emergency) and ASN (answering service) are someone else's.
    **dict.fromkeys(("T", "EMR", "ASN", "FX", "FAX", "BP", "BPN", "PAGER", "MD", "TDD", "TTY"), Kind.SKIP),
}

_LONGEST = 40
# Letters mean a remark or a vanity number, and a text goes to neither.
_DIALLED = re.compile(r"\+?[\d\s().\-/]{4,}")
_NO = frozenset({"N", "NO"})


def textable(
    repetitions: Iterable[Repetition], *, types: Mapping[str, str], country: str
) -> PhoneNumber | None:
    """The number of PID-13 to text: the first mobile that can be used, else the first home number, else None.

    `types` are the site's own codes over the usual ones, `country` is whose numbers need no country code. A number
    with `N` in XTN.9 has no consent, and one that the country's numbering plan calls a landline gets no text.
    Work numbers are never used.
    """
    known = {
        **_USUAL,
        **{code.strip().upper(): Kind(kind) for code, kind in types.items() if kind in set(Kind)},
    }
    sorted_out: dict[Kind, list[Repetition]] = {kind: [] for kind in Kind}
    for one in repetitions:
        sorted_out[_kind(one, known)].append(one)
    for one in (*sorted_out[Kind.MOBILE], *sorted_out[Kind.HOME]):
        number = _usable(one, country)
        if number is not None:
            return number
    return None


def _kind(one: Repetition, known: Mapping[str, Kind]) -> Kind:
    if one.component(9).upper() in _NO:
        return Kind.SKIP
    codes = [one.component(place).upper() for place in (3, 2)]
    # British feeds write HOME, MOBILE and EMAIL where others have the e-mail address.
    word = one.component(4).upper()
    if word in known and word not in ("P", "T"):
        codes.insert(0, word)
    kinds = [known[code] for code in codes if code and code in known]
    if Kind.SKIP in kinds:
        return Kind.SKIP
    return kinds[0] if kinds else Kind.HOME


def _usable(one: Repetition, country: str) -> PhoneNumber | None:
    """The number of a repetition: as written, else put together from its parts (XTN.5 to XTN.7), else XTN.12."""
    abroad = one.component(5).lstrip("+")
    parts = one.component(6) + one.component(7)
    for written in (one.component(1), f"+{abroad}{parts}" if len(abroad) > 1 else parts, one.component(12)):
        number = _normalised(written, country)
        if number is not None:
            return number
    return None


def _normalised(written: str, country: str) -> PhoneNumber | None:
    """`written` as an international number that can take a text, or None."""
    if len(written) > _LONGEST or not _DIALLED.fullmatch(written):
        return None
    # Not at the top: it brings the numbering plans of all countries, and a cold start should not wait for them.
    import phonenumbers  # noqa: PLC0415

    try:
        number = phonenumbers.parse(written, country.upper())
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    kind = phonenumbers.PhoneNumberType
    # In North America a mobile cannot be told from a landline.
    takes_texts = (kind.MOBILE, kind.FIXED_LINE_OR_MOBILE, kind.VOIP)
    if phonenumbers.number_type(number) not in takes_texts:
        return None
    return PhoneNumber(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
