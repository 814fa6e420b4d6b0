"""What texts to patients say: organization, time and link, and nothing that tells who they are or why they come."""

import json
from datetime import datetime
from functools import cache
from pathlib import Path

from shared.spoken_times import short_date, short_zone, spoken_clock, spoken_language

# The default alphabet of text messages and its extension, whose characters count twice (3GPP TS 23.038, 6.2.1).
_GSM7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM7_TWICE = frozenset("\f^{}\\[~]|€")


class PatientTexts:
    """The texts in three languages; who reads another one is written to in English."""

    def compose(
        self,
        kind: str,
        *,
        language: str,
        organization: str,
        phone: str,
        starts_at: datetime | None,
        zone: str,
        link: str,
    ) -> str:
        """The text of a `kind` of notification (`booked`, `changed`, `cancelled`, ...).

        With an organization of 20 characters, a link of 48 and a phone number of 12, the English texts fit one
        segment of 160 characters in American and European zones.
        """
        speaking = spoken_language(language) or "en"
        words = _texts()[speaking]
        facts = {"organization": organization, "phone": phone, "link": link, "opt_out": words["opt_out"]}
        if starts_at is None:
            return words[f"{kind}, time not known"].format(**facts)
        when = words["when"].format(
            date=short_date(starts_at, zone, speaking),
            clock=spoken_clock(starts_at, zone, speaking),
            zone=short_zone(starts_at, zone),
        )
        return words[kind].format(**facts, when=when)


@cache
def _texts() -> dict[str, dict[str, str]]:
    """The sentences of each language, by kind."""
    content = Path(__file__).with_name("patient_texts.json").read_text(encoding="utf-8")
    texts: dict[str, dict[str, str]] = json.loads(content)
    return texts


def is_gsm7(text: str) -> bool:
    """Whether a text travels in the 7-bit alphabet. One character outside of it makes all of them 16-bit."""
    return all(letter in _GSM7 or letter in _GSM7_TWICE for letter in text)


def segments(text: str) -> int:
    """How many text messages a text is billed as.

    A single one carries 160 (16-bit: 70) characters, each of several 153 (67): the rest numbers the parts. A
    character that takes two places is never split between two parts (3GPP TS 23.040, 9.2.3.24).
    """
    if is_gsm7(text):
        sizes = [2 if letter in _GSM7_TWICE else 1 for letter in text]
        alone, together = 160, 153
    else:
        sizes = [2 if ord(letter) > 0xFFFF else 1 for letter in text]
        alone, together = 70, 67
    if sum(sizes) <= alone:
        return 1
    parts, room = 1, together
    for size in sizes:
        if size > room:
            parts, room = parts + 1, together
        room -= size
    return parts
