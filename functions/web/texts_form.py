"""The form in which an administrator says which texts patients of one environment get."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import time, timedelta

from functions.web.section_parts import Typed, lines
from shared.domain.attested import REVIEWED_FIRST
from shared.domain.configuration import CONSENTS, problems_of_operation
from shared.domain.environment import Attestation, Environment, EnvironmentKind, Texts
from shared.domain.errors import Refused
from shared.domain.words import Said, said

ON, KINDS, LANGUAGES = "operation.texts.on", "operation.texts.kinds", "operation.texts.languages"
QUIET_FROM, QUIET_UNTIL = "operation.texts.quiet_from", "operation.texts.quiet_until"
BACKLOAD, ONLY_NUMBERS = "operation.texts.backload", "operation.texts.only_numbers"
REMINDER_ROWS = (1, 2, 3)
TO_SAY = {"minutes": timedelta(minutes=1), "hours": timedelta(hours=1), "days": timedelta(days=1)}

_EARLIEST, _LATEST = timedelta(days=14), timedelta(minutes=15)
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


@dataclass(frozen=True, slots=True)
class ReminderRow:
    """One reminder as it is typed: a number and its unit."""

    number: str
    unit: str


def reminder_rows(texts: Texts) -> dict[int, ReminderRow]:
    """The reminders of `texts` in the largest unit that fits each, in rows; the rest of the rows is empty."""
    rows = dict.fromkeys(REMINDER_ROWS, ReminderRow("", "hours"))
    for row, before in zip(REMINDER_ROWS, sorted(texts.reminders, reverse=True), strict=False):
        unit = next((name for name in ("days", "hours") if not before % TO_SAY[name]), "minutes")
        rows[row] = ReminderRow(str(before // TO_SAY[unit]), unit)
    return rows


def e164(typed: str) -> str:
    """A number as it is typed, written with plus and country code: ten digits are one of the United States."""
    digits = re.sub(r"[\s().\-]", "", typed)
    if re.fullmatch(r"[2-9][0-9]{9}", digits):
        return f"+1{digits}"
    if re.fullmatch(r"1[2-9][0-9]{9}", digits):
        return f"+{digits}"
    return digits


def is_e164(number: str) -> bool:
    return bool(_E164.fullmatch(number))


def read_texts(form: Typed, environment: Environment, *, given: Mapping[str, Attestation]) -> Texts:
    """The texts that the form asks for. `given` is what the organization has confirmed already.

    Raises Refused with the problem of each field, in the order of the page.
    """
    before, problems = environment.operation.texts, dict[str, Said | str]()
    kinds, reviewed = set(form.all(KINDS)), form.all(LANGUAGES)
    texts = replace(
        before,
        on="yes" in form.all(ON),
        consents=tuple(version for version in CONSENTS if version in given),
        booked="booked" in kinds,
        changed="changed" in kinds,
        cancelled="cancelled" in kinds,
        reminders=_reminders(form, problems),
        quiet_from=_clock(form, QUIET_FROM, problems),
        quiet_until=_clock(form, QUIET_UNTIL, problems),
        backload="yes" in form.all(BACKLOAD),
        only_numbers=_numbers(form, problems) if environment.kind is EnvironmentKind.TEST else (),
        languages=("en", *(one for one in REVIEWED_FIRST if one in reviewed)),
        attested=tuple(given.values()),
        skipped=before.skipped and "yes" not in form.all(ON),
    )
    found = problems_of_operation(replace(environment.operation, texts=texts))
    at_switch = (ON, "operation.texts.consents", "operation.texts.sender")
    refused = [found[name] for name in at_switch if name in found]
    every = ({ON: refused[0]} if refused else {}) | problems
    if every:
        raise Refused(every)
    return texts


def _reminders(form: Typed, problems: dict[str, Said | str]) -> tuple[timedelta, ...]:
    found: list[timedelta] = []
    for row in REMINDER_ROWS:
        name = f"reminder.{row}"
        typed, unit = form.text(f"{name}.number"), form.text(f"{name}.unit", "hours")
        if not typed:
            continue
        # More digits than two weeks of minutes have cannot be meant.
        is_number = typed.isascii() and typed.isdecimal() and len(typed) <= 5 and unit in TO_SAY
        before = int(typed) * TO_SAY[unit] if is_number else timedelta()
        if not _LATEST <= before <= _EARLIEST:
            problems[f"{name}.number"] = said(
                "Reminder must be between 15 minutes and 14 days before the visit"
            )
        elif before in found:
            problems[f"{name}.number"] = already(before)
        else:
            found.append(before)
    return tuple(sorted(found, reverse=True))


def already(before: timedelta) -> Said:
    """That there is such a reminder, in the largest unit that fits."""
    if before % TO_SAY["hours"]:
        return said("You already have a reminder %(count)s minutes before", count=before // TO_SAY["minutes"])
    if before == TO_SAY["hours"]:
        return said("You already have a reminder 1 hour before")
    if before % TO_SAY["days"]:
        return said("You already have a reminder %(count)s hours before", count=before // TO_SAY["hours"])
    if before == TO_SAY["days"]:
        return said("You already have a reminder 1 day before")
    return said("You already have a reminder %(count)s days before", count=before // TO_SAY["days"])


def _clock(form: Typed, name: str, problems: dict[str, Said | str]) -> time:
    try:
        found = time.fromisoformat(form.text(name))
    except ValueError:
        found = None
    if found is None or found.tzinfo is not None:
        problems[name] = said("Enter a time like 21:00")
        return time()
    return found.replace(second=0, microsecond=0)


def _numbers(form: Typed, problems: dict[str, Said | str]) -> tuple[str, ...]:
    numbers = tuple(dict.fromkeys(e164(line) for line in lines(form.text(ONLY_NUMBERS))))
    if not all(is_e164(number) for number in numbers):
        problems[ONLY_NUMBERS] = said("Enter numbers like +12065550142")
    return numbers


def texts_shown(texts: Texts) -> dict[str, str | list[str]]:
    """What the form shows of `texts`, by field."""
    return {
        ON: ["yes"] if texts.on else [],
        KINDS: [name for name in ("booked", "changed", "cancelled") if getattr(texts, name)],
        LANGUAGES: list(texts.languages),
        QUIET_FROM: f"{texts.quiet_from:%H:%M}",
        QUIET_UNTIL: f"{texts.quiet_until:%H:%M}",
        BACKLOAD: ["yes"] if texts.backload else [],
        ONLY_NUMBERS: "\n".join(texts.only_numbers),
    }


def numbers_in_use(every: Collection[Environment]) -> list[str]:
    """The sender numbers that the organization's environments text from."""
    return sorted({one.operation.texts.sender for one in every if one.operation.texts.sender})
