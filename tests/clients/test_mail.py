"""A notice leaves from the one mailbox that was set aside, as plain text, and failures are told apart."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from shared.clients.mail import Mail
from shared.domain.errors import TryAgain, TurnedDown
from tests.clients.graph_double import Answer, GraphDouble, refusal
from tests.clients.tls_server import FakeCredential

TAKEN = httpx.Response(202)
DENIED = refusal(403, "ErrorAccessDenied", "Access is denied for priya.nair@lamna.example.")


@asynccontextmanager
async def mail(double: GraphDouble, *, mailbox: str = "visits@lamna.example") -> AsyncIterator[Mail]:
    async with double.graph() as graph:
        yield Mail(graph, credential=FakeCredential(), mailbox=mailbox)


async def test_a_notice_is_plain_text_to_one_person_and_leaves_no_copy() -> None:
    double = GraphDouble([TAKEN])
    async with mail(double) as sender:
        await sender.send(to="priya.nair@lamna.example", subject="Waiting for you", text="Please look.")

    assert double.asked == [("POST", "/v1.0/users/visits%40lamna.example/sendMail")]
    assert double.body() == {
        "message": {
            "subject": "Waiting for you",
            "body": {"contentType": "text", "content": "Please look."},
            "toRecipients": [{"emailAddress": {"address": "priya.nair@lamna.example"}}],
        },
        "saveToSentItems": False,
    }


async def test_without_a_mailbox_nothing_is_sent() -> None:
    double = GraphDouble([TAKEN])
    async with mail(double, mailbox="") as sender:
        with pytest.raises(TurnedDown) as refused:
            await sender.send(to="priya.nair@lamna.example", subject="s", text="t")
    assert (refused.value.code, double.asked) == ("mail-off", [])


@pytest.mark.parametrize(
    "answer", [DENIED, refusal(404, "ErrorInvalidUser", "visits@lamna.example")], ids=["denied", "no mailbox"]
)
async def test_a_refusal_is_final_and_names_nobody(
    answer: httpx.Response, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="shared")
    async with mail(GraphDouble([answer])) as sender:
        with pytest.raises(TurnedDown) as refused:
            await sender.send(to="priya.nair@lamna.example", subject="s", text="t")
    assert "lamna.example" not in str(refused.value) + refused.value.code + caplog.text


@pytest.mark.parametrize(
    ("answer", "after"),
    [(refusal(429, "ApplicationThrottled", Retry_After="30"), 30.0), (httpx.ReadTimeout("slow"), None)],
    ids=["throttled", "slow"],
)
async def test_a_busy_exchange_is_worth_another_try(answer: Answer, after: float | None) -> None:
    double = GraphDouble([answer])
    async with mail(double) as sender:
        with pytest.raises(TryAgain) as busy:
            await sender.send(to="priya.nair@lamna.example", subject="s", text="t")
    assert (busy.value.after, len(double.requests)) == (after, 1)


@pytest.mark.parametrize(
    ("answer", "allowed"),
    [(refusal(400, "ErrorInvalidRecipients"), True), (DENIED, False)],
    ids=["looked at", "denied"],
)
async def test_whether_the_app_may_send_is_asked_with_a_message_to_nobody(
    answer: httpx.Response, allowed: bool
) -> None:
    double = GraphDouble([answer])
    async with mail(double) as sender:
        assert await sender.may_send() is allowed
    assert double.body()["message"]["toRecipients"] == []


async def test_a_mailbox_that_is_not_there_is_no_yes() -> None:
    async with mail(GraphDouble([refusal(404, "ErrorInvalidUser")])) as sender:
        with pytest.raises(TurnedDown):
            await sender.may_send()
