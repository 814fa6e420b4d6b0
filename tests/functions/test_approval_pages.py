"""The approver reads exactly what is approved, signs in to Epic, and decides; nothing else lets it go live."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import azure.functions as func
import pytest

from shared.domain.environment import Environment, EnvironmentId, EnvironmentKind, EpicClient, Stage
from shared.domain.fhir_check import AddressCheck, no_sign_in
from shared.domain.launch import EpicUser
from shared.domain.preflight import Preflight, accepted, keys_not_accepted
from tests.fakes.browser import Browser, text_of
from tests.fakes.hospital import (
    AVERY,
    DANA,
    ENVIRONMENT,
    FHIR,
    NOW,
    PRIYA,
    RILEY,
    TENANT,
    Hospital,
    connection,
    environment,
)

PAGE = f"/approvals/{ENVIRONMENT}"
PRACTITIONER = EpicUser("Practitioner", "pr-1", FHIR)


def waiting(**changes: Any) -> Environment:
    """An environment whose first version is live and whose second one waits for Priya."""
    live = environment()
    newest = replace(
        live.newest, number=2, stage=Stage.WAITING, connection=replace(connection(), **changes), decided_by=""
    )
    return replace(live, newest=newest)


class Ward(Hospital):
    """A hospital with something to approve."""

    def __init__(self, of: Environment | None = None) -> None:
        super().__init__(of or waiting(fhir_base_url=FHIR, token_url="https://epic.lamna.example/token2"))
        self.smart.users["good"] = PRACTITIONER

    @property
    def kept(self) -> Environment:
        return self.stamp.environment_rows.get(TENANT, ENVIRONMENT).value

    def stage(self) -> Stage:
        return self.kept.newest.stage

    @property
    def content(self) -> str:
        return self.kept.newest.connection.content_hash()

    async def to_epic(self, browser: Browser) -> str:
        """Follow the link to Epic; the state it was given."""
        away = await browser.get(f"{PAGE}/epic")
        assert away.status_code == 302, text_of(away)
        return parse_qs(urlsplit(str(away.headers["Location"])).query)["state"][0]

    async def from_epic(self, browser: Browser, state: str, answer: str = "code=good") -> str:
        """Come back from Epic; where that leads."""
        back = await browser.get(f"/launch/callback?state={state}&{answer}", {"Sec-Fetch-Site": "cross-site"})
        assert back.status_code == 303, text_of(back)
        return str(back.headers["Location"])

    async def proven(self) -> Browser:
        """Priya's browser after she signed in to Epic."""
        browser = self.browser(PRIYA)
        assert await self.from_epic(browser, await self.to_epic(browser)) == f"{PAGE}?done=epic"
        return browser

    async def audited(self) -> list[str]:
        return [one.did for one in await self.stamp.audit_log(TENANT).entries(NOW)]


@pytest.fixture
def ward() -> Ward:
    return Ward()


def plain(answer: func.HttpResponse) -> str:
    """The words of a page."""
    body = re.sub(r"<(style|script|svg)\b.*?</\1>", " ", text_of(answer), flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))


def approving(content: str) -> dict[str, str]:
    return {"decision": "approve", "content_hash": content, "do": "save"}


async def test_what_waits_is_listed_for_the_approver(ward: Ward) -> None:
    ward.browser(AVERY)  # known by name since she signed in
    page = plain(await ward.browser(PRIYA).get("/approvals"))

    assert "Lamna Healthcare" in page
    assert FHIR in page
    assert "Production" in page
    assert AVERY.address in page
    assert "Nothing is waiting for you." not in page
    assert "Eastern Time" in page
    assert "Coordinated Universal Time" not in page


async def test_an_administrator_sees_that_it_waits_for_somebody_else(ward: Ward) -> None:
    ward.browser(PRIYA)
    page = plain(await ward.browser(AVERY).get("/approvals"))

    assert "Nothing is waiting for you." in page
    assert "Waiting for others" in page
    assert PRIYA.address in page


async def test_when_nothing_waits_the_page_says_so() -> None:
    page = await Ward(environment()).browser(PRIYA).get("/approvals")

    assert "Nothing is waiting for you." in plain(page)


async def test_everything_that_is_approved_is_shown_and_what_differs_is_marked(ward: Ward) -> None:
    page = plain(await ward.browser(PRIYA).get(PAGE))

    newest = ward.kept.newest.connection
    for value in (
        newest.fhir_base_url,
        newest.authorize_url,
        newest.issuer,
        newest.keys_url,
        newest.token_url,
    ):
        assert value in page
    for client in EpicClient:
        assert newest.clients[client] in page
    assert page.count("Changed") == 1
    assert "Approved before: https://epic.lamna.example/token" in page
    assert "This sign-in only proves that you work with this Epic organization." in page


async def test_what_the_new_version_leaves_out_is_shown_as_gone() -> None:
    page = plain(await Ward(waiting(write_back=None)).browser(PRIYA).get(PAGE))

    assert "Status service address Changed Nothing any more" in page


async def test_a_first_approval_marks_nothing() -> None:
    first = waiting()
    page = plain(await Ward(replace(first, live=None)).browser(PRIYA).get(PAGE))

    assert "Changed" not in page
    assert "Exactly these values, and nothing else." in page


async def test_an_approver_signs_in_to_epic_and_approves(ward: Ward) -> None:
    browser = await ward.proven()
    page = await browser.get(f"{PAGE}?done=epic")
    assert "You are signed in to Epic." in plain(page)

    answer = await browser.post(PAGE, approving(ward.content))

    assert answer.status_code == 303
    assert answer.headers["Location"] == f"/records/{ENVIRONMENT}?done=approved"
    assert ward.kept.live is not None
    assert ward.kept.live.number == 2
    assert ward.kept.newest.decided_by == PRIYA.object_id
    assert await ward.audited() == ["signed in to Epic", "approved the connection"]


async def test_without_signing_in_to_epic_nothing_is_approved(ward: Ward) -> None:
    answer = await ward.browser(PRIYA).post(PAGE, approving(ward.content))

    assert answer.status_code == 422
    assert "Sign in to Epic before you approve" in plain(answer)
    assert 'href="#epic"' in text_of(answer)
    assert ward.stage() is Stage.WAITING


async def test_an_epic_sign_in_that_is_too_old_is_asked_for_again(ward: Ward) -> None:
    browser = await ward.proven()
    ward.clock.set(NOW + timedelta(minutes=15))

    answer = await browser.post(PAGE, approving(ward.content))

    assert answer.status_code == 422
    assert "Your Epic sign-in timed out. Sign in again." in plain(answer)
    assert ward.stage() is Stage.WAITING


async def test_what_changed_between_sign_in_and_decision_is_reviewed_again(ward: Ward) -> None:
    browser = await ward.proven()
    seen = ward.content
    ward.put(waiting(token_url="https://epic.lamna.example/token3"))

    for content in (seen, ward.content):
        answer = await browser.post(PAGE, approving(content))

        assert answer.status_code == 409
        assert "The settings changed while you were reading. Review them again." in plain(answer)
        assert "https://epic.lamna.example/token3" in plain(answer)
        assert ward.stage() is Stage.WAITING


async def test_a_sign_in_for_one_environment_proves_nothing_for_another(ward: Ward) -> None:
    other = replace(
        waiting(fhir_base_url="https://other.lamna.example/api/FHIR/R4"), id=EnvironmentId("env-2")
    )
    ward.put(other)
    browser = await ward.proven()

    answer = await browser.post("/approvals/env-2", approving(other.newest.connection.content_hash()))

    assert answer.status_code == 422
    assert "Sign in to Epic before you approve" in plain(answer)


async def test_another_persons_epic_sign_in_is_not_mine(ward: Ward) -> None:
    ward.put(waiting(approvers=(PRIYA.object_id, DANA.object_id)))
    await ward.proven()

    answer = await ward.browser(DANA).post(PAGE, approving(ward.content))

    assert answer.status_code == 422
    assert ward.stage() is Stage.WAITING


@pytest.mark.parametrize(
    ("user", "words"),
    [
        (EpicUser("Patient", "x", FHIR), "You signed in with a MyChart account."),
        (
            EpicUser("Practitioner", "x", "https://other.example/api/FHIR/R4"),
            "You signed in to a different Epic server than this FHIR base URL.",
        ),
    ],
    ids=["MyChart", "another server"],
)
async def test_a_sign_in_that_does_not_count_says_why(ward: Ward, user: EpicUser, words: str) -> None:
    ward.smart.users["good"] = user
    browser = ward.browser(PRIYA)

    page = await browser.get(await ward.from_epic(browser, await ward.to_epic(browser)))

    assert words in plain(page)
    answer = await browser.post(PAGE, approving(ward.content))
    assert "Sign in to Epic before you approve" in plain(answer)


@pytest.mark.parametrize(
    ("brought", "words"),
    [
        (
            "error=access_denied",
            "Epic did not let you sign in. Ask your Epic technical specialist to check your permissions.",
        ),
        (
            "error=invalid_client",
            "Epic answered with an OAuth error (invalid_client). The keys may not be synced yet; this can take a day.",
        ),
        ("code=unknown", "Epic answered with an OAuth error (invalid_grant)."),
        ("", "Epic&#39;s answer did not prove who signed in. Sign in again."),
        (
            "code=good&iss=https://other.example",
            "You signed in to a different Epic server than this FHIR base URL.",
        ),
    ],
)
async def test_epics_refusals_are_told_on_the_page(ward: Ward, brought: str, words: str) -> None:
    browser = ward.browser(PRIYA)

    page = await browser.get(await ward.from_epic(browser, await ward.to_epic(browser), brought))

    assert words in plain(page)
    assert "was not accepted by Epic" in await ward.audited()


async def test_another_session_cannot_use_the_way_back(ward: Ward) -> None:
    ward.put(waiting(approvers=(PRIYA.object_id, DANA.object_id)))
    state = await ward.to_epic(ward.browser(PRIYA))
    dana = ward.browser(DANA)
    await ward.to_epic(dana)

    back = await ward.from_epic(dana, state)

    assert back == f"{PAGE}?failed=other-session"
    assert (await dana.post(PAGE, approving(ward.content))).status_code == 422


async def test_a_browser_that_nobody_signed_in_with_cannot_use_the_way_back(ward: Ward) -> None:
    state = await ward.to_epic(ward.browser(PRIYA))

    assert await ward.from_epic(ward.stranger(), state) == f"{PAGE}?failed=other-session"


async def test_the_way_back_is_good_once_and_not_by_guessing(ward: Ward) -> None:
    browser = ward.browser(PRIYA)
    state = await ward.to_epic(browser)
    await ward.from_epic(browser, state)

    for tried in (state, "guessed"):
        again = await browser.get(f"/launch/callback?state={tried}&code=good")
        assert again.status_code == 403
        assert "This sign-in was already used" in text_of(again)


async def test_a_record_in_epic_cannot_begin_an_approval(ward: Ward) -> None:
    answer = await ward.stranger().get(f"/launch/{ENVIRONMENT}/approval?iss={FHIR}&launch=x")

    assert answer.status_code == 404


async def test_a_failure_that_is_made_up_in_the_address_says_nothing(ward: Ward) -> None:
    page = await ward.browser(PRIYA).get(f"{PAGE}?failed=call-555-0100&code=now")

    assert page.status_code == 200
    assert "555" not in plain(page)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Select approve or reject"),
        ({"decision": "reject"}, "Enter what needs to change"),
        ({"decision": "reject", "reason": "no"}, "Enter what needs to change"),
        ({"decision": "reject", "reason": "x" * 501}, "Enter what needs to change"),
    ],
)
async def test_a_decision_needs_a_choice_and_a_rejection_a_reason(
    ward: Ward, fields: dict[str, str], words: str
) -> None:
    answer = await ward.browser(PRIYA).post(PAGE, {"content_hash": ward.content, "do": "save", **fields})

    assert answer.status_code == 422
    assert words in plain(answer)
    assert text_of(answer).count("<title>Error:") == 1
    assert ward.stage() is Stage.WAITING


async def test_pressing_the_button_twice_is_harmless(ward: Ward) -> None:
    browser = await ward.proven()
    fields = approving(ward.content)

    answers = [await browser.post(PAGE, fields) for _ in range(2)]

    assert {answer.headers["Location"] for answer in answers} == {f"/records/{ENVIRONMENT}?done=approved"}
    assert (await ward.audited()).count("approved the connection") == 1


async def test_asking_twice_asks_once() -> None:
    ward = Ward(draft())
    ward.browser(PRIYA)
    browser = ward.browser(AVERY)

    answers = [await browser.post(f"{PAGE}/ask", {"do": "ask"}) for _ in range(2)]

    assert {answer.headers["Location"] for answer in answers} == {f"{PAGE}?done=asked"}
    assert len(ward.mail.sent) == 1


async def test_a_rejection_needs_no_epic_sign_in_and_its_reason_is_shown(ward: Ward) -> None:
    browser = ward.browser(PRIYA)
    reason = "The client id for patients is the one of production."

    answer = await browser.post(
        PAGE, {"decision": "reject", "reason": reason, "content_hash": ward.content, "do": "save"}
    )

    assert answer.headers["Location"] == f"{PAGE}?done=rejected"
    assert ward.stage() is Stage.REJECTED
    assert ward.kept.live is not None
    assert ward.kept.live.number == 1
    assert reason in plain(await ward.browser(AVERY).get(PAGE))


async def test_who_is_not_named_reads_but_does_not_decide(ward: Ward) -> None:
    for person in (AVERY, RILEY):
        browser = ward.browser(person)
        page = await browser.get(PAGE)
        assert page.status_code == 200
        assert 'name="decision"' not in text_of(page)

        assert (await browser.get(f"{PAGE}/epic")).status_code == 403
        answer = await browser.post(
            PAGE, {"decision": "reject", "reason": "because", "content_hash": ward.content}
        )
        assert answer.status_code == 403
        assert ward.stage() is Stage.WAITING


async def test_a_stranger_to_the_environment_does_not_find_it(ward: Ward) -> None:
    ward.put(replace(waiting(approvers=(DANA.object_id,)), id=EnvironmentId("env-2")))

    assert (await ward.browser(PRIYA).get("/approvals/env-2")).status_code == 404


async def test_an_administrator_who_is_also_named_still_signs_in_to_epic() -> None:
    ward = Ward(waiting(approvers=(AVERY.object_id,)))
    browser = ward.browser(AVERY)

    refused = await browser.post(PAGE, approving(ward.content))
    assert "Sign in to Epic before you approve" in plain(refused)

    await ward.from_epic(browser, await ward.to_epic(browser))
    assert (await browser.post(PAGE, approving(ward.content))).status_code == 303


async def test_an_administrator_withdraws_and_reminds(ward: Ward) -> None:
    ward.browser(PRIYA)
    browser = ward.browser(AVERY)

    reminded = await browser.post(PAGE, {"do": "remind"})
    assert reminded.headers["Location"] == f"{PAGE}?done=reminded"
    assert [one.to for one in ward.mail.sent] == [PRIYA.address]

    withdrawn = await browser.post(PAGE, {"do": "withdraw"})
    assert withdrawn.headers["Location"] == f"{PAGE}?done=withdrawn"
    assert ward.stage() is Stage.WITHDRAWN


async def test_an_approver_neither_withdraws_nor_reminds(ward: Ward) -> None:
    browser = ward.browser(PRIYA)

    for action in ("withdraw", "remind"):
        assert (await browser.post(PAGE, {"do": action})).status_code == 403
    assert ward.stage() is Stage.WAITING
    assert not ward.mail.sent


async def test_a_form_of_another_site_decides_nothing(ward: Ward) -> None:
    browser = await ward.proven()

    assert (await browser.post(PAGE, approving(ward.content), csrf="forged")).status_code == 403
    crossed = await browser.post(PAGE, approving(ward.content), headers={"Sec-Fetch-Site": "cross-site"})
    assert crossed.status_code == 403
    assert ward.stage() is Stage.WAITING


# --- asking --------------------------------------------------------------------------------------------------


def draft(kind: EnvironmentKind = EnvironmentKind.PRODUCTION) -> Environment:
    one = environment(kind=kind, approved=False)
    return replace(one, newest=replace(one.newest, stage=Stage.DRAFT))


async def test_who_asks_has_epic_looked_at_and_the_approver_told() -> None:
    ward = Ward(draft())
    ward.browser(PRIYA)
    browser = ward.browser(AVERY)
    page = plain(await browser.get(f"{PAGE}/ask"))
    assert PRIYA.address in page

    answer = await browser.post(f"{PAGE}/ask", {"do": "ask"})

    assert answer.headers["Location"] == f"{PAGE}?done=asked"
    assert ward.stage() is Stage.WAITING
    assert [one.to for one in ward.mail.sent] == [PRIYA.address]
    [(_, tried, redirect)] = ward.preflight.tried
    assert tried.token_url == "https://epic.lamna.example/token"
    assert redirect == "https://visits.lamna.example/launch/callback"


@pytest.mark.parametrize("kind", list(EnvironmentKind))
async def test_what_is_not_ready_is_listed_and_may_be_asked_anyway(kind: EnvironmentKind) -> None:
    ward = Ward(draft(kind))
    ward.preflight.says = Preflight(
        (
            accepted(EpicClient.PROVIDER),
            accepted(EpicClient.PATIENT),
            keys_not_accepted(EpicClient.BACKEND, "invalid_client"),
        )
    )
    browser = ward.browser(AVERY)

    refused = await browser.post(f"{PAGE}/ask", {"do": "ask"})
    assert refused.status_code == 422
    assert (
        "Client id for the backend: Epic did not accept this client id with our keys (invalid_client). The keys may"
        " not be synced yet; this can take a day."
    ) in plain(refused)
    assert ward.stage() is Stage.DRAFT

    anyway = await browser.post(f"{PAGE}/ask", {"do": "ask", "anyway": "yes"})
    assert anyway.status_code == 303
    assert ward.stage() is Stage.WAITING


async def test_only_checking_asks_nobody() -> None:
    ward = Ward(draft())
    ward.address_checker.found[FHIR] = AddressCheck((no_sign_in(),))

    page = await ward.browser(AVERY).post(f"{PAGE}/ask", {"do": "check"})

    assert page.status_code == 200
    assert "No sign-in address was found." in plain(page)
    assert ward.stage() is Stage.DRAFT
    assert not ward.preflight.tried


async def test_only_an_administrator_asks() -> None:
    ward = Ward(draft())
    browser = ward.browser(PRIYA)

    assert (await browser.get(f"{PAGE}/ask")).status_code == 403
    assert (await browser.post(f"{PAGE}/ask", {"do": "ask"})).status_code == 403


async def test_who_has_not_decided_in_time_is_told_again() -> None:
    ward = Ward(draft())
    ward.browser(PRIYA)
    await ward.browser(AVERY).post(f"{PAGE}/ask", {"do": "ask"})

    # Asked on a Saturday: the second working day after it is Tuesday.
    ward.clock.set(NOW + timedelta(days=3))
    await ward.app.tick("remind_approvers")

    assert [one.subject.split(":")[0] for one in ward.mail.sent] == ["Waiting for your approval", "Reminder"]
