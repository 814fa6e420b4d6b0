"""The files pages refer to: a closed list, kept by browsers for good."""

import gzip
from collections.abc import Awaitable, Callable

import azure.functions as func
import pytest

from functions.static_files import FILES, asset, static_files

Handler = Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]


@pytest.fixture
def static_file() -> Handler:
    app = func.FunctionApp()
    app.register_functions(static_files())
    (function,) = app.get_functions()
    handler: Handler = function.get_user_function()
    return handler


def request(name: str, encodings: str = "") -> func.HttpRequest:
    return func.HttpRequest(
        "GET",
        f"https://visits.example/static/{name}",
        headers={"Accept-Encoding": encodings} if encodings else {},
        route_params={"name": name},
        body=b"",
    )


def public(name: str) -> str:
    return asset(name).removeprefix("/static/")


async def test_a_file_may_be_kept_for_good_because_its_name_changes_with_it(static_file: Handler) -> None:
    answer = await static_file(request(public("app.css")))

    assert answer.status_code == 200
    assert answer.mimetype == "text/css"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("encodings", "zipped"),
    [
        ("gzip, deflate, br", True),
        ("br;q=1.0, gzip;q=0.5", True),
        ("*", True),
        ("", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
    ],
)
async def test_a_file_is_compressed_for_those_who_can_read_it(
    static_file: Handler, encodings: str, zipped: bool
) -> None:
    name = public("app.css")

    answer = await static_file(request(name, encodings))

    assert (answer.headers.get("Content-Encoding") == "gzip") == zipped
    assert answer.headers["Vary"] == "Accept-Encoding"
    body = answer.get_body()
    assert (gzip.decompress(body) if zipped else body) == FILES[name].plain


@pytest.mark.parametrize("name", ["app.css", "app.00000000.css", "../pages.py", "..%2fpages.py", ""])
async def test_nothing_else_can_be_read(static_file: Handler, name: str) -> None:
    assert (await static_file(request(name))).status_code == 404
