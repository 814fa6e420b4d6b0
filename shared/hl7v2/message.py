"""One HL7v2 message, taken apart into segments, fields and their parts."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import hl7

from shared.domain.errors import DomainError
from shared.hl7v2.header import Header, message_text

# HL7's way to say "delete what you have": two quotes (HL7 v2.5 section 2.5.3.2).
_NULL = '""'
_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}")
_LINE_ENDS = re.compile(r"\r\n|\r|\n")

# What python-hl7 0.4.5 raises for text that is not quite HL7; only the first is its own.
_UNREADABLE = (hl7.HL7Exception, IndexError, TypeError, ValueError, KeyError, AttributeError, AssertionError)


class Unreadable(DomainError):
    """A message that arrived whole but cannot be understood: it is parked for a person, with `field` named."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}".strip())
        self.field = field
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Repetition:
    """One repetition of a field: components, each made of subcomponents, escapes resolved."""

    components: tuple[tuple[str, ...], ...] = ()

    def component(self, number: int, subcomponent: int = 1) -> str:
        """The trimmed text of a component; empty when it is absent or null."""
        if not 0 < number <= len(self.components) or subcomponent > len(self.components[number - 1]):
            return ""
        value = self.components[number - 1][subcomponent - 1].strip()
        return "" if value == _NULL else value


@dataclass(frozen=True, slots=True)
class Field:
    """A field: its repetitions, and whether the sender asked for what is known to be deleted."""

    repetitions: tuple[Repetition, ...] = ()
    null: bool = False

    def component(self, number: int, subcomponent: int = 1) -> str:
        """A component of the first repetition."""
        return self.repetitions[0].component(number, subcomponent) if self.repetitions else ""


class Segment:
    """A segment; fields are taken apart when they are asked for."""

    def __init__(self, name: str, fields: list[object], signs: "_Signs") -> None:
        self.name = name
        self._fields = fields
        self._signs = signs

    def field(self, number: int) -> Field:
        """Field `number`, counted as HL7 counts; an empty one when the segment is shorter."""
        if not 0 < number < len(self._fields):
            return Field()
        repetitions = [self._repetition(one) for one in _parts(self._fields[number])]
        null = len(repetitions) == 1 and repetitions[0].components == ((_NULL,),)
        return Field(tuple(repetitions), null)

    def text(self, number: int, component: int = 1) -> str:
        """A component of the first repetition of field `number`, trimmed; empty when absent or null."""
        return self.field(number).component(component)

    def _repetition(self, node: object) -> Repetition:
        return Repetition(
            tuple(tuple(self._signs.resolved(leaf) for leaf in _leaves(one)) for one in _parts(node))
        )


class Message:
    """The segments of one message in their order."""

    def __init__(self, segments: tuple[Segment, ...]) -> None:
        self._segments = segments

    def __iter__(self) -> Iterator[Segment]:
        return iter(self._segments)

    def all(self, name: str) -> tuple[Segment, ...]:
        return tuple(one for one in self._segments if one.name == name)

    def first(self, name: str) -> Segment:
        """The first segment called `name`; one without fields when there is none."""
        for one in self._segments:
            if one.name == name:
                return one
        return Segment(name, [], _Signs.none())

    def groups(self, leader: str) -> tuple["Message", ...]:
        """The segments from each `leader` up to the next one."""
        starts = [place for place, one in enumerate(self._segments) if one.name == leader]
        ends = [*starts[1:], len(self._segments)]
        return tuple(Message(self._segments[start:end]) for start, end in zip(starts, ends, strict=False))

    def notes_on(self, name: str) -> tuple[Segment, ...]:
        """The NTE segments right after the first segment called `name`: later ones belong to others."""
        notes: list[Segment] = []
        after = False
        for one in self._segments:
            if after and one.name != "NTE":
                break
            if after:
                notes.append(one)
            after = after or one.name == name
        return tuple(notes)


def parse(raw: bytes, header: Header) -> Message:
    """The message in `raw`, whose `header` was read before (which bounded its size). Raises Unreadable."""
    lines = _joined_lines(message_text(raw, header), header)
    try:
        tree = hl7.parse("\r".join(lines))
        signs = _Signs.of(header)
        return Message(tuple(Segment(str(one[0]), list(one), signs) for one in tree if len(one)))
    except _UNREADABLE as problem:
        raise Unreadable("", "the message cannot be taken apart") from problem


def _joined_lines(text: str, header: Header) -> list[str]:
    """The segments, whatever ends them: CR as HL7 says, LF or both as files do.

    A line that does not begin like a segment is the rest of a text in which someone pressed Enter.
    """
    lines: list[list[str]] = []
    for line in _LINE_ENDS.split(text):
        name, follows = line[:3], line[3:4]
        if not lines or (_SEGMENT.fullmatch(name) and follows in ("", header.separator)):
            lines.append([line])
        elif line.strip():
            lines[-1].append(line)
    return [" ".join(parts) for parts in lines]


def _parts(node: object) -> list[object]:
    """The children of a node of python-hl7's tree, which leaves out levels that hold one thing only."""
    return list(node) if isinstance(node, list) else [node]


def _leaves(node: object) -> list[str]:
    return [str(leaf) for leaf in _parts(node)]


class _Signs:
    """Resolves escape sequences (HL7 v2.5 section 2.7)."""

    def __init__(self, escape: str, spelled: dict[str, str], codec: str = "utf-8") -> None:
        self._escape = escape
        self._codec = codec
        self._spelled = spelled
        mark = re.escape(escape)
        # Bounded, so that a long run of escape characters is read once and not once from each of them.
        self._sequence = re.compile(f"{mark}([^{mark}]{{1,64}}){mark}") if escape else None

    @classmethod
    def none(cls) -> "_Signs":
        return cls("", {})

    @classmethod
    def of(cls, header: Header) -> "_Signs":
        spelled = {
            "F": header.separator,
            "S": header.component,
            "T": header.subcomponent,
            "R": header.repetition,
            "E": header.escape,
            ".br": "\n",
        }
        return cls(header.escape, spelled, header.codec)

    def resolved(self, text: str) -> str:
        if self._sequence is None or self._escape not in text:
            return text
        return self._sequence.sub(self._meaning, text)

    def _meaning(self, found: re.Match[str]) -> str:
        name = found[1]
        if name in self._spelled:
            return self._spelled[name]
        if name[0] == "X":
            try:
                return bytes.fromhex(name[1:]).decode(self._codec, "replace")
            except ValueError:
                return ""
        # Highlighting, other formatting, other character sets, and what a site agreed on: nothing of it carries
        # meaning in the fields that are read.
        return "" if name[0] in "HNCMZ." else found[0]
