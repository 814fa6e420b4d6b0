"""How single values rest in a row. Pure: text in, text out."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from shared.domain.errors import Refused

# A column takes 64 KiB, which is 32,768 characters; a row takes 1 MiB, of which other columns need a little.
_COLUMN_TAKES = 30_000
ROW_TAKES = 450_000


def instant(moment: datetime | None) -> str:
    """A moment as text in UTC, to the microsecond; texts sort as moments do. None is the empty text."""
    if moment is None:
        return ""
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone cannot be stored")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def moment(text: str) -> datetime:
    """The moment that `instant` wrote."""
    return datetime.fromisoformat(text)


def moment_or_none(text: str) -> datetime | None:
    return moment(text) if text else None


def compact(value: object) -> str:
    """JSON without spaces, in ASCII, so that a character takes the same room everywhere."""
    return json.dumps(value, separators=(",", ":"))


def spread(name: str, text: str) -> dict[str, str]:
    """`text` as the column `name` and, when it is too long for one, as `name_1`, `name_2`, ..."""
    if len(text) > ROW_TAKES:
        raise Refused({"": "this is too large to be stored"})
    pieces = [text[at : at + _COLUMN_TAKES] for at in range(0, len(text), _COLUMN_TAKES)] or [""]
    return {name if number == 0 else f"{name}_{number}": piece for number, piece in enumerate(pieces)}


def gathered(row: Mapping[str, Any], name: str) -> str:
    """The text that `spread` wrote."""
    pieces = [str(row[name])]
    while (further := f"{name}_{len(pieces)}") in row:
        pieces.append(str(row[further]))
    return "".join(pieces)


def texts(column: str) -> tuple[str, ...]:
    """The texts of a JSON list."""
    return tuple(str(one) for one in json.loads(column))
