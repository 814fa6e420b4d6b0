"""What the parts of an environment's set-up are made of: questions, and lists that are typed line by line."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, Protocol

from shared.domain.environment import Connection, Environment, Operation
from shared.domain.errors import Refused
from shared.domain.words import Said, said


class Typed(Protocol):
    """What a person sent from a form."""

    def text(self, name: str, default: str = "") -> str: ...
    def all(self, name: str) -> list[str]: ...
    def has(self, name: str) -> bool: ...


Kind = Literal["text", "mono", "number", "area", "select", "yes"]


@dataclass(frozen=True, slots=True)
class Field:
    """One question of a part; its `name` is also the name of the problem that a rule finds in it."""

    name: str
    label: Said
    hint: Said | None = None
    kind: Kind = "text"
    optional: bool = False
    options: tuple[tuple[str, Said], ...] = ()
    suggests: Literal["", "zones", "countries"] = ""


@dataclass(frozen=True, slots=True)
class Section:
    """One part of an environment. `connection` parts are approved by an analyst, the others are live at once."""

    id: str
    title: Said
    about: Said
    half: Literal["connection", "operation"]
    fields: tuple[Field, ...]
    show: Callable[[Environment], dict[str, str]]
    read_connection: Callable[[Typed, Connection], Connection] | None = None
    read_operation: Callable[[Typed, Operation], Operation] | None = None


def lines(text: str) -> list[str]:
    return list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))


def pairs(form: Typed, name: str, *, wrong: Said) -> dict[str, str]:
    """Lines like `CELL = mobile` as a mapping, or raise Refused with the sentence `wrong`."""
    found: dict[str, str] = {}
    for line in lines(form.text(name)):
        key, sign, value = (part.strip() for part in line.partition("="))
        if not (key and sign and value):
            raise Refused({name: wrong})
        found[key] = value
    return found


def as_lines(pairs: Mapping[str, str]) -> str:
    return "\n".join(f"{key} = {value}" for key, value in pairs.items())


def minutes(form: Typed, name: str) -> timedelta:
    text = form.text(name)
    # More digits than a month of minutes has cannot be meant.
    if not (text.isascii() and text.isdecimal() and len(text) <= 6):
        raise Refused({name: said("Enter a number of minutes, like 30")})
    return timedelta(minutes=int(text))


def as_minutes(span: timedelta) -> str:
    return str(int(span.total_seconds() // 60))
