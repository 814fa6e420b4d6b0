"""Which language a patient is written to in, from whatever code the hospital's feed uses."""

import re

# ISO 639-2 codes (both forms), and names as they are written in PID-15, with their BCP 47 tag. Chinese is
# written in the script of the only catalog there is, unless the feed says simplified.
_TAGS = {
    "ara": "ar",
    "arabic": "ar",
    "ben": "bn",
    "bengali": "bn",
    "chi": "zh-Hant-TW",
    "chinese": "zh-Hant-TW",
    "cmn": "zh-Hant-TW",
    "cantonese": "zh-Hant-TW",
    "dan": "da",
    "danish": "da",
    "deu": "de",
    "dut": "nl",
    "dutch": "nl",
    "eng": "en",
    "english": "en",
    "fas": "fa",
    "fil": "fil",
    "fin": "fi",
    "fra": "fr",
    "fre": "fr",
    "french": "fr",
    "ger": "de",
    "german": "de",
    "gre": "el",
    "ell": "el",
    "greek": "el",
    "guj": "gu",
    "hat": "ht",
    "haitian creole": "ht",
    "heb": "he",
    "hebrew": "he",
    "hin": "hi",
    "hindi": "hi",
    "hmn": "hmn",
    "hmong": "hmn",
    "hun": "hu",
    "ice": "is",
    "isl": "is",
    "ita": "it",
    "italian": "it",
    "japanese": "ja",
    "jpn": "ja",
    "khm": "km",
    "kor": "ko",
    "korean": "ko",
    "mandarin": "zh-Hant-TW",
    "nld": "nl",
    "nor": "nb",
    "norwegian": "nb",
    "pan": "pa",
    "per": "fa",
    "persian": "fa",
    "farsi": "fa",
    "pol": "pl",
    "polish": "pl",
    "por": "pt",
    "portuguese": "pt",
    "ron": "ro",
    "rum": "ro",
    "rus": "ru",
    "russian": "ru",
    "som": "so",
    "somali": "so",
    "spa": "es",
    "spanish": "es",
    "castilian": "es",
    "swe": "sv",
    "swedish": "sv",
    "tagalog": "fil",
    "tgl": "fil",
    "tur": "tr",
    "turkish": "tr",
    "ukr": "uk",
    "ukrainian": "uk",
    "urd": "ur",
    "urdu": "ur",
    "vie": "vi",
    "vietnamese": "vi",
    "yue": "zh-Hant-TW",
    "zho": "zh-Hant-TW",
}

_SIMPLIFIED = ("hans", "simplified", "zh-cn", "zh-sg")
_TAG = re.compile(r"([a-z]{2})(?:-[a-z0-9]{2,8})*")


def language_tag(*spoken: str) -> str:
    """The BCP 47 tag of the first of these codes or names that is known, or empty.

    Regions are dropped: a text in Spanish is the same text for es-MX and es-US.
    """
    names = [one.strip().lower().replace("_", "-") for one in spoken]
    chinese = any(mark in one for one in names for mark in _SIMPLIFIED)
    for name in names:
        tag = _tag(name)
        if tag:
            return "zh-Hans-CN" if chinese and tag.startswith("zh") else tag
    return ""


def _tag(name: str) -> str:
    # "Spanish; Castilian" and "Chinese (Traditional)" begin with the name.
    plain = re.split(r"[;,(/]", name, maxsplit=1)[0].strip()
    if plain in _TAGS:
        return _TAGS[plain]
    known, _, _ = plain.partition("-")
    if known in _TAGS:
        return _TAGS[known]
    found = _TAG.fullmatch(plain)
    if found is None or found[1] == "un":
        return ""
    return "zh-Hant-TW" if found[1] == "zh" else found[1]
