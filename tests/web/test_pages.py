"""What patients and providers read: the right words for each state, behind the same strict rules on every page."""

import gzip
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from functions.static_files import FILES
from functions.web.pages import LANGUAGES, language_of, page
from shared.domain.join_link import PageState
from shared.domain.launch import LaunchFailure
from shared.domain.outcome import Outcome
from shared.domain.participant import Presence

TEMPLATES = Path(__file__).parents[2] / "functions" / "web" / "templates"
STARTS = datetime(2026, 11, 24, 22, 30, tzinfo=UTC)

OPEN_LINK: dict[str, Any] = {
    "organization": "Lamna Healthcare",
    "phone": "555-555-0100",
    "starts_at": STARTS,
    "ends_at": STARTS + timedelta(minutes=30),
    "opens_at": STARTS - timedelta(minutes=15),
    "closes_at": STARTS + timedelta(hours=1),
    "zone": "America/Los_Angeles",
    "token": "3fJ0aP2m_wQ",
    "path": "/v/3fJ0aP2m_wQ",
}
VISIT: dict[str, Any] = {
    "organization": "Lamna Healthcare",
    "starts_at": STARTS,
    "zone": "America/Los_Angeles",
    "join_url": "https://teams.example/join/1",
    "patient_link": "https://visits.lamna.example/v/3fJ0aP2m_wQ",
    "participants": [
        {"who": "patient", "presence": "waiting", "since": STARTS},
        {"who": "provider", "presence": "absent", "since": None},
        {"who": "guest", "presence": "connected", "since": STARTS},
        {"who": "guest", "presence": "left", "since": STARTS},
    ],
    "outcome": "not known",
    "ended": False,
    "watched": True,
    "live_path": "/visit/abc/live",
}

JOIN_STATES = (
    *(state.value for state in PageState if state.value not in ("waiting", "connected", "left")),
    *("unknown", "too-many", "down"),
)
PROBLEMS = ("not-found", "signed-out", "not-allowed", "service-down")

EVERY_PAGE: dict[str, tuple[str, dict[str, Any]]] = {
    **{f"join {state}": ("join.html", {**OPEN_LINK, "state": state}) for state in JOIN_STATES},
    **{
        f"waiting {presence}": (
            "waiting.html",
            {**OPEN_LINK, "presence": presence.value, "meeting_url": "https://teams.example/guest/1"},
        )
        for presence in Presence
    },
    "waiting, no meeting yet": ("waiting.html", {**OPEN_LINK, "presence": "absent", "go": True}),
    "provider": ("provider.html", VISIT),
    "provider, no meeting yet": ("provider.html", {**VISIT, "join_url": None, "watched": False}),
    **{
        f"launch {cause}": ("launch_failed.html", {"cause": cause.value, "reference": "9F3A22C1"})
        for cause in LaunchFailure
    },
    **{
        f"problem {problem}": ("problem.html", {"problem": problem, "reference": "9F3A22C1"})
        for problem in PROBLEMS
    },
    "home": ("home.html", {}),
}


def html_of(template: str, language: str = "en", **facts: Any) -> str:
    return page(template, language=language, **facts).get_body().decode()


def heading_of(html: str) -> str:
    found = re.search(r"<h1>(.*?)</h1>", html)
    assert found
    return found[1]


def request(*, lang: str = "", accepts: str = "") -> func.HttpRequest:
    return func.HttpRequest(
        "GET",
        "https://visits.example/v/abc",
        headers={"Accept-Language": accepts} if accepts else {},
        params={"lang": lang} if lang else {},
        body=b"",
    )


@pytest.mark.parametrize("name", EVERY_PAGE)
@pytest.mark.parametrize("language", [language.code for language in LANGUAGES])
class TestEveryPage:
    def test_says_its_language_and_has_one_heading(self, name: str, language: str) -> None:
        template, facts = EVERY_PAGE[name]

        html = html_of(template, language, **facts)

        assert f'<html lang="{language}">' in html
        assert html.count("<h1>") == 1
        assert heading_of(html).strip()

    def test_needs_no_inline_script_or_style(self, name: str, language: str) -> None:
        template, facts = EVERY_PAGE[name]

        html = html_of(template, language, **facts)

        assert " style=" not in html
        assert not re.search(r"\son\w+=", html)
        scripts = re.findall(r"<script[^>]*>", html)
        assert all("src=" in script or "application/json" in script for script in scripts)

    def test_weighs_less_than_30_kilobytes_over_the_wire(self, name: str, language: str) -> None:
        template, facts = EVERY_PAGE[name]

        html = html_of(template, language, **facts)

        parts = re.findall(r'(?:href|src)="/static/([^"]+)"', html)
        assert len(html.encode()) + sum(len(FILES[part].zipped) for part in parts) < 30_000
        assert len(gzip.compress(html.encode())) < 10_000


def test_a_page_is_kept_by_nobody_and_runs_only_our_own_scripts() -> None:
    headers = page("join.html", language="en", **OPEN_LINK, state="ready").headers

    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Permissions-Policy"] == "camera=(self), microphone=(self), geolocation=()"
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "form-action 'self'; base-uri 'none'; frame-ancestors 'none'" in policy
    assert policy.endswith("require-trusted-types-for 'script'; trusted-types 'none'")


def test_only_the_page_that_asks_may_be_framed() -> None:
    framed = page("provider.html", language="en", frame_ancestors="https://epic.lamna.example", **VISIT)

    assert "frame-ancestors https://epic.lamna.example;" in framed.headers["Content-Security-Policy"]


def test_what_a_page_is_given_is_never_markup() -> None:
    html = html_of("join.html", **{**OPEN_LINK, "organization": "<script>alert(1)</script>"}, state="ready")

    assert "<script>alert" not in html
    assert "&lt;script&gt;" in html


def test_a_missing_fact_is_an_error_and_never_a_gap() -> None:
    with pytest.raises(Exception, match="state"):
        page("join.html", language="en", **OPEN_LINK)


@pytest.mark.parametrize(
    ("state", "heading"),
    [
        ("ready", "Your video visit"),
        ("early", "You are early"),
        ("late", "Your visit has started"),
        ("cancelled", "This visit was cancelled"),
        ("in-person", "This visit is no longer by video"),
        ("ended", "This link has ended"),
        ("unknown", "We cannot find this visit"),
        ("too-many", "Please wait a minute"),
        ("down", "Something went wrong"),
    ],
)
def test_each_state_of_a_link_has_its_heading(state: str, heading: str) -> None:
    assert heading_of(html_of("join.html", **OPEN_LINK, state=state)) == heading


@pytest.mark.parametrize("state", JOIN_STATES)
def test_join_is_offered_only_while_the_link_is_open(state: str) -> None:
    html = html_of("join.html", "es", **OPEN_LINK, state=state)

    form = '<form method="post" action="/v/3fJ0aP2m_wQ/join?lang=es">'
    assert (form in html) == (state in ("ready", "late"))


def test_the_clock_is_that_of_the_clinic_with_its_zone_in_words() -> None:
    html = html_of("join.html", **OPEN_LINK, state="ready")

    assert "2:30 PM" in html
    assert "Tuesday, November 24, Pacific Time" in html


def test_a_visit_on_the_same_day_says_today() -> None:
    evening_before = STARTS - timedelta(days=1)

    assert "Today at 2:30 PM" in html_of("join.html", **OPEN_LINK, state="ready", now=STARTS)
    assert "Today" not in html_of("join.html", **OPEN_LINK, state="ready", now=evening_before)


def test_early_says_from_when_and_looks_again_without_a_script() -> None:
    html = html_of("join.html", **OPEN_LINK, state="early")

    assert "You can join from 2:15 PM. This page will show the Join button then." in html
    assert '<noscript><meta http-equiv="refresh" content="30"></noscript>' in html


def test_days_early_says_which_day() -> None:
    html = html_of("join.html", **OPEN_LINK, state="early", now=STARTS - timedelta(days=3))

    assert "You can join on Tuesday, November 24 from 2:15 PM." in html


def test_a_visit_without_a_time_says_that_it_is_not_known() -> None:
    untimed = {**OPEN_LINK, "starts_at": None, "ends_at": None, "opens_at": None, "closes_at": None}

    assert "The time of your visit is not known yet." in html_of("join.html", **untimed, state="early")
    assert "The visit will not take place." in html_of("join.html", **untimed, state="cancelled")
    assert "This link no longer works." in html_of("join.html", **untimed, state="ended")


def test_the_clinic_can_be_called_with_one_tap() -> None:
    html = html_of("join.html", **{**OPEN_LINK, "phone": "+1 555 555 0100"}, state="cancelled")

    assert 'href="tel:+15555550100"' in html


@pytest.mark.parametrize(
    ("zone", "sentence"),
    [
        ("America/Chicago", "In an emergency, call 911."),
        ("Europe/Madrid", "In an emergency, call 112."),
        ("Europe/London", "In an emergency, call 999."),
        ("Asia/Taipei", "In an emergency, call 119."),
        ("Asia/Kolkata", "In an emergency, call your local emergency number."),
        ("", "In an emergency, call your local emergency number."),
    ],
)
def test_the_emergency_number_is_that_of_the_clinics_country(zone: str, sentence: str) -> None:
    assert sentence in html_of("join.html", **{**OPEN_LINK, "zone": zone}, state="ended")


def test_languages_are_links_in_their_own_names_and_keep_the_address() -> None:
    html = html_of("join.html", "es", **OPEN_LINK, state="ready")

    assert re.findall(r'href="(/v/3fJ0aP2m_wQ\?lang=[^"]+)"', html) == [
        f"/v/3fJ0aP2m_wQ?lang={language.code}" for language in LANGUAGES
    ]
    assert [language.name for language in LANGUAGES if f">{language.name}</a>" in html] == [
        "English",
        "Español",
        "中文",
    ]
    assert 'lang="es" hreflang="es" aria-current="true"' in html


def test_spanish_has_its_own_article_for_one_oclock() -> None:
    at_one = {**OPEN_LINK, "starts_at": STARTS - timedelta(hours=1)}

    html = html_of("join.html", "es", **at_one, state="cancelled")

    assert "a la 1:30 p.m. no se realizará" in html


def test_a_spanish_sentence_that_ends_with_the_time_has_one_full_stop() -> None:
    html = html_of("join.html", "es", **OPEN_LINK, state="early")

    assert re.search(r"\d p\.m\.(?!\.)", html)
    assert "p.m.." not in html


def test_on_first_arrival_the_page_leads_to_the_meeting_even_without_a_script() -> None:
    html = html_of(
        "waiting.html",
        **OPEN_LINK,
        presence="absent",
        meeting_url="https://teams.example/a?b=1&c='2'",
        go=True,
    )

    assert heading_of(html) == "Opening your visit"
    assert 'content="1;url=https://teams.example/a?b=1&amp;c=&#39;2&#39;"' in html
    assert 'href="https://teams.example/a?b=1&amp;c=&#39;2&#39;"' in html


@pytest.mark.parametrize(
    ("presence", "go", "heading"),
    [
        ("absent", False, "Your visit is ready to open"),
        ("waiting", True, "You are in the waiting room"),
        ("connected", True, "You are in the visit"),
        ("left", True, "You left the visit"),
    ],
)
def test_later_the_page_says_where_the_patient_is_and_leads_nowhere_by_itself(
    presence: str, go: bool, heading: str
) -> None:
    html = html_of(
        "waiting.html", **OPEN_LINK, presence=presence, meeting_url="https://teams.example/guest/1", go=go
    )

    assert heading_of(html) == heading
    assert ";url=" not in html


def test_while_the_meeting_is_being_made_the_page_looks_again_every_few_seconds() -> None:
    html = html_of("waiting.html", **OPEN_LINK, presence="absent", meeting_url=None, go=True)

    assert heading_of(html) == "Your visit is being prepared"
    assert '<meta http-equiv="refresh" content="3">' in html


def test_who_left_can_join_again_until_the_link_closes() -> None:
    html = html_of("waiting.html", **OPEN_LINK, presence="left", meeting_url="https://teams.example/guest/1")

    assert "You can join again until 3:30 PM." in html
    assert 'action="/v/3fJ0aP2m_wQ/join?lang=en"' in html


def test_the_provider_reads_who_is_here_without_a_script() -> None:
    html = html_of("provider.html", **VISIT)

    rows = re.findall(r"<b>(.*?)</b><span>(.*?)</span>", html)
    assert rows == [
        ("Patient", "Waiting in the lobby since 2:30 PM"),
        ("Provider", "Not here yet"),
        ("Guest 1", "Connected since 2:30 PM"),
        ("Guest 2", "Disconnected at 2:30 PM"),
    ]
    assert '<noscript><meta http-equiv="refresh" content="10"></noscript>' in html


def test_the_provider_opens_teams_in_another_window_that_cannot_reach_back() -> None:
    html = html_of("provider.html", **VISIT)

    assert 'href="https://teams.example/join/1" target="_blank" rel="noopener noreferrer"' in html
    assert "The chat is not a medical record." in html


def test_a_visit_that_is_not_watched_says_so() -> None:
    warning = '<p class="notice warn" id="trouble">Live status is not available yet.'

    assert warning in html_of("provider.html", **{**VISIT, "watched": False})
    assert warning not in html_of("provider.html", **VISIT)


@pytest.mark.parametrize("outcome", Outcome)
def test_a_visit_that_ended_says_how(outcome: Outcome) -> None:
    html = html_of("provider.html", **{**VISIT, "ended": True, "outcome": outcome.value})

    assert re.search(r'<p id="outcome">\w[^<]+\.</p>', html)


def test_every_cause_of_a_failed_launch_is_worded_differently() -> None:
    pages = [
        html_of("launch_failed.html", cause=cause.value, reference="9F3A22C1") for cause in LaunchFailure
    ]

    assert len({heading_of(html) for html in pages}) == len(LaunchFailure)
    assert all("Reference number: 9F3A22C1" in html and "What to do" in html for html in pages)


@pytest.mark.parametrize(
    ("lang", "accepts", "fallback", "answer"),
    [
        ("es", "zh-TW", "en", "es"),
        ("", "es-MX,es;q=0.9,en;q=0.8", "en", "es"),
        ("", "fr,zh-TW;q=0.5,en;q=0.7", "es", "en"),
        ("", "zh-HK", "en", "zh-Hant-TW"),
        ("xx", "", "zh-Hant-TW", "zh-Hant-TW"),
        ("", "es;q=0, fr", "en", "en"),
        ("", "es;q=much", "", "en"),
    ],
    ids=[
        "the link wins",
        "then the browser",
        "by weight",
        "any Chinese",
        "then the text's language",
        "refused",
        "nonsense",
    ],
)
def test_the_language_is_the_links_then_the_browsers_then_the_texts(
    lang: str, accepts: str, fallback: str, answer: str
) -> None:
    assert language_of(request(lang=lang, accepts=accepts), fallback) == answer


@pytest.mark.parametrize("template", sorted(path.name for path in TEMPLATES.glob("*.html")))
def test_templates_trust_nothing(template: str) -> None:
    source = (TEMPLATES / template).read_text(encoding="utf-8")

    assert not re.search(r"\|\s*safe\b|autoescape\s+false|style=|javascript:", source)
