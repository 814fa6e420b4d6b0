"""The page behind a patient's link: looking changes nothing, joining leads to Teams, and guessing learns nothing."""

import re
from dataclasses import replace
from datetime import timedelta

import azure.functions as func
import pytest

from shared.domain.errors import TryAgain
from shared.domain.roster import CallEvent, CallEventKind, Sighting
from tests.fakes.hospital import Hospital
from tests.hl7v2.siu import START, text


async def booked() -> Hospital:
    hospital = Hospital()
    await hospital.feed(text("S12"))
    await hospital.work_off()
    return hospital


def heading(answer: func.HttpResponse) -> str:
    found = re.search(r"<h1>(.*?)</h1>", answer.get_body().decode())
    assert found
    return found[1]


@pytest.mark.parametrize(
    ("minutes", "says"),
    [
        (-31, "You are early"),
        (-30, "Your video visit"),
        (15, "Your video visit"),
        (16, "Your visit has started"),
        (90, "Your visit has started"),
        (91, "This link has ended"),
    ],
)
async def test_the_page_follows_the_window(minutes: int, says: str) -> None:
    hospital = await booked()
    hospital.clock.set(START + timedelta(minutes=minutes))

    answer = await hospital.app.get(await hospital.link())

    assert (answer.status_code, heading(answer)) == (200, says)


async def test_looking_changes_nothing() -> None:
    hospital = await booked()
    link = await hospital.link()
    before = hospital.writes()

    for minutes in (-100, 0, 20, 500):
        hospital.clock.set(START + timedelta(minutes=minutes))
        await hospital.app.get(link)
        await hospital.app.get(f"{link}/waiting")

    assert hospital.writes() == before
    assert hospital.teams.asked == 0


async def test_a_wrong_and_a_revoked_link_show_the_same_page() -> None:
    hospital = await booked()
    link = await hospital.link()
    [(key, row)] = hospital.stamp.join_links.table.rows.items()
    hospital.stamp.join_links.table.put(replace(row.value, revoked=True), *key)

    revoked = await hospital.app.get(link)
    wrong = await hospital.app.get("/v/AAAAAAAAAAAAAAAAAAAAAA")

    assert revoked.status_code == wrong.status_code == 404
    assert revoked.get_body() == wrong.get_body()
    assert b"Lamna" not in wrong.get_body()


async def test_joining_makes_the_meeting_and_leads_to_a_page_of_ours() -> None:
    hospital = await booked()
    hospital.clock.set(START)
    link = await hospital.link()

    pressed = await hospital.app.post(f"{link}/join")
    page = await hospital.app.get(str(pressed.headers["Location"]))

    assert pressed.status_code == 303
    assert str(pressed.headers["Location"]).startswith(f"{link}/waiting?")
    assert b"https://teams.example/guest/m1" in page.get_body()
    assert b"/own/" not in page.get_body()
    assert hospital.visit().joins == 1


async def test_joining_twice_joins_one_meeting() -> None:
    hospital = await booked()
    hospital.clock.set(START)
    link = await hospital.link()

    await hospital.app.post(f"{link}/join")
    await hospital.app.post(f"{link}/join")

    assert len(hospital.teams.made) == 1
    assert hospital.visit().joins == 2


async def test_joining_too_early_leads_back_to_the_page_and_makes_nothing() -> None:
    hospital = await booked()
    link = await hospital.link()

    pressed = await hospital.app.post(f"{link}/join")

    assert pressed.status_code == 303
    assert str(pressed.headers["Location"]).startswith(f"{link}?")
    assert hospital.teams.asked == 0


async def test_while_teams_is_slow_the_patient_waits_on_our_page() -> None:
    hospital = await booked()
    hospital.clock.set(START)
    hospital.teams.fail(TryAgain("throttled"))

    pressed = await hospital.app.post(f"{await hospital.link()}/join")

    assert str(pressed.headers["Location"]).startswith(f"{await hospital.link()}/waiting")


async def test_a_cancelled_visit_says_so_and_cannot_be_joined() -> None:
    hospital = await booked()
    await hospital.feed(text("S15", MSH={7: "20300601101600", 10: "1002"}))
    hospital.clock.set(START)
    link = await hospital.link()

    assert heading(await hospital.app.get(link)) == "This visit was cancelled"
    await hospital.app.post(f"{link}/join")
    assert hospital.teams.asked == 0


async def test_a_visit_that_is_no_longer_by_video_says_so() -> None:
    hospital = await booked()
    feed = replace(hospital.environment.operation.feed, video_visit_types=frozenset({"VV"}))
    hospital.operate(feed=feed)
    office = {7: "OV^OFFICE VISIT", 8: "OV^OFFICE VISIT"}
    await hospital.feed(
        text(
            "S14", MSH={7: "20300601101600", 10: "1002"}, SCH=office, AIS={3: "OV^OFFICE VISIT"}, ZPL={2: ""}
        )
    )

    assert heading(await hospital.app.get(await hospital.link())) == "This visit is no longer by video"


async def test_a_moved_visit_keeps_its_link() -> None:
    hospital = await booked()
    link = await hospital.link()
    await hospital.feed(
        text("S13", MSH={7: "20300601101600", 10: "1002"}, SCH={11: "^^30^203006121115"}, PV1={19: "360002"})
    )
    hospital.clock.set(START)

    assert heading(await hospital.app.get(link)) == "You are early"
    hospital.clock.set(START + timedelta(days=1))
    assert heading(await hospital.app.get(link)) == "Your video visit"


async def test_the_waiting_page_says_where_the_patient_stands() -> None:
    hospital = await booked()
    hospital.clock.set(START)
    link = await hospital.link()
    await hospital.app.post(f"{link}/join")
    nobody = await hospital.app.get(f"{link}/waiting")

    seen = Sighting("g1", "", "", in_lobby=True, left=False)
    await hospital.happens("360001", CallEvent("c1", CallEventKind.ROSTER, START, (seen,)))

    waiting = await hospital.app.get(f"{link}/waiting")
    assert waiting.get_body() != nobody.get_body()
    assert waiting.headers["Cache-Control"] == "no-store"


async def test_when_storage_is_away_it_is_not_the_patients_fault() -> None:
    hospital = await booked()
    hospital.stamp.fail("join_links.find", TryAgain("storage is away"))

    answer = await hospital.app.get(await hospital.link())

    assert (answer.status_code, heading(answer)) == (503, "Something went wrong")
