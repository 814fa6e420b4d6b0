"""What texts to patients say: organization, time and link, and nothing that tells who they are or why they come."""

import json
from datetime import datetime
from functools import cache
from pathlib import Path

from shared.spoken_times import short_date, short_zone, spoken_clock, spoken_language


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
