"""Dates and times as a patient would say them: in their language, in the clinic's time zone."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

# The languages patients are spoken to in, by their HTML code.
SPOKEN = ("en", "es", "zh-Hant-TW")

_NAMES = {"en": "en", "es": "es", "zh": "zh-Hant-TW"}

# Clocks and the order of day and month follow the place as much as the language: Los Angeles reads 2:30 PM in
# Spanish too, Madrid reads 14:30.
_AMERICAN = ("America/", "US/", "Canada/", "Pacific/Honolulu")

_DATE_PATTERNS = {
    "en_US": "EEEE, MMMM d",
    "en_GB": "EEEE d MMMM",
    "es_US": "EEEE, d 'de' MMMM",
    "es": "EEEE, d 'de' MMMM",
    "zh_Hant_TW": "M月d日 EEEE",
}


def spoken_language(code: str) -> str | None:
    """The language of ours behind a BCP 47 tag, such as `es-MX`; None when it is not one of ours.

    All who read Chinese get the traditional characters: closer to them than English.
    """
    return _NAMES.get(code.strip().lower().partition("-")[0])


def spoken_date(moment: datetime, zone: str, language: str) -> str:
    """Weekday, day and month where the clinic is: `Tuesday, November 24`."""
    # Babel loads its data when it is imported; most invocations never say a date.
    from babel.dates import format_datetime  # noqa: PLC0415

    locale = _locale(zone, language)
    return _plain(format_datetime(moment, _DATE_PATTERNS[locale], tzinfo=ZoneInfo(zone), locale=locale))


def spoken_full_date(moment: datetime, zone: str, language: str) -> str:
    """The day with its year, for what is kept for long: `November 24, 2026`."""
    from babel.dates import format_date  # noqa: PLC0415 - as in spoken_date

    day = moment.astimezone(ZoneInfo(zone)).date()
    return _plain(format_date(day, "long", locale=_locale(zone, language)))


def spoken_clock(moment: datetime, zone: str, language: str) -> str:
    """The clock alone: `2:30 PM`."""
    from babel.dates import format_time  # noqa: PLC0415 - as in spoken_date

    return _plain(format_time(moment, "short", tzinfo=ZoneInfo(zone), locale=_locale(zone, language)))


def spoken_zone(moment: datetime, zone: str, language: str) -> str:
    """The time zone in words: `Pacific Time`.

    A zone without summer time is named in full (`Mountain Standard Time`): in July `Mountain Time` would be an
    hour off for someone in Phoenix.
    """
    from babel.dates import get_timezone_name  # noqa: PLC0415 - as in spoken_date

    clinic, locale = ZoneInfo(zone), _locale(zone, language)
    if _changes_clocks(moment, clinic):
        return get_timezone_name(clinic, width="long", zone_variant="generic", locale=locale)
    return get_timezone_name(moment.astimezone(clinic), width="long", locale=locale)


def spoken_time(moment: datetime, zone: str, language: str) -> str:
    """The clock with its zone in words: `2:30 PM, Pacific Time`."""
    separator = "，" if language == "zh-Hant-TW" else ", "
    return spoken_clock(moment, zone, language) + separator + spoken_zone(moment, zone, language)


def spoken_tile(moment: datetime, zone: str, language: str) -> tuple[str, str]:
    """What a leaf of a calendar shows: a short month and the day."""
    from babel.dates import format_datetime  # noqa: PLC0415 - as in spoken_date

    locale, clinic = _locale(zone, language), ZoneInfo(zone)
    month = format_datetime(moment, "LLL", tzinfo=clinic, locale=locale)
    return month[:1].upper() + month[1:], str(moment.astimezone(clinic).day)


def short_zone(moment: datetime, zone: str) -> str:
    """The zone in a few letters for a text message: `PST`, or `GMT+1` where letters would be ambiguous."""
    from babel.dates import get_timezone_name  # noqa: PLC0415 - as in spoken_date

    local = moment.astimezone(ZoneInfo(zone))
    name = get_timezone_name(local, width="short", locale="en_US")
    if name.isalpha() and len(name) <= 5:
        return name
    minutes = int((local.utcoffset() or timedelta()).total_seconds() // 60)
    if not minutes:
        return "GMT"
    hours, rest = divmod(abs(minutes), 60)
    return f"GMT{'+' if minutes > 0 else '-'}{hours}" + (f":{rest:02}" if rest else "")


def short_date(moment: datetime, zone: str, language: str) -> str:
    """A date for a text message: `Tue Nov 24`.

    Spanish goes without the weekday: the accent of `sáb` would turn a text of 160 characters into one of 70.
    """
    from babel.dates import format_datetime  # noqa: PLC0415 - as in spoken_date

    locale = _locale(zone, language)
    pattern = {"en_US": "EEE MMM d", "en_GB": "EEE d MMM"}.get(locale, "d 'de' MMMM")
    if language == "zh-Hant-TW":
        pattern = "M月d日EEE"
    return _plain(format_datetime(moment, pattern, tzinfo=ZoneInfo(zone), locale=locale))


def _changes_clocks(moment: datetime, clinic: ZoneInfo) -> bool:
    """Whether the clinic's clocks change during the year of `moment`."""
    offsets = {moment.replace(month=month, day=1).astimezone(clinic).utcoffset() for month in (1, 4, 7, 10)}
    return len(offsets) > 1


def _locale(zone: str, language: str) -> str:
    american = zone.startswith(_AMERICAN)
    if language == "zh-Hant-TW":
        return "zh_Hant_TW"
    if language == "es":
        return "es_US" if american else "es"
    return "en_US" if american else "en_GB"


def _plain(text: str) -> str:
    """With ordinary spaces: CLDR's narrow ones are no part of GSM-7, and some phones show them as boxes."""
    return text.replace("\u202f", " ").replace("\xa0", " ")
