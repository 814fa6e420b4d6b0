"""The audit log as page, entry, file and API: whole, in words, for those who may see it, and never a formula."""

import csv
import html
import io
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from functions.web.audit_words import ACTIONS, FACTS, as_csv
from functions.web.cookies import SESSION, host_name
from shared.domain.audit import AuditEntry, Linked, Place
from shared.domain.portal_session import Colleague, new_session
from shared.domain.tenant import Person
from shared.flows.launch_visit import hashed
from tests.fakes.hospital import (
    AVERY,
    DANA,
    ENVIRONMENT,
    HOME,
    JORDAN,
    NOW,
    PRIYA,
    RILEY,
    TENANT,
    Hospital,
)

ROOT = Path(__file__).parents[2]
DAY = timedelta(days=1)


def cookie_of(hospital: Hospital, who: Person) -> dict[str, str]:
    """A session as a sign-in leaves it."""
    session = new_session(
        hashed("a-session"), tenant=TENANT, object_id=who.object_id, roles=who.roles, now=hospital.clock()
    )
    hospital.stamp.portal_sessions.table.put(session, session.id_hash)
    return {"Cookie": f"{host_name(SESSION, HOME)}=a-session"}


def entry(
    did: str = "changed the operation", who: Person = AVERY, facts: dict[str, str] | None = None
) -> AuditEntry:
    return AuditEntry(NOW, who.object_id, did, f"environment/{ENVIRONMENT}", facts or {})


async def write(hospital: Hospital, *entries: AuditEntry) -> None:
    for one in entries:
        await hospital.services.audit_log(TENANT).write(one)


async def shown(hospital: Hospital, path: str = "/audit", who: Person = AVERY) -> str:
    answer = await hospital.app.get(path, cookie_of(hospital, who))
    assert answer.status_code == 200
    return html.unescape(answer.get_body().decode())


def actions_in(page: str) -> list[str]:
    """What the lines of the table say was done."""
    return re.findall(r'<a href="/audit/[^"]+">([^<]+)<span', page)


class TestWhoSeesIt:
    @pytest.mark.parametrize("path", ["/audit", "/audit.csv", f"/audit/{NOW:%Y-%m-%d}/1"])
    @pytest.mark.parametrize(
        ("who", "status"),
        [(AVERY, 200), (JORDAN, 200), (RILEY, 403), (PRIYA, 403), (DANA, 403)],
        ids=["administrator", "auditor", "report reader", "approver", "nobody"],
    )
    async def test_administrators_and_auditors(self, who: Person, status: int, path: str) -> None:
        hospital = Hospital()
        await write(hospital, entry())

        assert (await hospital.app.get(path, cookie_of(hospital, who))).status_code == status

    async def test_looking_without_the_right_is_no_attempt_to_change_something(self) -> None:
        hospital = Hospital()

        await hospital.app.get("/audit", cookie_of(hospital, RILEY))

        assert await hospital.services.audit_log(TENANT).entries(NOW) == []

    async def test_a_refused_post_on_a_page_is_in_the_log_once(self) -> None:
        hospital = Hospital()
        path = f"/setup/history/{ENVIRONMENT}"

        answer = await hospital.app.post(path, b"name=Jordan+Example", cookie_of(hospital, RILEY))

        assert answer.status_code == 403
        [one] = await hospital.services.audit_log(TENANT).entries(NOW)
        assert (one.who, one.did, one.to) == (RILEY.object_id, "was refused", f"environment/{ENVIRONMENT}")
        assert one.facts == {"attempt": "POST /setup/history/{environment}", "code": "not-allowed"}


class TestPage:
    async def test_the_newest_comes_first_in_words_and_under_names(self) -> None:
        hospital = Hospital()
        await hospital.services.people(TENANT).put(Colleague(AVERY.object_id, "Avery Howard", AVERY.address))
        await write(hospital, entry("created the environment"), entry("was refused", RILEY))

        page = await shown(hospital)

        assert actions_in(page) == ["Tried something they may not do", "Created an environment"]
        assert "Avery Howard" in page
        assert RILEY.object_id in page
        assert "Lamna Healthcare (Production)" in page
        assert "Refused" in page

    async def test_fifty_are_on_a_page_and_older_ones_follow_without_a_gap(self) -> None:
        hospital = Hospital()
        for number in range(120):
            at = NOW - DAY * (3 - number // 40)
            await write(hospital, AuditEntry(at, AVERY.object_id, f"did {number}", "portal", {}))

        pages, path = [], "/audit"
        while path:
            pages.append(await shown(hospital, path))
            older = re.search(r'rel="next" href="([^"]+)"', pages[-1])
            path = older[1] if older else ""

        assert [len(actions_in(page)) for page in pages] == [50, 50, 20]
        assert [one for page in pages for one in actions_in(page)] == [f"did {n}" for n in range(119, -1, -1)]

    @pytest.mark.parametrize(
        ("asked", "found"),
        [
            ("person=avery", ["first", "third"]),
            (f"person={RILEY.object_id}", ["second"]),
            ("person=nobody", []),
            ("action=second", ["second"]),
            (f"environment={ENVIRONMENT}", ["first", "second"]),
            ("from=2030-06-01", ["third"]),
            ("to=2030-05-31", ["first", "second"]),
            ("from=2030-05-31&to=2030-05-31&person=riley", ["second"]),
        ],
    )
    async def test_filters_narrow_it_down(self, asked: str, found: list[str]) -> None:
        hospital = Hospital()
        for who in (AVERY, RILEY):
            await hospital.services.people(TENANT).put(Colleague(who.object_id, who.name, who.address))
        where, yesterday = f"environment/{ENVIRONMENT}", NOW - DAY
        await write(
            hospital,
            AuditEntry(yesterday, AVERY.object_id, "first", where, {}),
            AuditEntry(yesterday, RILEY.object_id, "second", f"{where}/appointment/1", {}),
            AuditEntry(NOW, AVERY.object_id, "third", "portal", {}),
        )

        assert sorted(actions_in(await shown(hospital, f"/audit?{asked}"))) == found

    @pytest.mark.parametrize(
        ("asked", "sentence"),
        [
            ("from=2030-06-02&to=2030-06-01", "Start date must be before end date"),
            ("from=yesterday", "Enter a date like 2026-11-24"),
            ("before=2030-99-99.1", "Start again from the newest entry."),
        ],
    )
    async def test_what_cannot_be_asked_is_said_and_what_was_typed_stays(
        self, asked: str, sentence: str
    ) -> None:
        hospital = Hospital()

        answer = await hospital.app.get(f"/audit?{asked}&person=avery", cookie_of(hospital, AVERY))

        assert answer.status_code == 422
        assert sentence in answer.get_body().decode()
        assert 'value="avery"' in answer.get_body().decode()

    async def test_an_entry_opens_with_what_was_before_and_after(self) -> None:
        hospital = Hospital()
        await write(
            hospital, entry(facts={"Help line": "…00 -> …11", "Reminders": "- -> 1 day", "version": "7"})
        )

        page = await shown(hospital, f"/audit/{NOW:%Y-%m-%d}/1")

        before, after = page.index('id="before"'), page.index('id="after"')
        assert "…00" in page[before:after]
        assert "Nothing" in page[before:after]
        assert "…11" in page[after:]
        assert "1 day" in page[after:]
        assert "The log of this day is unbroken." in page

    async def test_an_entry_of_a_tampered_day_says_so(self) -> None:
        hospital = Hospital()
        await write(hospital, entry(), entry())
        del hospital.stamp.audit_chains[TENANT, NOW.date()][0]

        assert "was changed outside the app" in await shown(hospital, f"/audit/{NOW:%Y-%m-%d}/2")

    @pytest.mark.parametrize("path", ["2030-06-01/9", "2030-06-01/x", "yesterday/1"])
    async def test_there_is_no_page_for_what_is_not_there(self, path: str) -> None:
        hospital = Hospital()

        assert (await hospital.app.get(f"/audit/{path}", cookie_of(hospital, AVERY))).status_code == 404


class TestFile:
    async def test_it_is_named_by_what_it_holds_and_starts_with_a_mark_for_spreadsheets(self) -> None:
        hospital = Hospital()
        await hospital.services.people(TENANT).put(Colleague(AVERY.object_id, "Avery Howard", AVERY.address))
        await write(hospital, entry(facts={"version": "2"}))

        answer = await hospital.app.get("/audit.csv?person=avery", cookie_of(hospital, AVERY))

        assert answer.headers["Content-Disposition"] == (
            'attachment; filename="audit_lamna-healthcare_2030-06-01_2030-06-01.csv"'
        )
        assert answer.get_body().startswith(b"\xef\xbb\xbf")
        [line] = list(csv.DictReader(io.StringIO(answer.get_body().decode("utf-8-sig"))))
        assert line["time_utc"] == "2030-06-01T15:00:00+00:00"
        assert (line["name"], line["action"], line["facts"]) == (
            "Avery Howard",
            "changed the operation",
            "version: 2",
        )

    @pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
    def test_no_cell_is_a_formula(self, start: str) -> None:
        bad = f"{start}cmd|' /c calc'!A1"
        place = Place(NOW.date(), 1, "0" * 64)
        lines = as_csv(
            [Linked(place, AuditEntry(NOW, bad, bad, bad, {}))], {bad: Colleague(bad, bad, "")}
        ).decode("utf-8-sig")

        cells = list(csv.reader(io.StringIO(lines, newline="")))[1]

        assert [cell for cell in cells if cell.startswith(start)] == []


class TestApi:
    async def test_it_gives_the_same_as_the_page(self) -> None:
        hospital = Hospital()
        for number in range(60):
            await write(hospital, AuditEntry(NOW, AVERY.object_id, f"did {number}", "portal", {}))
        asked = {"Authorization": f"Bearer {JORDAN.object_id}"}

        def content(answer: Any) -> dict[str, Any]:
            found: dict[str, Any] = json.loads(answer.get_body())
            return found

        first = content(await hospital.app.get("/api/v1/audit?person=" + AVERY.object_id, asked))
        second = content(await hospital.app.get(f"/api/v1/audit?before={first['older']}", asked))

        found = [one["did"] for one in (*first["entries"], *second["entries"])]
        assert found == [f"did {number}" for number in range(59, -1, -1)]
        assert second["older"] == ""
        assert first["entries"][0]["result"] == "done"

    @pytest.mark.parametrize("query", ["from=x", "colour=blue", "from=2030-06-02&to=2030-06-01", "before=x"])
    async def test_what_cannot_be_asked_is_refused_at_its_field(self, query: str) -> None:
        answer = await Hospital().app.get(
            f"/api/v1/audit?{query}", {"Authorization": f"Bearer {AVERY.object_id}"}
        )

        assert answer.status_code == 422


def test_every_act_that_is_written_down_has_words() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "shared" / "flows").glob("*.py"))
    source += (ROOT / "functions" / "web" / "refused_attempts.py").read_text(encoding="utf-8")
    verbs = {did.split(" ")[0] for did in ACTIONS} | {"copied", "replaced", "stopped", "linked", "got"}
    written = set(re.findall(rf'"((?:{"|".join(sorted(verbs))})(?: [A-Za-z-]+)+)"', source)) | {"erased"}

    assert written == set(ACTIONS)


def test_no_word_for_a_fact_is_left_over() -> None:
    source = "".join(
        path.read_text(encoding="utf-8")
        for folder in ("shared/flows", "functions/web")
        for path in (ROOT / folder).glob("*.py")
        if path.name != "audit_words.py"
    )

    assert [name for name in FACTS if f'"{name}"' not in source and f"{name}=" not in source] == []
