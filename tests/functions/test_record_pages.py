"""Review and finish: the records of an approved environment, the checker, signs of life, own fields and keys."""

import html
import io
import json
import re
import zipfile
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import azure.functions as func
import pytest

from shared.domain.environment import Environment, EnvironmentId, RecordSettings, Stage
from shared.domain.integration_record import Record, RecordKind, records_of
from shared.integration_records import record_book
from tests.fakes.browser import Browser
from tests.fakes.hospital import AVERY, ENVIRONMENT, HOME, LENA, PRIYA, RILEY, TENANT, Hospital, environment
from tests.functions.test_signs_of_life import TEST, launched, with_test_environment
from tests.functions.test_visit_launch import booked

HERE = f"/records/{ENVIRONMENT}"


def text_of(answer: func.HttpResponse) -> str:
    return html.unescape(answer.get_body().decode())


def words_of(answer: func.HttpResponse) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", text_of(answer)))


def stored(hospital: Hospital, id: EnvironmentId = ENVIRONMENT) -> Environment:
    return hospital.stamp.environment_rows.get(TENANT, id).value


def records(hospital: Hospital) -> tuple[Record, ...]:
    one = stored(hospital)
    assert one.live
    return records_of(one, connection=one.live.connection, book=record_book(), app=HOME)


async def audited(hospital: Hospital) -> list[str]:
    entries = await hospital.services.audit_log(TENANT).entries(hospital.clock())
    return [one.did for one in entries]


async def compared(hospital: Hospital, pasted: str, record: str = "") -> str:
    answer = await hospital.browser(AVERY).post(HERE, {"do": "compare", "record": record, "pasted": pasted})
    assert answer.status_code == 200
    return words_of(answer)


@pytest.fixture
def hospital() -> Hospital:
    return Hospital()


@pytest.fixture
def avery(hospital: Hospital) -> Browser:
    return hospital.browser(AVERY)


class TestTheRecords:
    async def test_the_way_leads_to_the_first_approved_environment(
        self, hospital: Hospital, avery: Browser
    ) -> None:
        hospital.put(environment(EnvironmentId("a-draft"), approved=False))

        answer = await avery.get("/records")

        assert (answer.status_code, answer.headers["Location"]) == (303, HERE)

    async def test_every_value_of_every_record_stands_on_the_page(
        self, hospital: Hospital, avery: Browser
    ) -> None:
        page = words_of(await avery.get(HERE))

        for record in records(hospital):
            assert record.title in page
            for value in record.values:
                assert re.sub(r"\s+", " ", value.text) in page

    async def test_the_number_of_texts_is_written_as_people_read_it(self, avery: Browser) -> None:
        assert "+1 (206) 555-0111" in words_of(await avery.get(HERE))

    async def test_what_epic_fills_in_is_tinted(self, avery: Browser) -> None:
        page = text_of(await avery.get(HERE))

        assert "sessionId=<mark>%CSN%</mark>" in page
        assert "sessionId=<mark>%CONFERENCEID%</mark>" in page
        assert "departmentId=<mark>%PERFDEPID;;; ; ;;NONE;%</mark>" in page

    async def test_who_approved_and_when_is_said(self, avery: Browser) -> None:
        assert "Approved by" in words_of(await avery.get(HERE))

    async def test_one_record_is_a_file_of_lines(self, hospital: Hospital, avery: Browser) -> None:
        answer = await avery.get(f"{HERE}/files/provider.txt")

        assert answer.get_body().decode().endswith(records(hospital)[0].lines())
        assert answer.headers["Content-Disposition"] == (
            'attachment; filename="lamna-healthcare-production-provider.txt"'
        )

    async def test_all_records_are_one_file_of_text_and_json(
        self, hospital: Hospital, avery: Browser
    ) -> None:
        answer = await avery.get(f"{HERE}/files/all.zip")

        with zipfile.ZipFile(io.BytesIO(answer.get_body())) as archive:
            names = set(archive.namelist())
            content = json.loads(archive.read("records.json"))
        assert names == {*(f"{kind}.txt" for kind in RecordKind), "records.json"}
        assert len(content["records"]) == len(records(hospital))

    @pytest.mark.parametrize("name", ["surgeon.txt", "provider.exe", "..%2Fsecret.txt", ".txt"])
    async def test_there_is_no_other_file(self, avery: Browser, name: str) -> None:
        assert (await avery.get(f"{HERE}/files/{name}")).status_code == 404

    async def test_an_approver_without_a_role_sees_the_records_and_no_settings(
        self, hospital: Hospital
    ) -> None:
        page = words_of(await hospital.browser(PRIYA).get(HERE))

        assert "Provider launch" in page
        assert "Finish setup" not in page

    async def test_another_tenant_sees_nothing(self, hospital: Hospital) -> None:
        for path in (HERE, f"{HERE}/live", f"{HERE}/files/all.zip", f"{HERE}/keys", f"{HERE}/fields"):
            assert (await hospital.browser(LENA).get(path)).status_code != 200


class TestBeforeApproval:
    async def test_a_waiting_environment_says_for_whom_it_waits(self, hospital: Hospital) -> None:
        draft = environment(EnvironmentId("waits"), approved=False)
        newest = replace(draft.newest, stage=Stage.WAITING)
        hospital.put(replace(draft, newest=newest))

        page = words_of(await hospital.browser(AVERY).get("/records/waits"))

        assert "Records appear here after approval." in page
        assert "Waiting for" in page
        assert "Send a reminder" in page
        assert "%CSN%" not in page

    async def test_there_is_nothing_to_download_or_finish(self, hospital: Hospital, avery: Browser) -> None:
        hospital.put(environment(EnvironmentId("waits"), approved=False))

        assert (await avery.get("/records/waits/files/all.zip")).status_code == 404
        assert (await avery.post("/records/waits", {"do": "finish"})).status_code == 422
        assert await audited(hospital) == []


class TestFinish:
    async def test_finishing_is_written_down_and_said(self, hospital: Hospital, avery: Browser) -> None:
        answer = await avery.post(HERE, {"do": "finish"})

        assert (answer.status_code, answer.headers["Location"]) == (303, f"{HERE}?done=finished")
        assert await audited(hospital) == ["finished the setup"]
        assert "Setup is finished." in words_of(await avery.get(f"{HERE}?done=finished"))

    async def test_an_approver_cannot_finish(self, hospital: Hospital) -> None:
        assert (await hospital.browser(PRIYA).post(HERE, {"do": "finish"})).status_code == 403


class TestTheChecker:
    async def test_an_exact_copy_is_clean(self, hospital: Hospital) -> None:
        pasted = records(hospital)[0].lines().replace("\n", "\r\n")

        assert "No difference. Epic holds exactly this record." in await compared(hospital, pasted)

    async def test_a_line_that_is_no_field_is_named_as_it_stands(self, hospital: Hospital) -> None:
        pasted = f"Lamna Healthcare\n{records(hospital)[0].lines()}"

        assert "a line that is not part of this record: Lamna Healthcare" in await compared(hospital, pasted)

    async def test_the_other_environments_record_is_named(self, hospital: Hospital) -> None:
        with_test_environment(hospital)
        pasted = records(hospital)[0].lines().replace(ENVIRONMENT, TEST)

        page = await compared(hospital, pasted, "provider")

        assert f"This is the Test record: it carries {TEST}." in page

    async def test_nothing_pasted_is_a_problem_at_its_field(self, avery: Browser) -> None:
        answer = await avery.post(HERE, {"do": "compare", "pasted": " "})

        assert answer.status_code == 422
        assert 'href="#pasted"' in text_of(answer)

    async def test_what_was_pasted_is_shown_as_text_only(self, avery: Browser) -> None:
        answer = await avery.post(HERE, {"do": "compare", "pasted": "<script>alert(1)</script>"})

        assert "<script>alert" not in answer.get_body().decode()

    async def test_a_form_from_elsewhere_is_refused(self, avery: Browser) -> None:
        answer = await avery.post(HERE, {"do": "compare", "pasted": "x"}, csrf="wrong")

        assert answer.status_code == 403


class TestSampleLinks:
    async def test_the_link_is_what_epic_would_open_and_it_is_let_in(
        self, hospital: Hospital, avery: Browser
    ) -> None:
        page = text_of(await avery.get(f"{HERE}?launch=abc%2Bdef"))
        [link] = re.findall(rf'id="sample-provider">({re.escape(HOME)}[^<]+)<', page)

        begun = await hospital.app.get(link.removeprefix(HOME))

        assert begun.status_code == 302
        assert "launch=abc%2Bdef" in begun.headers["Location"] or "abc" in link


class TestSignsOfLife:
    async def test_no_launch_becomes_the_first_launch(self) -> None:
        hospital = await booked()
        avery = hospital.browser(AVERY)
        assert "No launch from Epic yet" in words_of(await avery.get(HERE))

        await launched(hospital)

        page = words_of(await avery.get(HERE))
        assert re.search(r"First launch received 11:00.AM by provider record", page)
        live = json.loads((await avery.get(f"{HERE}/live")).get_body())
        assert live["received"] is True
        assert live["first"].startswith("First launch received")
        assert "Last appointment message" in live["message"]

    async def test_a_launch_of_another_day_is_dated(self) -> None:
        hospital = await booked()
        await launched(hospital)
        hospital.clock.advance(timedelta(hours=6))
        avery = hospital.browser(AVERY)
        same_day = json.loads((await avery.get(f"{HERE}/live")).get_body())["first"]
        hospital.clock.advance(timedelta(days=1))

        later = json.loads((await hospital.browser(AVERY).get(f"{HERE}/live")).get_body())["first"]

        assert len(later) > len(same_day)

    async def test_a_mix_up_is_named_on_the_page(self) -> None:
        hospital = await booked()
        with_test_environment(hospital)
        other = "https://test.epic.lamna.example/api/FHIR/R4"
        await hospital.app.get(f"/launch/{ENVIRONMENT}/provider?iss={quote(other, safe='')}&launch=x")

        page = words_of(await hospital.browser(AVERY).get(HERE))

        assert "A launch came from Test with the Production record. Check the records in Epic." in page


class TestOwnFields:
    FIELDS = f"{HERE}/fields"

    async def test_own_fields_and_names_go_into_the_records(self, hospital: Hospital, avery: Browser) -> None:
        answer = await avery.post(
            self.FIELDS,
            {
                "records.own_fields.3.name": "site",
                "records.own_fields.3.value": "north",
                "records.tokens.session": "visit",
                "records.fields.provider.launch.name": "PATIENTOPENURL",
            },
        )

        assert (answer.status_code, answer.headers["Location"]) == (303, f"{HERE}?done=saved")
        page = text_of(await avery.get(HERE))
        assert "visit=<mark>%CSN%</mark>" in page
        assert "&site=north" in page
        assert "PATIENTOPENURL" in page
        assert await audited(hospital) == ["changed the operation"]
        assert stored(hospital).operation.records.own_fields == (("site", "north"),)

    async def test_what_cannot_work_stays_in_the_form_with_its_problem(self, avery: Browser) -> None:
        answer = await avery.post(
            self.FIELDS,
            {"records.own_fields.0.name": "csn", "records.own_fields.0.value": "kept as typed"},
        )

        page = text_of(answer)
        assert answer.status_code == 422
        assert "csn is used already" in page
        assert 'value="kept as typed"' in page
        assert 'href="#records-own_fields-0-name"' in page

    async def test_a_field_that_was_wrong_opens_its_record(self, avery: Browser) -> None:
        answer = await avery.post(self.FIELDS, {"records.fields.patient.launch.value": "{magic}"})

        assert answer.status_code == 422
        assert '<details class="card" open>' in text_of(answer)

    async def test_the_second_of_two_administrators_sees_both_values(
        self, hospital: Hospital, avery: Browser
    ) -> None:
        version = hospital.stamp.environment_rows.get(TENANT, ENVIRONMENT).version
        name = "records.own_fields.0.name"
        value = "records.own_fields.0.value"
        await avery.post(self.FIELDS, {"version": version, name: "a", value: "first"})

        answer = await avery.post(self.FIELDS, {"version": version, name: "a", value: "second"})

        assert answer.status_code == 409
        assert "newest value a=first, your value a=second" in words_of(answer)
        assert 'value="second"' in text_of(answer)
        newest = re.search(r'name="version" value="([^"]+)"', text_of(answer))
        assert newest
        again = await avery.post(self.FIELDS, {"version": newest[1], name: "a", value: "second"})
        assert again.status_code == 303

    async def test_emptied_fields_are_gone(self, hospital: Hospital, avery: Browser) -> None:
        await avery.post(self.FIELDS, {"records.tokens.session": "visit"})
        await avery.post(self.FIELDS, {})

        assert stored(hospital).operation.records == RecordSettings()

    async def test_only_administrators_change_them(self, hospital: Hospital) -> None:
        for person in (PRIYA, RILEY):
            assert (await hospital.browser(person).post(self.FIELDS, {})).status_code == 403


class TestKeys:
    async def test_a_new_key_is_shown_beside_the_old_one(self, hospital: Hospital, avery: Browser) -> None:
        assert words_of(await avery.get(f"{HERE}/keys")).count("Signing") == 3
        hospital.clock.advance(timedelta(days=30))
        avery = hospital.browser(AVERY)

        answer = await avery.post(f"{HERE}/keys", {"do": "backend"})

        assert answer.headers["Location"] == f"{HERE}/keys?done=made"
        page = words_of(await avery.get(f"{HERE}/keys?done=made"))
        assert "Waiting" in page
        assert "Published until" in page
        assert f"{HOME}/keys/{ENVIRONMENT}/backend/.well-known/jwks.json" in page
        again = await avery.post(f"{HERE}/keys", {"do": "backend"})
        assert again.headers["Location"] == f"{HERE}/keys?done=waiting"

    async def test_a_client_that_does_not_exist_is_refused(self, avery: Browser) -> None:
        assert (await avery.post(f"{HERE}/keys", {"do": "surgeon"})).status_code == 422


class TestTheApi:
    BASE = f"/api/v1/environments/{ENVIRONMENT}"

    async def asked(self, hospital: Hospital, path: str, body: object = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {AVERY.object_id}", "Content-Type": "application/json"}
        method = "GET" if body is None else "POST"
        sent = b"" if body is None else json.dumps(body).encode()
        answer = await hospital.app.ask(method, f"{self.BASE}/{path}", sent, headers)
        return answer.status_code, json.loads(answer.get_body())

    async def test_the_records_come_as_they_stand_on_the_page(self, hospital: Hospital) -> None:
        status, answer = await self.asked(hospital, "records")

        assert status == 200
        assert [one["kind"] for one in answer["records"]] == list(RecordKind)
        assert answer["records"][0]["values"][0]["value"] == records(hospital)[0].values[0].text

    async def test_records_of_a_draft_are_refused(self, hospital: Hospital) -> None:
        hospital.put(environment(approved=False))

        assert (await self.asked(hospital, "records"))[0] == 409

    async def test_finishing_is_written_down_once_something_is_approved(self, hospital: Hospital) -> None:
        assert (await self.asked(hospital, "finish", {}))[0] == 200
        (entry,) = await hospital.services.audit_log(TENANT).entries(hospital.clock())
        assert entry.did == "finished the setup"

        hospital.put(environment(approved=False))
        assert (await self.asked(hospital, "finish", {}))[0] == 422

    async def test_a_comparison_names_its_causes(self, hospital: Hospital) -> None:
        pasted = records(hospital)[0].lines().replace("%CSN%", "%25CSN%25")

        status, answer = await self.asked(hospital, "records/comparison", {"pasted": pasted})

        assert status == 200
        assert answer["clean"] is False
        assert {one["cause"] for one in answer["differences"]} == {"encoded"}

    async def test_signs_and_sample_links_and_keys_are_there(self, hospital: Hospital) -> None:
        assert (await self.asked(hospital, "signs"))[1]["first_launch"] is None
        links = (await self.asked(hospital, "records/sample-links?launch=x"))[1]["links"]
        assert [one["record"] for one in links] == ["provider", "patient", "device-test"]
        assert (await self.asked(hospital, "keys"))[0] == 200
        assert (await self.asked(hospital, "keys", {"client": "backend"}))[0] == 200

    async def test_a_mix_up_is_told(self) -> None:
        hospital = await booked()
        with_test_environment(hospital)
        other = "https://test.epic.lamna.example/api/FHIR/R4"
        await hospital.app.get(f"/launch/{ENVIRONMENT}/provider?iss={quote(other, safe='')}&launch=x")

        mixed = (await self.asked(hospital, "signs"))[1]["mix_up"]

        assert (mixed["other"], mixed["came_from"]) == (TEST, "Test")
