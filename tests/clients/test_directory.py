"""A colleague is found by address where the hospital lets the app look; what cannot be done is told apart."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import unquote

import httpx
import pytest

from shared.clients.directory import Directory
from shared.domain.errors import TryAgain, TurnedDown
from shared.domain.portal_session import Colleague
from tests.clients.graph_double import Answer, GraphDouble, refusal
from tests.clients.tls_server import FakeCredential

PRIYA = {"id": "oid-priya", "displayName": "Priya Nair", "mail": "priya.nair@lamna.example"}
FOUND = Colleague("oid-priya", "Priya Nair", "priya.nair@lamna.example")
NOBODY = refusal(404, "Request_ResourceNotFound", "Resource 'priya.nair@lamna.example' does not exist.")


def rows(*found: object) -> httpx.Response:
    return httpx.Response(200, json={"value": list(found)})


@asynccontextmanager
async def directory(double: GraphDouble) -> AsyncIterator[Directory]:
    async with double.graph() as graph:
        yield Directory(graph, credential=FakeCredential())


async def find(*answers: Answer, address: str = " priya.nair@lamna.example ") -> Colleague | None:
    async with directory(GraphDouble([*answers])) as people:
        return await people.find(address)


async def test_a_colleague_is_found_by_the_address_they_sign_in_with_in_one_call() -> None:
    double = GraphDouble([httpx.Response(200, json=PRIYA)])
    async with directory(double) as people:
        assert await people.find("priya.nair@lamna.example") == FOUND

    assert double.asked == [
        (
            "GET",
            "/v1.0/users/priya.nair%40lamna.example?$select=id%2CdisplayName%2Cmail%2CuserPrincipalName",
        )
    ]


async def test_an_address_that_is_only_a_mailbox_leads_to_its_owner() -> None:
    double = GraphDouble([NOBODY, rows(PRIYA)])
    async with directory(double) as people:
        assert await people.find("o'neil@lamna.example") == FOUND

    assert "mail eq 'o''neil@lamna.example'" in unquote(double.asked[1][1])


async def test_an_address_among_the_others_of_a_person_leads_to_them_where_graph_lets_the_app_look() -> None:
    double = GraphDouble([NOBODY, rows(), rows(PRIYA)])
    async with directory(double) as people:
        assert await people.find("P.Nair@lamna.example") == FOUND

    assert "proxyAddresses/any(one:one eq 'smtp:p.nair@lamna.example')" in unquote(double.asked[2][1])


@pytest.mark.parametrize(
    "last", [rows(), refusal(403, "Authorization_RequestDenied"), refusal(400, "BadRequest")]
)
async def test_somebody_whom_nothing_leads_to_is_not_found(last: httpx.Response) -> None:
    assert await find(NOBODY, rows(), last) is None


@pytest.mark.parametrize(
    "typed", ["priya", "priya@", "a@b@c", "x y@lamna.example", "a@lamna.example/../me", ""]
)
async def test_what_is_no_address_is_not_asked_for(typed: str) -> None:
    double = GraphDouble([httpx.Response(200, json=PRIYA)])
    async with directory(double) as people:
        assert await people.find(typed) is None
    assert double.asked == []


async def test_an_address_that_leads_to_two_people_is_nobodys() -> None:
    with pytest.raises(TurnedDown) as refused:
        await find(NOBODY, rows(PRIYA, {**PRIYA, "id": "oid-other"}))
    assert refused.value.code == "ambiguous"


@pytest.mark.parametrize(
    "answer",
    [httpx.Response(200, json={"displayName": "Priya"}), httpx.Response(200, json={"id": None})],
    ids=["no id", "null id"],
)
async def test_half_an_answer_names_nobody(answer: httpx.Response) -> None:
    with pytest.raises(TurnedDown) as refused:
        await find(answer)
    assert refused.value.code == "not-readable"


async def test_an_answer_without_a_list_is_not_taken_for_an_empty_one() -> None:
    with pytest.raises(TurnedDown):
        await find(NOBODY, httpx.Response(200, json={"value": None}))


async def test_a_tenant_that_does_not_let_the_app_look_says_so() -> None:
    with pytest.raises(TurnedDown) as refused:
        await find(refusal(403, "Authorization_RequestDenied", "priya.nair@lamna.example"))
    assert refused.value.code == "Authorization_RequestDenied"
    assert "priya" not in str(refused.value)


@pytest.mark.parametrize(
    ("answer", "after"),
    [
        (refusal(429, "TooManyRequests", Retry_After="2.128"), 2.128),
        (refusal(503, "ServiceUnavailable"), None),
        (httpx.ConnectError("away"), None),
    ],
    ids=["throttled", "away", "unreachable"],
)
async def test_a_busy_directory_is_worth_another_try(answer: Answer, after: float | None) -> None:
    with pytest.raises(TryAgain) as busy:
        await find(answer)
    assert busy.value.after == after
