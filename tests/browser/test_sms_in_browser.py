"""The pages about text messages in a real browser: every state fits a phone, breaks no rule, and axe finds nothing."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page, Route, async_playwright, expect

from shared.domain.environment import EnvironmentId, EnvironmentKind, Texts
from tests.fakes.hospital import AVERY, ENVIRONMENT, HOME, TENANT, Hospital, environment, operation
from tests.functions.test_certificate_pages import NEW, approve, key_of
from tests.functions.test_sms_pages import SOON

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

LIST, PAGE = "/setup/sms", f"/setup/sms/{ENVIRONMENT}"
CERTIFICATE = f"{PAGE}/certificate"

SMALL = """() => [...document.querySelectorAll("a, button, input, select, textarea, summary")].filter((one) => {
  const box = one.getBoundingClientRect();
  const inText = getComputedStyle(one).display === "inline";
  return box.width > 1 && !inText && !one.closest(".unseen") && (box.height < 24 || box.width < 24);
}).map((one) => one.outerHTML.slice(0, 100))"""


class Seen:
    """A page with what the browser complained about, and a way to look at all of a state."""

    def __init__(self, page: Page, axe_script: str) -> None:
        self.page, self._axe = page, axe_script
        self.complaints: list[str] = []

    async def faults(self, state: str) -> list[str]:
        await self.page.evaluate(self._axe)
        found = await self.page.evaluate("axe.run(document)")
        faults = [f"{state}: {one['id']}: {one['nodes'][0]['html']}" for one in found["violations"]]
        faults += [f"{state}: small: {one}" for one in await self.page.evaluate(SMALL)]
        if await self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            faults.append(f"{state}: scrolls sideways")
        return faults


@asynccontextmanager
async def opened(
    browser: Browser, hospital: Hospital, axe_script: str = "", *, script: bool = True, **look: Any
) -> AsyncIterator[Seen]:
    person = hospital.browser(AVERY)
    context = await browser.new_context(java_script_enabled=script, bypass_csp=bool(axe_script), **look)
    page = await context.new_page()
    seen = Seen(page, axe_script)

    async def answer(route: Route) -> None:
        asked, parts = route.request, urlsplit(route.request.url)
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
        if given.status_code == 303:
            # A fulfilled redirect is not followed by the browser; the page leads there instead.
            to = given.headers["Location"]
            await route.fulfill(
                status=200,
                headers={"Content-Type": "text/html"},
                body=f'<title>{to}</title><meta http-equiv="refresh" content="0;url={to}">',
            )
            return
        sent = {**dict(given.headers.items()), "Content-Type": f"{given.mimetype}; charset=utf-8"}
        await route.fulfill(status=given.status_code, headers=sent, body=given.get_body())

    page.on(
        "console",
        lambda one: (
            seen.complaints.append(one.text)
            if one.type == "error" and "status of 422" not in one.text
            else None
        ),
    )
    page.on("pageerror", lambda one: seen.complaints.append(str(one)))
    await page.route("**/*", answer)
    yield seen
    await context.close()


@pytest.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    async with async_playwright() as driver:
        made = await driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield made
        await made.close()


async def hospital_with_two() -> Hospital:
    """A hospital that texts in production and has not decided in its test environment."""
    hospital = Hospital()
    other = environment(
        EnvironmentId("env-2"),
        kind=EnvironmentKind.TEST,
        approved=False,
        operates=operation(texts=Texts()),
    )
    elsewhere = replace(other.newest.connection, fhir_base_url="https://test.lamna.example/api/FHIR/R4")
    hospital.put(replace(other, newest=replace(other.newest, connection=elsewhere)))
    await hospital.feed(SOON)
    return hospital


async def every_state(seen: Seen, hospital: Hospital, look: Any) -> None:
    """Lead the page through its states and call `look` with the name of each."""
    page = seen.page
    await page.goto(HOME + LIST)
    await look("sms")
    await page.get_by_label("I confirm that my organization").uncheck()
    await page.get_by_label("Phone number for Lamna Healthcare, Test").fill("call me")
    await page.get_by_role("button", name="Save", exact=True).last.click()
    await expect(page.get_by_role("alert")).to_contain_text("Enter a phone number")
    await look("sms, refused")
    await page.get_by_label("Phone number for Lamna Healthcare, Test").fill("")
    await page.get_by_role("button", name="Save", exact=True).last.click()
    await expect(page.get_by_role("heading", name="Check what will stop")).to_be_visible()
    await look("question")
    await page.get_by_role("button", name="Continue").click()
    await expect(page.get_by_role("alert")).to_contain_text("Select whether to stop")
    await look("question, not answered")
    await page.get_by_label("Keep messages").check()
    await page.get_by_role("button", name="Continue").click()
    await page.get_by_role("main").get_by_text("Nothing was changed. Text messages go on.").wait_for()
    await look("kept")

    await page.goto(f"{HOME}{LIST}/env-2")
    for language in await page.locator("details.preview").all():
        await language.evaluate("one => { one.open = true; }")
    await look("environment")
    await page.get_by_label("Reminder 3: how long before").fill("1")
    await page.get_by_label("Send text messages to patients").check()
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("You already have a reminder 1 hour before")
    await look("environment, refused")

    await page.goto(HOME + CERTIFICATE)
    await look("certificate")
    await upload(page, NEW.pem.encode() + key_of(NEW))
    await expect(page.get_by_role("alert")).to_contain_text("private key")
    await look("certificate, refused")
    await upload(page, NEW.pem.encode())
    await page.get_by_role("heading", name="Check the certificate").wait_for()
    await look("certificate, looked at")
    await page.get_by_role("button", name="Use this certificate").click()
    await page.get_by_role("main").get_by_text("The certificate is in a draft.").wait_for()
    await look("certificate, in a draft")
    await approve(hospital)
    await page.goto(HOME + CERTIFICATE)
    await page.get_by_role("main").get_by_text("Accepted until").wait_for()
    await look("certificate, both accepted")


async def upload(page: Page, content: bytes) -> None:
    await page.get_by_label("Certificate file").set_input_files(
        {"name": "epic.cer", "mimeType": "application/x-x509-ca-cert", "buffer": content}
    )
    await page.get_by_role("button", name="Upload", exact=True).click()


@pytest.mark.parametrize("width", [1280, 390, 320])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_no_state_has_a_fault(browser: Browser, axe_script: str, width: int, scheme: str) -> None:
    hospital = await hospital_with_two()
    faults: list[str] = []
    look: dict[str, Any] = {"viewport": {"width": width, "height": 844}, "color_scheme": scheme}
    async with opened(browser, hospital, axe_script, **look) as seen:

        async def whole(state: str) -> None:
            faults.extend(await seen.faults(state))

        await every_state(seen, hospital, whole)

    assert faults == []


async def test_no_state_breaks_the_rules_it_is_sent_with(browser: Browser) -> None:
    hospital = await hospital_with_two()
    async with opened(browser, hospital) as seen:

        async def nothing(_state: str) -> None:
            pass

        await every_state(seen, hospital, nothing)

    assert [one for one in seen.complaints if "404" not in one] == []


async def test_texts_are_turned_off_without_a_script(browser: Browser) -> None:
    hospital = Hospital()
    async with opened(browser, hospital, script=False) as seen:
        page = seen.page
        await page.goto(HOME + PAGE)
        await page.get_by_label("Send text messages to patients").uncheck()
        await page.get_by_role("button", name="Save", exact=True).click()
        assert not await page.get_by_label("Stop messages").is_checked()
        await page.get_by_label("Stop messages").check()
        await page.get_by_role("button", name="Continue").click()
        await (
            page.get_by_role("main")
            .get_by_text(re.compile("Reminders of visits that are booked follow"))
            .wait_for()
        )

    assert not hospital.stamp.environment_rows.get(TENANT, ENVIRONMENT).value.operation.texts.on
