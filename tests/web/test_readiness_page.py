"""The readiness page says of every check how it stands in words, and offers the lines to paste."""

from datetime import timedelta

import pytest

from functions.web.pages import page
from shared.domain.readiness import Area, Check, worst
from shared.flows.check_readiness import check_readiness
from tests.fakes.clock import FixedClock
from tests.fakes.hospital import NOW, environment
from tests.fakes.observers import Watchers
from tests.flows.test_check_readiness import DEPLOYMENT


async def checks(watchers: Watchers) -> tuple[Check, ...]:
    found = await check_readiness(
        [environment()], observers=watchers.observers(), deployment=DEPLOYMENT, now=FixedClock(NOW)
    )
    return found.checks


def shown(made: tuple[Check, ...], language: str = "en") -> str:
    answer = page(
        "readiness.html",
        language=language,
        zone="America/New_York",
        checked_at=NOW,
        state=worst(made),
        groups=[(area, [one for one in made if one.area is area]) for area in Area],
        environments={"env-1": environment()},
    )
    return answer.get_body().decode()


async def test_every_check_is_shown_with_its_state_in_words() -> None:
    watchers = Watchers(FixedClock(NOW))
    watchers.graph_clock.ahead = timedelta(minutes=2)
    made = await checks(watchers)
    html = shown(made)

    assert all(f'id="check-{one.id}"' in html for one in made)
    assert {"OK", "Warning", "Configured, not observed"} <= {
        word
        for word in ("OK", "Warning", "Problem", "Configured, not observed")
        if f"</svg>{word}</span>" in html
    }
    assert "Lamna Healthcare (Production)" in html
    assert "Lamna Healthcare (Producción)" in shown(made, "es")


async def test_lines_to_paste_are_shown_escaped_and_can_be_copied() -> None:
    watchers = Watchers(FixedClock(NOW))
    watchers.mail.allowed = False
    html = shown(await checks(watchers))

    assert "Connect-ExchangeOnline\nNew-ServicePrincipal -AppId &#34;" in html
    assert 'data-copy-of="lines-mail"' in html
    assert "&lt;object id of the enterprise application&gt;" in html


@pytest.mark.parametrize("language", ["en", "es", "zh-Hant-TW"])
async def test_the_page_holds_no_script_and_no_style_of_its_own(language: str) -> None:
    html = shown(await checks(Watchers(FixedClock(NOW))), language)

    assert " style=" not in html
    assert " onclick=" not in html


async def test_checking_again_is_a_link_that_works_without_a_script() -> None:
    assert '<a class="button" href="/readiness">' in shown(await checks(Watchers(FixedClock(NOW))))
