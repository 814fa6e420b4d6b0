"""The hand-off from Epic: whom it brings where, and the pages of the launches that cannot go on."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, quote, urlsplit

import azure.functions as func
import pytest

from shared.domain.environment import EnvironmentId, Meetings
from shared.domain.errors import TryAgain, TurnedDown
from shared.domain.launch import LaunchContext, LaunchRole
from shared.domain.sign_of_life import SignKind
from tests.fakes.hospital import CARTER, ENVIRONMENT, FHIR, TENANT, Hospital, environment
from tests.hl7v2.siu import START, text

SENT = ("opaque-launch", "opaque-code", "https://evil.example", "stolen-state")

CONTEXT = LaunchContext(
    role=LaunchRole.PROVIDER,
    session="360001",
    environment=ENVIRONMENT,
    user="Practitioner/abc",
    username="",
    patient="pat-1",
    department="",
    external_id="P77",
    external_id_type="PROV",
)


def launch_path(
    role: str = "provider", *, iss: str = FHIR, environment: str = ENVIRONMENT, launch: str = SENT[0]
) -> str:
    return f"/launch/{environment}/{role}?iss={quote(iss, safe='')}&launch={launch}"


async def booked() -> Hospital:
    hospital = Hospital()
    await hospital.feed(text("S12"))
    await hospital.work_off()
    hospital.smart.contexts[SENT[1]] = CONTEXT
    return hospital


def state_of(begun: func.HttpResponse) -> str:
    return parse_qs(urlsplit(str(begun.headers["Location"])).query)["state"][0]


def cookie_of(answer: func.HttpResponse) -> str:
    return str(answer.headers["Set-Cookie"]).partition(";")[0]


async def comes_back(hospital: Hospital, begun: func.HttpResponse, **changes: str) -> func.HttpResponse:
    asked = {"state": state_of(begun), "code": SENT[1], "cookie": cookie_of(begun), **changes}
    cookie = asked.pop("cookie")
    query = "&".join(f"{name}={quote(value)}" for name, value in asked.items() if value)
    return await hospital.app.get(f"/launch/callback?{query}", {"Cookie": cookie})


async def test_a_launch_is_sent_to_the_approved_address_with_a_cookie_epic_can_keep() -> None:
    hospital = await booked()

    begun = await hospital.app.get(launch_path())

    assert begun.status_code == 302
    assert begun.headers["Location"].startswith("https://epic.lamna.example/authorize?")
    cookie = begun.headers["Set-Cookie"]
    assert "HttpOnly; SameSite=None; Secure; Partitioned" in cookie
    assert "Path=/launch/callback" in cookie
    [kept] = hospital.stamp.launches.table.rows.values()
    assert state_of(begun) not in repr(kept)
    assert cookie_of(begun).partition("=")[2] not in repr(kept)


async def test_a_provider_comes_to_the_live_page_of_the_one_meeting() -> None:
    hospital = await booked()

    answer = await comes_back(hospital, await hospital.app.get(launch_path()))

    visit = hospital.visit()
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"/visit/{visit.ref.opaque}"
    assert f"Path=/visit/{visit.ref.opaque}" in answer.headers["Set-Cookie"]
    assert visit.organizer == CARTER
    assert len(hospital.teams.made) == 1


async def test_a_patient_comes_to_their_own_page() -> None:
    hospital = await booked()
    patient = replace(CONTEXT, role=LaunchRole.PATIENT, external_id="E200", external_id_type="WPR")
    hospital.smart.contexts[SENT[1]] = patient

    answer = await comes_back(hospital, await hospital.app.get(launch_path("patient")))

    assert answer.status_code == 303
    assert answer.headers["Location"] == await hospital.link()


async def test_a_launch_is_good_for_one_use() -> None:
    hospital = await booked()
    begun = await hospital.app.get(launch_path())

    first = await comes_back(hospital, begun)
    second = await comes_back(hospital, begun)

    assert first.status_code == 303
    assert failure(second) == ("unknown-state", 403)


async def test_another_browser_cannot_finish_it_and_then_nobody_can() -> None:
    hospital = await booked()
    begun = await hospital.app.get(launch_path())

    thief = await comes_back(hospital, begun, cookie="launch=guessed")
    owner = await comes_back(hospital, begun)

    assert failure(thief) == ("other-browser", 403)
    assert failure(owner) == ("unknown-state", 403)
    assert hospital.smart.exchanged == 0


async def test_nothing_is_fetched_for_an_issuer_that_is_not_the_approved_one() -> None:
    hospital = await booked()

    answer = await hospital.app.get(launch_path(iss=SENT[2]))

    assert failure(answer) == ("wrong-epic", 403)
    assert hospital.smart.exchanged == 0
    assert not hospital.stamp.launches.table.rows


HEADINGS = {
    "unknown-environment": "This hospital is not set up here",
    "not-approved": "This hospital is not approved yet",
    "wrong-epic": "This Epic system is not the approved one",
    "missing-launch": "Start the visit from Epic",
    "unknown-state": "This sign-in was already used",
    "other-browser": "The sign-in came back to another browser",
    "expired": "The sign-in took too long",
    "epic-said-no": "Epic did not confirm the sign-in",
    "epic-away": "Epic is not answering",
    "no-visit": "There is no video visit here",
    "other-environment": "This visit belongs to another environment",
    "not-a-provider": "You are not set up as a provider here",
    "cancelled": "This visit was cancelled",
    "teams-said-no": "The Teams meeting could not be made",
    "teams-away": "Teams is not answering",
}


def failure(answer: func.HttpResponse) -> tuple[str, int]:
    """The cause that a page names, and its status."""
    page = answer.get_body().decode()
    [cause] = [cause for cause, heading in HEADINGS.items() if f"<h1>{heading}</h1>" in page]
    return cause, answer.status_code


Failing = Callable[[Hospital], Awaitable[func.HttpResponse]]


async def unknown_environment(hospital: Hospital) -> func.HttpResponse:
    return await hospital.app.get(launch_path(environment="env-9"))


async def unknown_role(hospital: Hospital) -> func.HttpResponse:
    return await hospital.app.get(launch_path("surgeon"))


async def not_approved(hospital: Hospital) -> func.HttpResponse:
    hospital.put(environment(EnvironmentId("env-2"), approved=False))
    return await hospital.app.get(launch_path(environment="env-2"))


async def missing_launch(hospital: Hospital) -> func.HttpResponse:
    return await hospital.app.get(launch_path(launch=""))


async def no_state(hospital: Hospital) -> func.HttpResponse:
    return await hospital.app.get(f"/launch/callback?code={SENT[1]}")


async def made_up_state(hospital: Hospital) -> func.HttpResponse:
    return await hospital.app.get(f"/launch/callback?code={SENT[1]}&state={SENT[3]}")


async def expired(hospital: Hospital) -> func.HttpResponse:
    begun = await hospital.app.get(launch_path())
    hospital.clock.advance(timedelta(minutes=11))
    return await comes_back(hospital, begun)


async def refused_at_epic(hospital: Hospital) -> func.HttpResponse:
    begun = await hospital.app.get(launch_path())
    return await comes_back(hospital, begun, code="", error="access_denied<script>")


async def bad_code(hospital: Hospital) -> func.HttpResponse:
    return await comes_back(hospital, await hospital.app.get(launch_path()), code="made-up")


async def epic_away(hospital: Hospital) -> func.HttpResponse:
    hospital.smart.fail(TryAgain("away"))
    return await comes_back(hospital, await hospital.app.get(launch_path()))


def with_context(**changes: object) -> Failing:
    async def comes(hospital: Hospital) -> func.HttpResponse:
        hospital.smart.contexts[SENT[1]] = replace(CONTEXT, **changes)  # type: ignore[arg-type]
        return await comes_back(hospital, await hospital.app.get(launch_path()))

    return comes


async def cancelled(hospital: Hospital) -> func.HttpResponse:
    await hospital.feed(text("S15", MSH={7: "20300601101600", 10: "1002"}))
    return await comes_back(hospital, await hospital.app.get(launch_path()))


async def teams_refuses(hospital: Hospital) -> func.HttpResponse:
    hospital.teams.fail(TurnedDown("no license", code="Forbidden"))
    return await comes_back(hospital, await hospital.app.get(launch_path()))


async def teams_away(hospital: Hospital) -> func.HttpResponse:
    hospital.teams.fail(TryAgain("throttled"))
    return await comes_back(hospital, await hospital.app.get(launch_path()))


async def nobody_can_organize(hospital: Hospital) -> func.HttpResponse:
    hospital.operate(meetings=Meetings())
    return await comes_back(hospital, await hospital.app.get(launch_path()))


@pytest.mark.parametrize(
    ("fails", "cause", "status"),
    [
        (unknown_environment, "unknown-environment", 404),
        (unknown_role, "unknown-environment", 404),
        (not_approved, "not-approved", 403),
        (missing_launch, "missing-launch", 403),
        (no_state, "unknown-state", 403),
        (made_up_state, "unknown-state", 403),
        (expired, "expired", 403),
        (refused_at_epic, "epic-said-no", 403),
        (bad_code, "epic-said-no", 403),
        (epic_away, "epic-away", 503),
        (with_context(session=""), "no-visit", 404),
        (with_context(session="999"), "no-visit", 404),
        (with_context(environment="env-2"), "other-environment", 403),
        (with_context(role=LaunchRole.PATIENT), "not-a-provider", 403),
        (cancelled, "cancelled", 403),
        (teams_refuses, "teams-said-no", 403),
        (teams_away, "teams-away", 503),
        (nobody_can_organize, "teams-said-no", 403),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
async def test_a_failed_launch_names_its_cause_and_a_reference_and_repeats_nothing(
    fails: Failing, cause: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    hospital = await booked()

    answer = await fails(hospital)

    page = answer.get_body().decode()
    assert failure(answer) == (cause, status)
    reference = page.partition("Reference number: ")[2][:8]
    assert reference in caplog.text
    assert len(reference.strip()) == 8
    assert not any(sent in page + caplog.text for sent in (*SENT, "access_denied", "env-9", "surgeon"))


async def test_a_patient_may_not_launch_with_a_providers_account() -> None:
    hospital = await booked()

    answer = await comes_back(hospital, await hospital.app.get(launch_path("patient")))

    assert failure(answer) == ("not-a-provider", 403)


async def test_a_launch_to_an_existing_meeting_asks_graph_for_nothing() -> None:
    hospital = await booked()
    await comes_back(hospital, await hospital.app.get(launch_path()))
    asked, set_up = hospital.teams.asked, len(hospital.teams.set_ups)

    await comes_back(hospital, await hospital.app.get(launch_path()))

    assert (asked, set_up) == (1, 1)
    assert (hospital.teams.asked, len(hospital.teams.set_ups)) == (1, 1)


async def test_a_second_launch_in_a_minute_notes_no_second_sign_of_life() -> None:
    hospital = await booked()
    hospital.clock.set(START - timedelta(minutes=30))
    before = hospital.calls["signs.note"]

    await comes_back(hospital, await hospital.app.get(launch_path()))
    await comes_back(hospital, await hospital.app.get(launch_path()))

    assert hospital.calls["signs.note"] - before == 1


async def test_a_launch_without_a_visit_is_a_sign_of_life_before_it_is_answered() -> None:
    hospital = await booked()
    hospital.smart.contexts[SENT[1]] = replace(CONTEXT, session="999999")

    answer = await comes_back(hospital, await hospital.app.get(launch_path()))

    assert answer.status_code == 404
    signs = await hospital.stamp.signs(TENANT, ENVIRONMENT).all()
    assert [one.kind for one in signs.launches] == [SignKind.PROVIDER]


async def test_a_covering_provider_becomes_co_organizer_and_the_organizer_stays() -> None:
    hospital = await booked()
    await comes_back(hospital, await hospital.app.get(launch_path()))
    hospital.smart.contexts[SENT[1]] = replace(CONTEXT, external_id="P88")

    await comes_back(hospital, await hospital.app.get(launch_path()))

    assert hospital.visit().organizer == CARTER
    assert hospital.teams.set_ups[-1].co_organizers == hospital.visit().co_organizers != frozenset()
    assert len(hospital.teams.made) == 1


@pytest.mark.parametrize(
    ("ahead", "most"),
    [
        (timedelta(days=10), 5),  # claim, visit, meeting, session, sign of life
        (timedelta(minutes=30), 6),  # and the watch; the sign is one of a minute, which nobody waits for
    ],
    ids=["early", "at its time"],
)
async def test_a_launch_that_makes_the_meeting_stays_within_its_budget(ahead: timedelta, most: int) -> None:
    hospital = await booked()
    hospital.clock.set(START - ahead)
    begun = await hospital.app.get(launch_path())
    before = hospital.calls.copy()
    wrote = hospital.writes()

    await comes_back(hospital, begun)

    written = (hospital.writes() - wrote).total()
    pinned = hospital.calls["stamp_pin.pinned"] - before["stamp_pin.pinned"]  # once a process in production
    assert written <= most
    assert (hospital.calls - before).total() - written - pinned <= 6
    assert (hospital.teams.asked, len(hospital.teams.set_ups)) == (1, 1)
