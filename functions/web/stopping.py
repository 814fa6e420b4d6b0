"""One question before a change stops something: what would stop, counted, with no answer preselected."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType

import azure.functions as func

from functions.web.forms import Form
from functions.web.portal import Portal, Visitor
from shared.domain.effects import Effects, texts_of
from shared.domain.environment import Environment
from shared.domain.words import said
from shared.flows.foresee_effects import foresee

FIELD = "stop"
STOP, KEEP = "stop", "keep"

# These belong to the page that carries them, not to what was typed.
_OWN = frozenset({"csrf", "asked", FIELD})
NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Change:
    """One environment before and after what was typed."""

    before: Environment
    after: Environment


@dataclass(frozen=True, slots=True)
class Stop:
    """What a change stops in one environment. `unanswered` is the number that would no longer answer patients."""

    environment: Environment
    effects: Effects
    unanswered: str


async def _stopped_by(changes: Sequence[Change], *, portal: Portal, visitor: Visitor) -> list[Stop]:
    """What the changes stop, environment by environment; empty when nobody need be asked."""
    given, now = portal.configuring(visitor), portal.services.now()
    found = []
    for one in changes:
        effects = await foresee(one.before, one.after, given=given, now=now)
        if effects.any:
            silenced = texts_of(one.after) is None and texts_of(one.before) is not None
            sender = one.before.operation.texts.sender if silenced else ""
            found.append(Stop(one.before, effects, spoken_number(sender)))
    return found


def answer_in(form: Form) -> str:
    """What was answered to the question: `stop`, `keep`, or empty."""
    answer = form.text(FIELD)
    return answer if answer in (STOP, KEEP) else ""


async def question(
    req: func.HttpRequest,
    changes: Sequence[Change],
    *,
    portal: Portal,
    visitor: Visitor,
    form: Form,
    action: str,
    nav: str = "sms",
    also: Mapping[str, str] = NOTHING,
) -> func.HttpResponse | None:
    """The page that asks whether to make `changes`; None when they stop nothing, or Stop was the answer.

    All that was typed travels in it, so that Continue saves exactly that; `also` is carried instead of what
    `form` has under these names.
    """
    if answer_in(form) == STOP:
        return None
    stops = await _stopped_by(changes, portal=portal, visitor=visitor)
    if not stops:
        return None
    carried = [
        (name, value)
        for name, values in form.values.items()
        if name not in _OWN and name not in also
        for value in values
        if not (name == "shown" and value == FIELD)
    ]
    asked_before = form.has("asked")
    problems: Mapping[str, str] = (
        {FIELD: said("Select whether to stop or to keep messages")} if asked_before else {}
    )
    return portal.page(
        req,
        visitor,
        "confirm_effects.html",
        nav=nav,
        status=HTTPStatus.UNPROCESSABLE_ENTITY if asked_before else HTTPStatus.OK,
        form=Form(),
        problems=problems,
        stops=stops,
        carried=[*carried, *also.items()],
        action=action,
    )


def spoken_number(number: str) -> str:
    """A number as people read it: `+1 (833) 555-0142`; numbers of other countries stay as they are."""
    if len(number) == 12 and number.startswith("+1"):
        return f"+1 ({number[2:5]}) {number[5:8]}-{number[8:]}"
    return number
