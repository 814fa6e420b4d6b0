"""What Epic holds, held against what it should hold: every difference in words that say what to correct.

Someone pastes from Epic: lines of `Name: value`, one value, or an address. White space at the ends of lines and
the order of lines mean nothing; everything else does.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from shared.domain.environment import EnvironmentId
from shared.domain.integration_record import Record, RecordKind, Value
from shared.domain.record_mistakes import Cause, marked, ranges, shown, steps, usual_mistakes
from shared.domain.words import Said, said

MOST_PASTED = 20_000
# Longer values are not compared letter by letter: no record holds one.
_LONGEST = 2_000
# Of lines that no record knows, so many are held against what is missing; a paste of prose ends here.
_STRANGERS_READ = 50
# From this likeness on (of 1) a line is taken for a missing field under another name.
_ALIKE = 0.8


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing to correct in Epic. `pasted` and `expected` are in pieces, each with whether it differs."""

    field: str
    cause: Cause
    said: Said
    pasted: tuple[tuple[str, bool], ...] = ()
    expected: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """`kind` is the record that the pasted text was held against; `checked` are the fields found in it."""

    kind: RecordKind
    checked: tuple[str, ...]
    differences: tuple[Difference, ...]

    @property
    def clean(self) -> bool:
        return not self.differences


@dataclass(frozen=True, slots=True)
class Against:
    """The environment whose records count, and the tenant's others by what they are called."""

    own: EnvironmentId
    others: Mapping[EnvironmentId, str]


def compare(pasted: str, *, records: Sequence[Record], kind: str = "", against: Against) -> Comparison:
    """Hold `pasted` against the record of `kind`, or against the most similar one when none is named."""
    lines = [line.strip() for line in pasted[:MOST_PASTED].splitlines() if line.strip()]
    chosen = [one for one in records if one.kind == kind] or list(records)
    if len(lines) == 1:
        return _one_line(lines[0], chosen, against)
    record = max(chosen, key=lambda one: _likeness(one, lines))
    found = _whole(record, lines, against)
    likely = max(records, key=lambda one: _likeness(one, lines))
    if found and _likeness(likely, lines)[0] > _likeness(record, lines)[0]:
        words = said("This looks like the record %(record)s.", record=likely.title)
        found = (Difference("", Cause.OTHER_RECORD, words), *found)
    return Comparison(record.kind, tuple(value.name for value in record.values), found)


def _likeness(record: Record, lines: list[str]) -> tuple[int, int]:
    whole = {f"{one.name}: {one.text}" for one in record.values}
    names = {one.name for one in record.values}
    return sum(line in whole for line in lines), sum(line.partition(":")[0] in names for line in lines)


def _one_line(line: str, records: Iterable[Record], against: Against) -> Comparison:
    """One line alone, with its name or without: held against the field that is most like it."""
    name, colon, text = _parted(line)
    fields = [(record, value) for record in records for value in record.values]
    named = [one for one in fields if colon and one[1].name == name]
    if not named:
        text = line
    record, value = max(named or fields, key=lambda one: _similar(text, one[1].text))
    return Comparison(record.kind, (value.name,), tuple(_differences(value, text, against)))


def _parted(line: str) -> tuple[str, str, str]:
    """Name, colon and value of a line; one space or tab after the colon belongs to neither."""
    name, colon, text = line.partition(":")
    return name.strip(), colon, text[1:] if text[:1] in (" ", "\t") else text


def _similar(one: str, other: str) -> float:
    if one == other:
        return 2.0
    if max(len(one), len(other)) > _LONGEST:
        return 0.0
    alike = sum(end - start for tag, start, end, _, _ in steps(one, other) if tag == "equal")
    return 2 * alike / (len(one) + len(other))


def _whole(record: Record, lines: list[str], against: Against) -> tuple[Difference, ...]:
    wanted = {value.name: value for value in record.values}
    missing = dict(wanted)
    found: list[Difference] = []
    strangers: list[tuple[str, str]] = []
    for line in lines:
        name, colon, text = _parted(line)
        if not colon or name not in wanted:
            strangers.append((name, text) if colon else ("", line))
        elif missing.pop(name, None):
            found += _differences(wanted[name], text, against)
        else:
            words = said("Epic holds %(name)s twice. Keep one.", name=name)
            found.append(Difference(name, Cause.EXTRA, words))
    for name, text in strangers[:_STRANGERS_READ]:
        meant = _meant(name, text, missing.values())
        if meant is None:
            found.append(_stranger(name, text))
            continue
        del missing[meant.name]
        found.append(_other_name(name, meant))
        found += _differences(meant, text, against)
    for value in missing.values():
        words = said("%(name)s is missing in Epic.", name=value.name)
        found.append(Difference(value.name, Cause.MISSING, words, expected=((value.text, True),)))
    return tuple(found)


def _meant(name: str, text: str, missing: Iterable[Value]) -> Value | None:
    """The missing field that a line with an unknown name most likely is."""
    likely = [
        (max(_similar(name.casefold(), one.name.casefold()), _similar(text, one.text)), one)
        for one in missing
    ]
    best = max(likely, key=lambda one: one[0], default=None)
    return best[1] if best is not None and best[0] >= _ALIKE else None


def _stranger(name: str, text: str) -> Difference:
    if name:
        words = said("Epic holds %(name)s, which is not part of this record.", name=shown(name))
    else:
        words = said("Epic holds a line that is not part of this record: %(text)s", text=shown(text))
    return Difference(name, Cause.EXTRA, words, pasted=((text, True),))


def _other_name(name: str, meant: Value) -> Difference:
    if name:
        words = said(
            "The name is %(pasted)s in Epic and %(name)s in the record.", pasted=shown(name), name=meant.name
        )
    else:
        words = said("A line has no name. It is most likely %(name)s.", name=meant.name)
    return Difference(meant.name, Cause.NAME, words)


def _differences(value: Value, text: str, against: Against) -> list[Difference]:
    """What to correct in one value; empty only when `text` is exactly the value."""
    wanted = value.text
    if text == wanted:
        return []
    if len(text) > _LONGEST:
        words = said("%(name)s is much too long in Epic. Copy it again.", name=value.name)
        return [Difference(value.name, Cause.TOO_LONG, words)]
    pasted, expected = marked(text, wanted)
    usual, text = usual_mistakes(text, wanted, own=against.own, others=against.others)
    found = usual + [(Cause.CHARACTERS, words) for words in ranges(text, wanted)]
    return [Difference(value.name, cause, words, pasted, expected) for cause, words in found]
