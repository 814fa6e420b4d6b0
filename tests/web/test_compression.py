"""Pages are small on the wire, and a compressed page does not give the session's token away."""

import gzip
import re

import azure.functions as func
import pytest

from functions.web.compression import compressed
from tests.fakes.browser import text_of
from tests.fakes.hospital import AVERY, Hospital

GZIP = {"Accept-Encoding": "gzip"}


def asked(encodings: str) -> func.HttpRequest:
    return func.HttpRequest(
        "GET", "https://visits.example/", headers={"Accept-Encoding": encodings}, params={}, body=b""
    )


def test_a_long_page_is_compressed_and_keeps_its_status_and_headers() -> None:
    page = func.HttpResponse(
        "a" * 5000, status_code=422, mimetype="text/html", charset="utf-8", headers={"X-Kept": "yes"}
    )

    sent = compressed(asked("gzip, br"), page)

    assert gzip.decompress(sent.get_body()) == b"a" * 5000
    assert (sent.status_code, sent.mimetype, sent.charset) == (422, "text/html", "utf-8")
    assert (sent.headers["X-Kept"], sent.headers["Content-Encoding"]) == ("yes", "gzip")
    assert sent.headers["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    ("length", "encodings"), [(5000, "br"), (5000, ""), (5000, "gzip;q=0"), (900, "gzip")]
)
def test_a_short_page_or_one_for_a_browser_that_cannot_read_it_goes_as_it_is(
    length: int, encodings: str
) -> None:
    page = func.HttpResponse("a" * length, mimetype="text/html")

    assert compressed(asked(encodings), page) is page


async def test_the_token_of_a_session_never_reads_the_same_twice_and_every_one_is_heard() -> None:
    hospital = Hospital()
    browser = hospital.browser(AVERY)
    page = re.compile(r'name="csrf" value="([0-9a-f]+)"')

    tokens = [page.findall(text_of(await browser.get("/setup/organizations")))[0] for _ in range(2)]

    assert tokens[0] != tokens[1]
    for token in tokens:
        answer = await browser.post("/setup/organizations", {"do": "add-approver"}, csrf=token)
        assert answer.status_code == 200


async def test_a_page_of_the_portal_goes_compressed_to_a_browser_that_takes_it() -> None:
    answer = await Hospital().browser(AVERY).get("/setup/organizations", headers=GZIP)

    assert answer.headers["Content-Encoding"] == "gzip"
    assert b"<title>" in gzip.decompress(answer.get_body())
