"""Looking back, restoring, copying, exporting, importing and sharing, in a browser and through the API."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import azure.functions as func
import pytest

from shared.domain.address_use import AddressUse, Share, ShareStage, address_hash
from shared.domain.environment import EnvironmentKind
from shared.domain.expected import Expected
from shared.domain.tenant import Person
from shared.flows import configure_environment as configure
from tests.fakes.browser import text_of
from tests.fakes.hospital import (
    AVERY,
    ENVIRONMENT,
    FHIR,
    NOW,
    OTHER_TENANT,
    PRIYA,
    RILEY,
    TENANT,
    Hospital,
    environment,
    operation,
)
from tests.fakes.office import desk

API = f"/api/v1/environments/{ENVIRONMENT}"
HISTORY = f"/setup/history/{ENVIRONMENT}"


async def changed(hospital: Hospital) -> None:
    """Two operations: the second has another name and a third reminder."""
    texts = replace(operation().texts, reminders=(timedelta(hours=2), *operation().texts.reminders))
    new = replace(operation(), organization="Lamna West", texts=texts)
    stamp = hospital.stamp
    stamp.environment_history.append(stamp.environment_rows.get(TENANT, ENVIRONMENT).value)
    await configure.change_operation(ENVIRONMENT, new, seen="", given=desk(stamp, AVERY), now=NOW)


async def ask(
    hospital: Hospital, who: Person, method: str, path: str, body: object = None
) -> func.HttpResponse:
    return await hospital.app.ask(
        method,
        path,
        json.dumps(body).encode() if body is not None else b"",
        {"Authorization": f"Bearer {who.object_id}", "Content-Type": "application/json"},
    )


def content(answer: func.HttpResponse) -> Any:
    return json.loads(answer.get_body())


class TestHistory:
    async def test_the_page_lists_versions_and_shows_how_two_differ(self) -> None:
        hospital = Hospital()
        await changed(hospital)

        page = await hospital.browser(AVERY).get(f"{HISTORY}?kind=operation&older=1&newer=2")

        shown = text_of(page)
        assert page.status_code == 200
        assert "Version 2 compared with version 1" in shown
        assert "Lamna Healthcare" in shown
        assert "1 day, 2 hours, 1 hour" in shown

    @pytest.mark.parametrize(
        "query", ["kind=operation&newer=99", "kind=x&newer=1", "kind=operation&newer=-1", "kind=operation"]
    )
    async def test_a_version_that_never_was_is_not_found(self, query: str) -> None:
        hospital = Hospital()
        await changed(hospital)

        assert (await hospital.browser(AVERY).get(f"{HISTORY}?{query}")).status_code == 404

    async def test_restoring_asks_first_when_it_stops_a_reminder(self) -> None:
        hospital = Hospital()
        await changed(hospital)
        browser, fields = hospital.browser(AVERY), {"kind": "operation", "number": "1"}

        asked = await browser.post(HISTORY, fields)
        unanswered = await browser.post(HISTORY, {**fields, "asked": "yes"})
        kept = await browser.post(HISTORY, {**fields, "asked": "yes", "stop": "keep"})
        assert hospital.environment.operation.organization == "Lamna West"
        done = await browser.post(HISTORY, {**fields, "asked": "yes", "stop": "stop"})

        assert "Text messages will stop" in text_of(asked)
        assert "checked" not in asked.get_body().decode()
        assert (unanswered.status_code, kept.status_code) == (422, 303)
        assert done.headers["Location"] == f"{HISTORY}?done=restored"
        assert hospital.environment.operation.organization == "Lamna Healthcare"

    async def test_only_an_administrator_looks_back(self) -> None:
        hospital = Hospital()

        assert (await hospital.browser(RILEY).get(HISTORY)).status_code == 403
        assert (await ask(hospital, RILEY, "GET", f"{API}/history")).status_code == 403

    async def test_the_api_says_the_same(self) -> None:
        hospital = Hospital()
        await changed(hospital)

        history = content(await ask(hospital, AVERY, "GET", f"{API}/history"))
        compared = content(
            await ask(hospital, AVERY, "GET", f"{API}/differences?kind=operation&older=1&newer=2")
        )
        restored = content(
            await ask(hospital, AVERY, "POST", f"{API}/restoration", {"kind": "operation", "number": 1})
        )

        assert [(one["kind"], one["number"]) for one in history["entries"]] == [
            ("operation", 2),
            ("operation", 1),
            ("connection", 1),
        ]
        assert {one["label"] for one in compared["differences"]} == {"Organization name", "Reminders"}
        assert restored["operation_version"] == 3


class TestEffects:
    async def test_the_api_counts_what_a_change_stops(self) -> None:
        hospital = Hospital()
        days = hospital.stamp.appointments_by_day(TENANT, ENVIRONMENT)
        for day in (1, 2, 9):
            await days.put(Expected(f"k{day}", NOW + timedelta(days=day, hours=2), "America/New_York", True))

        effects = content(await ask(hospital, AVERY, "POST", f"{API}/effects", {"remove": True}))

        # Each of the two visits within 7 days has a reminder a day before and an hour before.
        assert effects == {
            "stops_texts": True,
            "stops_visits": True,
            "stops_messages": True,
            "visits": 2,
            "texts": 4,
        }
        assert hospital.environment.removed is False


class TestWholeOperation:
    async def test_what_is_shown_can_be_sent_back_unchanged(self) -> None:
        hospital = Hospital(
            environment(
                kind=EnvironmentKind.TEST,
                operates=operation(texts=replace(operation().texts, only_numbers=("+12065550142",))),
            )
        )
        shown = content(await ask(hospital, AVERY, "GET", API))

        again = await ask(
            hospital,
            AVERY,
            "PUT",
            f"{API}/operation",
            {"operation": shown["operation"], "version": shown["version"]},
        )

        assert again.status_code == 200
        assert content(again)["operation_version"] == 1
        assert hospital.environment.operation.texts.only_numbers == ("+12065550142",)

    async def test_numbers_are_for_administrators(self) -> None:
        numbers = replace(operation().texts, only_numbers=("+12065550142",))
        hospital = Hospital(environment(kind=EnvironmentKind.TEST, operates=operation(texts=numbers)))

        for who in (RILEY, PRIYA):
            assert "+12065550142" not in (await ask(hospital, who, "GET", API)).get_body().decode()


class TestCopying:
    async def test_what_differs_is_shown_before_and_one_click_too_many_makes_nothing_more(self) -> None:
        hospital = Hospital(environment(kind=EnvironmentKind.TEST))
        browser, path = hospital.browser(AVERY), f"/setup/copy/{ENVIRONMENT}"

        page = await browser.get(path)
        answers = [await browser.post(path, {"once": "k1"}) for _ in range(2)]

        assert "Enter the FHIR base URL" in text_of(page)
        assert FHIR in text_of(page)
        assert len({answer.headers["Location"] for answer in answers}) == 1
        assert len(await hospital.stamp.environments(TENANT).all()) == 2

    async def test_production_is_no_source(self) -> None:
        hospital = Hospital()

        page = await hospital.browser(AVERY).get(f"/setup/copy/{ENVIRONMENT}")
        answer = await ask(hospital, AVERY, "POST", f"{API}/copy", {"once": "k"})

        assert "Only an approved test environment" in text_of(page)
        assert answer.status_code == 409


class TestFiles:
    async def exported(self, hospital: Hospital) -> bytes:
        answer = await hospital.browser(AVERY).get(f"/setup/export/{ENVIRONMENT}")
        assert answer.headers["Content-Disposition"].endswith(f'-{ENVIRONMENT}.json"')
        return answer.get_body()

    async def test_a_file_holds_no_number_of_a_person_and_no_certificate(self) -> None:
        numbers = replace(operation().texts, only_numbers=("+12065550142",))
        hospital = Hospital(environment(kind=EnvironmentKind.TEST, operates=operation(texts=numbers)))

        file = (await self.exported(hospital)).decode()

        assert "+12065550142" not in file
        assert "CERTIFICATE" not in file
        assert json.loads(file)["format"] == "visit-connector-environment"

    async def test_a_file_becomes_a_draft_whose_texts_wait_for_a_consent(self) -> None:
        hospital = Hospital()
        file = (await self.exported(hospital)).replace(FHIR.encode(), b"https://epic2.lamna.example/R4")

        answer = await hospital.browser(AVERY).post("/setup/import", {"once": "k"}, {"file": file})

        made = str(answer.headers["Location"]).partition("?")[0].rpartition("/")[2]
        kept = hospital.stamp.environment_rows.get(TENANT, made).value
        assert kept.live is None
        assert kept.newest.connection.fhir_base_url == "https://epic2.lamna.example/R4"
        assert (kept.operation.texts.on, kept.operation.texts.consents) == (False, ())
        assert kept.operation.feed == operation().feed

    async def test_a_file_goes_where_the_page_says_in_its_language(self) -> None:
        page = text_of(await Hospital().browser(AVERY).get("/setup/import?lang=es"))

        assert ">Un entorno nuevo</option>" in page
        assert f'value="{ENVIRONMENT}">Lamna Healthcare (Producción)</option>' in page

    async def test_a_file_may_change_an_environment_that_is_there(self) -> None:
        hospital = Hospital()
        file = json.loads(await self.exported(hospital))
        file["operation"]["organization"] = "Lamna East"
        fields = {"into": ENVIRONMENT}

        answer = await hospital.browser(AVERY).post(
            "/setup/import", fields, {"file": json.dumps(file).encode()}
        )

        assert answer.status_code == 303
        assert hospital.environment.operation.organization == "Lamna East"
        assert hospital.environment.operation.texts.on

    @pytest.mark.parametrize(
        "wrong",
        [b"", b"no json", b"{}", b'{"format": "visit-connector-environment", "version": 2}', b"x" * 65537],
        ids=["none", "no JSON", "empty", "another version", "too large"],
    )
    async def test_what_is_no_exported_environment_is_refused(self, wrong: bytes) -> None:
        hospital = Hospital()

        answer = await hospital.browser(AVERY).post("/setup/import", {"once": "k"}, {"file": wrong})

        assert answer.status_code == 422
        assert len(await hospital.stamp.environments(TENANT).all()) == 1

    async def test_the_api_takes_in_what_it_gave(self) -> None:
        hospital = Hospital()
        file = content(await ask(hospital, AVERY, "GET", f"{API}/file"))
        file["connection"]["fhir_base_url"] = "https://epic2.lamna.example/R4"

        answers = [
            await ask(hospital, AVERY, "POST", "/api/v1/files", {"file": file, "once": "k"}) for _ in range(2)
        ]

        assert [answer.status_code for answer in answers] == [201, 201]
        assert content(answers[0])["id"] == content(answers[1])["id"]


class TestSharing:
    async def test_the_page_asks_and_answers(self) -> None:
        hospital = Hospital()
        stamp = hospital.stamp
        asked = Share(OTHER_TENANT, ShareStage.ASKED, NOW)
        stamp.addresses.table.put(
            AddressUse(address_hash(FHIR), TENANT, ENVIRONMENT, (asked,)), address_hash(FHIR)
        )
        browser = hospital.browser(AVERY)

        page = await browser.get("/setup/sharing")
        fields = {"address": address_hash(FHIR), "tenant": OTHER_TENANT, "do": "allowed"}
        done = await browser.post("/setup/sharing", fields)

        assert "Fabrikam Kliniken asks to use your FHIR base URL." in text_of(page)
        assert done.headers["Location"] == "/setup/sharing?done=answered"
        kept = stamp.addresses.table.get(address_hash(FHIR)).value
        assert kept.share_of(OTHER_TENANT) == replace(asked, at=hospital.clock(), stage=ShareStage.ALLOWED)
        assert (await browser.post("/setup/sharing", {"do": "dance"})).status_code == 422


class TestRemoving:
    async def test_through_the_api_with_the_name_typed(self) -> None:
        hospital = Hospital()

        wrong = await ask(hospital, AVERY, "POST", f"{API}/removal", {"organization": "x"})
        done = await ask(hospital, AVERY, "POST", f"{API}/removal", {"organization": "Lamna Healthcare"})

        assert (wrong.status_code, done.status_code) == (422, 200)
        assert (await ask(hospital, AVERY, "GET", API)).status_code == 404
