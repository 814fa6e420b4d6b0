"""A visit's call is watched once, for long enough, and only we can have asked for what comes back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.clients.key_material import CallEventsKey, new_call_events_pem, read_call_events
from shared.clients.teams_call_events import TeamsCallEvents, client_state, visit_of_client_state
from shared.domain.environment import EnvironmentId
from shared.domain.errors import TryAgain, TurnedDown
from shared.domain.tenant import TenantId
from shared.domain.visit import Meeting, Subscription, VisitRef
from tests.clients.graph_double import GraphDouble, refusal
from tests.clients.tls_server import FakeCredential
from tests.fakes.clock import MONDAY_MORNING

KEY = b"k" * 32
OPAQUE = VisitRef(TenantId("t"), EnvironmentId("e"), "4711").opaque
JOIN = "https://teams.example/l/meetup-join/19%3ameeting_x%40thread.v2/0?context=%7b%22Tid%22%3a%22t%22%7d"
MEETING = Meeting("m-1", JOIN, JOIN, guest_url_opens_in_browser=False)
CERTIFICATE = read_call_events("version-1", new_call_events_pem(MONDAY_MORNING))
UNTIL = MONDAY_MORNING + timedelta(hours=3)
RESOURCE = (
    "communications/onlineMeetings(joinWebUrl='https%3A%2F%2Fteams.example%2Fl%2Fmeetup-join%2F19%253ameeting_x"
    "%2540thread.v2%2F0%3Fcontext%3D%257b%2522Tid%2522%253a%2522t%2522%257d')/meetingCallEvents"
)
MADE = httpx.Response(201, json={"id": "s-1", "expirationDateTime": "2026-03-02T18:00:00.0000000Z"})


@asynccontextmanager
async def events(double: GraphDouble, *, version: str = "v1.0") -> AsyncIterator[TeamsCallEvents]:
    async def cookie_key() -> bytes:
        return KEY

    async def certificate() -> CallEventsKey:
        return CERTIFICATE

    async with double.graph() as graph:
        yield TeamsCallEvents(
            graph,
            credential=FakeCredential(),
            public_base_url="https://visits.example/",
            cookie_key=cookie_key,
            certificate=certificate,
            now=double.clock,
            version=version,
        )


async def test_a_watch_asks_for_everything_that_cannot_be_added_later() -> None:
    double = GraphDouble([MADE])
    async with events(double) as watch:
        made = await watch.subscribe(MEETING, visit=OPAQUE, until=UNTIL)

    assert made == Subscription("s-1", datetime(2026, 3, 2, 18, tzinfo=UTC))
    assert double.asked == [("POST", "/v1.0/subscriptions")]
    assert double.body() == {
        "changeType": "updated",
        "resource": RESOURCE,
        "notificationUrl": "https://visits.example/graph/notifications",
        "lifecycleNotificationUrl": "https://visits.example/graph/lifecycle",
        "expirationDateTime": "2026-03-02T18:00:00Z",
        "clientState": client_state(KEY, OPAQUE),
        "includeResourceData": True,
        "encryptionCertificate": CERTIFICATE.certificate,
        "encryptionCertificateId": "version-1",
        "latestSupportedTlsVersion": "v1_2",
    }


async def test_the_join_address_is_encoded_once_more() -> None:
    double = GraphDouble([MADE])
    async with events(double) as watch:
        await watch.subscribe(MEETING, visit=OPAQUE, until=UNTIL)

    assert unquote(double.body()["resource"].split("'")[1]) == JOIN


async def test_call_events_can_be_asked_for_where_graph_serves_them() -> None:
    double = GraphDouble([MADE])
    async with events(double, version="beta") as watch:
        await watch.subscribe(MEETING, visit=OPAQUE, until=UNTIL)

    assert double.asked == [("POST", "/beta/subscriptions")]


async def test_a_watch_never_ends_later_than_graph_allows() -> None:
    double = GraphDouble([MADE])
    async with events(double) as watch:
        await watch.subscribe(MEETING, visit=OPAQUE, until=MONDAY_MORNING + timedelta(days=30))

    ends = datetime.fromisoformat(double.body()["expirationDateTime"])
    assert ends - MONDAY_MORNING == timedelta(minutes=4200)


async def test_renewing_moves_the_end_and_nothing_else() -> None:
    double = GraphDouble([httpx.Response(200, json={"expirationDateTime": "2026-03-02T18:00:00Z"})])
    async with events(double) as watch:
        renewed = await watch.renew(Subscription("s-1", MONDAY_MORNING), until=UNTIL)

    assert double.asked == [("PATCH", "/v1.0/subscriptions/s-1")]
    assert double.body() == {"expirationDateTime": "2026-03-02T18:00:00Z"}
    assert renewed.expires_at == UNTIL


def listed(*resources: str, following: str = "") -> httpx.Response:
    value = [
        {"id": f"s-{number}", "resource": resource, "expirationDateTime": "2026-03-02T15:30:00Z"}
        for number, resource in enumerate(resources)
    ]
    return httpx.Response(200, json={"value": value, **({"@odata.nextLink": following} if following else {})})


@pytest.mark.parametrize("status", [403, 409])
async def test_a_watch_whose_answer_was_lost_is_taken_up(status: int) -> None:
    following = "https://graph.microsoft.com/v1.0/subscriptions?$skiptoken=abc"
    double = GraphDouble(
        [refusal(status), listed("another", following=following), listed("third", RESOURCE), MADE]
    )
    async with events(double) as watch:
        found = await watch.subscribe(MEETING, visit=OPAQUE, until=UNTIL)

    assert found.id == "s-1"
    assert double.asked == [
        ("POST", "/v1.0/subscriptions"),
        ("GET", "/v1.0/subscriptions"),
        ("GET", "/v1.0/subscriptions?$skiptoken=abc"),
        ("PATCH", "/v1.0/subscriptions/s-1"),
    ]


async def test_a_link_to_another_host_is_not_followed_there() -> None:
    elsewhere = listed("another", following="https://elsewhere.example/v1.0/subscriptions?$skiptoken=abc")
    double = GraphDouble([refusal(409), elsewhere, listed()])
    async with events(double) as watch:
        with pytest.raises(TurnedDown):
            await watch.subscribe(MEETING, visit=OPAQUE, until=UNTIL)

    assert {request.url.host for request in double.requests} == {"graph.microsoft.com"}


async def test_a_refusal_without_a_watch_of_ours_stays_a_refusal() -> None:
    double = GraphDouble([refusal(403, "Forbidden"), listed("another")])
    async with events(double) as watch:
        with pytest.raises(TurnedDown) as refused:
            await watch.subscribe(MEETING, visit=OPAQUE, until=UNTIL)

    assert refused.value.code == "Forbidden"


@pytest.mark.parametrize("answer", [refusal(429, Retry_After="2.128"), httpx.ReadTimeout("slow")])
async def test_a_busy_graph_is_worth_another_try(answer: httpx.Response | Exception) -> None:
    async with events(GraphDouble([answer])) as watch:
        with pytest.raises(TryAgain):
            await watch.subscribe(MEETING, visit=OPAQUE, until=UNTIL)


async def test_an_answer_without_an_end_is_refused() -> None:
    async with events(GraphDouble([httpx.Response(201, json={"id": "s-1"})])) as watch:
        with pytest.raises(TurnedDown):
            await watch.subscribe(MEETING, visit=OPAQUE, until=UNTIL)


def test_what_we_told_graph_leads_back_to_the_visit() -> None:
    state = client_state(KEY, OPAQUE)

    assert visit_of_client_state(KEY, state) == OPAQUE
    # Graph refuses more.
    assert len(state) <= 128


@pytest.mark.parametrize(
    "state",
    [
        "",
        ".",
        OPAQUE,
        f"{OPAQUE}.",
        f".{client_state(KEY, OPAQUE).partition('.')[2]}",
        client_state(b"another key" * 3, OPAQUE),
        client_state(KEY, OPAQUE)[:-1],
        client_state(KEY, OPAQUE) + "A",
        client_state(KEY, "A" * 22).replace("A" * 22, OPAQUE),
        client_state(KEY, "short"),
        "\ud800.é",
    ],
)
def test_what_we_did_not_tell_graph_leads_nowhere(state: str) -> None:
    assert visit_of_client_state(KEY, state) is None


@given(st.text())
def test_no_text_breaks_the_check(state: str) -> None:
    assert visit_of_client_state(KEY, state) is None


def test_a_join_address_of_any_kind_stays_inside_its_quotes() -> None:
    assert "'" not in quote("https://teams.example/it's", safe="")
