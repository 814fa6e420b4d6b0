"""Cookies are read as browsers send them, whatever a stranger or another page puts beside ours."""

import azure.functions as func
import pytest

from functions.web.cookies import read_cookie


def sent(header: str) -> func.HttpRequest:
    return func.HttpRequest("GET", "https://visits.example/", headers={"Cookie": header}, body=b"")


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("session=abc_-1", "abc_-1"),
        ("a=1; session=abc; b=2", "abc"),
        ("session=abc==", "abc=="),
        ("session=abc; odd name=1; broken", "abc"),
        ("{}=1; session=abc", "abc"),
        ("session=", ""),
        ("xsession=abc; Session=abc", ""),
        ("", ""),
    ],
)
def test_a_cookie_is_found_among_any_others(header: str, value: str) -> None:
    assert read_cookie(sent(header), "session") == value


def test_a_quoted_value_is_left_as_it_is() -> None:
    # Unquoting what a stranger sent takes time that grows with the square of its length.
    quoted = '"' + "\\" * 30_000 + '"'

    assert read_cookie(sent(f"session={quoted}"), "session") == quoted
