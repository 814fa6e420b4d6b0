"""Forms of the portal: what is read, what is refused, and that nothing typed is lost when a session ends."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from urllib.parse import parse_qs, parse_qsl, urlsplit

import azure.functions as func
import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.web.door import TooLarge, door
from functions.web.forms import MOST_BYTES, Form, packed, read_form, unpacked
from functions.web.portal import Portal, Visitor
from functions.web.replies import see_other
from shared.domain.errors import Refused
from shared.domain.portal_session import HELD_LIVES, IDLE
from tests.fakes.browser import BOUNDARY, Browser, multipart, text_of
from tests.fakes.hospital import AVERY, HOME, RILEY, Hospital


def sent(body: bytes, kind: str = "application/x-www-form-urlencoded") -> func.HttpRequest:
    return func.HttpRequest("POST", f"{HOME}/x", headers={"Content-Type": kind}, body=body)


class TestReading:
    def test_fields_come_trimmed_in_the_order_of_the_page(self) -> None:
        form = read_form(sent(b"name=+Lamna+&place=a&place=+b&empty=&do=save"))

        assert (form.text("name"), form.all("place"), form.text("empty")) == ("Lamna", ["a", "b"], "")
        assert (form.has("empty"), form.has("missing"), form.text("missing", "-")) == (True, False, "-")
        assert form.action == "save"

    def test_lines_of_a_text_area_end_as_everywhere(self) -> None:
        assert read_form(sent(b"lines=a%0D%0Ab%0D%0A")).values["lines"] == ["a\nb\n"]

    def test_files_come_with_fields_and_an_empty_file_field_is_no_file(self) -> None:
        body = multipart([("name", "Zoë"), ("do", "save")], {"pem": b"\x00\xff\r\n--x", "none": b""})

        form = read_form(sent(body, f"multipart/form-data; boundary={BOUNDARY}"))

        assert (form.text("name"), form.action) == ("Zoë", "save")
        assert (form.file("pem"), form.file("none"), form.file("other")) == (b"\x00\xff\r\n--x", None, None)

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            (b"{}", "application/json"),
            (b"a=b", ""),
            (b"a=b", "multipart/form-data"),
            (b"no boundary here", "multipart/form-data; boundary=xyz"),
            (b"a=\xff", "application/x-www-form-urlencoded"),
            (b"&".join(b"a=" for _ in range(1001)), "application/x-www-form-urlencoded"),
        ],
        ids=["JSON", "no kind", "no boundary", "no parts", "raw bytes", "too many fields"],
    )
    def test_what_is_no_form_is_refused_with_words(self, body: bytes, kind: str) -> None:
        with pytest.raises(Refused, match="could not be read"):
            read_form(sent(body, kind))

    def test_too_many_parts_are_refused(self) -> None:
        body = multipart([("a", "")] * 1001, {})

        with pytest.raises(TooLarge):
            read_form(sent(body, f"multipart/form-data; boundary={BOUNDARY}"))

    def test_more_than_a_form_ever_needs_is_refused(self) -> None:
        with pytest.raises(TooLarge):
            read_form(sent(b"a=" + b"b" * MOST_BYTES))

    @given(st.binary(max_size=300))
    def test_no_body_breaks_the_reader(self, body: bytes) -> None:
        for kind in ("application/x-www-form-urlencoded", f"multipart/form-data; boundary={BOUNDARY}"):
            try:
                form = read_form(sent(body, kind))
            except (Refused, TooLarge):
                continue
            assert unpacked(packed(form)).values == {k: v for k, v in form.values.items() if k != "csrf"}

    @given(st.dictionaries(st.text(max_size=20), st.lists(st.text(max_size=30), min_size=1, max_size=3)))
    def test_a_held_form_comes_back_whole(self, values: dict[str, list[str]]) -> None:
        values.pop("csrf", None)
        back = unpacked(packed(Form({**values, "csrf": ["t"]}, {"pem": b"x"})))

        assert (back.values, back.held, back.files_lost) == (values, True, True)


Handler = Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]


class Desk:
    """One page with a form, behind the guards of the portal."""

    def __init__(self, hospital: Hospital) -> None:
        self.hospital = hospital
        self.portal = Portal(hospital.services)
        self.saved: list[Form] = []
        self.shown: Form | None = None

    def browser(self, signed_in: Browser) -> Browser:
        """The same session, with this page at every path but those of signing in."""
        own = Browser(self._ask, self.hospital.stamp.keys)
        own.cookies = signed_in.cookies
        return own

    async def _ask(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> func.HttpResponse:
        if path.startswith("/sign-in"):
            return await self.hospital.app.ask(method, path, body, headers)
        query = dict(parse_qsl(urlsplit(path).query))
        request = func.HttpRequest(method, f"{HOME}{path}", headers=headers, params=query, body=body)
        handler = self._save if method == "POST" else self._show
        return await door(self.portal.signed_in, worded=self.portal.worded)(handler)(request)

    async def _save(self, req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        self.saved.append(await self.portal.form(req, visitor))
        return see_other("/desk?done=saved")

    async def _show(self, req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        self.shown = await self.portal.held(req, visitor)
        return see_other("/shown")


@pytest.fixture
def hospital() -> Hospital:
    return Hospital()


@pytest.fixture
def desk(hospital: Hospital) -> Desk:
    return Desk(hospital)


class TestWhereAFormComesFrom:
    async def test_a_page_of_ours_is_heard(self, hospital: Hospital, desk: Desk) -> None:
        answer = await desk.browser(hospital.browser(AVERY)).post("/desk", {"name": "Lamna"})

        assert (answer.status_code, desk.saved[0].text("name")) == (303, "Lamna")

    async def test_an_old_browser_that_says_nothing_of_its_page_is_heard_by_its_token(
        self, hospital: Hospital, desk: Desk
    ) -> None:
        browser = desk.browser(hospital.browser(AVERY))
        body = f"csrf={await browser.csrf()}".encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}

        assert (await browser._send("POST", "/desk", body, headers)).status_code == 303

    @pytest.mark.parametrize("site", ["cross-site", "same-site", "none", "", "SAME-ORIGIN"])
    async def test_no_other_page_is_heard_even_with_the_token(
        self, hospital: Hospital, desk: Desk, site: str
    ) -> None:
        browser = desk.browser(hospital.browser(AVERY))

        answer = await browser.post("/desk", {"name": "x"}, headers={"Sec-Fetch-Site": site})

        assert (answer.status_code, desk.saved) == (403, [])

    @pytest.mark.parametrize("token", ["", "0" * 64, "é"], ids=["none", "guessed", "not ASCII"])
    async def test_without_the_sessions_own_token_nothing_is_heard(
        self, hospital: Hospital, desk: Desk, token: str
    ) -> None:
        answer = await desk.browser(hospital.browser(AVERY)).post("/desk", {"name": "x"}, csrf=token)

        assert (answer.status_code, desk.saved) == (403, [])
        assert "Reload it and try again" in text_of(answer)

    async def test_another_sessions_token_is_not_heard(self, hospital: Hospital, desk: Desk) -> None:
        theirs = await hospital.browser(RILEY).csrf()

        answer = await desk.browser(hospital.browser(AVERY)).post("/desk", {"name": "x"}, csrf=theirs)

        assert (answer.status_code, desk.saved) == (403, [])

    async def test_a_form_that_is_too_large_is_refused_on_a_page(
        self, hospital: Hospital, desk: Desk
    ) -> None:
        answer = await desk.browser(hospital.browser(AVERY)).post("/desk", {"name": "x" * MOST_BYTES})

        assert answer.status_code == 413
        assert "Send at most 256 kilobytes" in text_of(answer)


TYPED: dict[str, str | list[str]] = {
    "name": "Lamna “Zoë” <b>",
    "place": ["a", "b", ""],
    "lines": "one\r\ntwo",
    "once": "k-1",
    "do": "save",
}


class TestASessionThatEndsInTheMiddle:
    async def ended(
        self, desk: Desk, browser: Browser, files: dict[str, bytes] | None = None
    ) -> func.HttpResponse:
        desk.hospital.clock.advance(IDLE)
        return await browser.post("/setup/x?step=2", TYPED, files)

    async def test_everything_typed_is_back_after_signing_in_as_the_same_person(
        self, hospital: Hospital, desk: Desk
    ) -> None:
        browser = desk.browser(hospital.browser(AVERY))

        turned = await self.ended(desk, browser)
        page = text_of(await browser.get(turned.headers["Location"]))
        asked = parse_qs(urlsplit(turned.headers["Location"]).query)
        back = await browser.sign_in(AVERY, f"{asked['to'][0]}&held={asked['held'][0]}")
        await browser.get(back.headers["Location"])

        assert (turned.status_code, desk.saved) == (303, [])
        assert "What you typed is kept for one hour" in page
        assert asked["to"] == ["/setup/x?step=2"]
        assert desk.shown is not None
        assert desk.shown.values == {
            "name": ["Lamna “Zoë” <b>"],
            "place": ["a", "b", ""],
            "lines": ["one\ntwo"],
            "once": ["k-1"],
            "do": ["save"],
        }
        assert (desk.shown.held, desk.shown.files_lost) == (True, False)

    async def test_the_page_leads_back_to_where_it_was_typed(self, hospital: Hospital, desk: Desk) -> None:
        browser = desk.browser(hospital.browser(AVERY))
        turned = await self.ended(desk, browser)
        held = parse_qs(urlsplit(turned.headers["Location"]).query)["held"][0]

        page = text_of(await browser.get(turned.headers["Location"]))

        assert f"/sign-in?to=%2Fsetup%2Fx%3Fstep%3D2%26held%3D{held}" in page
        # A form may not lead to another site: the way to Microsoft is a link on a page of ours.
        assert turned.headers["Location"].startswith("/sign-in?")

    async def test_files_are_not_kept_and_that_is_said(self, hospital: Hospital, desk: Desk) -> None:
        browser = desk.browser(hospital.browser(AVERY))
        turned = await self.ended(desk, browser, files={"pem": b"x"})
        held = parse_qs(urlsplit(turned.headers["Location"]).query)["held"][0]

        page = text_of(await browser.get(turned.headers["Location"]))
        await browser.sign_in(AVERY)
        await browser.get(f"/setup/x?held={held}")

        assert "Files have to be chosen again" in page
        assert desk.shown is not None
        assert desk.shown.files_lost
        assert desk.shown.text("name") == "Lamna “Zoë” <b>"

    async def test_nobody_else_gets_it_and_asking_does_not_take_it(
        self, hospital: Hospital, desk: Desk
    ) -> None:
        browser = desk.browser(hospital.browser(AVERY))
        turned = await self.ended(desk, browser)
        held = parse_qs(urlsplit(turned.headers["Location"]).query)["held"][0]
        other = desk.browser(hospital.browser(RILEY))

        await other.get(f"/setup/x?held={held}")
        theirs = desk.shown
        await browser.sign_in(AVERY)
        await browser.get(f"/setup/x?held={held}")

        assert theirs is None
        assert desk.shown is not None

    async def test_it_is_given_back_once_and_not_after_an_hour(self, hospital: Hospital, desk: Desk) -> None:
        browser = desk.browser(hospital.browser(AVERY))
        ids = [
            parse_qs(urlsplit((await self.ended(desk, browser)).headers["Location"]).query)["held"][0]
            for _ in range(2)
        ]
        await browser.sign_in(AVERY)
        await browser.get(f"/setup/x?held={ids[1]}")
        first = desk.shown
        await browser.get(f"/setup/x?held={ids[1]}")
        again = desk.shown
        hospital.clock.advance(HELD_LIVES + timedelta(seconds=1))
        await browser.sign_in(AVERY)
        await browser.get(f"/setup/x?held={ids[0]}")

        assert first is not None
        assert (again, desk.shown) == (None, None)

    async def test_nothing_is_kept_for_whoever_does_not_prove_the_session(
        self, hospital: Hospital, desk: Desk
    ) -> None:
        browser, stranger = desk.browser(hospital.browser(AVERY)), desk.browser(hospital.stranger())
        hospital.clock.advance(IDLE)

        answers = [
            await browser.post("/desk", TYPED, csrf="guessed"),
            await browser.post("/desk", TYPED, headers={"Sec-Fetch-Site": "cross-site"}),
            await stranger.post("/desk", TYPED, csrf="guessed"),
        ]

        assert [one.status_code for one in answers] == [303, 303, 303]
        assert all("held=" not in one.headers["Location"] for one in answers)
        assert hospital.stamp.held_forms.table.rows == {}
        page = text_of(await browser.get(answers[0].headers["Location"]))
        assert "could not be kept" in page

    async def test_signing_out_in_another_tab_loses_nothing_either(
        self, hospital: Hospital, desk: Desk
    ) -> None:
        signed_in = hospital.browser(AVERY)
        tab = desk.browser(signed_in)
        tab.cookies = dict(signed_in.cookies)
        await signed_in.post("/sign-out")

        turned = await tab.post("/desk", TYPED)

        assert "held=" in turned.headers["Location"]
