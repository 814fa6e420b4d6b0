"""In a browser, as people do it: the patient joins, the provider launches, a newcomer looks at the control room."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from tests.journey.product import running

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

PHONE: ViewportSize = {"width": 390, "height": 844}
NARROW: ViewportSize = {"width": 320, "height": 700}


@pytest.fixture(scope="module")
def product(azurite: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    with running(tmp_path_factory.mktemp("product")) as ready:
        yield ready


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def booked(product: dict[str, Any]) -> dict[str, str]:
    """A visit that starts in ten minutes, and the link its patient was texted."""
    sandbox = product["sandbox"]
    with httpx.Client(timeout=30, trust_env=False) as http:
        start = (datetime.now(UTC) + timedelta(minutes=10)).replace(microsecond=0)
        zone = "America/New_York"
        answer = http.post(
            f"{sandbox}/api/epic/book",
            json={"patient": "elena", "start": start.isoformat(), "minutes": 30, "zone": zone},
        )
        csn = answer.json()["csn"]
        token = http.get(product["admin_token_url"]).json()["access_token"]
        path = f"{product['app']}/api/v1/environments/{product['environment']}/appointments/{csn}"
        for _ in range(150):
            found = http.get(path, headers={"Authorization": f"Bearer {token}"})
            if found.status_code == 200:
                return {"csn": csn, "link": found.json()["link"]}
            time.sleep(0.2)
    raise AssertionError("the booking never became an appointment")


def test_a_patient_joins_on_a_phone_without_script(
    product: dict[str, Any], booked: dict[str, str], browser: Browser
) -> None:
    context = browser.new_context(viewport=PHONE, java_script_enabled=False)
    page = context.new_page()
    page.goto(booked["link"])

    page.get_by_role("button", name="Join visit").click()
    page.wait_for_url("**/teams/**", timeout=60_000)

    assert context.cookies(product["app"]) == []
    context.close()


@pytest.mark.parametrize("language", ["en", "es", "zh-Hant-TW"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_patient_page_has_no_accessibility_fault_and_no_sideways_scroll(
    booked: dict[str, str], browser: Browser, axe_script: str, language: str, scheme: Any
) -> None:
    context = browser.new_context(viewport=NARROW, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    page.goto(f"{booked['link']}?lang={language}")

    assert _faults(page, axe_script) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    context.close()


def test_a_provider_launched_from_hyperspace_sees_who_is_here(
    product: dict[str, Any], booked: dict[str, str], browser: Browser, axe_script: str
) -> None:
    context = browser.new_context(bypass_csp=True)
    page = context.new_page()
    address = f"{product['sandbox']}/api/epic/launch-url?csn={booked['csn']}&role=provider"
    url = httpx.get(address, trust_env=False).json()["url"]

    page.goto(url)

    assert "/visit/" in page.url
    assert page.get_by_role("link", name="Open Teams", exact=True).is_visible()
    assert _faults(page, axe_script) == []
    context.close()


def test_the_pages_break_no_rule_of_their_own_content_security_policy(
    product: dict[str, Any], booked: dict[str, str], browser: Browser
) -> None:
    context = browser.new_context()
    page = context.new_page()
    reports: list[str] = []
    page.on("console", lambda message: reports.append(message.text) if message.type == "error" else None)
    for address in (booked["link"], product["app"] + "/", product["sandbox"] + "/"):
        page.goto(address)
        page.wait_for_load_state("load")

    assert [report for report in reports if "Content Security Policy" in report] == []
    context.close()


def _faults(page: Page, axe_script: str) -> list[str]:
    page.add_script_tag(content=axe_script)
    result = page.evaluate("axe.run(document)")
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in result["violations"]]


def test_the_control_room_can_be_read_at_a_glance(product: dict[str, Any], browser: Browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(product["sandbox"] + "/")

    assert page.get_by_role("heading", level=1).is_visible()
    context.close()
