"""An administrator adds an Epic environment, fills in its parts, and removes it; nobody loses what they typed."""

import html
import re
from dataclasses import replace
from typing import Any

import pytest

from functions.web.environment_sections import SECTIONS
from shared.domain.environment import (
    Environment,
    EnvironmentId,
    EnvironmentKind,
    EpicClient,
    FeedStatus,
    Stage,
)
from shared.domain.errors import TryAgain
from shared.domain.fhir_check import AddressCheck, unreachable
from shared.domain.portal_session import Colleague
from shared.domain.sign_of_life import SignKind
from tests.fakes.browser import Browser, text_of
from tests.fakes.hospital import (
    AVERY,
    ENVIRONMENT,
    HOME,
    NOW,
    PRIYA,
    RILEY,
    TENANT,
    Hospital,
    environment,
    person,
)

LIST = "/setup/organizations"
PAGE = f"{LIST}/{ENVIRONMENT}"
URL = "https://epic-test.lamna.example/api/FHIR/R4"
NEW: dict[str, Any] = {
    "once": "0123456789abcdef",
    "operation.organization": " Lamna Health ",
    "operation.phone": "+12065550100",
    "kind": "test",
    "shown": "kind",
    "connection.fhir_base_url": f"{URL}/",
    "connection.approvers": ["priya@lamna.example", ""],
    "operation.feed.zone": "America/Chicago",
    "do": "save",
}


@pytest.fixture
def hospital() -> Hospital:
    hospital = Hospital()
    hospital.directory.add(Colleague(PRIYA.object_id, PRIYA.name, PRIYA.address))
    return hospital


@pytest.fixture
def avery(hospital: Hospital) -> Browser:
    return hospital.browser(AVERY)


def kept(hospital: Hospital, id: str = ENVIRONMENT) -> Environment:
    return hospital.stamp.environment_rows.get(TENANT, EnvironmentId(id)).value


def made(hospital: Hospital) -> list[Environment]:
    return [one for one in hospital.stamp.environment_rows.under(TENANT) if one.id != ENVIRONMENT]


def form_of(page: str, action: str) -> dict[str, list[str]]:
    """What a browser without script would send from the page's form when Enter is pressed."""
    found = re.search(rf'<form[^>]*action="{re.escape(action)}".*?</form>', page, re.DOTALL)
    assert found, action
    fields: dict[str, list[str]] = {}
    for tag in re.findall(
        r"<(?:input|textarea|select|button)\b[^>]*>(?:[^<]*</textarea>)?|<option[^>]*selected[^>]*>", found[0]
    ):
        name, value = re.search(r'name="([^"]+)"', tag), re.search(r'value="([^"]*)"', tag)
        if tag.startswith("<select") and name:
            fields[name[1]] = []
            last = name[1]
        elif tag.startswith("<option") and value:
            fields[last].append(html.unescape(value[1]))
        elif tag.startswith("<textarea") and name:
            content = tag.partition(">")[2].removesuffix("</textarea>").removeprefix("\n")
            fields[name[1]] = [html.unescape(content)]
        elif name and not (re.search(r'type="(radio|checkbox)"', tag) and " checked" not in tag):
            if tag.startswith("<button") and "do" in fields:
                continue  # Enter presses the first button only
            fields.setdefault(name[1], []).append(html.unescape(value[1]) if value else "")
    fields.pop("csrf", None)
    return fields


class TestList:
    async def test_shows_each_environment_with_its_state_and_people(
        self, hospital: Hospital, avery: Browser
    ) -> None:
        hospital.browser(PRIYA)

        page = text_of(await avery.get(LIST))

        assert "Lamna Healthcare" in page
        assert "Production" in page
        assert "Approved" in page
        assert PRIYA.address in page

    async def test_is_for_looking_only_without_the_role(self, hospital: Hospital) -> None:
        page = text_of(await hospital.browser(RILEY).get(LIST))

        assert "Only an administrator can add or change an environment." in page
        assert '<h2 id="add">' not in page

    async def test_lets_nobody_else_add_one(self, hospital: Hospital) -> None:
        answer = await hospital.browser(RILEY).post(LIST, NEW)

        assert answer.status_code == 403
        assert made(hospital) == []


class TestConnectionCheck:
    def card(self, answer: Any) -> str:
        found = re.search(rf'<div id="check-{ENVIRONMENT}">.*?</div>', text_of(answer), re.DOTALL)
        assert found
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found[0]))

    async def test_says_what_answered_and_when(self, avery: Browser) -> None:
        before = self.card(await avery.get(LIST))
        answer = await avery.post(f"{PAGE}/check", {})
        after = self.card(await avery.get(LIST))

        assert "Not checked yet" in before
        assert "Check now" in before
        assert (answer.status_code, answer.headers["Location"]) == (303, f"{LIST}#check-{ENVIRONMENT}")
        assert "Passed FHIR 4.0.1 · Epic, May 2030" in after
        assert "Saturday, June 1 at 11:00 AM, Eastern Time" in after
        assert "Check again" in after

    async def test_says_what_stands_in_the_way_in_the_readers_language(
        self, hospital: Hospital, avery: Browser
    ) -> None:
        address = kept(hospital).newest.connection.fhir_base_url
        hospital.address_checker.found[address] = AddressCheck((unreachable(),))
        await avery.post(f"{PAGE}/check", {})

        assert "Failed We could not reach this address." in self.card(await avery.get(LIST))
        assert "No pudimos" in self.card(await avery.get(f"{LIST}?lang=es"))

    async def test_changes_nothing_that_was_approved(self, hospital: Hospital, avery: Browser) -> None:
        before = hospital.stamp.environment_rows.get(TENANT, ENVIRONMENT)
        await avery.post(f"{PAGE}/check", {})

        assert hospital.stamp.environment_rows.get(TENANT, ENVIRONMENT) == before

    async def test_of_another_address_does_not_count(self, hospital: Hospital, avery: Browser) -> None:
        await avery.post(f"{PAGE}/check", {})
        one = kept(hospital)
        elsewhere = replace(one.newest.connection, fhir_base_url=URL)
        hospital.put(replace(one, newest=replace(one.newest, connection=elsewhere)))

        assert "Not checked yet" in self.card(await avery.get(LIST))

    async def test_of_saving_and_of_asking_for_approval_is_kept_too(
        self, hospital: Hospital, avery: Browser
    ) -> None:
        await avery.post(LIST, NEW)
        await avery.post(f"/approvals/{ENVIRONMENT}/ask", {"do": "check"})

        (one,) = made(hospital)
        assert set(await hospital.services.last_checks(TENANT).all()) == {ENVIRONMENT, one.id}

    async def test_is_an_administrators(self, hospital: Hospital) -> None:
        priya = hospital.browser(PRIYA)

        assert (await priya.post(f"{PAGE}/check", {})).status_code == 403
        assert "Check now" not in text_of(await priya.get(LIST))


class TestAdding:
    async def test_makes_a_draft_that_names_the_approver_by_object_id(
        self, hospital: Hospital, avery: Browser
    ) -> None:
        answer = await avery.post(LIST, NEW)

        (one,) = made(hospital)
        assert answer.status_code == 303
        assert answer.headers["Location"] == f"{LIST}/{one.id}?done=added"
        assert one.newest.stage is Stage.DRAFT
        assert one.kind is EnvironmentKind.TEST
        assert one.newest.connection.fhir_base_url == URL
        assert one.newest.connection.approvers == (PRIYA.object_id,)
        assert (one.operation.organization, one.operation.feed.zone) == ("Lamna Health", "America/Chicago")

    async def test_twice_makes_one(self, hospital: Hospital, avery: Browser) -> None:
        first, second = await avery.post(LIST, NEW), await avery.post(LIST, NEW)

        assert len(made(hospital)) == 1
        assert first.headers["Location"] == second.headers["Location"]

    async def test_another_one_from_a_page_that_was_kept_open_is_another_one(
        self, hospital: Hospital, avery: Browser
    ) -> None:
        await avery.post(LIST, NEW)
        await avery.post(
            LIST, {**NEW, "connection.fhir_base_url": "https://epic-poc.lamna.example/api/FHIR/R4"}
        )

        assert len({one.id for one in made(hospital)}) == 2

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"operation.organization": " "}, "Enter the organization name"),
            ({"operation.organization": "L" * 41}, "Organization name must be 40 characters or fewer"),
            ({"operation.organization": "<b>"}, "Organization name must not include &lt; or &gt;"),
            ({"operation.phone": ""}, "Enter the phone number that patients may call"),
            ({"kind": ""}, "Select test or production"),
            ({"connection.fhir_base_url": ""}, "Enter the FHIR base URL"),
            (
                {"connection.fhir_base_url": "http://epic.example/R4"},
                "FHIR base URL must start with https://",
            ),
            (
                {"connection.fhir_base_url": "https://epic.example/DSTU2"},
                "FHIR base URL must end with /R4. You entered a DSTU2 address.",
            ),
            ({"connection.approvers": ["", " "]}, "Enter at least one approver"),
            (
                {"connection.approvers": ["dana@lamna.example"]},
                "dana@lamna.example is not in your Microsoft 365 organization",
            ),
            (
                {"connection.approvers": ["priya@lamna.example", "Priya@lamna.example"]},
                "Priya@lamna.example is already in the list",
            ),
            ({"operation.feed.zone": "Mars/Base"}, "Enter the time zone of the feed, like America/New_York"),
        ],
    )
    async def test_says_what_is_wrong_and_keeps_what_was_typed(
        self, hospital: Hospital, avery: Browser, changes: dict[str, Any], sentence: str
    ) -> None:
        answer = await avery.post(LIST, {**NEW, "operation.phone": "+1 206 555 0123", **changes})

        page = text_of(answer)
        assert answer.status_code == 422
        assert page.count(sentence) == 2
        assert "<title>Error: " in page
        assert made(hospital) == []
        typed = form_of(page, LIST)
        expected = {
            name: given if isinstance(given, list) else [given] for name, given in {**NEW, **changes}.items()
        }
        for name in ("operation.organization", "connection.fhir_base_url", "operation.feed.zone", "once"):
            assert typed[name] == [one.strip() for one in expected[name]]

    async def test_an_address_in_use_says_by_whom(self, avery: Browser) -> None:
        answer = await avery.post(
            LIST, {**NEW, "connection.fhir_base_url": "https://epic.lamna.example/api/FHIR/R4"}
        )

        assert answer.status_code == 422
        assert "already used by Lamna Healthcare (Production)" in text_of(answer)

    async def test_keeps_a_typed_approver_when_the_directory_is_away(
        self, hospital: Hospital, avery: Browser
    ) -> None:
        hospital.directory.people.clear()
        hospital.directory.fail(TryAgain("away"))

        await avery.post(LIST, NEW)

        (one,) = made(hospital)
        assert one.newest.connection.approvers == ("priya@lamna.example",)
        assert "the first person who signs in with this address is the approver" in text_of(
            await avery.get(LIST)
        )

    async def test_a_typed_key_never_becomes_an_id_as_it_is(self, hospital: Hospital, avery: Browser) -> None:
        await avery.post(LIST, {**NEW, "once": "../" * 200})

        (one,) = made(hospital)
        assert len(one.id) == 16
        assert one.id.isalnum()

    async def test_a_failed_check_lets_only_a_test_environment_be_saved_anyway(
        self, hospital: Hospital, avery: Browser
    ) -> None:
        hospital.address_checker.found[URL] = AddressCheck((unreachable(),))

        refused = await avery.post(LIST, NEW)
        real = await avery.post(LIST, {**NEW, "kind": "production", "do": "save-anyway"})
        saved = await avery.post(LIST, {**NEW, "do": "save-anyway"})

        assert "Save anyway, we will check again before approval" in text_of(refused)
        assert "Save anyway" not in text_of(real)
        assert (refused.status_code, real.status_code, saved.status_code) == (422, 422, 303)
        assert len(made(hospital)) == 1


class TestBeforeSaving:
    async def test_check_says_what_was_found_and_saves_nothing(
        self, hospital: Hospital, avery: Browser
    ) -> None:
        answer = await avery.post(LIST, {**NEW, "do": "check"})

        page = text_of(answer)
        assert answer.status_code == 200
        assert "FHIR R4 server found. Sign-in endpoints found." in page
        assert "Epic, May 2030" in page
        assert made(hospital) == []

    async def test_check_offers_the_right_address_as_a_button(
        self, hospital: Hospital, avery: Browser
    ) -> None:
        wrong = "https://epic-test.lamna.example/api/FHIR/r4/Patient"
        hospital.address_checker.found[wrong] = AddressCheck((unreachable(),), suggested_url=URL)

        offered = text_of(await avery.post(LIST, {**NEW, "connection.fhir_base_url": wrong, "do": "check"}))
        used = text_of(await avery.post(LIST, {**NEW, "suggested": URL, "do": "use"}))

        assert f'name="suggested" value="{URL}"' in offered
        assert "Use this address" in offered
        assert form_of(used, LIST)["connection.fhir_base_url"] == [URL]

    async def test_rows_of_approvers_come_and_go_without_script(self, avery: Browser) -> None:
        two = {**NEW, "connection.approvers": ["priya@lamna.example", "dana@lamna.example"]}

        more = form_of(text_of(await avery.post(LIST, {**two, "do": "add-approver"})), LIST)
        fewer = form_of(text_of(await avery.post(LIST, {**two, "do": "remove-approver-0"})), LIST)
        same = form_of(text_of(await avery.post(LIST, {**two, "do": "remove-approver-9"})), LIST)

        assert more["connection.approvers"] == ["priya@lamna.example", "dana@lamna.example", ""]
        assert fewer["connection.approvers"] == ["dana@lamna.example"]
        assert same["connection.approvers"] == two["connection.approvers"]

    async def test_production_before_any_test_visit_is_warned_about(
        self, hospital: Hospital, avery: Browser
    ) -> None:
        warning = "You have not completed a test visit yet. We suggest testing first."
        hospital.put(environment(kind=EnvironmentKind.TEST))
        production = {**NEW, "kind": "production"}

        checked = text_of(await avery.post(LIST, {**production, "do": "check"}))
        added = str((await avery.post(LIST, production)).headers["Location"])
        before = text_of(await avery.get(added))
        await hospital.services.signs(TENANT, ENVIRONMENT).note(SignKind.PROVIDER, at=NOW)
        after = text_of(await avery.get(added))

        assert warning in checked
        assert warning in before
        assert warning not in after
        assert warning not in text_of(await avery.post(LIST, {**production, "do": "check"}))
        assert warning not in text_of(await avery.post(LIST, {**NEW, "do": "check"}))


class TestOneEnvironment:
    async def test_shows_every_part_and_the_way_to_approval(self, hospital: Hospital, avery: Browser) -> None:
        hospital.put(environment(approved=False))

        page = text_of(await avery.get(PAGE))

        for section in SECTIONS.values():
            assert html.escape(section.title) in page
            assert f'href="{PAGE}/{section.id}"' in page
        assert f'href="/approvals/{ENVIRONMENT}/ask"' in page

    async def test_is_nobodys_business_in_another_hospital(self, hospital: Hospital, avery: Browser) -> None:
        for path in (f"{LIST}/env-9", f"{LIST}/env-9/clients", f"{LIST}/env-9/remove", f"{PAGE}/wages"):
            assert (await avery.get(path)).status_code == 404

    async def test_an_approver_reads_but_does_not_change(self, hospital: Hospital) -> None:
        priya = hospital.browser(PRIYA)

        assert (await priya.get(PAGE)).status_code == 200
        assert (await priya.get(f"{PAGE}/clients")).status_code == 403


class TestParts:
    @pytest.mark.parametrize("section", SECTIONS)
    async def test_sent_as_shown_every_part_saves_and_changes_nothing(
        self, hospital: Hospital, avery: Browser, section: str
    ) -> None:
        hospital.browser(PRIYA)
        before = kept(hospital)

        page = text_of(await avery.get(f"{PAGE}/{section}"))
        answer = await avery.post(f"{PAGE}/{section}", form_of(page, f"{PAGE}/{section}"))

        assert answer.status_code == 303, text_of(answer)
        after = kept(hospital)
        assert (after.newest, after.operation) == (before.newest, before.operation)

    async def change(self, browser: Browser, section: str, **changes: str | list[str]) -> Any:
        page = text_of(await browser.get(f"{PAGE}/{section}"))
        fields: dict[str, Any] = form_of(page, f"{PAGE}/{section}")
        return await browser.post(
            f"{PAGE}/{section}", {**fields, **{k.replace("__", "."): v for k, v in changes.items()}}
        )

    async def test_client_ids_make_a_new_draft_while_the_approved_ones_stay(
        self, hospital: Hospital, avery: Browser
    ) -> None:
        answer = await self.change(avery, "clients", connection__clients__provider="new-id")

        one = kept(hospital)
        assert answer.headers["Location"] == f"{PAGE}?done=saved-connection"
        assert one.newest.stage is Stage.DRAFT
        assert one.newest.connection.clients[EpicClient.PROVIDER] == "new-id"
        assert one.live is not None
        assert one.live.connection.clients[EpicClient.PROVIDER] == "client-provider"
        words = "This needs a new approval. Visits keep working with the approved values until then."
        assert words in text_of(await avery.get(f"{PAGE}?done=saved-connection"))

    async def test_client_ids_stand_beside_what_to_register(self, avery: Browser) -> None:
        page = text_of(await avery.get(f"{PAGE}/clients"))

        assert f"{HOME}/launch/callback" in page
        for client in EpicClient:
            assert f"{HOME}/keys/{ENVIRONMENT}/{client}/.well-known/jwks.json" in page

    async def test_the_feed_is_read_from_lines(self, hospital: Hospital, avery: Browser) -> None:
        await self.change(
            avery,
            "feed",
            operation__feed__zone="America/Denver",
            operation__feed__country="ca",
            operation__feed__phone_types="cell = Mobile\nPRN=home",
            operation__feed__statuses="noshow = no-show",
            operation__feed__video_visit_types="VIDEO\n\nVIDEO\nTELE",
        )

        feed = kept(hospital).operation.feed
        assert (feed.zone, feed.country) == ("America/Denver", "CA")
        assert feed.phone_types == {"CELL": "mobile", "PRN": "home"}
        assert feed.statuses == {"NOSHOW": FeedStatus.NO_SHOW}
        assert feed.video_visit_types == {"VIDEO", "TELE"}

    @pytest.mark.parametrize(
        ("section", "field", "typed", "sentence"),
        [
            ("feed", "operation.feed.phone_types", "CELL", "Enter lines like CELL = mobile"),
            (
                "feed",
                "operation.feed.phone_types",
                "CELL = pager",
                "Use mobile, home, work or skip, like CELL = mobile",
            ),
            ("feed", "operation.feed.statuses", "A = gone", "Use one of: booked"),
            ("feed", "operation.feed.country", "USA", "Enter a country as two letters, like US"),
            (
                "meetings",
                "operation.meetings.opens_before_minutes",
                "soon",
                "Enter a number of minutes, like 30",
            ),
            (
                "meetings",
                "operation.meetings.opens_before_minutes",
                "2000",
                "Links open at most a day before the visit",
            ),
            (
                "meetings",
                "operation.meetings.providers",
                "P77",
                "Enter lines like P77 = carter@lamna.example",
            ),
            ("write-back", "connection.write_back.url", "http://epic.example", "must start with https://"),
            ("write-back", "connection.write_back.statuses", "gone = 1", "gone is not known."),
            ("write-back", "connection.write_back.method", "DELETE", "Select GET or POST"),
            ("departments", "department.1.zone", "Mars/Base", "Enter a time zone like America/New_York"),
        ],
    )
    async def test_a_wrong_answer_is_said_at_its_field_and_stays_typed(
        self, hospital: Hospital, avery: Browser, section: str, field: str, typed: str, sentence: str
    ) -> None:
        before = kept(hospital)
        changes = {field: typed, **({"department.1.id": "D1"} if section == "departments" else {})}

        answer = await self.change(avery, section, **changes)

        page = text_of(answer)
        assert answer.status_code == 422
        assert page.count(html.escape(sentence)) >= 2
        assert f'href="#{field.replace(".", "-")}"' in page
        assert kept(hospital) == before
        assert field in ("connection.write_back.method",) or form_of(page, f"{PAGE}/{section}")[field] == [
            typed
        ]

    async def test_departments_are_rows_that_grow_and_empty(self, hospital: Hospital, avery: Browser) -> None:
        await self.change(
            avery,
            "departments",
            department__1__id="D1",
            department__1__name="Heart",
            department__1__emergency="911",
        )
        shown = form_of(text_of(await avery.get(f"{PAGE}/departments")), f"{PAGE}/departments")
        await avery.post(
            f"{PAGE}/departments", {**shown, "department.2.id": "D2", "department.2.name": "Skin"}
        )
        both = kept(hospital).operation.departments
        shown = form_of(text_of(await avery.get(f"{PAGE}/departments")), f"{PAGE}/departments")
        emptied = {name: "" for name in shown if name.startswith("department.1.")}
        await avery.post(f"{PAGE}/departments", {**shown, **emptied})

        assert {id: (one.name, one.emergency) for id, one in both.items()} == {
            "D1": ("Heart", "911"),
            "D2": ("Skin", ""),
        }
        assert list(kept(hospital).operation.departments) == ["D2"]

    async def test_two_departments_with_one_id_are_refused(self, avery: Browser) -> None:
        answer = await avery.post(
            f"{PAGE}/departments",
            {"department.1.id": "D1", "department.2.id": "D1", "version": "", "do": "save"},
        )

        assert answer.status_code == 422
        assert "D1 is already in the list" in text_of(answer)

    async def test_guests_may_be_forbidden_to_chat(self, hospital: Hospital, avery: Browser) -> None:
        page = text_of(await avery.get(f"{PAGE}/meetings"))
        fields = form_of(page, f"{PAGE}/meetings")
        del fields["operation.meetings.guests_may_chat"]

        await avery.post(f"{PAGE}/meetings", fields)

        assert kept(hospital).operation.meetings.guests_may_chat is False

    async def test_organizers_are_typed_by_address_and_kept_by_object_id(
        self, hospital: Hospital, avery: Browser
    ) -> None:
        hospital.directory.add(Colleague("oid-visits", "Visits", "visits@lamna.example"))

        answer = await self.change(
            avery,
            "meetings",
            operation__meetings__scheduling_accounts="visits@lamna.example\noid-second",
            operation__meetings__providers="P77 = Visits@lamna.example",
        )

        meetings = kept(hospital).operation.meetings
        assert answer.status_code == 303
        assert meetings.scheduling_accounts == ("oid-visits", "oid-second")
        assert meetings.providers == {"P77": "oid-visits"}
        assert "visits@lamna.example" in text_of(await avery.get(f"{PAGE}/meetings"))

    async def test_an_organizer_whom_the_directory_cannot_name_is_not_kept(
        self, hospital: Hospital, avery: Browser
    ) -> None:
        typed = {"operation__meetings__scheduling_accounts": "visits@lamna.example"}
        unknown = await self.change(avery, "meetings", **typed)
        hospital.directory.fail(TryAgain("away"))
        away = await self.change(avery, "meetings", **typed)

        assert "visits@lamna.example is not in your Microsoft 365 organization" in text_of(unknown)
        assert "could not be looked up now" in text_of(away)
        assert (unknown.status_code, away.status_code) == (422, 422)

    async def test_the_address_of_an_environment_is_checked_before_it_is_saved(
        self, hospital: Hospital, avery: Browser
    ) -> None:
        before = kept(hospital)

        good = await self.change(avery, "connection", do="check")
        hospital.address_checker.found[before.newest.connection.fhir_base_url] = AddressCheck(
            (unreachable(),)
        )
        bad = await self.change(avery, "connection", do="check")

        assert "FHIR R4 server found. Sign-in endpoints found." in text_of(good)
        assert "We could not reach this address." in text_of(bad)
        assert (good.status_code, bad.status_code) == (200, 422)
        assert kept(hospital) == before

    async def test_status_in_epic_is_off_without_an_address(self, hospital: Hospital, avery: Browser) -> None:
        await self.change(avery, "write-back", connection__write_back__url="")

        assert kept(hospital).newest.connection.write_back is None


class TestTwoAdministrators:
    async def test_the_second_sees_both_versions_and_may_then_save(
        self, hospital: Hospital, avery: Browser
    ) -> None:
        riley = hospital.browser(person("riley", *AVERY.roles))
        mine = form_of(text_of(await riley.get(f"{PAGE}/organization")), f"{PAGE}/organization")
        theirs = form_of(text_of(await avery.get(f"{PAGE}/organization")), f"{PAGE}/organization")
        await avery.post(f"{PAGE}/organization", {**theirs, "operation.organization": "Lamna North"})

        answer = await riley.post(f"{PAGE}/organization", {**mine, "operation.organization": "Lamna South"})

        page = text_of(answer)
        assert answer.status_code == 409
        assert re.search(r"Avery changed this at \d+:\d\d [AP]M\. Review the newest values\.", page)
        assert "Lamna North" in page
        assert kept(hospital).operation.organization == "Lamna North"
        again = form_of(page, f"{PAGE}/organization")
        assert again["operation.organization"] == ["Lamna South"]
        assert (await riley.post(f"{PAGE}/organization", again)).status_code == 303
        assert kept(hospital).operation.organization == "Lamna South"


class TestRemoving:
    async def test_says_what_stops_and_asks_for_the_name(self, hospital: Hospital, avery: Browser) -> None:
        page = text_of(await avery.get(f"{PAGE}/remove"))

        assert "Remove Lamna Healthcare, Production?" in page
        assert (
            "0 visits in the next 7 days will not be able to start. 0 text messages will not be sent." in page
        )
        assert kept(hospital).removed_at is None

    async def test_without_the_name_nothing_is_removed(self, hospital: Hospital, avery: Browser) -> None:
        answer = await avery.post(f"{PAGE}/remove", {"organization": "Lamna", "do": "remove"})

        assert answer.status_code == 422
        assert text_of(answer).count("Type the organization name to confirm") == 3
        assert kept(hospital).removed_at is None

    async def test_with_the_name_it_is_gone_from_the_portal(self, hospital: Hospital, avery: Browser) -> None:
        shown = form_of(text_of(await avery.get(f"{PAGE}/remove")), f"{PAGE}/remove")

        answer = await avery.post(f"{PAGE}/remove", {**shown, "organization": "Lamna Healthcare"})

        assert answer.headers["Location"] == f"{LIST}?done=removed"
        assert kept(hospital).removed_at is not None
        assert (await avery.get(PAGE)).status_code == 404
        assert "No environments yet." in text_of(await avery.get(LIST))

    async def test_after_somebody_changed_it_the_page_is_shown_again(
        self, hospital: Hospital, avery: Browser
    ) -> None:
        shown = form_of(text_of(await avery.get(f"{PAGE}/remove")), f"{PAGE}/remove")
        hospital.put(replace(kept(hospital), changed_by="someone"))

        answer = await avery.post(f"{PAGE}/remove", {**shown, "organization": "Lamna Healthcare"})

        assert answer.status_code == 409
        assert kept(hospital).removed_at is None
