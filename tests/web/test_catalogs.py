"""Every sentence of the pages exists in every language, with the same facts in it."""

import re
from functools import cache
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from functions.web.catalogs import catalog, compile_catalog

ROOT = Path(__file__).parents[2]
WEB = ROOT / "functions" / "web"
FOLDERS = ("es", "zh_Hant_TW")


def placeholders(text: str) -> list[str]:
    return sorted(re.findall(r"%\(\w+\)s", text))


@cache
def sentences() -> frozenset[str]:
    """Every sentence that the templates say, and every one that a rule made for a person to read."""
    found = extract_from_dir(
        str(WEB / "templates"),
        method_map=[("**.html", "jinja2")],
        options_map={"**.html": {"encoding": "utf-8"}},
    )
    rules = (
        one
        for folder in ("functions", "shared")
        for one in extract_from_dir(
            str(ROOT / folder), method_map=[("**.py", "python")], keywords={"said": None}
        )
    )
    return frozenset(str(message) for _, _, message, _, _ in (*found, *rules))


@cache
def translations(folder: str) -> Catalog:
    with (WEB / "locale" / folder / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return read_po(file)


def test_the_templates_are_read() -> None:
    assert "Join visit" in sentences()


def test_the_rules_are_read() -> None:
    assert "Enter the FHIR base URL" in sentences()


@pytest.mark.parametrize("folder", FOLDERS)
class TestCatalog:
    def test_holds_every_sentence_and_no_other(self, folder: str) -> None:
        known = {str(message.id) for message in translations(folder) if message.id}

        assert known == sentences()

    def test_has_words_for_each_and_none_in_doubt(self, folder: str) -> None:
        messages = [message for message in translations(folder) if message.id]

        assert [message.id for message in messages if not message.string or message.fuzzy] == []
        assert not translations(folder).fuzzy

    def test_keeps_the_facts_of_each_sentence(self, folder: str) -> None:
        changed = [
            message.id
            for message in translations(folder)
            if message.id and placeholders(str(message.id)) != placeholders(str(message.string))
        ]

        assert changed == []

    def test_compiles_in_memory_whole(self, folder: str) -> None:
        binary = compile_catalog(WEB / "locale" / folder / "LC_MESSAGES" / "messages.po")

        # The count in a .mo file's header, with one entry for the header itself.
        assert int.from_bytes(binary[8:12], "little") == len(sentences()) + 1


def test_a_language_is_spoken_and_any_other_is_english() -> None:
    assert catalog("es").gettext("Join visit") == "Entrar a la visita"
    assert catalog("zh-Hant-TW").gettext("Join visit") == "加入看診"
    assert catalog("fr").gettext("Join visit") == "Join visit"


def test_the_main_buttons_stay_short_in_every_language() -> None:
    buttons = ("Join visit", "Join again", "Try again", "Open the video visit", "Open Teams", "Copy link")

    long = [
        (button, language)
        for button in buttons
        for language in ("es", "zh-Hant-TW")
        if len(catalog(language).gettext(button)) > max(1.6 * len(button), 20)
    ]
    assert long == []
