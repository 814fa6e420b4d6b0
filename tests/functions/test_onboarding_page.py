"""The onboarding page: five stages, and a mark for each thing that the product itself can see."""

from dataclasses import replace

from functions.web.cookies import SESSION, host_name
from functions.web.onboarding import PREREQUISITES, Leg, legs
from shared.domain.environment import Environment, EnvironmentId, EnvironmentKind
from shared.domain.portal_session import new_session
from shared.domain.sign_of_life import Sign, SignKind, Signs
from shared.flows.launch_visit import hashed
from tests.fakes.hospital import AVERY, HOME, NOW, TENANT, Hospital, environment

LAUNCHED = Signs((Sign(SignKind.PROVIDER, NOW, NOW),))
HEARD = Signs((Sign(SignKind.PROVIDER, NOW, NOW), Sign(SignKind.MESSAGE, NOW, NOW)))
TEST = environment(EnvironmentId("test"), kind=EnvironmentKind.TEST)
REAL = environment(EnvironmentId("real"))


def marks(*environments: Environment, signs: dict[EnvironmentId, Signs] | None = None) -> list[bool]:
    """Which of the five stages are done."""
    return [leg.done for leg in legs(environments, signs or {})]


def open_steps(leg: Leg) -> list[str]:
    return [str(step.words) for step in leg.known if not step.done]


def test_whoever_signs_in_has_access_and_nothing_else_yet() -> None:
    assert marks() == [True, False, False, False, False]


def test_a_draft_has_its_client_ids_and_waits_for_the_rest() -> None:
    draft = environment(kind=EnvironmentKind.TEST, approved=False)
    found = legs([draft], {})

    assert [leg.done for leg in found] == [True, True, False, False, False]
    assert open_steps(found[2]) == [
        "Ask for approval.",
        "Sign in with Microsoft, then with Epic, read what will be approved, and approve it.",
    ]


def test_each_sign_of_life_marks_its_own_stage() -> None:
    assert marks(TEST) == [True, True, True, False, False]
    assert marks(TEST, signs={TEST.id: LAUNCHED}) == [True, True, True, True, False]
    assert marks(TEST, REAL, signs={TEST.id: LAUNCHED, REAL.id: LAUNCHED})[4] is False
    assert marks(TEST, REAL, signs={TEST.id: HEARD, REAL.id: LAUNCHED}) == [True] * 5


def test_a_launch_of_production_says_nothing_about_the_test() -> None:
    assert marks(REAL, signs={REAL.id: LAUNCHED})[3] is False


def test_the_feed_is_asked_for_only_where_texts_are_on() -> None:
    quiet = replace(TEST, operation=replace(TEST.operation, texts=replace(TEST.operation.texts, on=False)))

    assert len(legs([TEST], {})[4].steps) == len(legs([quiet], {})[4].steps) + 1


async def test_the_page_names_every_prerequisite_and_says_the_picture_in_words() -> None:
    hospital = Hospital()
    session = new_session(
        hashed("a-session"), tenant=TENANT, object_id=AVERY.object_id, roles=AVERY.roles, now=hospital.clock()
    )
    hospital.stamp.portal_sessions.table.put(session, session.id_hash)

    answer = await hospital.app.get("/onboarding", {"Cookie": f"{host_name(SESSION, HOME)}=a-session"})
    html = answer.get_body().decode()

    assert answer.status_code == 200
    assert [one for one in PREREQUISITES if str(one) not in html] == []
    assert 'aria-labelledby="flow-title flow-desc"' in html
    assert html.count('class="number"') == 6
    assert "style=" not in html
