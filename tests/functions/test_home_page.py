"""The front page tells strangers what this is, and colleagues what is left to do and how things are going."""

from dataclasses import replace
from datetime import timedelta

import pytest

from functions.web.setup_tasks import certificate_health, setup_tasks
from shared.domain.environment import Environment, EnvironmentId, EnvironmentKind, Stage, Texts
from shared.domain.sign_of_life import SignKind
from tests.fakes.browser import text_of
from tests.fakes.hospital import (
    AVERY,
    DANA,
    ENVIRONMENT,
    NOW,
    PRIYA,
    RILEY,
    TENANT,
    Hospital,
    environment,
    operation,
)

DRAFT = environment(kind=EnvironmentKind.TEST, approved=False, operates=operation(texts=Texts()))
WAITING = replace(DRAFT, newest=replace(DRAFT.newest, stage=Stage.WAITING))
REJECTED = replace(DRAFT, newest=replace(DRAFT.newest, stage=Stage.REJECTED))
TEST = environment(kind=EnvironmentKind.TEST)
REAL = environment(EnvironmentId("env-2"))


async def test_a_stranger_reads_what_this_is_and_where_to_sign_in() -> None:
    answer = await Hospital().stranger().get("/")

    page = text_of(answer)
    assert answer.status_code == 200
    assert 'href="/sign-in"' in page
    assert "Are you a patient?" in page
    assert 'action="/sign-out"' not in page


async def test_a_new_hospital_is_told_what_it_needs_to_start() -> None:
    hospital = Hospital()
    hospital.stamp.environment_rows.rows.clear()

    page = text_of(await hospital.browser(AVERY).get("/"))

    assert "Nothing is set up yet." in page
    words = (
        "Start with the FHIR base URL of your Epic test environment. You need: the URL from your Epic technical"
        " specialist, and the work account of the person who will approve. It takes about 10 minutes."
    )
    assert words in page
    assert "Start now" in page


async def test_who_may_only_look_is_told_who_can_act() -> None:
    page = text_of(await Hospital().browser(RILEY).get("/"))

    assert "Only administrators can change it." in page


async def test_somebody_without_any_part_in_it_sees_whom_to_ask() -> None:
    hospital = Hospital()
    hospital.browser(AVERY)

    answer = await hospital.browser(DANA).get("/")

    assert answer.status_code == 403
    assert AVERY.address in text_of(answer)


async def test_health_says_when_epic_was_heard_last() -> None:
    hospital = Hospital()
    before = text_of(await hospital.browser(AVERY).get("/"))
    signs = hospital.services.signs(TENANT, ENVIRONMENT)
    await signs.note(SignKind.PROVIDER, at=NOW - timedelta(hours=2))

    after = text_of(await hospital.browser(AVERY).get("/"))

    assert "No launch from Epic yet" in before
    assert "No launch from Epic yet" not in after
    assert "Saturday 1 June at 13:00 (UTC)" in after
    assert "No message from Epic yet" in after


@pytest.mark.parametrize(
    ("environments", "tested", "states"),
    [
        (
            [],
            False,
            [
                *(
                    "Not started",
                    "Cannot start yet",
                    "Cannot start yet",
                    "Cannot start yet",
                    "Cannot start yet",
                ),
                "Cannot start yet",
            ],
        ),
        (
            [DRAFT],
            False,
            [
                *("In progress", "Not started", "Cannot start yet", "Cannot start yet", "Cannot start yet"),
                "Not started",
            ],
        ),
        (
            [WAITING],
            False,
            [
                *("Completed", "Not started", "Waiting for Priya", "Cannot start yet", "Cannot start yet"),
                "Not started",
            ],
        ),
        (
            [REJECTED],
            False,
            [
                *(
                    "There is a problem",
                    "Not started",
                    "Cannot start yet",
                    "Cannot start yet",
                    "Cannot start yet",
                ),
                "Not started",
            ],
        ),
        (
            [TEST],
            False,
            [
                *("Completed", "Completed", "Completed", "Ready to enter in Epic", "No launch from Epic yet"),
                "Not started",
            ],
        ),
        (
            [TEST, REAL],
            True,
            ["Completed", "Completed", "Completed", "Ready to enter in Epic", "Completed", "Completed"],
        ),
    ],
    ids=["nothing", "draft", "waiting", "sent back", "test approved", "all done"],
)
def test_each_task_says_where_it_stands(
    environments: list[Environment], tested: bool, states: list[str]
) -> None:
    tasks = setup_tasks(environments, names={PRIYA.object_id: "Priya"}, tested=tested)

    assert [str(one.state) for one in tasks] == states
    assert all((one.state == "Cannot start yet") == (not one.href) for one in tasks)
    assert all(one.why for one in tasks if not one.href)


@pytest.mark.parametrize(
    ("days", "kind"), [(99, "ok"), (61, "ok"), (60, "info"), (30, "warn"), (7, "bad"), (-1, "bad")]
)
def test_a_certificate_is_spoken_of_louder_as_its_end_comes_near(days: int, kind: str) -> None:
    (certificate,) = TEST.newest.connection.certificates
    ends = replace(certificate, valid_until=NOW + timedelta(days=days, hours=1))
    connection = replace(TEST.newest.connection, certificates=(ends,))

    found = certificate_health(replace(TEST, newest=replace(TEST.newest, connection=connection)), now=NOW)

    assert found.kind == kind
