"""The pages people see: templates filled with facts, in three languages, behind strict browser rules."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import azure.functions as func

from functions.static_files import asset
from functions.web.catalogs import catalog
from shared.domain.words import Said
from shared.spoken_times import (
    spoken_clock,
    spoken_date,
    spoken_full_date,
    spoken_language,
    spoken_tile,
    spoken_time,
    spoken_zone,
)

if TYPE_CHECKING:
    import jinja2

__all__ = [
    "LANGUAGES",
    "Language",
    "language_of",
    "page",
    "spoken",
    "spoken_clock",
    "spoken_date",
    "spoken_time",
]

_TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True, slots=True)
class Language:
    """A language of the pages, by its HTML code and by the name its own readers give it."""

    code: str
    name: str


LANGUAGES = (Language("en", "English"), Language("es", "Español"), Language("zh-Hant-TW", "中文"))
_CODES = frozenset(one.code for one in LANGUAGES)

# What a page can do without. A fact that is missing from both this and the call is an error, never a gap.
_OPTIONAL: Mapping[str, object] = {
    "organization": "",
    "phone": "",
    "path": "",
    "token": "",
    "reference": "",
    "zone": "UTC",
    "starts_at": None,
    "ends_at": None,
    "opens_at": None,
    "closes_at": None,
    "meeting_url": None,
    "patient_link": None,
    "go": False,
    "mix_up": None,
    "now": None,
    "offered": None,  # the codes of the languages to choose from; None is all
    # What every page of the portal may say.
    "nav": "",
    "visitor": None,
    "csrf_token": "",
    "form": None,
    "problems": {},
    "done": "",
}

_HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

# Trusted Types allow no policy at all: no script of ours ever writes markup.
_CONTENT_SECURITY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "media-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors {ancestors}; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)

# The clinic's country decides whom to call. A country that is not listed gets words instead of a wrong number.
_EMERGENCY = {
    "911": ("US", "CA", "MX", "PR"),
    "999": ("GB",),
    "000": ("AU",),
    "111": ("NZ",),
    "119": ("TW",),
    "112": (
        *(
            "AT",
            "BE",
            "BG",
            "CY",
            "CZ",
            "DE",
            "DK",
            "EE",
            "ES",
            "FI",
            "FR",
            "GR",
            "HR",
            "HU",
            "IE",
            "IS",
            "IT",
        ),
        *("LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK"),
    ),
}


def page(
    template: str,
    *,
    language: str,
    status: int = 200,
    frame_ancestors: str = "'none'",
    **facts: Any,
) -> func.HttpResponse:
    """The page `template` with `facts` in it. `frame_ancestors` names who may show it in a frame."""
    speaking = language if any(language == known.code for known in LANGUAGES) else "en"
    given = {**_OPTIONAL, **facts}
    html = _environment().get_template(template).render(given | _words(speaking, given))
    return func.HttpResponse(
        html,
        status_code=status,
        mimetype="text/html",
        charset="utf-8",
        headers={
            **_HEADERS,
            "Content-Language": speaking,
            "Content-Security-Policy": _CONTENT_SECURITY.format(ancestors=frame_ancestors),
        },
    )


def language_of(req: func.HttpRequest, fallback: str = "en") -> str:
    """The language to answer in: `?lang=`, then what the browser asks for, then `fallback`."""
    asked = [req.params.get("lang", ""), *_accepted(req.headers.get("Accept-Language", "")), fallback]
    return next((known for code in asked if (known := spoken_language(code))), "en")


def _accepted(header: str) -> list[str]:
    """The codes of an Accept-Language header, best first (RFC 9110, 12.5.4)."""
    weighted: list[tuple[float, str]] = []
    for offer in header.split(","):
        code, _, weight = offer.strip().partition(";")
        try:
            quality = float(weight.strip().removeprefix("q=")) if weight else 1.0
        except ValueError:
            continue
        if code and quality > 0:
            weighted.append((quality, code))
    return [code for _, code in sorted(weighted, key=lambda offer: -offer[0])]


def _words(language: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What templates speak with: translation, dates, clocks and the number to call in an emergency."""
    zone = str(facts["zone"] or "UTC")
    now = facts["now"]

    def in_zone(speak: Callable[[datetime, str, str], object]) -> Callable[..., object]:
        return lambda moment, at=zone: speak(moment, at, language)

    def is_today(moment: datetime) -> bool:
        clinic = ZoneInfo(zone)
        return now is not None and now.astimezone(clinic).date() == moment.astimezone(clinic).date()

    return {
        "_": partial(_translated, language),
        "say": partial(_said_again, language),
        "language": language,
        "languages": [one for one in LANGUAGES if one.code in (facts["offered"] or _CODES)],
        "asset": asset,
        "date_of": in_zone(spoken_date),
        "full_date_of": in_zone(spoken_full_date),
        "clock_of": in_zone(spoken_clock),
        "zone_of": in_zone(spoken_zone),
        "tile_of": in_zone(spoken_tile),
        "is_today": is_today,
        "zone": zone,
        "emergency_number": _emergency_number(zone),
    }


def _translated(language: str, text: str, /, **values: object) -> str:
    """`text` in the page's language with its placeholders filled; the template escapes the whole of it.

    A placeholder may have any name, these two as well.
    """
    spoken = catalog(language).gettext(text)
    if not values:
        return spoken
    filled = spoken % values
    return _in_good_spanish(filled) if language == "es" else filled


def _in_good_spanish(sentence: str) -> str:
    """Spanish says "a la 1:30" but "a las 2:30", and the full stop of "p.m." also ends a sentence."""
    return re.sub(r"\b([ap]\.m\.)\.", r"\1", re.sub(r"\blas (?=1:\d\d\b)", "la ", sentence))


def spoken(language: str, sentence: str) -> str:
    """A sentence that a rule made, in that language, for an answer that is no page."""
    return _said_again(language, sentence)


def _said_again(language: str, sentence: str) -> str:
    """A sentence that a rule made, in the page's language; words that nobody marked stay as they are."""
    if not isinstance(sentence, Said):
        return sentence
    return _translated(language, sentence.template, **sentence.values)


def _emergency_number(zone: str) -> str:
    """The emergency number where the clinic is, or nothing when it is not known for certain."""
    # Babel knows the country of each time zone; it is loaded when the first page is made.
    from babel.core import get_global  # noqa: PLC0415

    country = get_global("zone_territories").get(zone, "")
    return next((number for number, countries in _EMERGENCY.items() if country in countries), "")


@cache
def _environment() -> "jinja2.Environment":
    """The one template environment of this process."""
    # Jinja takes some 50 ms to import; an invocation that shows no page does not wait for it.
    import jinja2  # noqa: PLC0415

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        auto_reload=False,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
