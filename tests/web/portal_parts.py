"""What portal templates are filled with in tests: a visitor, environments, and every state of a page."""

from dataclasses import dataclass
from typing import Any

from functions.web.connection_sections import FHIR
from functions.web.environment_sections import SECTIONS
from functions.web.forms import Form
from functions.web.operation_sections import NAME, PHONE, ZONE
from functions.web.pages import page
from functions.web.setup_tasks import setup_steps, setup_tasks
from shared.domain.environment import Environment, EnvironmentId, EnvironmentKind, EpicClient
from shared.domain.fhir_check import unreachable
from shared.domain.last_check import LastCheck
from shared.domain.portal_session import Colleague
from shared.domain.tenant import Person
from tests.fakes.hospital import AVERY, HOME, NOW, PRIYA, environment


@dataclass(frozen=True)
class Visiting:
    """Who looks at a page; templates ask for no more."""

    person: Person


VISITOR: dict[str, Any] = {
    "visitor": Visiting(AVERY),
    "organization": "Lamna Healthcare",
    "csrf_token": "csrf-of-avery",
    "path": "/setup/organizations",
    "names": {PRIYA.object_id: Colleague(PRIYA.object_id, PRIYA.name, PRIYA.address)},
    "may_change": True,
}
TEST = environment(kind=EnvironmentKind.TEST, approved=False)
LIVE = environment()
OTHER = environment(EnvironmentId("env-2"))
FIELDS = {"name": NAME, "phone": PHONE, "zone": ZONE, "fhir": FHIR}


def html_of(template: str, language: str = "en", **facts: Any) -> str:
    return page(template, language=language, **facts).get_body().decode()


def listing(*environments: Environment, **facts: Any) -> dict[str, Any]:
    return {
        **VISITOR,
        "nav": "organizations",
        "environments": environments,
        "setup": setup_steps(environments, names={}),
        "approvers": [""],
        "found": None,
        "may_save_anyway": False,
        "checks": {},
        "untested": False,
        "once_key": "0123456789abcdef",
        "zones": ("America/New_York", "America/Chicago"),
        "fields": FIELDS,
        **facts,
    }


def overview(one: Environment, **facts: Any) -> dict[str, Any]:
    return {
        **VISITOR,
        "nav": "organizations",
        "environment": one,
        "setup": setup_steps([one], names={}),
        "sections": list(SECTIONS.values()),
        "shown": {section.id: section.show(one) for section in SECTIONS.values()},
        "may_submit": one.newest.stage.value == "draft",
        "untested": False,
        **facts,
    }


def section(id: str, one: Environment = TEST, **facts: Any) -> dict[str, Any]:
    rows = [{"number": "1", "id": "", "name": "", "phone": "", "zone": "", "emergency": ""}]
    return {
        **VISITOR,
        "nav": "organizations",
        "environment": one,
        "section": SECTIONS[id],
        "current": SECTIONS[id].show(one),
        "version": "v1",
        "approvers": [PRIYA.address, ""],
        "departments": rows if id == "departments" else [],
        "differing": [],
        "found": None,
        "changed_by": "Avery",
        "zones": ("America/New_York",),
        "callback": f"{HOME}/launch/callback",
        "key_addresses": {kind: f"{HOME}/keys/{one.id}/{kind}/.well-known/jwks.json" for kind in EpicClient},
        **facts,
    }


def home(*environments: Environment, **facts: Any) -> dict[str, Any]:
    return {
        **VISITOR,
        "path": "/",
        "nav": "home",
        "started": bool(environments),
        "tasks": setup_tasks(environments, names={PRIYA.object_id: PRIYA.name}),
        "health": [],
        "now": NOW,
        **facts,
    }


PORTAL_PAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "home, signed out": ("home.html", {"path": "/"}),
    "home, nothing yet": ("home.html", home()),
    "home, at work": ("home.html", home(TEST, LIVE)),
    "home, only looking": ("home.html", home(TEST, may_change=False)),
    "organizations, none yet": ("organizations.html", listing()),
    "organizations": ("organizations.html", listing(TEST, OTHER)),
    "organizations, checked": (
        "organizations.html",
        listing(
            TEST,
            OTHER,
            checks={
                TEST.id: LastCheck(TEST.id, "https://epic.lamna.example/R4", NOW, "4.0.1", "Epic, May 2030"),
            },
        ),
    ),
    "organizations, unreachable": (
        "organizations.html",
        listing(TEST, checks={TEST.id: LastCheck(TEST.id, "", NOW, problem=unreachable().said)}),
    ),
    "organizations, only looking": ("organizations.html", listing(TEST, may_change=False)),
    "organizations, refused": (
        "organizations.html",
        listing(
            TEST,
            problems={
                NAME.name: "Organization name must be 40 characters or fewer",
                "kind": "Select test or production",
                FHIR.name: "FHIR base URL must end with /R4. You entered a DSTU2 address.",
                "connection.approvers": "Enter at least one approver",
            },
            form=Form({NAME.name: ["L" * 41], FHIR.name: ["https://epic.lamna.example/DSTU2"]}),
        ),
    ),
    "environment, draft": ("organization.html", overview(TEST, done="added")),
    "environment, live": ("organization.html", overview(LIVE, done="saved-connection")),
    **{f"part {id}": ("organization_section.html", section(id)) for id in SECTIONS},
    "part organization, changed meanwhile": (
        "organization_section.html",
        section(
            "organization",
            LIVE,
            differing=[(NAME.label, "Lamna Healthcare", "Lamna Health")],
            form=Form({NAME.name: ["Lamna Health"], PHONE.name: ["+12065550100"]}),
        ),
    ),
}
