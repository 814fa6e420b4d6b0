"""What holds for every page of the portal: safe markup, forms that work alone, and one frame around all of them."""

import gzip
import re
from pathlib import Path

import pytest

from functions.static_files import FILES
from functions.web.forms import Form
from functions.web.pages import LANGUAGES
from tests.web.audit_parts import AUDIT_PAGES
from tests.web.portal_parts import PORTAL_PAGES, TEST, html_of, listing, section
from tests.web.sign_in_parts import SIGN_IN_PAGES

TEMPLATES = Path(__file__).parents[2] / "functions" / "web" / "templates"
ALL_PAGES = {**PORTAL_PAGES, **SIGN_IN_PAGES, **AUDIT_PAGES}
SOURCES = sorted(TEMPLATES.glob("*.html"))
SCRIPTS = sorted((TEMPLATES.parent / "static").glob("*.js"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
class TestEveryTemplate:
    def test_marks_nothing_as_safe(self, source: Path) -> None:
        assert not re.search(r"\|\s*safe\b", source.read_text("utf-8"))
        assert "autoescape" not in source.read_text("utf-8")

    def test_has_no_style_and_no_handler_of_its_own(self, source: Path) -> None:
        text = source.read_text("utf-8")

        assert not re.search(r"\sstyle\s*=", text)
        assert not re.search(r"\son\w+\s*=", text)
        assert not re.search(r"<script(?![^>]*(src=|application/json))", text)

    def test_posts_no_form_that_could_not_be_told_from_a_forged_one(self, source: Path) -> None:
        posts = re.findall(r'<form\b[^>]*method="post".*?</form>', source.read_text("utf-8"), re.DOTALL)

        # A patient has no session to ride on: the token in the address is all there is.
        patient = ("_parts.html", "join.html", "waiting.html", "device_test.html")
        if source.name not in patient:
            assert all('name="csrf"' in form or "f.csrf()" in form for form in posts)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_no_script_writes_markup(script: Path) -> None:
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", script.read_text("utf-8")
    )


def test_one_style_sheet_is_small_enough_for_a_phone() -> None:
    assert (TEMPLATES.parent / "static" / "app.css").stat().st_size < 30_000


@pytest.mark.parametrize("name", ALL_PAGES)
@pytest.mark.parametrize("language", [language.code for language in LANGUAGES])
class TestEveryPortalPage:
    def test_has_one_heading_and_unique_ids(self, name: str, language: str) -> None:
        template, facts = ALL_PAGES[name]

        html = html_of(template, language, **facts)

        assert html.count("<h1") == 1
        ids = re.findall(r'\sid="([^"]+)"', html)
        assert sorted(ids) == sorted(set(ids))

    def test_explains_every_field_with_something_on_the_page(self, name: str, language: str) -> None:
        template, facts = ALL_PAGES[name]

        html = html_of(template, language, **facts)

        ids = set(re.findall(r'\sid="([^"]+)"', html))
        pointed = " ".join(
            re.findall(r'\s(?:aria-describedby|aria-labelledby|for|popovertarget|list)="([^"]+)"', html)
        )
        assert set(pointed.split()) <= ids
        assert set(re.findall(r'href="#([^"]+)"', html)) <= ids

    def test_weighs_less_than_30_kilobytes_over_the_wire(self, name: str, language: str) -> None:
        template, facts = ALL_PAGES[name]

        html = html_of(template, language, **facts)

        parts = set(re.findall(r'(?:href|src)="/static/([^"]+)"', html))
        assert len(html.encode()) + sum(len(FILES[part].zipped) for part in parts) < 30_000
        assert len(gzip.compress(html.encode())) < 10_000


@pytest.mark.parametrize("name", [name for name in PORTAL_PAGES if name != "home, signed out"])
def test_a_signed_in_page_shows_the_way_around_and_the_way_out(name: str) -> None:
    template, facts = PORTAL_PAGES[name]

    html = html_of(template, **facts)

    assert 'action="/sign-out"' in html
    assert 'value="csrf-of-avery"' in html
    assert 'popovertarget="menu"' in html
    assert "trademarks of Epic Systems Corporation" in html
    assert html.count('aria-current="page"') == 1


class TestRefusedForm:
    TEMPLATE, FACTS = PORTAL_PAGES["organizations, refused"]

    def test_says_so_in_the_title_and_first_on_the_page(self) -> None:
        html = html_of(self.TEMPLATE, **self.FACTS)

        assert "<title>Error: Organizations – Visit Connector</title>" in html
        assert html.index('id="errors"') < html.index("<h1>")
        assert 'tabindex="-1" autofocus' in html

    def test_says_at_the_field_what_the_summary_says(self) -> None:
        html = html_of(self.TEMPLATE, **self.FACTS)

        for words in self.FACTS["problems"].values():
            assert html.count(words) == 2

    def test_keeps_what_was_typed_however_long(self) -> None:
        html = html_of(self.TEMPLATE, **self.FACTS)

        assert f'value="{"L" * 41}"' in html
        assert 'value="https://epic.lamna.example/DSTU2"' in html
        assert "maxlength" not in html

    def test_ties_the_words_to_the_field(self) -> None:
        html = html_of(self.TEMPLATE, **self.FACTS)

        name = "connection-fhir_base_url"
        assert f'aria-describedby="{name}-hint {name}-error" aria-invalid="true"' in html


def test_what_was_typed_is_never_markup() -> None:
    form = Form({"operation.organization": ['"><script>alert(1)</script>']})

    html = html_of("organizations.html", **listing(form=form))

    assert "<script>alert" not in html
    assert "&#34;&gt;&lt;script&gt;" in html


def test_a_check_box_that_was_cleared_stays_cleared() -> None:
    name = "operation.meetings.connected_when_waiting"
    facts = section("meetings")
    before = html_of("organization_section.html", **facts)
    cleared = html_of("organization_section.html", **facts, form=Form({"shown": [name]}))

    box = re.compile(rf'<input type="checkbox"[^>]*name="{re.escape(name)}"[^>]*>')
    assert "checked" in box.findall(before)[0]
    assert "checked" not in box.findall(cleared)[0]


def test_neither_test_nor_production_is_chosen_for_anybody() -> None:
    html = html_of("organizations.html", **listing(TEST))

    assert not re.search(r'type="radio"[^>]*checked', html)


def test_optional_fields_say_so_and_others_carry_no_star() -> None:
    html = html_of("organization_section.html", **section("feed"))

    assert html.count("(optional)") == 5
    assert "*" not in re.sub(r"<[^>]+>", "", html)
