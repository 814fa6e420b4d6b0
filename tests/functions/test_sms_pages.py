"""An administrator consents, links numbers and chooses texts; whatever would stop texts is asked first."""

import html
import re
from dataclasses import replace
from datetime import time, timedelta
from typing import Any

import pytest

from shared.domain.environment import Environment, EnvironmentId, EnvironmentKind, Texts
from tests.fakes.browser import text_of
from tests.fakes.hospital import (
    AVERY,
    ENVIRONMENT,
    NOW,
    PRIYA,
    TENANT,
    Hospital,
    environment,
    operation,
)
from tests.hl7v2.siu import text

LIST, PAGE = "/setup/sms", f"/setup/sms/{ENVIRONMENT}"
BOTH = ["texts-2026-1", "agreed-2026-1"]
SENDER = f"sender.{ENVIRONMENT}"
# A visit in three days: both of its reminders fall within the week that is counted.
SOON = text("S12", SCH={11: "^^30^203006041115"}, AIP={6: "203006041115"})
ON: dict[str, Any] = {
    "operation.texts.on": "yes",
    "operation.texts.kinds": ["booked", "changed", "cancelled"],
    "operation.texts.languages": ["es", "zh-Hant-TW"],
    "reminder.1.number": "1",
    "reminder.1.unit": "days",
    "reminder.2.number": "1",
    "reminder.2.unit": "hours",
    "reminder.3.number": "",
    "reminder.3.unit": "hours",
    "operation.texts.quiet_from": "21:00",
    "operation.texts.quiet_until": "08:00",
    "do": "save",
}


def texts(hospital: Hospital, id: str = ENVIRONMENT) -> Texts:
    return kept(hospital, id).operation.texts


def kept(hospital: Hospital, id: str = ENVIRONMENT) -> Environment:
    return hospital.stamp.environment_rows.get(TENANT, EnvironmentId(id)).value


def said_on(page: str) -> str:
    """The words of a page's main part, without markup."""
    main = re.sub(r"<input[^>]*>", " ", page.partition("<main")[2])
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", "", main)))


def hidden(page: str) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for name, value in re.findall(
        r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page.partition("<main")[2]
    ):
        fields.setdefault(html.unescape(name), []).append(html.unescape(value))
    fields.pop("csrf", None)
    return fields


@pytest.fixture
def hospital() -> Hospital:
    return Hospital()


@pytest.fixture
def quiet() -> Hospital:
    """A hospital that has not decided about texts yet."""
    return Hospital(environment(operates=operation(texts=Texts())))


class TestConsent:
    async def test_is_kept_with_who_when_and_the_version_of_the_words(self, quiet: Hospital) -> None:
        avery = quiet.browser(AVERY)

        answer = await avery.post(LIST, {"consents": BOTH, SENDER: "(206) 555-0111", "do": "save"})

        assert (answer.status_code, answer.headers["Location"]) == (303, f"{LIST}?done=saved")
        given = texts(quiet).attested
        assert [(one.what, one.by, one.at) for one in given] == [
            (version, AVERY.object_id, NOW) for version in BOTH
        ]
        page = said_on(text_of(await avery.get(LIST)))
        assert page.count("Given by avery@lamna.example on June 1, 2030 at 11:00 AM.") == 2
        assert "Text version texts-2026-1." in page

    async def test_shows_both_sentences_in_full(self, quiet: Hospital) -> None:
        page = said_on(text_of(await quiet.browser(AVERY).get(LIST)))

        assert "I allow this service to send text messages to patients on behalf of my organization." in page
        assert (
            "I confirm that my organization makes sure each person has agreed to send and receive text "
            "messages." in page
        )
        assert "Given by" not in page

    async def test_says_them_in_the_language_of_the_page(self, quiet: Hospital) -> None:
        page = said_on(text_of(await quiet.browser(AVERY).get(f"{LIST}?lang=es")))

        assert "Autorizo a este servicio a enviar mensajes de texto" in page
        assert "I allow this service" not in page

    @pytest.mark.parametrize(("ticked", "empty"), [(BOTH[:1], 2), (BOTH[1:], 1), ([], 1)])
    async def test_needs_both_boxes_and_leads_to_the_first_empty_one(
        self, quiet: Hospital, ticked: list[str], empty: int
    ) -> None:
        answer = await quiet.browser(AVERY).post(
            LIST, {"consents": ticked, SENDER: "2065550111", "do": "save"}
        )

        page = text_of(answer)
        assert answer.status_code == 422
        assert f'<a href="#consents-{empty}">Select both boxes to turn on text messages</a>' in page
        assert 'value="2065550111"' in page
        assert texts(quiet) == Texts()

    async def test_of_the_organization_counts_for_every_environment(self, hospital: Hospital) -> None:
        hospital.put(environment(EnvironmentId("env-2"), operates=operation(texts=Texts())))

        await hospital.browser(AVERY).post(
            LIST, {"consents": BOTH, SENDER: "2065550111", "sender.env-2": "2065550111", "do": "save"}
        )

        assert texts(hospital, "env-2").consents == tuple(BOTH)
        assert texts(hospital, "env-2").sender == "+12065550111"

    async def test_is_asked_about_before_it_is_withdrawn(self, hospital: Hospital) -> None:
        await hospital.feed(SOON)
        avery = hospital.browser(AVERY)

        asked = await avery.post(LIST, {"consents": BOTH[:1], SENDER: "+12065550111", "do": "save"})

        page = text_of(asked)
        assert asked.status_code == 200
        assert "Text messages will stop for: Lamna Healthcare (Production)." in said_on(page)
        assert "Patients who reply to +1 (206) 555-0111 will get no answer." in said_on(page)
        assert " checked" not in page
        assert texts(hospital).on

        await avery.post(LIST, {**hidden(page), "stop": "stop"})

        assert not texts(hospital).on
        assert texts(hospital).consents == tuple(BOTH[:1])


class TestNumbers:
    @pytest.mark.parametrize(
        ("typed", "number"),
        [
            ("+1 (833) 555-0142", "+18335550142"),
            ("833.555.0142", "+18335550142"),
            ("1 833 555 0142", "+18335550142"),
            ("+18335550142", "+18335550142"),
        ],
    )
    async def test_are_taken_as_people_write_them(self, quiet: Hospital, typed: str, number: str) -> None:
        await quiet.browser(AVERY).post(LIST, {"consents": BOTH, SENDER: typed, "do": "save"})
        assert texts(quiet).sender == number

    @pytest.mark.parametrize("typed", ["555", "hello", "+0123456789", "8335550142 ext 3"])
    async def test_that_cannot_be_dialled_are_refused(self, quiet: Hospital, typed: str) -> None:
        answer = await quiet.browser(AVERY).post(LIST, {"consents": BOTH, SENDER: typed, "do": "save"})

        assert answer.status_code == 422
        assert "Enter a phone number like +1 (833) 555-0142" in text_of(answer)
        assert texts(quiet) == Texts()

    async def test_already_used_are_offered(self, hospital: Hospital) -> None:
        page = text_of(await hospital.browser(AVERY).get(LIST))
        assert '<option value="+1 (206) 555-0111">' in page

    async def test_are_unlinked_after_a_question_that_counts_what_stops(self, hospital: Hospital) -> None:
        await hospital.feed(SOON)
        avery = hospital.browser(AVERY)

        asked = text_of(await avery.post(LIST, {"consents": BOTH, SENDER: "", "do": "save"}))

        assert "2 reminders planned for the next 7 days will not be sent." in said_on(asked)
        await avery.post(LIST, {**hidden(asked), "stop": "stop"})
        assert (texts(hospital).on, texts(hospital).sender) == (False, "")

    async def test_changed_to_another_stop_nothing(self, hospital: Hospital) -> None:
        answer = await hospital.browser(AVERY).post(
            LIST, {"consents": BOTH, SENDER: "+18335550142", "do": "save"}
        )

        assert answer.status_code == 303
        assert (texts(hospital).on, texts(hospital).sender) == (True, "+18335550142")


class TestTheQuestion:
    async def test_answered_with_keep_changes_nothing(self, hospital: Hospital) -> None:
        avery = hospital.browser(AVERY)
        asked = text_of(await avery.post(LIST, {"consents": BOTH, SENDER: "", "do": "save"}))

        answer = await avery.post(LIST, {**hidden(asked), "stop": "keep"})

        assert answer.headers["Location"] == f"{LIST}?done=kept"
        assert texts(hospital).on

    async def test_without_an_answer_is_asked_again_and_loses_nothing(self, hospital: Hospital) -> None:
        avery = hospital.browser(AVERY)
        asked = text_of(await avery.post(LIST, {"consents": BOTH, SENDER: "", "do": "save"}))

        again = await avery.post(LIST, hidden(asked))

        assert again.status_code == 422
        assert "Select whether to stop or to keep messages" in text_of(again)
        assert hidden(text_of(again)) == hidden(asked)
        assert texts(hospital).on

    async def test_is_written_down_with_before_and_after(self, hospital: Hospital) -> None:
        avery = hospital.browser(AVERY)
        asked = text_of(await avery.post(LIST, {"consents": BOTH, SENDER: "", "do": "save"}))
        await avery.post(LIST, {**hidden(asked), "stop": "stop"})

        (entry,) = [
            one
            for one in await hospital.stamp.audit_log(TENANT).entries(NOW)
            if one.did == "changed the operation"
        ]
        assert entry.who == AVERY.object_id
        assert entry.facts["Text messages"] == "on -> off"
        assert entry.facts["Sender number"] == "…11 -> -"

    async def test_is_not_asked_where_nobody_is_texted_yet(self) -> None:
        draft = Hospital(environment(approved=False))
        answer = await draft.browser(AVERY).post(LIST, {"consents": [], SENDER: "", "do": "save"})
        assert answer.status_code == 303


class TestSkipping:
    async def test_is_a_choice_that_the_task_list_shows(self, quiet: Hospital) -> None:
        avery = quiet.browser(AVERY)

        answer = await avery.post(LIST, {"do": "skip"})

        assert answer.headers["Location"] == f"{LIST}?done=skipped"
        assert texts(quiet).skipped
        assert "Not used" in text_of(await avery.get("/"))

    async def test_is_undone_by_consenting(self, quiet: Hospital) -> None:
        avery = quiet.browser(AVERY)
        await avery.post(LIST, {"do": "skip"})
        await avery.post(LIST, {"consents": BOTH, SENDER: "2065550111", "do": "save"})
        assert not texts(quiet).skipped

    async def test_is_asked_about_while_patients_are_texted(self, hospital: Hospital) -> None:
        asked = await hospital.browser(AVERY).post(LIST, {"do": "skip"})
        assert "Text messages will stop for" in text_of(asked)
        assert texts(hospital).on


class TestOneEnvironment:
    async def test_a_certificate_of_a_draft_is_not_accepted_yet(self) -> None:
        draft = Hospital(environment(approved=False))
        for path in (LIST, PAGE):
            page = said_on(text_of(await draft.browser(AVERY).get(path)))

            assert "Not accepted yet" in page
            assert "The certificate ends" not in page

    async def test_shows_what_is_set(self, hospital: Hospital) -> None:
        page = text_of(await hospital.browser(AVERY).get(PAGE))

        assert 'name="reminder.1.number" inputmode="numeric" autocomplete="off" size="5" value="1"' in page
        assert '<option value="days" selected>' in page
        assert 'type="time" autocomplete="off" value="21:00"' in page

    async def test_saved_as_it_is_changes_nothing(self, hospital: Hospital) -> None:
        before = kept(hospital)
        answer = await hospital.browser(AVERY).post(PAGE, ON)

        assert answer.headers["Location"] == f"{PAGE}?done=saved"
        assert kept(hospital).operation_version == before.operation_version

    async def test_saves_reminders_quiet_hours_and_kinds(self, hospital: Hospital) -> None:
        changed = {
            **ON,
            "reminder.3.number": "15",
            "reminder.3.unit": "minutes",
            "operation.texts.quiet_from": "20:30",
        }
        await hospital.browser(AVERY).post(PAGE, changed)

        assert texts(hospital).reminders == (timedelta(days=1), timedelta(hours=1), timedelta(minutes=15))
        assert texts(hospital).quiet_from == time(20, 30)

    @pytest.mark.parametrize(
        ("changes", "field", "problem"),
        [
            (
                {"reminder.1.number": "14", "reminder.1.unit": "minutes"},
                "reminder-1-number",
                "Reminder must be between 15 minutes and 14 days before the visit",
            ),
            (
                {"reminder.1.number": "15", "reminder.1.unit": "days"},
                "reminder-1-number",
                "Reminder must be between 15 minutes and 14 days before the visit",
            ),
            (
                {"reminder.1.number": "one"},
                "reminder-1-number",
                "Reminder must be between 15 minutes and 14 days before the visit",
            ),
            (
                {"reminder.3.number": "60", "reminder.3.unit": "minutes"},
                "reminder-3-number",
                "You already have a reminder 1 hour before",
            ),
            (
                {"reminder.3.number": "24"},
                "reminder-3-number",
                "You already have a reminder 1 day before",
            ),
            (
                {"operation.texts.kinds": [], "reminder.1.number": "", "reminder.2.number": ""},
                "operation-texts-on",
                "Select at least one type of message, or turn SMS off",
            ),
            ({"operation.texts.quiet_from": "late"}, "operation-texts-quiet_from", "Enter a time like 21:00"),
        ],
    )
    async def test_says_what_is_wrong_where_it_is(
        self, hospital: Hospital, changes: dict[str, Any], field: str, problem: str
    ) -> None:
        before = kept(hospital)
        answer = await hospital.browser(AVERY).post(PAGE, {**ON, **changes})

        page = text_of(answer)
        assert answer.status_code == 422
        assert f'<a href="#{field}">{problem}</a>' in page
        assert f'id="{field}"' in page
        assert kept(hospital) == before

    @pytest.mark.parametrize(
        ("known", "problem"),
        [
            (Texts(consents=tuple(BOTH)), "Link a phone number before you turn on messages"),
            (Texts(sender="+12065550111"), "Select both boxes to turn on text messages"),
        ],
    )
    async def test_cannot_be_turned_on_without_a_number_and_consent(
        self, quiet: Hospital, known: Texts, problem: str
    ) -> None:
        quiet.put(environment(operates=operation(texts=known)))
        answer = await quiet.browser(AVERY).post(PAGE, ON)

        assert answer.status_code == 422
        assert f'<a href="#operation-texts-on">{problem}</a>' in text_of(answer)
        assert not texts(quiet).on

    async def test_asks_before_reminders_stop(self, hospital: Hospital) -> None:
        avery = hospital.browser(AVERY)
        fewer = {**ON, "reminder.1.number": "", "version": ""}

        asked = text_of(await avery.post(PAGE, fewer))

        assert "Text messages will stop for" in asked
        assert "will get no answer" not in asked
        await avery.post(PAGE, {**hidden(asked), "stop": "stop"})
        assert texts(hospital).reminders == (timedelta(hours=1),)

    async def test_keeps_the_list_of_a_test_environment_and_hides_it_in_production(
        self, hospital: Hospital
    ) -> None:
        avery = hospital.browser(AVERY)
        assert "operation.texts.only_numbers" not in text_of(await avery.get(PAGE))

        hospital.put(environment(kind=EnvironmentKind.TEST))
        await avery.post(PAGE, {**ON, "operation.texts.only_numbers": "206 555 0142\r\n+12065550143"})
        assert texts(hospital).only_numbers == ("+12065550142", "+12065550143")

        # Full-width digits look like numbers and would text nobody.
        for typed in ("me", "+1２０６５５５０１４２"):
            refused = await avery.post(PAGE, {**ON, "operation.texts.only_numbers": typed})
            assert "Enter numbers like +12065550142" in text_of(refused)

    async def test_shows_both_who_was_faster_and_what_was_typed(self, hospital: Hospital) -> None:
        avery = hospital.browser(AVERY)
        page = text_of(await avery.get(PAGE))
        seen = hidden(page)["version"]
        hospital.operate(phone="+12065550199")

        answer = await avery.post(
            PAGE, {**ON, "version": seen, "reminder.3.number": "2", "reminder.3.unit": "days"}
        )

        again = text_of(answer)
        assert answer.status_code == 409
        assert "changed this at" in again
        assert 'size="5" value="2"' in again
        assert hidden(again)["version"] != seen
        assert timedelta(days=2) not in texts(hospital).reminders

    async def test_is_for_administrators(self, hospital: Hospital) -> None:
        priya = hospital.browser(PRIYA)
        assert (await priya.get(PAGE)).status_code == 403
        assert (await priya.post(PAGE, ON)).status_code == 403

    async def test_of_another_tenant_is_not_found(self, hospital: Hospital) -> None:
        assert (await hospital.browser(AVERY).get("/setup/sms/env-9")).status_code == 404


class TestLanguages:
    async def test_are_off_until_a_review_is_confirmed_by_name(self, quiet: Hospital) -> None:
        avery = quiet.browser(AVERY)
        before = said_on(text_of(await avery.get(PAGE)))
        assert before.count("Not reviewed, off") == 2

        changed = {**ON, "operation.texts.languages": "es"}
        del changed["operation.texts.on"]
        await avery.post(PAGE, changed)

        after = said_on(text_of(await avery.get(PAGE)))
        assert texts(quiet).languages == ("en", "es")
        assert "Spanish: confirmed by avery@lamna.example on June 1, 2030 at 11:00 AM." in after
        assert after.count("Not reviewed, off") == 1

    async def test_that_are_off_are_replaced_by_english_in_texts_and_on_pages(
        self, hospital: Hospital
    ) -> None:
        hospital.operate(texts=replace(texts(hospital), languages=("en",)))
        await hospital.feed(text("S12", PID={15: "spa^Spanish^ISO6392"}))
        await hospital.work_off()

        page = await hospital.app.get(await hospital.link(), {"Accept-Language": "es"})
        assert "Video visit" in hospital.carrier.sent[0].body
        assert page.headers["Content-Language"] == "en"
        assert "Español" not in text_of(page)

    async def test_that_are_on_reach_the_patient(self, hospital: Hospital) -> None:
        await hospital.feed(text("S12", PID={15: "spa^Spanish^ISO6392"}))
        await hospital.work_off()

        page = await hospital.app.get(await hospital.link())
        assert "Visita por video" in hospital.carrier.sent[0].body
        assert page.headers["Content-Language"] == "es"

    async def test_are_previewed_with_their_length(self, hospital: Hospital) -> None:
        page = said_on(text_of(await hospital.browser(AVERY).get(PAGE)))

        assert "Lamna Healthcare: Video visit Sun Jun 2, 2:30 PM EDT." in page
        assert "Lamna Healthcare: Visita por video el" in page
        assert re.search(r"1 message, 1\d\d characters", page)
        assert re.search(r"2 messages, because this script takes more room: \d+ characters", page)

    async def test_blame_the_letter_in_the_organizations_own_name(self, hospital: Hospital) -> None:
        hospital.operate(organization="Clínica Lamna de Austin")
        page = said_on(text_of(await hospital.browser(AVERY).get(PAGE)))
        assert "messages, because of the letter í" in page
