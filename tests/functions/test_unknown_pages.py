"""An address that nothing answers says so, in the reader's language, and leads home."""

import json

import pytest

from tests.fakes.browser import text_of
from tests.fakes.hospital import AVERY, Hospital


@pytest.mark.parametrize("path", ["/nowhere", "/setup", "/setup/organizations/env-1/clients/more"])
async def test_a_stranger_and_a_colleague_read_that_there_is_nothing(path: str) -> None:
    hospital = Hospital()
    for browser in (hospital.stranger(), hospital.browser(AVERY)):
        answer = await browser.get(path)

        assert answer.status_code == 404
        assert "<h1>Page not found</h1>" in text_of(answer)
        assert 'href="/"' in text_of(answer)


async def test_it_is_said_in_the_readers_language() -> None:
    assert '<html lang="es">' in text_of(await Hospital().stranger().get("/nowhere?lang=es"))


async def test_a_program_gets_problem_details() -> None:
    answer = await Hospital().stranger().get("/api/v1/nothing")

    assert answer.status_code == 404
    assert answer.mimetype == "application/problem+json"
    assert json.loads(answer.get_body())["code"] == "not-found"


async def test_nothing_is_written_in_the_audit_log_for_it() -> None:
    hospital = Hospital()
    browser = hospital.browser(AVERY)
    before = {day: len(entries) for day, entries in hospital.stamp.audit_chains.items()}
    await browser.get("/nowhere")

    assert {day: len(entries) for day, entries in hospital.stamp.audit_chains.items()} == before
