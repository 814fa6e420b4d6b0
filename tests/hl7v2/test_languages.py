"""PID-15 in the codes and words that feeds use, as a language tag."""

import pytest

from shared.hl7v2.languages import language_tag
from tests.hl7v2.siu import siu


@pytest.mark.parametrize(
    ("field", "tag"),
    [
        ("ENG", "en"),
        ("eng^English^ISO6392", "en"),
        ("en", "en"),
        ("en-US", "en"),
        ("en_GB", "en"),
        ("English", "en"),
        ("1^English", "en"),
        ("spa^Spanish^ISO6392", "es"),
        ("es-MX", "es"),
        ("132^Spanish; Castilian", "es"),
        ("zho", "zh-Hant-TW"),
        ("chi^Chinese", "zh-Hant-TW"),
        ("yue^Cantonese", "zh-Hant-TW"),
        ("zh-TW", "zh-Hant-TW"),
        ("zh-Hant", "zh-Hant-TW"),
        ("chi^Chinese (Simplified)", "zh-Hans-CN"),
        ("zh-CN", "zh-Hans-CN"),
        ("vie^Vietnamese", "vi"),
        ("fre", "fr"),
        ("pt-BR", "pt"),
        ("hmn", "hmn"),
        ("", ""),
        ('""', ""),
        ("und", ""),
        ("UN", ""),
        ("Unknown", ""),
        ("...", ""),
        ("999", ""),
    ],
)
def test_a_language_is_recognised_or_left_open(field: str, tag: str) -> None:
    assert siu(PID={15: field}).language == tag


def test_the_first_name_that_is_known_counts() -> None:
    assert language_tag("72", "Klingon", "spa") == "es"
