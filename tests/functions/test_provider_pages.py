"""The clinician's live page: open to the browser that launched it, for some hours, and quiet while nothing changes."""

import json
from datetime import timedelta

from shared.domain.roster import CallEvent, CallEventKind, Sighting
from tests.fakes.hospital import TENANT, Hospital
from tests.functions.test_visit_launch import booked, comes_back, cookie_of, launch_path


async def launched() -> tuple[Hospital, str, str]:
    """A hospital, the path of the live page, and the provider's cookie."""
    hospital = await booked()
    landed = await comes_back(hospital, await hospital.app.get(launch_path()))
    return hospital, str(landed.headers["Location"]), cookie_of(landed)


async def test_the_page_shows_the_way_in_and_the_patients_link() -> None:
    hospital, path, cookie = await launched()

    page = (await hospital.app.get(path, {"Cookie": cookie})).get_body().decode()

    assert "https://teams.example/own/m1" in page
    assert f"https://visits.lamna.example{await hospital.link()}" in page
    assert "EXAMPLE" not in page
    assert "5550142" not in page


async def test_another_browser_sees_nothing() -> None:
    hospital, path, _cookie = await launched()

    page = await hospital.app.get(path)
    live = await hospital.app.get(f"{path}/live", {"Cookie": "visit=guessed"})

    assert page.status_code == live.status_code == 401
    assert b"teams.example" not in page.get_body() + live.get_body()


async def test_the_cookie_of_one_visit_opens_no_other() -> None:
    hospital, _path, cookie = await launched()

    assert (await hospital.app.get("/visit/another", {"Cookie": cookie})).status_code == 401


async def test_the_page_closes_after_eight_hours() -> None:
    hospital, path, cookie = await launched()
    hospital.clock.advance(timedelta(hours=8))

    assert (await hospital.app.get(path, {"Cookie": cookie})).status_code == 401


async def test_who_comes_is_shown_live_and_nothing_is_sent_twice() -> None:
    hospital, path, cookie = await launched()
    first = await hospital.app.get(f"{path}/live", {"Cookie": cookie})
    tag = str(first.headers["ETag"])

    unchanged = await hospital.app.get(f"{path}/live", {"Cookie": cookie, "If-None-Match": tag})
    seen = (
        Sighting("g1", "", "", in_lobby=True, left=False),
        Sighting("p1", "22222222-aaaa-4aaa-8aaa-000000000003", TENANT, in_lobby=False, left=False),
    )
    await hospital.happens("360001", CallEvent("c1", CallEventKind.ROSTER, hospital.clock(), seen))
    changed = await hospital.app.get(f"{path}/live", {"Cookie": cookie, "If-None-Match": tag})

    assert (unchanged.status_code, unchanged.get_body(), unchanged.headers["ETag"]) == (304, b"", tag)
    assert changed.status_code == 200
    people = {one["who"]: one["presence"] for one in json.loads(changed.get_body())["participants"]}
    assert people == {"patient": "waiting", "provider": "connected"}
