"""Every state of the onboarding page and the audit log, as their templates are filled."""

from typing import Any

from functions.web.audit_words import ACTIONS, action, changes, other_facts, result, utc
from functions.web.onboarding import PREREQUISITES, legs
from shared.domain.audit import AuditEntry, Linked, Place
from shared.domain.environment import EnvironmentId, EnvironmentKind
from shared.domain.sign_of_life import Sign, SignKind, Signs
from shared.domain.words import said
from shared.flows.read_audit import environment_of
from tests.fakes.hospital import AVERY, NOW, PRIYA, RILEY, environment
from tests.web.portal_parts import VISITOR

TEST = environment(EnvironmentId("env-test"), kind=EnvironmentKind.TEST)
REAL = environment()
_SIGNS = Signs((Sign(SignKind.PROVIDER, NOW, NOW),))
_FACTS = {
    "Help line": "…00 -> …11",
    "Reminders": "1 day -> 2 days, 1 hour",
    "Status service address": "- -> https://epic.lamna.example/interconnect/api/epic/2013/status",
    "version": "7",
}


def _line(number: int, did: str, who: str, to: str = "environment/env-1") -> Linked:
    return Linked(Place(NOW.date(), number, "0f" * 32), AuditEntry(NOW, who, did, to, _FACTS))


LINES = [
    _line(6, "changed the operation", AVERY.object_id),
    _line(5, "was refused", RILEY.object_id),
    _line(4, "could not tell an approver by e-mail", AVERY.object_id),
    _line(3, "approved the connection", PRIYA.object_id, "environment/env-test"),
    _line(2, "erased", "retention", "environment/env-9/appointment/360001"),
    _line(1, "pinned the tenant", AVERY.object_id, "tenant"),
]
_LOG: dict[str, Any] = {
    **VISITOR,
    "nav": "audit",
    "path": "/audit",
    "typed": dict.fromkeys(("from", "to", "person", "action", "environment"), ""),
    "filtered": False,
    "is_first": True,
    "entries": LINES,
    "environments": {one.id: one for one in (TEST, REAL)},
    "actions": ACTIONS,
    "action": action,
    "result": result,
    "utc": utc,
    "environment_of": environment_of,
    "older": "/audit?before=2030-06-01.1",
    "newest": "/audit?",
    "file": "/audit.csv?",
}
_WRONG = {"from": said("Start date must be before end date")}
_ONE = {**_LOG, "one": LINES[0], "changes": changes(LINES[0].entry), "facts": other_facts(LINES[0].entry)}
_WAY: dict[str, Any] = {**VISITOR, "nav": "onboarding", "path": "/onboarding", "prerequisites": PREREQUISITES}

AUDIT_PAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "audit": ("audit.html", _LOG),
    "audit, empty": ("audit.html", {**_LOG, "entries": [], "older": ""}),
    "audit, nothing fits": ("audit.html", {**_LOG, "entries": [], "older": "", "filtered": True}),
    "audit, wrong dates": ("audit.html", {**_LOG, "entries": [], "older": "", "problems": _WRONG}),
    "audit, later page": ("audit.html", {**_LOG, "is_first": False}),
    "audit, one entry": ("audit_entry.html", {**_ONE, "whole": True}),
    "audit, one entry of a broken day": ("audit_entry.html", {**_ONE, "whole": False}),
    "onboarding, at the start": ("onboarding.html", {**_WAY, "legs": legs([], {})}),
    "onboarding, half way": ("onboarding.html", {**_WAY, "legs": legs([TEST], {})}),
    "onboarding, done": (
        "onboarding.html",
        {**_WAY, "legs": legs([TEST, REAL], {TEST.id: _SIGNS, REAL.id: _SIGNS})},
    ),
}
