"""The time zones that a form offers where a stamp's hospitals are; any other can be typed."""

from collections.abc import Mapping

from shared.domain.geography import Geography

# Few enough that the list costs a page little; a browser's own zone is put in by script where it is missing.
_NEAR: Mapping[Geography, tuple[str, ...]] = {
    Geography.AMERICAS: (
        *("America/New_York", "America/Chicago", "America/Denver", "America/Phoenix", "America/Los_Angeles"),
        *(
            "America/Anchorage",
            "Pacific/Honolulu",
            "America/Puerto_Rico",
            "America/Halifax",
            "America/St_Johns",
        ),
        *("America/Toronto", "America/Winnipeg", "America/Edmonton", "America/Vancouver"),
        *("America/Mexico_City", "America/Bogota", "America/Sao_Paulo"),
    ),
    Geography.EMEA: (
        *("Europe/London", "Europe/Dublin", "Europe/Lisbon", "Europe/Madrid", "Europe/Paris"),
        *("Europe/Brussels", "Europe/Amsterdam", "Europe/Berlin", "Europe/Zurich", "Europe/Vienna"),
        *("Europe/Rome", "Europe/Copenhagen", "Europe/Oslo", "Europe/Stockholm", "Europe/Helsinki"),
        *("Europe/Warsaw", "Europe/Athens", "Asia/Riyadh", "Asia/Dubai", "Africa/Johannesburg"),
    ),
    Geography.APAC: (
        *("Australia/Sydney", "Australia/Brisbane", "Australia/Adelaide", "Australia/Darwin"),
        *("Australia/Perth", "Pacific/Auckland", "Asia/Singapore", "Asia/Hong_Kong", "Asia/Taipei"),
        *("Asia/Tokyo", "Asia/Seoul", "Asia/Manila", "Asia/Kolkata"),
    ),
}


def suggested_zones(geography: Geography) -> tuple[str, ...]:
    """IANA names of the zones around `geography`."""
    return _NEAR[geography]
