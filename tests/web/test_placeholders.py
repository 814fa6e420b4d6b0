"""Every sentence of a rule can be said on a page in every language, whatever its placeholders are called."""

import re

import pytest

from functions.web.pages import LANGUAGES, page
from shared.domain.words import Said
from tests.web.test_catalogs import sentences

FACTS = sorted(name for one in sentences() for name in re.findall(r"%\((\w+)\)", one))


@pytest.mark.parametrize("language", [one.code for one in LANGUAGES])
def test_every_sentence_with_facts_is_said_on_a_page(language: str) -> None:
    given = dict.fromkeys(FACTS, 7)
    problems = {
        str(number): Said(sentence, given)
        for number, sentence in enumerate(sorted(sentences()))
        if "%(" in sentence
    }

    answer = page(
        "portal_problem.html", language=language, code="x", why="", sentences=list(problems.values())
    )

    assert len(problems) > 100
    assert answer.status_code == 200
    assert "%(" not in answer.get_body().decode()
