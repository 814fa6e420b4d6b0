"""Finds the function that answers a web address, by the rules of Functions routes.

A route is a template of segments: text, `{name}`, `{name:int}`, `{name?}`, `{name=default}` or, last, `{*rest}`.
Text is compared without regard to case; text goes before parameters, constrained parameters before free ones, and
both before a catch-all. A function that does not take the method is passed over, so that a wrong method ends like an
unknown address: in 404, as with the real host.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from sandbox.host.refusals import CannotStart

Target = TypeVar("Target")

_PARAMETER = re.compile(r"\{(\*{0,2})([A-Za-z_][A-Za-z0-9_]*)((?::[a-z]+)*)(\?|=[^{}]*)?\}")
_GUID = re.compile(
    r"[0-9a-f]{32}|(\()?(\{)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(?(2)\})(?(1)\))", re.IGNORECASE
)
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")


def _integer_of(bits: int) -> Callable[[str], bool]:
    limit = 1 << (bits - 1)
    return lambda text: _INTEGER.fullmatch(text) is not None and -limit <= int(text) < limit


_CONSTRAINTS: dict[str, Callable[[str], bool]] = {
    "alpha": lambda text: text.isascii() and text.isalpha(),
    "bool": lambda text: text.lower() in ("true", "false"),
    "guid": lambda text: _GUID.fullmatch(text) is not None,
    "int": _integer_of(32),
    "long": _integer_of(64),
}


@dataclass(frozen=True, slots=True)
class _Segment:
    literal: str | None = None
    name: str = ""
    checks: tuple[Callable[[str], bool], ...] = ()
    constraints: tuple[str, ...] = ()
    optional: bool = False
    default: str | None = None
    rest: bool = False

    @property
    def rank(self) -> int:
        """Lower is more specific."""
        if self.literal is not None:
            return 1
        return (4 if self.rest else 2) + (0 if self.checks else 1)

    @property
    def shape(self) -> tuple[object, ...]:
        return (self.literal, self.rest, self.constraints)


@dataclass(frozen=True, slots=True)
class _Route(Generic[Target]):
    segments: tuple[_Segment, ...]
    methods: frozenset[str] | None
    target: Target

    def match(self, parts: list[str], lowered: list[str]) -> dict[str, str] | None:
        found: dict[str, str] = {}
        count = len(parts)
        for position, segment in enumerate(self.segments):
            if segment.literal is not None:
                if position >= count or lowered[position] != segment.literal:
                    return None
                continue
            if segment.rest:
                value = "/".join(parts[position:]) or segment.default
                count = position
            else:
                value = parts[position] if position < count else segment.default
                if value is None and not segment.optional:
                    return None
            if value is None:
                continue
            if value == "" or not all(check(value) for check in segment.checks):
                return None
            found[segment.name] = value
        return found if count <= len(self.segments) else None


@dataclass(slots=True)
class RouteTable(Generic[Target]):
    """All routes of an app, parsed once; `find` compiles nothing."""

    prefix: str = ""
    _literal: dict[str, list[_Route[Target]]] = field(default_factory=dict)
    _patterns: list[_Route[Target]] = field(default_factory=list)

    def add(self, template: str, methods: Iterable[str] | None, target: Target, *, name: str) -> None:
        """Add a function's route; None as methods takes every method.

        Raises CannotStart when the template is one this host cannot read, or another function already answers there.
        """
        segments = parse_template("/".join(part for part in (self.prefix, template.strip("/")) if part), name)
        allowed = None if methods is None else frozenset(method.upper() for method in methods)
        route = _Route(segments, allowed, target)
        for other in [*self._patterns, *(r for routes in self._literal.values() for r in routes)]:
            same = [s.shape for s in other.segments] == [s.shape for s in segments]
            if same and (allowed is None or other.methods is None or allowed & other.methods):
                raise CannotStart(f"function {name}: another function already answers at /{template}")
        if all(segment.literal is not None for segment in segments):
            self._literal.setdefault("/".join(s.literal or "" for s in segments), []).append(route)
            return
        self._patterns.append(route)
        self._patterns.sort(key=lambda each: [segment.rank for segment in each.segments])

    def find(self, method: str, parts: list[str]) -> tuple[Target, dict[str, str]] | None:
        """The function for a path given as decoded segments, with its route parameters; None is 404."""
        lowered = [part.lower() for part in parts]
        for route in self._literal.get("/".join(lowered), ()):
            if route.methods is None or method in route.methods:
                return route.target, {}
        for route in self._patterns:
            if route.methods is not None and method not in route.methods:
                continue
            values = route.match(parts, lowered)
            if values is not None:
                return route.target, values
        return None


def parse_template(template: str, function: str) -> tuple[_Segment, ...]:
    """Split a route template into segments, or raise CannotStart naming the function and the segment."""
    if template == "":
        return ()
    texts = template.split("/")
    segments = tuple(_segment(text, function) for text in texts)
    for position, segment in enumerate(segments[:-1]):
        if segment.rest or (segment.optional and any(not s.optional for s in segments[position + 1 :])):
            raise CannotStart(f"function {function}: {texts[position]} may only come last in a route")
    names = [segment.name.lower() for segment in segments if segment.name]
    if len(names) != len(set(names)):
        raise CannotStart(f"function {function}: the route {template} names a parameter twice")
    return segments


def _segment(text: str, function: str) -> _Segment:
    if "{" not in text and "}" not in text:
        if text == "":
            raise CannotStart(f"function {function}: the route has an empty segment")
        return _Segment(literal=text.lower())
    match = _PARAMETER.fullmatch(text)
    if match is None:
        raise CannotStart(
            f"function {function}: this host reads a route segment that is text or one parameter, not {text}"
        )
    stars, name, constraint_text, ending = match.groups()
    constraints = tuple(constraint_text.split(":")[1:])
    unknown = [constraint for constraint in constraints if constraint not in _CONSTRAINTS]
    if unknown:
        raise CannotStart(f"function {function}: this host has no route constraint {unknown[0]}")
    default = ending[1:] if ending and ending.startswith("=") else None
    return _Segment(
        name=name,
        checks=tuple(_CONSTRAINTS[constraint] for constraint in constraints),
        constraints=constraints,
        optional=ending is not None,
        default=default,
        rest=bool(stars),
    )
