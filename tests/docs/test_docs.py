"""What the documentation says exists: files that are linked to, settings, tables, queues, causes, codes and states."""

import json
import re
from enum import StrEnum
from pathlib import Path

import pytest

from functions.web.api import endpoints_of
from functions.web.door import NotJson, TooLarge, status_of
from shared.domain.errors import (
    AlreadyThere,
    DomainError,
    Misdirected,
    NotAllowed,
    NotFound,
    NotSignedIn,
    OutOfStep,
    Refused,
    TryAgain,
    TurnedDown,
)
from shared.domain.inbound import Fate
from shared.domain.launch import LaunchFailure
from shared.domain.notification import Held, NotificationState
from shared.domain.write_back import WriteBackState
from shared.settings import DOCUMENTED
from shared.storage.queues import QUEUE_NAMES
from shared.storage.tables import TABLE_NAMES
from tests.conftest import IN_CI
from tests.fakes.hospital import Hospital
from tests.functions.test_every_way_in import HTTP

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), ROOT / "sandbox" / "host" / "README.md"])

# Screenshots are taken from a running product, so a fresh branch may be without them; a published one may not.
SCREENSHOTS = {DOCS / "images" / "control-room.png", DOCS / "images" / "patient-page.png"}

CODED = [
    NotSignedIn(),
    Misdirected("elsewhere", home="https://home.example"),
    NotAllowed(),
    NotFound(),
    OutOfStep(),
    AlreadyThere(),
    TooLarge(),
    NotJson(),
    Refused({}),
    DomainError(),
    TryAgain("busy"),
    TurnedDown("no", code="no"),
    Exception(),
]


def text_of(*parts: str) -> str:
    return DOCS.joinpath(*parts).read_text(encoding="utf-8")


def links(page: Path) -> list[str]:
    """The targets of a page's links and images, but for other sites' and those inside code."""
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = re.findall(r"\]\(([^)\s]+)\)", prose)
    return [one for one in found if not re.match(r"[a-z]+:", one)]


def anchors(page: Path) -> set[str]:
    """What GitHub names the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if target in SCREENSHOTS and not target.exists() and not IN_CI:
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)

    assert broken == []


def test_both_screenshots_are_shown_and_described() -> None:
    described = re.findall(r"!\[([^\]]{20,})\]\(([^)]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))

    assert {ROOT / path for _, path in described} == SCREENSHOTS


def test_every_set_up_page_is_shown_and_described() -> None:
    described = re.findall(r"!\[([^\]]{20,})\]\(([^)]+)\)", text_of("set-up.md"))

    assert {DOCS / path for _, path in described} == set((DOCS / "images").glob("setup-*.png"))
    assert len(described) == 4


def test_the_settings_page_lists_exactly_the_settings_there_are() -> None:
    listed = text_of("settings.md").partition("## App settings")[2].partition("\n## ")[0]

    assert sorted(re.findall(r"^\| `(\w+)` \|", listed, re.MULTILINE)) == sorted(DOCUMENTED)


def test_the_data_page_lists_exactly_the_tables_and_queues_there_are() -> None:
    page = text_of("data.md")
    tables = page.partition("## Tables")[2].partition("\n## ")[0]
    queues = page.partition("## Queues")[2].partition("\n## ")[0]

    assert sorted(re.findall(r"^\| `([\w-]+)` \|", tables, re.MULTILINE)) == sorted(TABLE_NAMES)
    assert sorted(re.findall(r"^\| `([\w-]+)` \|", queues, re.MULTILINE)) == sorted(QUEUE_NAMES)


def test_every_cause_of_a_failed_launch_is_explained() -> None:
    explained = re.findall(r"^\| `([\w-]+)` \| \d{3} \|", text_of("troubleshooting.md"), re.MULTILINE)

    assert sorted(explained) == sorted(LaunchFailure)


@pytest.mark.parametrize("page", ["api.md", "troubleshooting.md"])
def test_every_problem_code_is_explained(page: str) -> None:
    codes = {status_of(refusal)[1] for refusal in CODED}

    assert {code for code in codes if f"| `{code}` |" not in text_of(page)} == set()


def test_every_problem_code_has_the_status_that_is_documented() -> None:
    page = text_of("api.md")

    for refusal in CODED:
        status, code = status_of(refusal)
        assert f"| `{code}` | {status.value} |" in page


@pytest.mark.parametrize("states", [Fate, NotificationState, Held, WriteBackState])
def test_every_fate_state_and_reason_is_explained(states: type[StrEnum]) -> None:
    page = text_of("troubleshooting.md")

    assert [state for state in states if f"`{state.value}`" not in page] == []


def test_every_endpoint_of_the_api_is_described() -> None:
    page = text_of("api.md").replace("{id}", "{environment}")
    described = [f"{one.method} /{one.path}" for one in endpoints_of(Hospital().app.blueprints)]

    assert len(described) == sum(guard == "caller" for guard in HTTP.values())
    assert [one for one in described if f"`{one}`" not in page] == []


def test_every_decision_is_listed_and_weighed() -> None:
    overview = text_of("architecture.md")
    decisions = sorted((DOCS / "decisions").glob("*.md"))

    assert [int(one.name[:4]) for one in decisions] == list(range(1, len(decisions) + 1))
    for one in decisions:
        content = one.read_text(encoding="utf-8")
        assert f"decisions/{one.name}" in overview
        for part in ("Context", "Choice", "Why", "What would change our mind"):
            assert f"**{part}.**" in content, one.name


def test_the_readme_says_what_is_held_before_how_to_start() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert readme.index("## What patient data it holds") < readme.index("python3 dev.py run")


def test_the_compliance_page_answers_every_standard_of_the_security_rule() -> None:
    page = text_of("compliance.md")
    standards = {
        "164.308": [*(f"(a)({number})" for number in range(1, 9)), "(b)"],
        "164.310": ["(a)", "(b), (c)", "(d)"],
        "164.312": [
            "(a)(1)",
            "(a)(2)(i)",
            "(a)(2)(ii)",
            "(a)(2)(iii)",
            "(a)(2)(iv)",
            "(b)",
            "(c)(1), (c)(2)",
            "(d)",
            "(e)",
        ],
        "164.314": ["164.314(a)"],
        "164.316": ["164.316(a)", "164.316(b)"],
    }

    for section, wanted in standards.items():
        part = re.search(rf"^## [^\n]*{re.escape(section)}.*?(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
        assert part is not None, section
        assert [one for one in wanted if f"\n| {one} " not in part[0]] == [], section


def test_the_epic_page_names_every_record_and_address_that_is_registered() -> None:
    page = text_of("epic.md")
    records = json.loads((ROOT / "shared" / "integration_records.json").read_text(encoding="utf-8"))

    kinds = [one["kind"].replace("-", " ") for one in records["records"]]
    assert [kind for kind in kinds if kind not in page.lower()] == []
    for address in ("/launch/callback", "/hl7v2/{environment}", "provider/.well-known/jwks.json"):
        assert address in page
