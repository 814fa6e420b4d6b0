"""Says exactly where a message breaks the contract of the service it is meant for.

A contract is a JSON file in `contracts/`: named types, each with its properties written as short words.
`*` before a word: the property is needed. `?` after it: null is allowed. `[word]`: a list. `a|b`: one of these.
`text<=128`: at most so long. `+` names a type whose properties are taken over. Other words are `text`, `bool`,
`int`, `number`, `time` (with its offset from UTC), `base64`, `any`, or the name of another type.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "contracts"
_LIMITED = re.compile(r"(.+)<=(\d+)")


def _is_time(value: object) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _is_base64(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(base64.b64decode(value, validate=True))
    except binascii.Error:
        return False


_PLAIN: dict[str, Callable[[object], bool]] = {
    "text": lambda value: isinstance(value, str),
    "bool": lambda value: isinstance(value, bool),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "time": _is_time,
    "base64": _is_base64,
    "any": lambda _value: True,
}


@dataclass(frozen=True, slots=True)
class Contract:
    """The types of one service. With `annotations`, OData's own `@odata...` properties may stand anywhere."""

    name: str
    types: dict[str, dict[str, str]]
    annotations: bool = False

    def problems(self, type_name: str, value: object) -> list[str]:
        """What is wrong with `value`, in words; nothing when it fits."""
        return list(self._object(type_name, value, ""))

    def _properties(self, type_name: str) -> dict[str, str]:
        own = self.types[type_name]
        inherited = self._properties(own["+"]) if "+" in own else {}
        return {**inherited, **{name: word for name, word in own.items() if name != "+"}}

    def _object(self, type_name: str, value: object, at: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{at or 'the body'} must be an object"
            return
        known = self._properties(type_name)
        prefix = f"{at}." if at else ""
        for name, word in known.items():
            if word.startswith("*") and name not in value:
                yield f"{prefix}{name} is needed"
        for name, inner in value.items():
            if name in known:
                yield from self._value(known[name].removeprefix("*"), inner, f"{prefix}{name}")
            elif not (self.annotations and "@odata." in name):
                yield f"{prefix}{name} is not known"

    def _value(self, word: str, value: object, at: str) -> Iterator[str]:
        if value is None:
            if not word.endswith("?"):
                yield f"{at} must not be null"
            return
        word = word.removesuffix("?")
        limited = _LIMITED.fullmatch(word)
        if limited:
            word, most = limited[1], int(limited[2])
            if isinstance(value, str | list) and len(value) > most:
                yield f"{at} must not be longer than {most}"
        if word.startswith("["):
            yield from self._list(word[1:-1], value, at)
        elif "|" in word or word in _PLAIN:
            yield from _plain_problem(word, value, at)
        else:
            yield from self._object(word, value, at)

    def _list(self, word: str, value: object, at: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield f"{at} must be a list"
            return
        for number, one in enumerate(value):
            yield from self._value(word, one, f"{at}[{number}]")


def _plain_problem(word: str, value: object, at: str) -> Iterator[str]:
    if "|" in word:
        if value not in word.split("|"):
            yield f"{at} must be one of {word.replace('|', ', ')}"
    elif not _PLAIN[word](value):
        yield f"{at} must be {word}"


def read_contract(name: str) -> Contract:
    """The contract `name`, from its file."""
    content: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return Contract(name, content["types"], annotations=bool(content.get("annotations")))
