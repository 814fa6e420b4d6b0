"""Every state of the pages around signing in, filled as the app fills them."""

from dataclasses import dataclass
from typing import Any

from functions.web.forms import Form
from shared.domain.portal_session import Colleague
from shared.domain.tenant import Person
from shared.domain.words import said
from tests.fakes.hospital import AVERY, DANA, ELSEWHERE
from tests.web.portal_parts import VISITOR


@dataclass(frozen=True)
class Newcomer:
    person: Person
    is_administrator: bool


PEOPLE = [Colleague(AVERY.object_id, "Avery Howard", AVERY.address), Colleague("o", "Sam Ito", "")]


def signing_in(what: str, **more: Any) -> tuple[str, dict[str, Any]]:
    facts = {"nav": "sign-in", "what": what, "again": "/sign-in?to=%2F", "kept": False, "microsoft": ""}
    return "sign_in.html", {**facts, **more}


def welcome(*, administrator: bool = True, **more: Any) -> tuple[str, dict[str, Any]]:
    visitor = Newcomer(AVERY if administrator else DANA, administrator)
    facts = {**VISITOR, "visitor": visitor, "geography": "americas", "region": "eastus2", "people": PEOPLE}
    return "welcome.html", {**facts, **more}


def no_access(**more: Any) -> tuple[str, dict[str, Any]]:
    return "no_access.html", {**VISITOR, "nothing": True, "why": "", "people": PEOPLE, **more}


def problem(code: str, **more: Any) -> tuple[str, dict[str, Any]]:
    facts = {**VISITOR, "code": code, "why": "", "sentences": [], "reference": "3FA91C07"}
    return "portal_problem.html", {**facts, **more}


SIGN_IN_PAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "sign-in ended, typed kept": signing_in("ended", kept=True),
    "sign-in ended": signing_in("ended"),
    "signed out": signing_in("signed-out", microsoft="https://microsoft.example/logout"),
    "sign-in expired": signing_in("expired"),
    "sign-in of another browser": signing_in("other-browser"),
    "sign-in refused": signing_in("refused"),
    "sign-in not listed": signing_in("not-listed"),
    "other stamp": ("other_stamp.html", {"nav": "sign-in", "home": ELSEWHERE}),
    "welcome": welcome(),
    "welcome, not confirmed": welcome(
        form=Form({"shown": ["geography"]}), problems={"geography": said("Confirm where the data will live.")}
    ),
    "welcome, what was typed is back": welcome(form=Form({}, held=True, files_lost=True)),
    "welcome, not an administrator": welcome(administrator=False, people=[]),
    "no access": no_access(),
    "no access, nobody known": no_access(people=[]),
    "no access to this page": no_access(nothing=False, why=said("Only an administrator can open this page.")),
    "problem, forged": problem("not-allowed", why=said("This page is out of date. Reload it and try again.")),
    "problem, not found": problem("not-found"),
    "problem, away": problem("try-again", visitor=None),
    "problem, refused": problem("not-accepted", sentences=[said("Enter at least one approver")]),
    "problem, refused outside": problem("refused-outside"),
}
