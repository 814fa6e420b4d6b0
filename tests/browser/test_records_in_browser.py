"""The records page in a real browser: it follows Epic by itself, copies exactly, fits a phone; axe finds nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, Route, async_playwright

from tests.fakes.hospital import AVERY, ENVIRONMENT, HOME, Hospital
from tests.functions.test_signs_of_life import launched, with_test_environment
from tests.functions.test_visit_launch import booked

pytestmark = pytest.mark.browser

HERE = f"/records/{ENVIRONMENT}"
DESKTOP, PHONE, NARROW = (1280, 900), (390, 844), (320, 640)


@asynccontextmanager
async def opened(
    chromium: str,
    hospital: Hospital,
    path: str = HERE,
    *,
    size: tuple[int, int] = DESKTOP,
    dark: bool = False,
    policy: bool = True,
    script: bool = True,
) -> AsyncIterator[tuple[Page, list[str]]]:
    """The page as an administrator opens it, and what the browser complained about."""
    person = hospital.browser(AVERY)

    async def answer(route: Route) -> None:
        asked = route.request
        parts = urlsplit(asked.url)
        if not asked.url.startswith(HOME):
            await route.abort()
            return
        headers = {
            "Cookie": "; ".join(f"{name}={value}" for name, value in person.cookies.items()),
            "Accept-Language": "en",
            "Sec-Fetch-Site": "same-origin",
            "Content-Type": asked.headers.get("content-type", ""),
        }
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        given = await hospital.app.ask(asked.method, target, asked.post_data_buffer or b"", headers)
        sent = {
            **dict(given.headers.items()),
            "Content-Type": given.mimetype
            if given.mimetype.startswith("application/zip")
            else f"{given.mimetype}; charset=utf-8",
        }
        await route.fulfill(status=given.status_code, headers=sent, body=given.get_body())

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = await browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            bypass_csp=not policy,
            java_script_enabled=script,
            permissions=["clipboard-read", "clipboard-write"],
        )
        page = await context.new_page()
        complaints: list[str] = []
        page.on("console", lambda one: complaints.append(one.text) if one.type == "error" else None)
        page.on("pageerror", lambda one: complaints.append(str(one)))
        await page.route("**/*", answer)
        await page.clock.install()
        await page.goto(HOME + path)
        yield page, complaints
        await browser.close()


async def violations(page: Page, axe_script: str) -> list[str]:
    await page.evaluate(axe_script)
    answer = await page.evaluate(
        "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})"
    )
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in answer["violations"]]


async def test_the_first_launch_shows_by_itself(chromium: str) -> None:
    hospital = await booked()
    async with opened(chromium, hospital) as (page, complaints):
        live = page.locator("#live")
        assert "No launch from Epic yet" in await live.inner_text()

        await launched(hospital)
        await page.clock.run_for(6000)
        await page.get_by_text("First launch received").wait_for()

        assert "by provider record" in await live.inner_text()
        assert complaints == []


async def test_a_mix_up_shows_by_itself(chromium: str) -> None:
    hospital = await booked()
    with_test_environment(hospital)
    async with opened(chromium, hospital) as (page, _):
        assert not await page.locator("#mix-up").is_visible()

        other = "https%3A%2F%2Ftest.epic.lamna.example%2Fapi%2FFHIR%2FR4"
        await hospital.app.get(f"/launch/{ENVIRONMENT}/provider?iss={other}&launch=x")
        await page.clock.run_for(6000)

        await page.get_by_text("A launch came from Test with the Production record.").wait_for()


async def test_what_is_copied_is_exact(chromium: str) -> None:
    hospital = Hospital()
    async with opened(chromium, hospital) as (page, _):
        await page.locator('[data-copy-of="v-provider-context"]').click()
        one = await page.evaluate("navigator.clipboard.readText()")
        await page.locator('[data-copy-of="rec-group-patient"]').click()
        every = await page.evaluate("navigator.clipboard.readText()")

    assert "departmentId=%PERFDEPID;;; ; ;;NONE;%&" in one
    assert every.splitlines()[0] == f"Launch URL: {HOME}/launch/{ENVIRONMENT}/patient"
    assert "Context token: sessionId=%CONFERENCEID%&csn=%CSN%" in every


async def test_finishing_asks_first_and_escape_says_not_yet(chromium: str) -> None:
    hospital = Hospital()
    async with opened(chromium, hospital) as (page, _):
        finish = page.locator("[data-open=finish]")
        await finish.click()
        assert await page.locator("#finish").is_visible()
        await page.keyboard.press("Escape")
        assert not await page.locator("#finish").is_visible()
        assert await finish.evaluate("(one) => one === document.activeElement")

        await finish.click()
        await page.locator("#finish [value=finish]").click()
        await page.get_by_text("Setup is finished.").first.wait_for()


async def test_everything_works_without_script(chromium: str) -> None:
    hospital = Hospital()
    async with opened(chromium, hospital, script=False) as (page, _):
        await page.locator("#pasted").fill(f"{HOME}/launch/{ENVIRONMENT}/provide")
        await page.locator("[value=compare]").click()
        assert "is missing before character" in await page.locator("#found").inner_text()

        await page.locator("[data-open=finish]").click()
        assert "Setup is finished." in await page.locator("main").inner_text()


PATHS = (HERE, f"{HERE}/fields", f"{HERE}/keys")


async def test_no_page_scrolls_sideways_at_320_pixels(chromium: str) -> None:
    hospital = Hospital()
    with_test_environment(hospital)
    async with opened(chromium, hospital, size=NARROW) as (page, complaints):
        for path in PATHS:
            await page.goto(HOME + path)
            assert await page.evaluate("document.documentElement.scrollWidth") <= 320, path
        assert complaints == []


@pytest.mark.parametrize(
    ("size", "dark"), [(DESKTOP, False), (PHONE, True)], ids=["light desktop", "dark phone"]
)
async def test_axe_finds_nothing(chromium: str, axe_script: str, size: tuple[int, int], dark: bool) -> None:
    hospital = await booked()
    with_test_environment(hospital)
    # Putting axe into the page needs the policy off; the other tests hold the page to it.
    async with opened(chromium, hospital, size=size, dark=dark, policy=False) as (page, _):
        for path in PATHS:
            await page.goto(HOME + path)
            assert await violations(page, axe_script) == [], path
        await page.goto(HOME + HERE)
        await page.locator("#pasted").fill(f"http://visits.lamna.example/launch/{ENVIRONMENT}/provide")
        await page.locator("[value=compare]").click()
        await page.locator("#found").wait_for()
        assert await violations(page, axe_script) == []
