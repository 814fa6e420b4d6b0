"""The control room in a real browser: it refreshes itself, fits a phone, breaks no policy and has no axe violation."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvicorn
from playwright.async_api import Page, async_playwright
from starlette.applications import Starlette

from sandbox.control_room.pages import ControlRoom
from tests.sandbox.test_control_room import Room, room_in

pytestmark = pytest.mark.browser

DESKTOP, PHONE, NARROW = (1280, 900), (390, 844), (320, 640)
_ROWS = {
    "to": "+12065550142",
    "from": "+18335550100",
    "at": "2027-01-15T17:00:00+00:00",
    "state": "delivered",
    "body": "Su visita: http://app.example/v/abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUV",
}


@asynccontextmanager
async def served(room: Room) -> AsyncIterator[str]:
    """The address of the control room, served as the sandbox serves it."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    app = Starlette(routes=ControlRoom(room.epic.state, room.neighbours).routes())
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    finally:
        server.should_exit = True
        await serving
        listening.close()


@asynccontextmanager
async def opened(
    chromium: str,
    address: str,
    *,
    size: tuple[int, int] = DESKTOP,
    scheme: str = "light",
    with_script: bool = True,
    policy: bool = True,
) -> AsyncIterator[tuple[Page, list[str]]]:
    """The page in a fresh browser, and what the browser complained about."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = await browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if scheme == "dark" else "light",
            java_script_enabled=with_script,
            bypass_csp=not policy,
        )
        page = await context.new_page()
        complaints: list[str] = []
        page.on("console", lambda one: complaints.append(one.text) if one.type == "error" else None)
        page.on("pageerror", lambda one: complaints.append(str(one)))
        await page.goto(address)
        yield page, complaints
        await browser.close()


def fill(room: Room) -> None:
    """A visit of each sort, a text, people in a meeting and some trouble."""
    room.epic.desk.book(patient="mei", comment="A comment")
    room.epic.desk.cancel(room.epic.desk.book(patient="theo").booking.csn)
    room.neighbours.sent.append(_ROWS)
    room.neighbours.people += [
        {"id": "0", "name": "Elena Ruiz", "role": "guest", "state": "in the lobby"},
        {"id": "1", "name": "Dr. Susan Carter", "role": "organizer", "state": "connected"},
    ]
    room.neighbours.made.append({"service": "graph", "kind": "throttle", "times": 2})


async def test_what_happens_appears_by_itself_and_breaks_no_policy(tmp_path: Path, chromium: str) -> None:
    async with (
        room_in(tmp_path) as room,
        served(room) as address,
        opened(chromium, address) as (page, complaints),
    ):
        await page.get_by_text("Nothing is booked yet.").wait_for()

        room.epic.desk.book(patient="mei")
        room.neighbours.sent.append(_ROWS)

        await page.get_by_role("heading", name="Mei 美玲 Chen with Dr. Susan Carter").wait_for()
        await page.get_by_role("link", name="http://app.example/v/").wait_for()
        await page.get_by_text("A text message arrived.").wait_for(state="attached")
        assert complaints == []


async def test_what_someone_is_typing_is_left_alone(tmp_path: Path, chromium: str) -> None:
    async with room_in(tmp_path) as room, served(room) as address:
        booking = room.epic.desk.book().booking
        async with opened(chromium, address) as (page, _):
            await page.get_by_text("Change or cancel").click()
            await page.get_by_label("Comment").fill("half a sentence")

            room.epic.desk.comment(booking.csn, comment="said by someone else")
            room.epic.desk.book(patient="mei")
            await page.get_by_role("heading", name="Mei 美玲 Chen").wait_for()

            assert await page.get_by_label("Comment").first.input_value() == "half a sentence"


async def test_a_visit_is_booked_without_a_script(tmp_path: Path, chromium: str) -> None:
    async with room_in(tmp_path) as room, served(room) as address:
        async with opened(chromium, address, with_script=False) as (page, _):
            await page.get_by_label("Patient").select_option("jordan")
            await page.get_by_role("button", name="Book visit").click()
            await page.get_by_text("The visit is booked.").wait_for()

        assert [one.patient.key for one in room.epic.instance.schedule.bookings] == ["jordan"]


@pytest.mark.parametrize("size", [DESKTOP, PHONE, NARROW], ids=["desktop", "phone", "320 px"])
async def test_nothing_is_wider_than_the_window_or_too_small_to_press(
    tmp_path: Path, chromium: str, size: tuple[int, int]
) -> None:
    async with room_in(tmp_path) as room, served(room) as address:
        fill(room)
        async with opened(chromium, address, size=size) as (page, _):
            await page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")

            too_wide = await page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            too_small = await page.evaluate(
                """[...document.querySelectorAll('a, button, summary, input, select')]
                .filter((one) => !one.closest('p') && one.checkVisibility())
                .map((one) => [one.outerHTML, one.getBoundingClientRect()])
                .filter(([, box]) => box.width && (box.width < 24 || box.height < 24))
                .map(([html]) => html.slice(0, 80))"""
            )

    assert too_wide == 0
    assert too_small == []


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("filled", [False, True], ids=["empty", "filled"])
async def test_axe_finds_nothing(
    tmp_path: Path, chromium: str, axe_script: str, size: tuple[int, int], scheme: str, filled: bool
) -> None:
    async with room_in(tmp_path) as room, served(room) as address:
        if filled:
            fill(room)
        # Putting axe into the page needs the policy off; another test holds the page to it.
        async with opened(chromium, address, size=size, scheme=scheme, policy=False) as (page, _):
            await page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
            found = await _violations(page, axe_script)

    assert found == []


async def test_axe_finds_nothing_on_epics_sign_in_page(
    tmp_path: Path, chromium: str, axe_script: str
) -> None:
    async with room_in(tmp_path) as room, served(room) as address:
        parameters = room.epic.authorize_parameters("(left out)", scope="openid fhirUser")
        page_text = (await room.epic.browser.get("/epic/test/oauth2/authorize", params=parameters)).text
        async with opened(chromium, address, policy=False) as (page, _):
            await page.set_content(page_text)
            found = await _violations(page, axe_script)

    assert "Sign in to Epic" in page_text
    assert found == []


async def _violations(page: Page, axe_script: str) -> list[str]:
    await page.evaluate(axe_script)
    answer = await page.evaluate(
        "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})"
    )
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in answer["violations"]]
