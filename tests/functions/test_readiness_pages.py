"""The readiness page: for a signed-in administrator, whole without a script, whatever is away."""

from functions.web.cookies import SESSION, host_name
from shared.domain.errors import TryAgain
from shared.domain.portal_session import Colleague, new_session
from shared.domain.tenant import Person
from shared.flows.launch_visit import hashed
from tests.fakes.hospital import AVERY, HOME, PRIYA, SCHEDULING, TENANT, Hospital


async def cookie_of(hospital: Hospital, who: Person) -> dict[str, str]:
    """A session as a sign-in leaves it."""
    session = new_session(
        hashed("a-session"), tenant=TENANT, object_id=who.object_id, roles=who.roles, now=hospital.clock()
    )
    hospital.stamp.portal_sessions.table.put(session, session.id_hash)
    return {"Cookie": f"{host_name(SESSION, HOME)}=a-session"}


async def shown(hospital: Hospital) -> str:
    answer = await hospital.app.get("/readiness", await cookie_of(hospital, AVERY))
    assert answer.status_code == 200
    return answer.get_body().decode()


async def test_an_administrator_sees_every_check_under_the_name_of_its_environment() -> None:
    html = await shown(Hospital())

    assert 'id="check-graph-permissions"' in html
    assert 'id="check-certificate-env-1"' in html
    assert "Lamna Healthcare (Production)" in html
    assert "Configured, not observed" in html


async def test_people_whom_the_portal_has_met_are_called_by_name() -> None:
    hospital = Hospital()
    hospital.watchers.microsoft.without_policy = {SCHEDULING}
    await hospital.services.people(TENANT).put(
        Colleague(SCHEDULING, "Lamna Video Visits", "visits@lamna.example")
    )
    html = await shown(hospital)

    assert "No application access policy covers Lamna Video Visits" in html
    assert (
        f"Grant-CsApplicationAccessPolicy -PolicyName &#34;Visit-Connector&#34; -Identity &#34;{SCHEDULING}"
        in html
    )


async def test_the_page_is_whole_while_microsoft_is_away() -> None:
    hospital = Hospital()
    hospital.watchers.microsoft.fail(TryAgain("busy"), times=50)
    html = await shown(hospital)

    assert "The service that was asked is busy or away." in html
    assert "Azure runs the app in eastus2, as configured." in html


async def test_somebody_who_is_not_signed_in_is_led_to_the_sign_in_and_back() -> None:
    answer = await Hospital().app.get("/readiness")

    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in?to=%2Freadiness")


async def test_an_approver_is_not_shown_what_is_missing() -> None:
    hospital = Hospital()
    answer = await hospital.app.get("/readiness", await cookie_of(hospital, PRIYA))

    assert answer.status_code == 403
    assert b"graph-permissions" not in answer.get_body()
