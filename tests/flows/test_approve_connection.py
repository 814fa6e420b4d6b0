"""An approver's Epic sign-in counts only for the person, the session, the browser and the content it began with."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.approval import ApprovalFailed, ApprovalFailure, check_proof, sentence
from shared.domain.environment import EnvironmentId, Stage
from shared.domain.errors import NotAllowed, NotFound, OutOfStep, Refused, TryAgain, TurnedDown
from shared.domain.launch import EpicUser, LaunchFailed, LaunchFailure, LaunchRole
from shared.domain.portal_session import EpicProof
from shared.flows.approve_connection import (
    Approver,
    Approving,
    Returned,
    begin_epic_sign_in,
    finish_epic_sign_in,
    waiting_for,
)
from shared.flows.launch_visit import claim_launch
from tests.fakes.hospital import DANA, ENVIRONMENT, FHIR, HOME, NOW, PRIYA, TENANT, environment
from tests.fakes.outside import FakeEpicSmart
from tests.fakes.storage import FakeStamp

CALLBACK = f"{HOME}/launch/callback"
PRACTITIONER = EpicUser("Practitioner", "pr-1", FHIR)
ME = Approver(PRIYA, frozenset({PRIYA.object_id}), "session-hash")


class Desk:
    """One environment that waits for Priya, and the way to its Epic."""

    def __init__(self) -> None:
        self.stamp = FakeStamp()
        self.epic = FakeEpicSmart()
        self.epic.users["good"] = PRACTITIONER
        waiting = environment()
        self.waiting = replace(waiting, newest=replace(waiting.newest, stage=Stage.WAITING))
        self.put(self.waiting)
        self.given = Approving(
            environments=self.stamp.environments(TENANT),
            audit=self.stamp.audit_log(TENANT),
            epic=self.epic,
            launches=self.stamp.launches,
        )
        self.cookie = ""

    def put(self, one: Any) -> None:
        self.stamp.environment_rows.put(one, TENANT, one.id)

    async def begin(self, approver: Approver = ME) -> str:
        """Begin, and return the state that Epic would send back."""
        begun = await begin_epic_sign_in(
            ENVIRONMENT, approver=approver, given=self.given, redirect_uri=CALLBACK, now=NOW
        )
        self.cookie = begun.cookie
        return begun.authorize_url.partition("state=")[2]

    async def come_back(
        self, state: str, *, approver: Approver = ME, later: float = 1, **changes: str
    ) -> EpicProof:
        launch = await claim_launch(state, launches=self.stamp.launches)
        returned = Returned(code="good", error="", issuer="", cookie=self.cookie)
        return await finish_epic_sign_in(
            launch,
            replace(returned, **changes),
            approver=approver,
            given=self.given,
            now=NOW + timedelta(minutes=later),
        )

    async def failure(self, state: str, **changes: Any) -> ApprovalFailed:
        with pytest.raises(ApprovalFailed) as failed:
            await self.come_back(state, **changes)
        return failed.value

    async def audited(self) -> list[tuple[str, str, dict[str, str]]]:
        entries = await self.given.audit.entries(NOW)
        return [(one.who, one.did, one.facts) for one in entries]


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_a_practitioners_sign_in_proves_that_they_work_with_this_epic(desk: Desk) -> None:
    proof = await desk.come_back(await desk.begin())

    content = desk.waiting.newest.connection.content_hash()
    assert proof == EpicProof(ENVIRONMENT, content, NOW + timedelta(minutes=1))
    assert await desk.audited() == [(PRIYA.object_id, "signed in to Epic", {"content": content})]


async def test_what_is_remembered_is_tied_to_session_browser_and_content(desk: Desk) -> None:
    launch = await claim_launch(await desk.begin(), launches=desk.stamp.launches)

    assert launch.role is LaunchRole.APPROVAL
    assert launch.session_hash == "session-hash"
    assert launch.content_hash == desk.waiting.newest.connection.content_hash()
    assert launch.redirect_uri == CALLBACK
    assert desk.cookie not in repr(launch)


async def test_only_a_named_approver_begins(desk: Desk) -> None:
    with pytest.raises(NotAllowed):
        await desk.begin(Approver(DANA, frozenset({DANA.object_id}), "s"))


async def test_nothing_begins_for_what_does_not_wait(desk: Desk) -> None:
    desk.put(environment())

    with pytest.raises(OutOfStep):
        await desk.begin()


async def test_another_tenants_environment_is_not_there(desk: Desk) -> None:
    elsewhere = replace(desk.given, environments=desk.stamp.environments(DANA.tenant))
    with pytest.raises(NotFound):
        await begin_epic_sign_in(
            EnvironmentId("env-9"), approver=ME, given=elsewhere, redirect_uri=CALLBACK, now=NOW
        )


async def test_a_state_is_good_once(desk: Desk) -> None:
    state = await desk.begin()
    await desk.come_back(state)

    with pytest.raises(LaunchFailed) as failed:
        await desk.come_back(state)
    assert failed.value.cause is LaunchFailure.UNKNOWN_STATE


async def test_a_made_up_state_leads_nowhere(desk: Desk) -> None:
    await desk.begin()

    with pytest.raises(LaunchFailed) as failed:
        await desk.come_back("made-up")
    assert failed.value.cause is LaunchFailure.UNKNOWN_STATE


@pytest.mark.parametrize("cookie", ["", "another browser's"])
async def test_another_browser_cannot_finish(desk: Desk, cookie: str) -> None:
    assert (await desk.failure(await desk.begin(), cookie=cookie)).cause is ApprovalFailure.OTHER_SESSION


@pytest.mark.parametrize(
    "approver",
    [replace(ME, session_hash="another session"), Approver(DANA, frozenset({DANA.object_id}), "dana's")],
    ids=["the same person, signed in again", "another person"],
)
async def test_another_session_cannot_finish(desk: Desk, approver: Approver) -> None:
    failed = await desk.failure(await desk.begin(), approver=approver)

    assert failed.cause is ApprovalFailure.OTHER_SESSION


async def test_a_mychart_login_cannot_approve(desk: Desk) -> None:
    for kind in ("Patient", "RelatedPerson", "Person", "Device", ""):
        desk.epic.users["good"] = EpicUser(kind, "x", FHIR)

        failed = await desk.failure(await desk.begin())

        assert failed.cause is ApprovalFailure.NOT_A_PRACTITIONER


async def test_a_practitioner_of_another_server_does_not_count(desk: Desk) -> None:
    desk.epic.users["good"] = EpicUser("Practitioner", "x", "https://other.example/api/FHIR/R4")

    assert (await desk.failure(await desk.begin())).cause is ApprovalFailure.OTHER_EPIC


async def test_an_answer_from_another_issuer_does_not_count_and_its_code_is_not_redeemed(desk: Desk) -> None:
    failed = await desk.failure(await desk.begin(), issuer="https://other.example/oauth2")

    assert failed.cause is ApprovalFailure.OTHER_EPIC
    assert desk.epic.identified == 0


async def test_what_changed_meanwhile_is_reviewed_again(desk: Desk) -> None:
    state = await desk.begin()
    changed = replace(desk.waiting.newest.connection, fhir_base_url="https://changed.example/api/FHIR/R4")
    desk.put(replace(desk.waiting, newest=replace(desk.waiting.newest, connection=changed)))

    assert (await desk.failure(state)).cause is ApprovalFailure.CHANGED
    assert desk.epic.identified == 0


async def test_an_approver_who_was_taken_off_meanwhile_does_not_count(desk: Desk) -> None:
    state = await desk.begin()
    changed = replace(desk.waiting.newest.connection, approvers=(DANA.object_id,))
    desk.put(replace(desk.waiting, newest=replace(desk.waiting.newest, connection=changed)))

    assert (await desk.failure(state)).cause is ApprovalFailure.NOT_NAMED


async def test_a_sign_in_that_took_too_long_does_not_count(desk: Desk) -> None:
    assert (await desk.failure(await desk.begin(), later=11)).cause is ApprovalFailure.TIMED_OUT


@pytest.mark.parametrize(
    ("error", "cause", "words"),
    [
        (
            "access_denied",
            ApprovalFailure.EPIC_REFUSED,
            "Epic did not let you sign in. Ask your Epic technical specialist to check your permissions.",
        ),
        (
            "unauthorized_client",
            ApprovalFailure.OAUTH_ERROR,
            (
                "Epic answered with an OAuth error (unauthorized_client). The keys may not be synced yet; this can"
                " take a day."
            ),
        ),
        (
            "call+this+number",
            ApprovalFailure.OAUTH_ERROR,
            "Epic answered with an OAuth error (unknown). The keys may not be synced yet; this can take a day.",
        ),
    ],
)
async def test_epics_refusal_is_told_in_words(
    desk: Desk, error: str, cause: ApprovalFailure, words: str
) -> None:
    failed = await desk.failure(await desk.begin(), error=error)

    assert failed.cause is cause
    assert sentence(failed.cause, failed.code) == words
    assert "call" not in repr(await desk.audited())


@pytest.mark.parametrize(
    ("trouble", "cause", "code"),
    [
        (TurnedDown("no", code="invalid_client"), ApprovalFailure.OAUTH_ERROR, "invalid_client"),
        (TryAgain("away"), ApprovalFailure.AWAY, ""),
        (LaunchFailed(LaunchFailure.WRONG_EPIC), ApprovalFailure.OTHER_EPIC, ""),
        (LaunchFailed(LaunchFailure.EPIC_SAID_NO), ApprovalFailure.NOT_PROVEN, ""),
    ],
    ids=["keys not synced", "away", "another issuer", "not proven"],
)
async def test_what_goes_wrong_at_epic_is_told_and_audited(
    desk: Desk, trouble: Exception, cause: ApprovalFailure, code: str
) -> None:
    state = await desk.begin()
    desk.epic.fail(trouble)

    failed = await desk.failure(state)

    assert (failed.cause, failed.code) == (cause, code)
    facts = {"cause": cause.value} | ({"code": code} if code else {})
    assert await desk.audited() == [(PRIYA.object_id, "was not accepted by Epic", facts)]


async def test_what_waits_is_listed_for_those_who_are_named_oldest_first() -> None:
    def one(id: str, days: int, stage: Stage = Stage.WAITING) -> Any:
        made = environment(EnvironmentId(id))
        return replace(made, newest=replace(made.newest, stage=stage, saved_at=NOW - timedelta(days=days)))

    every = [one("new", 1), one("old", 9), one("done", 3, Stage.APPROVED)]

    assert [found.id for found in waiting_for(ME.names, every)] == ["old", "new"]
    assert waiting_for(frozenset({"somebody else"}), every) == []


PROOF = EpicProof(ENVIRONMENT, "hash", NOW)


def checked(
    proof: EpicProof | None, *, after: float = 0, environment: str = ENVIRONMENT, content: str = "hash"
) -> None:
    check_proof(
        proof,
        environment=EnvironmentId(environment),
        content_hash=content,
        now=NOW + timedelta(minutes=after),
    )


def test_a_proof_holds_for_a_quarter_of_an_hour() -> None:
    checked(PROOF, after=14.9)

    with pytest.raises(Refused) as refused:
        checked(PROOF, after=15)
    assert refused.value.problems == {"epic": "Your Epic sign-in timed out. Sign in again."}


@pytest.mark.parametrize(
    ("proof", "where"), [(None, ENVIRONMENT), (PROOF, "env-2")], ids=["none", "of another environment"]
)
def test_without_a_proof_of_this_environment_epic_comes_first(proof: EpicProof | None, where: str) -> None:
    with pytest.raises(Refused) as refused:
        checked(proof, environment=where)
    assert refused.value.problems == {"epic": "Sign in to Epic before you approve"}


def test_a_proof_of_other_content_means_that_it_changed() -> None:
    with pytest.raises(OutOfStep, match="The settings changed while you were reading"):
        checked(PROOF, content="other")


def test_a_proof_from_the_future_is_none() -> None:
    with pytest.raises(Refused):
        checked(PROOF, after=-1)
