"""In a browser, against the whole product: two people take a second environment from nothing to records in hand."""

import io
import re
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Response, expect, sync_playwright

from tests.journey.product import running

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

AVERY, PRIYA, SUSAN, OMAR = "Avery Howard", "Priya Nair", "Susan Carter", "Omar Reyes"
ORGANIZATIONS = "/setup/organizations"
MOST_BYTES = 30_000
RECORDS = (
    "provider",
    "patient",
    "group-provider",
    "group-patient",
    "direct-sms",
    "sms-configuration",
    "device-test",
)


@dataclass
class Product:
    """The running product, and its administrator's hands for what a test does not do in the browser."""

    facts: dict[str, Any]
    http: httpx.Client
    failed: list[str] = field(default_factory=list)

    @property
    def app(self) -> str:
        return str(self.facts["app"])

    @property
    def sandbox(self) -> str:
        return str(self.facts["sandbox"])

    @property
    def environment(self) -> str:
        """The test environment, which is approved from the start."""
        return str(self.facts["environment"])

    def epic(self, instance: str) -> dict[str, Any]:
        """What an Epic technical specialist would hand over."""
        found: dict[str, Any] = self.http.get(f"{self.sandbox}/api/epic").json()["instances"][instance]
        return found

    @contextmanager
    def rule(self, **switched: bool) -> Iterator[None]:
        """Epic's sign-in with something wrong, for as long as the block lasts."""
        self.http.post(f"{self.sandbox}/api/epic/rules", json=switched).raise_for_status()
        yield
        usual = {"keys_synced": True, "other_epic": False}
        self.http.post(f"{self.sandbox}/api/epic/rules", json=usual).raise_for_status()

    def ask(self, method: str, path: str, body: object = None) -> httpx.Response:
        """The portal's API as Avery."""
        token = self.http.get(self.facts["admin_token_url"]).json()["access_token"]
        address, headers = f"{self.app}/api/v1/environments/{path}", {"Authorization": f"Bearer {token}"}
        return self.http.request(method, address, json=body, headers=headers)

    def api(self, method: str, path: str = "", body: object = None) -> Any:
        """What the API answers about the test environment."""
        answer = self.ask(method, self.environment + path, body)
        answer.raise_for_status()
        return answer.json()

    def rename_vendor(self, vendor: str) -> None:
        """Change something that needs an approval, and ask for it."""
        now = self.api("GET")
        connection = {
            name: now["connection"][name] for name in ("fhir_base_url", "clients", "approvers", "write_back")
        }
        connection["write_back"]["vendor"] = vendor
        self.api("PUT", "/connection", {"connection": connection, "version": now["version"]})
        self.api("POST", "/submission", {})

    def stage(self) -> str:
        return str(self.api("GET")["stage"])


@pytest.fixture(scope="module")
def product(azurite: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with (
        running(tmp_path_factory.mktemp("product")) as ready,
        httpx.Client(timeout=30, trust_env=False) as http,
    ):
        yield Product(ready, http)


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def waiting(product: Product) -> Iterator[str]:
    """The approvals page of the test environment while a change of it waits for Priya."""
    product.rename_vendor("Another vendor")
    yield f"{product.app}/approvals/{product.environment}"
    if product.stage() == "waiting":
        product.api("POST", "/withdrawal")


@dataclass
class Person:
    """Somebody at a browser of their own, and everything that the browser complained about."""

    page: Page
    complaints: list[str]

    def go(self, name: str) -> None:
        """Follow an entry of the menu."""
        self.page.get_by_label("Main").get_by_role("link", name=name, exact=True).click()

    def press(self, name: str) -> None:
        self.page.get_by_role("main").get_by_role("button", name=name, exact=True).click()

    def follow(self, name: str | re.Pattern[str]) -> None:
        self.page.get_by_role("main").get_by_role("link", name=name).first.click()

    def sees(self, text: str) -> None:
        expect(self.page.get_by_role("main").get_by_text(text).first).to_be_visible()

    def sign_in_to_epic(self, who: str = "Priya") -> None:
        self.follow("Sign in to Epic")
        self.page.get_by_role("link", name=re.compile(who)).click()

    def decide(self, decision: str = "Approve this configuration") -> None:
        self.page.get_by_label(decision).check()
        self.press("Send decision")

    def sign_out(self) -> None:
        self.page.get_by_role("button", name="Sign out").click()
        self.sees("You are signed out")


@contextmanager
def opened(browser: Browser, *, script: bool = True, **look: Any) -> Iterator[Person]:
    """A browser window, which must not complain about anything but refusals that a page words itself."""
    context = browser.new_context(
        java_script_enabled=script, locale="en-US", timezone_id="America/New_York", **look
    )
    person = Person(context.new_page(), [])
    listen(context, person.complaints)
    yield person
    context.close()
    assert person.complaints == []


def listen(context: BrowserContext, complaints: list[str]) -> None:
    worded = re.compile(r"status of (403|409|422)")
    context.on(
        "console",
        lambda one: (
            complaints.append(one.text) if one.type == "error" and not worded.search(one.text) else None
        ),
    )
    context.on("weberror", lambda one: complaints.append(str(one.error)))


@contextmanager
def signed_in(product: Product, browser: Browser, who: str, to: str = "/", **look: Any) -> Iterator[Person]:
    with opened(browser, **look) as person:
        sign_in(person, product.app + to, who)
        yield person


def sign_in(person: Person, address: str, who: str) -> None:
    """Open `address`, and go through Microsoft when it leads there."""
    person.page.goto(address)
    beginning = person.page.get_by_role("main").get_by_role("link", name=re.compile("^Sign in"))
    if "/authorize" not in person.page.url and beginning.count():
        beginning.first.click()
    person.page.get_by_role("link", name=who).click()


# --- the way -------------------------------------------------------------------------------------------------


def test_two_people_take_an_environment_from_nothing_to_its_first_launch(
    product: Product, browser: Browser
) -> None:
    epic = product.epic("production")
    with signed_in(product, browser, AVERY) as avery:
        add_environment(avery, epic)
        settings = avery.page.url.partition("?")[0]
        environment = settings.rpartition("/")[2]
        register(avery, product, epic)
        fill_in_the_rest(avery, product, settings, epic)

        avery.page.goto(settings)
        avery.follow("Send for approval")
        avery.press("Only check")
        assert avery.page.get_by_text("Passed", exact=True).count() >= 4
        assert avery.page.get_by_text("Not ready", exact=True).count() == 0
        avery.press("Send for approval")
        avery.sees("Sent for approval.")
        avery.sign_out()

    with signed_in(product, browser, PRIYA) as priya:
        priya.go("Approvals")
        priya.follow(re.compile("^Review Lamna"))
        priya.sees(epic["clients"]["backend"])
        priya.sign_in_to_epic()
        priya.sees("You are signed in to Epic.")
        priya.decide()
        priya.page.wait_for_url(f"**/records/{environment}?done=approved")
        priya.sees("Approved by priya.nair@lamna.example")
        priya.sees("No launch from Epic yet")
        archive = download(priya)
        records = texts_in(archive)
        assert {f"{kind}.txt" for kind in RECORDS} < set(records)
        assert all(environment in records[f"{kind}.txt"] for kind in ("provider", "patient"))
        assert "%CSN%" in records["provider.txt"]
        assert epic["clients"]["provider"] in records["provider.txt"]

        enter_records(product, browser, archive)
        launch(product, browser, environment)
        priya.sees("First launch received")


def add_environment(avery: Person, epic: dict[str, Any]) -> None:
    avery.go("Organizations")
    page = avery.page
    page.get_by_label("Organization name").fill("Lamna Healthcare")
    page.get_by_label("Phone number for patients").fill("+1 206-555-0100")
    page.get_by_label("Production").check()
    page.get_by_role("textbox", name="FHIR base URL").fill(epic["fhir_base_url"])
    page.get_by_label("Approver 1").fill("priya.nair@lamna.example")
    avery.press("Check URL")
    avery.sees("Passed")
    assert page.get_by_label("Approver 1").input_value() == "priya.nair@lamna.example"
    page.get_by_label("Time zone").fill("America/New_York")
    avery.press("Save environment")
    avery.sees("The environment was added as a draft.")


def register(avery: Person, product: Product, epic: dict[str, Any]) -> None:
    """Enter the client ids in the portal, and the portal's key address at Epic."""
    avery.follow("Change Client ids")
    page = avery.page
    for label, kind in (
        ("providers", "provider"),
        ("patients", "patient"),
        ("the backend system", "backend"),
    ):
        page.get_by_label(f"Client id for {label}").fill(epic["clients"][kind])
    keys = page.locator("#keys-provider").inner_text()
    avery.press("Save")
    avery.sees("Saved.")
    room = page.context.new_page()
    room.goto(product.sandbox)
    room.get_by_label("Key address").fill(keys)
    room.get_by_role("button", name="Register").click()
    expect(room.get_by_text("The connector is registered.")).to_be_visible()
    room.close()


def fill_in_the_rest(avery: Person, product: Product, settings: str, epic: dict[str, Any]) -> None:
    page = avery.page
    server = epic["fhir_base_url"].partition("/api/FHIR")[0]
    avery.follow("Change Appointments from Epic")
    page.get_by_label("Sending applications").fill("SIU_GENERIC")
    avery.press("Save")
    avery.follow("Change Teams meetings")
    page.get_by_label("Scheduling accounts").fill("visits@lamna.example")
    avery.press("Save")
    avery.sees("Saved. The new values are in use now.")
    avery.follow("Change Status in Epic")
    status = "/api/epic/2018/Telehealth/ContextLinking/SetExternalConnectionStatus"
    page.get_by_label("Address of the status service").fill(server + status)
    page.get_by_label("Values of the states").fill("connected = 1\ndisconnected = 2\nno-show = 3")
    avery.press("Save")
    avery.sees("Saved.")
    page.goto(settings.replace("/organizations/", "/sms/") + "/certificate")
    pem = product.http.get(f"{product.sandbox}/control-room/hl7-signing-certificate.pem").content
    page.get_by_label("Certificate file").set_input_files(
        {"name": "epic.pem", "mimeType": "application/x-pem-file", "buffer": pem}
    )
    avery.press("Upload")
    avery.press("Use this certificate")
    avery.sees("The certificate is in a draft.")


def download(priya: Person) -> bytes:
    with priya.page.expect_download() as begun:
        priya.follow("Download all (.zip)")
    return begun.value.path().read_bytes()


def texts_in(archive: bytes) -> dict[str, str]:
    """The files of the records by their names."""
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        return {name: files.read(name).decode() for name in files.namelist()}


def enter_records(product: Product, browser: Browser, archive: bytes) -> None:
    """The Epic specialist enters what was handed over."""
    with opened(browser) as specialist:
        specialist.page.goto(product.sandbox)
        given = {"name": "records.zip", "mimeType": "application/zip", "buffer": archive}
        specialist.page.get_by_label("Integration records").set_input_files(given)  # type: ignore[arg-type]
        specialist.press("Enter records")
        specialist.sees("The records are entered.")


def launch(product: Product, browser: Browser, environment: str) -> None:
    """A clinician opens a visit out of the new environment's Epic."""
    zone = {"instance": "production", "zone": "America/New_York"}
    booked = product.http.post(f"{product.sandbox}/api/epic/book", json=zone).json()
    until = time.monotonic() + 30
    while product.ask("GET", f"{environment}/appointments/{booked['csn']}").status_code != 200:
        assert time.monotonic() < until, "the booking never became an appointment"
        time.sleep(0.2)
    address = f"{product.sandbox}/api/epic/launch-url"
    asked = {"csn": booked["csn"], "role": "provider", "instance": "production"}
    with opened(browser) as susan:
        susan.page.goto(product.http.get(address, params=asked).json()["url"])
        susan.page.wait_for_url("**/visit/**")


def test_an_environment_is_added_and_removed_without_a_script(product: Product, browser: Browser) -> None:
    test = product.epic("test")["fhir_base_url"]
    nothing_there = test.replace("/test/", "/training/")
    with signed_in(product, browser, AVERY, ORGANIZATIONS, script=False) as avery:
        page = avery.page
        url = page.get_by_role("textbox", name="FHIR base URL")
        page.get_by_label("Organization name").fill("Lamna North")
        page.get_by_label("Phone number for patients").fill("+1 206-555-0101")
        page.get_by_role("radio", name="Test").check()
        page.get_by_label("Approver 1").fill("priya.nair@lamna.example")
        page.get_by_label("Time zone").fill("America/Chicago")
        url.fill(test.replace("/R4", "/DSTU2"))
        avery.press("Check URL")
        avery.sees("This address answers:")
        avery.press("Use this address")
        assert url.input_value() == test
        avery.press("Add another approver")
        page.get_by_label("Approver 2").fill("omar.reyes@lamna.example")
        avery.press("Save environment")
        expect(page.get_by_role("alert")).to_contain_text("already")
        url.fill(nothing_there)
        avery.press("Save environment")
        avery.press("Save anyway, we will check again before approval")
        avery.sees("The environment was added as a draft.")
        avery.sees("omar.reyes@lamna.example")
        avery.follow("Remove environment")
        page.get_by_label("Type the organization name to confirm").fill("Lamna North")
        avery.press("Remove environment")
        avery.sees("The environment was removed.")


# --- refusals ------------------------------------------------------------------------------------------------


def refused_at_epic(product: Product, browser: Browser, waiting: str, sentence: str, who: str) -> None:
    with signed_in(product, browser, PRIYA, waiting.removeprefix(product.app)) as priya:
        priya.sign_in_to_epic(who)
        priya.sees("Your Epic sign-in did not count.")
        priya.sees(sentence)
        priya.decide()
        expect(priya.page.get_by_role("alert")).to_contain_text("Sign in to Epic before you approve")
    assert product.stage() == "waiting"


def test_whom_epic_does_not_let_in_cannot_approve(product: Product, browser: Browser, waiting: str) -> None:
    refused_at_epic(
        product, browser, waiting, "Epic did not let you sign in.", "somebody whom Epic does not let use"
    )


def test_a_mychart_login_cannot_approve(product: Product, browser: Browser, waiting: str) -> None:
    refused_at_epic(product, browser, waiting, "You signed in with a MyChart account.", "Elena")


def test_an_answer_of_another_epic_server_does_not_count(
    product: Product, browser: Browser, waiting: str
) -> None:
    with product.rule(other_epic=True):
        refused_at_epic(product, browser, waiting, "You signed in to a different Epic server", "Priya")


def test_while_keys_are_not_synced_epics_sign_in_does_not_count(
    product: Product, browser: Browser, waiting: str
) -> None:
    with product.rule(keys_synced=False):
        refused_at_epic(product, browser, waiting, "The keys may not be synced yet", "Priya")


def test_an_administrator_learns_that_keys_are_not_synced_before_anybody_is_asked(
    product: Product, browser: Browser, waiting: str
) -> None:
    product.api("POST", "/withdrawal")
    ask = f"/approvals/{product.environment}/ask"
    with product.rule(keys_synced=False), signed_in(product, browser, AVERY, ask) as avery:
        avery.press("Send for approval")
        avery.sees("Not ready")
        avery.sees("keys")

    assert product.stage() == "withdrawn"


def test_somebody_who_is_not_named_is_told_who_can_help(
    product: Product, browser: Browser, waiting: str
) -> None:
    with signed_in(product, browser, SUSAN, waiting.removeprefix(product.app)) as susan:
        susan.sees("You do not have access to this portal")
        susan.sees("avery@lamna.example")


def test_an_administrator_who_is_not_named_reads_and_cannot_decide(
    product: Product, browser: Browser, waiting: str
) -> None:
    with signed_in(product, browser, AVERY, waiting.removeprefix(product.app)) as avery:
        avery.sees("Only a named approver can decide.")
        assert avery.page.get_by_role("button", name="Send decision").count() == 0
        answer = avery.page.goto(f"{waiting}/epic")
        assert answer is not None
        assert answer.status == 403
        avery.sees("You are not named as an approver of this environment.")


def test_settings_that_change_while_the_approver_reads_have_to_be_read_again(
    product: Product, browser: Browser, waiting: str
) -> None:
    with signed_in(product, browser, PRIYA, waiting.removeprefix(product.app)) as priya:
        priya.sign_in_to_epic()
        priya.sees("You are signed in to Epic.")
        product.api("POST", "/withdrawal")
        product.rename_vendor("A third vendor")
        priya.decide()
        expect(priya.page.get_by_role("alert")).to_contain_text(
            "The settings changed while you were reading."
        )
        priya.sees("A third vendor")

    assert product.stage() == "waiting"


def test_what_was_typed_outlives_a_session_that_ends_in_the_middle_of_a_form(
    product: Product, browser: Browser
) -> None:
    with signed_in(product, browser, AVERY, ORGANIZATIONS) as avery:
        page = avery.page
        page.get_by_label("Organization name").fill("Lamna South")
        page.get_by_label("Production").check()
        page.get_by_label("Approver 1").fill("priya.nair@lamna.example")
        # The same session in another window, so that here only the session is over and the cookie is still there.
        with opened(browser, storage_state=page.context.storage_state()) as elsewhere:
            elsewhere.page.goto(product.app)
            elsewhere.sign_out()
        avery.press("Save environment")
        avery.sees("What you typed is kept for one hour.")
        avery.follow("Sign in with Microsoft")
        page.get_by_role("link", name=AVERY).click()
        avery.sees("What you typed before you were signed out is back.")
        assert page.get_by_label("Organization name").input_value() == "Lamna South"
        assert page.get_by_label("Production").is_checked()
        assert page.get_by_label("Approver 1").input_value() == "priya.nair@lamna.example"


# --- versions, files and what Epic holds ---------------------------------------------------------------------


def rename(product: Product, name: str) -> None:
    """A new operation of the test environment, sent back whole as the API gave it."""
    now = product.api("GET")
    operation = {**now["operation"], "organization": name}
    product.api("PUT", "/operation", {"operation": operation, "version": now["version"]})


def removed(product: Product, environment: str) -> Any:
    """What the environment was, which is gone from now on."""
    found = product.ask("GET", environment).json()
    name = {"organization": found["operation"]["organization"]}
    product.ask("POST", f"{environment}/removal", name).raise_for_status()
    return found


def test_an_earlier_version_is_compared_and_brought_back(product: Product, browser: Browser) -> None:
    first = product.api("GET")["operation_version"]
    rename(product, "Lamna Renamed")
    with signed_in(product, browser, AVERY, f"/setup/history/{product.environment}") as avery:
        avery.follow(re.compile(rf"What changed: Operation {first + 1}$"))
        avery.sees("Lamna Renamed")
        avery.page.get_by_role("button", name=re.compile(rf"^Restore.*Operation {first}$")).click()
        avery.sees("The version was restored.")

    found = product.api("GET")
    assert found["operation"]["organization"] == "Lamna Healthcare"
    assert found["operation_version"] == first + 2


def test_an_exported_file_becomes_another_environment(product: Product, browser: Browser) -> None:
    with signed_in(product, browser, AVERY, "/setup/import") as avery:
        file = avery.page.request.get(f"{product.app}/setup/export/{product.environment}").text()

        def bring_in(content: str) -> None:
            avery.page.get_by_label("File").set_input_files(
                {"name": "environment.json", "mimeType": "application/json", "buffer": content.encode()}
            )
            avery.press("Import")

        bring_in(file)
        expect(avery.page.get_by_role("alert")).to_contain_text("already used by Lamna Healthcare (Test)")
        bring_in(file.replace("/epic/test/", "/epic/elsewhere/"))
        avery.sees("Draft")
        imported = avery.page.url.partition("?")[0].rpartition("/")[2]

    found = removed(product, imported)
    assert (found["stage"], found["live"], found["operation"]["texts"]["on"]) == ("draft", False, False)


def test_a_tested_environment_is_copied_to_production(product: Product, browser: Browser) -> None:
    with signed_in(product, browser, AVERY, f"/setup/copy/{product.environment}") as avery:
        avery.sees("What you must fill in before approval")
        avery.press("Create the production environment")
        avery.sees("Draft")
        copied = avery.page.url.partition("?")[0].rpartition("/")[2]

    found = removed(product, copied)
    assert (found["kind"], found["stage"], found["connection"]["fhir_base_url"]) == (
        "production",
        "draft",
        "",
    )


def test_what_epic_holds_is_held_against_the_record_letter_by_letter(
    product: Product, browser: Browser
) -> None:
    records = f"/records/{product.environment}"
    with signed_in(product, browser, AVERY, records) as avery:
        file = avery.page.request.get(f"{product.app}{records}/files/provider.txt").text()
        held = file.partition("\n\n")[2]  # below the heading
        avery.page.get_by_label("What Epic holds", exact=True).fill(held)
        avery.press("Compare")
        avery.sees("No difference. Epic holds exactly this record.")
        avery.page.get_by_label("What Epic holds", exact=True).fill(
            held.replace("sessionId=%CSN%", "sessionId=%CNS%")
        )
        avery.press("Compare")
        avery.sees("Differences from the record")


def test_the_audit_log_is_a_file_that_a_spreadsheet_opens(product: Product, browser: Browser) -> None:
    with signed_in(product, browser, AVERY, "/audit") as avery:
        file = avery.page.request.get(f"{product.app}/audit.csv").body()

    assert file.startswith("\ufeff".encode())
    assert "signed in" in file.decode()


# --- every page ----------------------------------------------------------------------------------------------


def every_page(product: Product) -> list[str]:
    """The portal's pages about an environment with everything in it."""
    one = product.environment
    sections = ("organization", "connection", "clients", "feed", "departments", "meetings", "write-back")
    return [
        "/",
        "/onboarding",
        ORGANIZATIONS,
        f"{ORGANIZATIONS}/{one}",
        *(f"{ORGANIZATIONS}/{one}/{section}" for section in sections),
        f"{ORGANIZATIONS}/{one}/remove",
        "/setup/sms",
        f"/setup/sms/{one}",
        f"/setup/sms/{one}/certificate",
        f"/setup/history/{one}",
        f"/setup/copy/{one}",
        "/setup/import",
        "/setup/sharing",
        "/approvals",
        f"/approvals/{one}",
        f"/approvals/{one}/ask",
        f"/records/{one}",
        f"/records/{one}/fields",
        f"/records/{one}/keys",
        "/readiness",
        "/audit",
        f"{ORGANIZATIONS}/not-there",
    ]


def test_no_page_has_an_accessibility_fault_or_scrolls_sideways(
    product: Product, browser: Browser, axe_script: str, waiting: str
) -> None:
    faults: list[str] = []
    with signed_in(product, browser, AVERY, bypass_csp=True) as avery:
        for address in every_page(product):
            avery.page.goto(product.app + address)
            faults += faults_of(avery.page, axe_script, address)
        avery.complaints.clear()  # the page that does not exist
    with signed_in(product, browser, PRIYA, waiting.removeprefix(product.app), bypass_csp=True) as priya:
        faults += faults_of(priya.page, axe_script, "deciding")
    with opened(browser, bypass_csp=True) as stranger:
        for address in ("/", "/sign-in?ended=1"):
            stranger.page.goto(product.app + address)
            faults += faults_of(stranger.page, axe_script, f"signed out {address}")

    assert faults == []


def faults_of(page: Page, axe_script: str, name: str) -> list[str]:
    """What axe finds on a desk and on a phone, by day and by night; and whether a narrow phone scrolls sideways."""
    page.evaluate(axe_script)
    faults: list[str] = []
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 844})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
            faults += [
                f"{name}, {width}, {scheme}: {one['id']}: {one['nodes'][0]['html']}"
                for one in found["violations"]
            ]
    page.set_viewport_size({"width": 320, "height": 700})
    if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
        faults.append(f"{name}: scrolls sideways")
    return faults


def test_no_page_weighs_more_than_30_kb_or_breaks_its_own_rules(product: Product, browser: Browser) -> None:
    heavy: dict[str, int] = {}
    with signed_in(product, browser, AVERY) as avery:
        cookies = avery.page.context.cookies()
        for address in every_page(product)[:-1]:
            weight = weight_of(browser, product.app + address, cookies, avery.complaints)
            if weight > MOST_BYTES:
                heavy[address] = weight

    assert heavy == {}


def weight_of(browser: Browser, address: str, cookies: list[Any], complaints: list[str]) -> int:
    """Bytes over the wire of a first visit: the page and everything that it loads."""
    context = browser.new_context()
    context.add_cookies(cookies)
    listen(context, complaints)
    page = context.new_page()
    answers: list[Response] = []
    page.on("response", lambda one: answers.append(one))
    page.goto(address)
    page.wait_for_load_state("load")
    weight = sum(one.request.sizes()["responseBodySize"] for one in answers)
    context.close()
    return weight
