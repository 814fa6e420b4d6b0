"""What a site may change in its integration records, each rule with the sentence that says what to do."""

import re

from shared.domain.environment import RecordField, RecordSettings
from shared.domain.integration_record import BRACES, RecordBook, words_of
from shared.domain.words import said

MOST_OWN_FIELDS = 10
_LONGEST_NAME = 60
_LONGEST_VALUE = 1000
_LONGEST_OWN_VALUE = 200
# What a token is called in a query string.
_TOKEN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")
# Plain text, or what Epic fills in: `%NAME%`, `%NAME;;; ; ;;NONE;%`.
_OWN_VALUE = re.compile(r"(?:[^&=#\s%]|%[A-Z][^%&=#\r\n\t]*%)+")


def problems_of_records(settings: RecordSettings, *, book: RecordBook) -> dict[str, str]:
    """What is wrong with a site's own fields, names and values, by field."""
    problems = _problems_of_tokens(settings, book) | _problems_of_own_fields(settings, book)
    for key, own in settings.fields.items():
        if problem := _problem_of_field(key, own, settings=settings, book=book):
            problems[f"records.fields.{key}"] = problem
    return problems


def _names(settings: RecordSettings, book: RecordBook) -> list[str]:
    return [settings.tokens.get(word) or name for word, name in book.tokens.items()]


def _problems_of_tokens(settings: RecordSettings, book: RecordBook) -> dict[str, str]:
    problems: dict[str, str] = {}
    names = _names(settings, book)
    if len(set(names)) != len(names):
        problems["records.tokens"] = said("Give each token a name of its own")
    for word, name in settings.tokens.items():
        if word not in book.tokens:
            problems[f"records.tokens.{word}"] = said("There is no such token: %(word)s", word=word)
        elif name and not _TOKEN_NAME.fullmatch(name):
            problems[f"records.tokens.{word}"] = said("Use letters, digits, dots and hyphens, like sessionId")
    return problems


def _problems_of_own_fields(settings: RecordSettings, book: RecordBook) -> dict[str, str]:
    problems: dict[str, str] = {}
    if len(settings.own_fields) > MOST_OWN_FIELDS:
        problems["records.own_fields"] = said("Enter %(most)s own fields or fewer", most=MOST_OWN_FIELDS)
    taken = set(_names(settings, book))
    for place, (name, value) in enumerate(settings.own_fields[:MOST_OWN_FIELDS]):
        field = f"records.own_fields.{place}"
        if not _TOKEN_NAME.fullmatch(name):
            problems[f"{field}.name"] = said("Start with a letter and use letters, digits and _")
        elif name in taken:
            problems[f"{field}.name"] = said("%(name)s is used already", name=name)
        taken.add(name)
        if len(value) > _LONGEST_OWN_VALUE or not _OWN_VALUE.fullmatch(value):
            problems[f"{field}.value"] = said(
                "Enter a value without spaces, & and =, or one of Epic's between percent signs"
            )
    return problems


def _problem_of_field(key: str, own: RecordField, *, settings: RecordSettings, book: RecordBook) -> str:
    if book.field(key) is None:
        return said("There is no such field: %(key)s", key=key)
    if len(own.name) > _LONGEST_NAME or ":" in own.name or not own.name.isprintable():
        return said("A name is 60 characters or fewer, without a colon")
    if len(own.value) > _LONGEST_VALUE or not own.value.isprintable():
        return said("A value is one line of 1,000 characters or fewer")
    if own.name != own.name.strip() or own.value != own.value.strip():
        return said("Remove the space at the start or the end")
    unknown = set(BRACES.findall(own.value)) - set(words_of(book, settings=settings, facts={}))
    if unknown:
        return said("There is nothing to fill in for {%(word)s}", word=min(unknown))
    return ""
