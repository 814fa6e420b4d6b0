"""Every state of the portal's templates in a browser: accessible, narrow, quiet, and shorter to use with a script."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, unquote

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from functions.static_files import FILES
from functions.web.pages import page as made
from tests.web.audit_parts import AUDIT_PAGES
from tests.web.portal_parts import PORTAL_PAGES
from tests.web.sign_in_parts import SIGN_IN_PAGES

ALL_PAGES = {**PORTAL_PAGES, **SIGN_IN_PAGES, **AUDIT_PAGES}

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

SMALL = """() => [...document.querySelectorAll("a, button, input, select, textarea")].filter((one) => {
  const box = one.getBoundingClientRect();
  const inText = getComputedStyle(one).display === "inline";
  return box.width > 1 && !inText && !one.closest(".unseen") && (box.height < 24 || box.width < 24);
}).map((one) => one.outerHTML.slice(0, 100))"""


class Pages(BaseHTTPRequestHandler):
    """Sends each state of a page with the headers that the app sends."""

    def do_GET(self) -> None:
        path = unquote(self.path).partition("?")[0].lstrip("/")
        static = FILES.get(path.removeprefix("static/"))
        if static is not None:
            self._send(200, {"Content-Type": f"{static.mimetype}; charset=utf-8"}, static.plain)
        elif path in ALL_PAGES:
            template, facts = ALL_PAGES[path]
            answer = made(template, language="en", **facts)
            self._send(200, {"Content-Type": "text/html; charset=utf-8", **answer.headers}, answer.get_body())
        else:
            self._send(404, {}, b"")

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def shown(browser: Browser, site: str) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": 390, "height": 844},
        timezone_id="America/Chicago",
        permissions=["clipboard-read", "clipboard-write"],
    )
    page = context.new_page()
    open_state(page, site, "organizations")
    yield page
    context.close()


def open_state(page: Page, site: str, name: str) -> None:
    page.goto(f"{site}/{quote(name)}")
    page.wait_for_load_state("load")


@pytest.mark.parametrize("width", [1280, 320])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_state_has_a_fault_a_sideways_scroll_or_a_target_too_small(
    browser: Browser, site: str, axe_script: str, width: int, scheme: Any
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 844}, color_scheme=scheme, bypass_csp=True
    )
    page = context.new_page()
    faults: list[tuple[str, Any]] = []
    for name in ALL_PAGES:
        open_state(page, site, name)
        page.add_script_tag(content=axe_script)
        found = page.evaluate("axe.run(document)")["violations"]
        faults += [(name, f"{one['id']}: {one['nodes'][0]['html']}") for one in found]
        faults += [(name, one) for one in page.evaluate(SMALL)]
        if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            faults.append((name, "scrolls sideways"))

    assert faults == []
    context.close()


def test_no_state_breaks_the_rules_it_is_sent_with(browser: Browser, site: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    reports: list[str] = []
    page.on("console", lambda message: reports.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: reports.append(str(error)))
    for name in PORTAL_PAGES:
        open_state(page, site, name)

    assert reports == []
    context.close()


class TestWithScript:
    def test_a_new_approver_has_a_row_and_the_focus(self, shown: Page) -> None:
        shown.get_by_role("button", name="Add another approver").click()
        shown.get_by_role("button", name="Add another approver").click()

        assert shown.get_by_label("Approver 3", exact=True).evaluate("one => one === document.activeElement")
        shown.get_by_role("button", name="Remove Approver 3").click()
        assert shown.get_by_label("Approver 2", exact=True).evaluate("one => one === document.activeElement")

    def test_the_only_approver_cannot_be_taken_away(self, shown: Page) -> None:
        assert shown.locator("[data-remove-row]").is_hidden()

        shown.get_by_role("button", name="Add another approver").click()
        shown.get_by_role("button", name="Remove Approver 1").click()

        assert shown.locator("[data-remove-row]").is_hidden()

    def test_the_browsers_own_zone_is_offered(self, shown: Page) -> None:
        assert shown.get_by_label("Time zone").input_value() == "America/Chicago"

    def test_copy_copies_exactly_and_says_so(self, shown: Page) -> None:
        shown.locator("[data-copy-of]").first.click()
        shown.wait_for_function("document.getElementById('said').textContent === 'Copied'")

        assert shown.evaluate("navigator.clipboard.readText()") == "https://epic.lamna.example/api/FHIR/R4"

    def test_a_refused_form_has_the_focus_on_what_is_wrong(self, shown: Page, site: str) -> None:
        open_state(shown, site, "organizations, refused")

        assert shown.evaluate("document.activeElement.id") == "errors"


def test_without_script_the_menu_opens_and_nothing_useless_is_shown(browser: Browser, site: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/organizations")

    page.get_by_role("button", name="Menu").click()

    assert page.get_by_role("link", name="Readiness").is_visible()
    assert page.locator("[data-copy-of]").first.is_hidden()
    context.close()
