"""What Microsoft 365 allows is asked without changing anything, and half an answer is never taken for a yes."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from shared.clients.microsoft_checks import MicrosoftChecks
from shared.domain.errors import TryAgain, TurnedDown
from tests.clients.graph_double import Answer, GraphDouble, refusal
from tests.clients.tls_server import FakeCredential

GRAPH = {
    "id": "graph-id",
    "appRoles": [
        {"id": "r-1", "value": "OnlineMeetings.ReadWrite.All"},
        {"id": "r-2", "value": "User.ReadBasic.All"},
    ],
}
NO_POLICY = "No application access policy found for this app: a on the user: organizer-1."
TEAMS = {"servicePlanId": "57ff2da0-773e-42df-b2af-ffb7a2317929", "servicePlanName": "TEAMS1"}
MAIL = {"servicePlanId": "9aaf7827-d63c-4b61-89c3-182f06f82e5c", "servicePlanName": "EXCHANGE_S_STANDARD"}
DENIED = refusal(403, "Authorization_RequestDenied")


def ok(**content: Any) -> httpx.Response:
    return httpx.Response(200, json=content)


def licence(*plans: dict[str, str]) -> httpx.Response:
    return ok(value=[{"servicePlans": [{"provisioningStatus": "Success", **one} for one in plans]}])


@asynccontextmanager
async def checks(double: GraphDouble) -> AsyncIterator[MicrosoftChecks]:
    async with double.graph() as graph:
        yield MicrosoftChecks(graph, credential=FakeCredential(), client_id="our-app")


async def ask(look: Callable[[MicrosoftChecks], Awaitable[Any]], *answers: Answer) -> Any:
    async with checks(GraphDouble([*answers])) as asked:
        return await look(asked)


async def test_permissions_are_those_of_graph_under_the_names_that_graph_gives_them() -> None:
    double = GraphDouble(
        [
            ok(**GRAPH),
            ok(id="our-id"),
            ok(
                value=[
                    {"appRoleId": "r-1", "resourceId": "graph-id"},
                    {"appRoleId": "r-2", "resourceId": "another-api"},
                    {"appRoleId": "r-9", "resourceId": "graph-id"},
                ]
            ),
        ]
    )
    async with checks(double) as asked:
        assert await asked.permissions() == {"OnlineMeetings.ReadWrite.All"}

    paths = [path.partition("?")[0] for _, path in double.asked]
    assert paths == [
        "/v1.0/servicePrincipals(appId='00000003-0000-0000-c000-000000000000')",
        "/v1.0/servicePrincipals(appId='our-app')",
        "/v1.0/servicePrincipals/our-id/appRoleAssignments",
    ]
    assert {method for method, _ in double.asked} == {"GET"}


@pytest.mark.parametrize(
    "answers",
    [
        (ok(**GRAPH), ok(displayName="ours")),
        (ok(id="graph-id"), ok(id="our-id"), ok(value=[])),
        (ok(**GRAPH), ok(id="our-id"), ok()),
    ],
    ids=["no id", "no names", "no list"],
)
async def test_half_an_answer_about_permissions_is_none(answers: tuple[httpx.Response, ...]) -> None:
    with pytest.raises(TurnedDown) as refused:
        await ask(MicrosoftChecks.permissions, *answers)
    assert refused.value.code == "not-readable"


async def test_an_app_that_may_not_read_its_permissions_is_told_so() -> None:
    with pytest.raises(TurnedDown) as refused:
        await ask(MicrosoftChecks.permissions, DENIED)
    assert refused.value.code == "Authorization_RequestDenied"


@pytest.mark.parametrize(
    ("answer", "covered"),
    [
        (ok(value=[]), True),
        (refusal(404, "NotFound", "The meeting was not found."), True),
        (refusal(400, "BadRequest", "Invalid meeting url."), True),
        (refusal(403, "Forbidden", NO_POLICY), False),
    ],
    ids=["no such meeting", "not found", "not an address of ours", "no policy"],
)
async def test_the_access_policy_is_told_from_what_graph_says_about_a_meeting_nobody_made(
    answer: httpx.Response, covered: bool
) -> None:
    double = GraphDouble([answer])
    async with checks(double) as asked:
        assert await asked.has_access_policy("organizer-1") is covered

    ((method, path),) = double.asked
    assert method == "GET"
    assert unquote(path).startswith("/v1.0/users/organizer-1/onlineMeetings?$filter=JoinWebUrl eq '")


@pytest.mark.parametrize(
    "answer",
    [refusal(403, "Forbidden", "Missing role permissions"), refusal(404, "Request_ResourceNotFound")],
    ids=["no permission", "no such person"],
)
async def test_a_refusal_for_another_reason_says_nothing_about_the_policy(answer: httpx.Response) -> None:
    with pytest.raises(TurnedDown):
        await ask(lambda asked: asked.has_access_policy("organizer-1"), answer)


@pytest.mark.parametrize(
    ("answers", "licensed"),
    [
        ((licence(MAIL, TEAMS),), True),
        ((licence(MAIL),), False),
        ((ok(value=[]),), False),
        ((licence({**TEAMS, "provisioningStatus": "Disabled"}),), False),
        ((licence({"servicePlanId": "x", "servicePlanName": "TEAMS_GOV"}),), True),
        ((DENIED, ok(assignedPlans=[{"service": "TeamspaceAPI", "capabilityStatus": "Enabled"}])), True),
        ((DENIED, ok(assignedPlans=[{"service": "TeamspaceAPI", "capabilityStatus": "Deleted"}])), False),
    ],
    ids=["teams", "no teams", "no licence", "switched off", "government", "by plan", "a plan that ended"],
)
async def test_a_licence_holds_teams_or_not(answers: tuple[httpx.Response, ...], licensed: bool) -> None:
    assert await ask(lambda asked: asked.has_teams("person-1"), *answers) is licensed


@pytest.mark.parametrize(
    "answers",
    [(DENIED, DENIED), (DENIED, ok(id="person-1")), (refusal(404, "Request_ResourceNotFound"),)],
    ids=["not permitted", "no plans told", "no such person"],
)
async def test_licences_that_cannot_be_seen_are_no_answer(answers: tuple[httpx.Response, ...]) -> None:
    with pytest.raises(TurnedDown):
        await ask(lambda asked: asked.has_teams("person-1"), *answers)


@pytest.mark.parametrize(
    ("answer", "allowed"),
    [
        (refusal(404, "NotFound"), True),
        (refusal(403, "Forbidden", "Application permissions are not supported."), False),
    ],
    ids=["allowed", "not allowed"],
)
async def test_browser_addresses_are_asked_for_of_a_meeting_that_does_not_exist(
    answer: httpx.Response, allowed: bool
) -> None:
    assert await ask(lambda asked: asked.has_guest_addresses("organizer-1"), answer) is allowed


async def test_without_an_access_policy_nothing_is_known_about_browser_addresses() -> None:
    with pytest.raises(TurnedDown) as refused:
        await ask(
            lambda asked: asked.has_guest_addresses("organizer-1"), refusal(403, "Forbidden", NO_POLICY)
        )
    assert refused.value.code == "no-access-policy"


@pytest.mark.parametrize(
    "look",
    [
        MicrosoftChecks.permissions,
        lambda asked: asked.has_access_policy("o"),
        lambda asked: asked.has_teams("o"),
        lambda asked: asked.has_guest_addresses("o"),
    ],
    ids=["permissions", "policy", "licence", "guest address"],
)
async def test_a_throttled_look_is_worth_another(look: Callable[[MicrosoftChecks], Awaitable[Any]]) -> None:
    with pytest.raises(TryAgain) as busy:
        await ask(look, refusal(429, "TooManyRequests", Retry_After="2.128"))
    assert busy.value.after == 2.128
