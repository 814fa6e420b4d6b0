"""Sandbox Graph tells about calls as the real one does: encrypted, proven, and with guests that nothing identifies."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import httpx
import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.deliveries import WAITS
from sandbox.graph import CONTRACT
from sandbox.world import ENTRA_CLIENT_ID, TENANT, USERS
from tests.sandbox.m365_stage import SUSAN, VISITS, Stage, certificate, resource, stage


@pytest_asyncio.fixture
async def m365(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as one:
        yield one


WEAK = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - to be refused
LOBBY = {"scope": "invited"}
CO_ORGANIZERS = {"attendees": [{"identity": {"user": {"id": SUSAN}}, "role": "coorganizer"}]}


async def test_a_subscription_begins_with_a_handshake_at_both_addresses(m365: Stage) -> None:
    made = await m365.subscribe(await m365.meeting())

    assert m365.app.handshakes == ["/graph/notifications", "/graph/lifecycle"]
    assert CONTRACT.problems("subscription", made) == []
    assert made["encryptionCertificate"] is None


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: httpx.Response(200, text="something else"),
        lambda request: httpx.Response(202, text=request.url.params["validationToken"]),
        lambda request: httpx.Response(200, html=request.url.params["validationToken"]),
    ],
    ids=["another token", "another status", "not plain text"],
)
async def test_without_a_handshake_there_is_no_subscription(
    m365: Stage, answer: Callable[[httpx.Request], httpx.Response]
) -> None:
    meeting = await m365.meeting()
    m365.app.answers.append(answer)

    refused = await m365.graph("POST", "/subscriptions", m365.subscription(meeting))

    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "ValidationError"
    assert (await m365.graph("GET", "/subscriptions")).json()["value"] == []


@pytest.mark.parametrize(
    "changes",
    [
        {"lifecycleNotificationUrl": "(left out)"},
        {"encryptionCertificate": "(left out)"},
        {"encryptionCertificateId": "(left out)"},
        {"encryptionCertificate": "AAAA"},
        {"encryptionCertificate": certificate(WEAK)},
        {"clientState": "x" * 129},
        {"changeType": "created"},
        {"notificationUrl": "http://elsewhere.example/graph"},
        {"expirationDateTime": "2027-01-19T17:00:00Z"},
        {"expirationDateTime": "2027-01-15T16:00:00Z"},
        {"applicationId": ENTRA_CLIENT_ID},
    ],
    ids=[
        "long without lifecycle address",
        "no certificate",
        "no certificate id",
        "no certificate at all",
        "weak certificate",
        "long client state",
        "another change",
        "not this machine and no TLS",
        "more than 4230 minutes",
        "in the past",
        "read-only",
    ],
)
async def test_a_subscription_outside_the_rules_is_refused(m365: Stage, changes: dict[str, object]) -> None:
    meeting = await m365.meeting()

    answer = await m365.graph("POST", "/subscriptions", m365.subscription(meeting, **changes))

    assert answer.status_code == 400
    assert m365.app.handshakes == []


async def test_the_join_address_has_to_be_encoded_exactly_once_more(m365: Stage) -> None:
    meeting = await m365.meeting()
    url = meeting["joinWebUrl"]
    once = f"communications/onlineMeetings(joinWebUrl='{url}')/meetingCallEvents"
    thrice = resource(resource(url).split("'")[1])

    answers = [
        await m365.graph("POST", "/subscriptions", m365.subscription(meeting, resource=one))
        for one in (once, thrice, f"communications/onlineMeetings/?$filter=JoinWebUrl eq '{url}'")
    ]

    assert [one.status_code for one in answers] == [400, 404, 400]


async def test_an_app_watches_a_meeting_once(m365: Stage) -> None:
    meeting = await m365.meeting()
    first = await m365.subscribe(meeting)

    second = await m365.graph("POST", "/subscriptions", m365.subscription(meeting))
    listed = await m365.graph("GET", "/subscriptions")
    await m365.graph("DELETE", f"/subscriptions/{first['id']}")

    assert second.status_code == 403
    assert [one["id"] for one in listed.json()["value"]] == [first["id"]]
    await m365.subscribe(meeting)


async def test_less_than_45_minutes_become_45_and_a_lapsed_watch_is_gone(m365: Stage) -> None:
    meeting = await m365.meeting()
    soon = (m365.now[0] + timedelta(minutes=5)).isoformat()
    made = await m365.subscribe(meeting, expirationDateTime=soon, lifecycleNotificationUrl="(left out)")

    m365.later(minutes=44)
    renewed = await m365.graph(
        "PATCH",
        f"/subscriptions/{made['id']}",
        {"expirationDateTime": (m365.now[0] + timedelta(hours=1)).isoformat()},
    )
    m365.later(minutes=61)
    await m365.join(meeting, "Elena")

    assert made["expirationDateTime"].startswith("2027-01-15T17:45:00")
    assert renewed.status_code == 200
    assert m365.app.received == []
    assert (await m365.graph("GET", f"/subscriptions/{made['id']}")).status_code == 404


async def test_a_whole_call_is_told_in_order(m365: Stage) -> None:
    meeting = await m365.meeting(lobbyBypassSettings=LOBBY, participants=CO_ORGANIZERS)
    await m365.subscribe(meeting)

    patient = await m365.join(meeting, "E. R.")
    provider = await m365.join(meeting, "", oid=SUSAN)
    await m365.teams(meeting, "admit", participant=patient)
    await m365.teams(meeting, "leave", participant=patient)
    await m365.teams(meeting, "leave", participant=provider)
    await m365.world.settled()

    assert m365.app.kinds() == [
        "rosterUpdated",
        "callStarted",
        "rosterUpdated",
        "rosterUpdated",
        "rosterUpdated",
        "rosterUpdated",
        "callEnded",
    ]
    people = [one for event in m365.app.events() for one in event.get("participants@delta", [])]
    assert [(one["id"], one["isInLobby"], "removedState" in one) for one in people] == [
        (patient, True, False),
        (provider, False, False),
        (patient, False, False),
        (patient, False, True),
        (provider, False, True),
    ]


async def test_a_guest_is_a_typed_name_and_a_new_id_at_every_join(m365: Stage) -> None:
    meeting = await m365.meeting(lobbyBypassSettings=LOBBY)
    await m365.subscribe(meeting)

    for _ in range(2):
        joined = await m365.join(meeting, "E. R.")
        await m365.teams(meeting, "leave", participant=joined)
    await m365.join(meeting, "", oid=VISITS)
    await m365.world.settled()

    people = [one for event in m365.app.events() for one in event.get("participants@delta", [])]
    guests = [one["info"]["identity"] for one in people if one["info"]["identity"]["guest"]]
    assert all(set(one["guest"]) == {"id", "displayName"} and one["user"] is None for one in guests)
    assert len({one["guest"]["id"] for one in guests}) == 2
    assert people[-1]["info"]["identity"]["user"] == {
        "id": VISITS,
        "displayName": USERS["visits"].name,
        "tenantId": TENANT,
    }


async def test_a_notification_fits_the_contract_and_proves_that_graph_sent_it(m365: Stage) -> None:
    meeting = await m365.meeting(lobbyBypassSettings=LOBBY)
    made = await m365.subscribe(meeting)
    await m365.join(meeting, "Elena Ruiz")
    await m365.world.settled()

    (path, body), *_ = m365.app.received
    keys = (await m365.behind_tls.get("/common/discovery/keys")).json()
    claims = jwt.decode(
        body["validationTokens"][0],
        jwt.PyJWK(keys["keys"][0], algorithm="RS256"),
        algorithms=["RS256"],
        audience=ENTRA_CLIENT_ID,
        options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
    )

    assert path == "/graph/notifications"
    assert CONTRACT.problems("notifications", body) == []
    assert body["value"][0]["subscriptionId"] == made["id"]
    assert body["value"][0]["clientState"] == "a-state"
    assert claims["iss"] == f"https://sts.windows.net/{TENANT}/"
    assert claims["appid"] == "0bf30f3b-4a52-48df-9a82-234910c4a086"
    assert "Elena" not in json.dumps(body)


async def test_what_is_not_taken_is_tried_again_with_growing_pauses(m365: Stage) -> None:
    meeting = await m365.meeting(lobbyBypassSettings=LOBBY)
    await m365.subscribe(meeting)
    m365.app.answers.extend(lambda _: httpx.Response(503) for _ in range(2))

    await m365.join(meeting, "Elena Ruiz")
    await m365.world.settled()

    assert m365.app.kinds() == ["rosterUpdated"]
    assert m365.pauses == list(WAITS[:2])


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("drop", ["callStarted"]),
        ("duplicate", ["rosterUpdated", "rosterUpdated", "callStarted"]),
        ("reorder", ["callStarted", "rosterUpdated"]),
    ],
)
async def test_notifications_go_wrong_when_asked(m365: Stage, kind: str, told: list[str]) -> None:
    meeting = await m365.meeting(lobbyBypassSettings=LOBBY)
    await m365.subscribe(meeting)
    await m365.browser.post("/api/trouble", json={"service": "notifications", "kind": kind})

    await m365.join(meeting, "Elena Ruiz")
    await m365.join(meeting, "", oid=VISITS)
    await m365.world.settled()

    assert m365.app.kinds()[: len(told)] == told
    assert (await m365.browser.get("/api/trouble")).json() == []


async def test_a_request_to_reauthorize_is_answered_by_a_renewal(m365: Stage) -> None:
    meeting = await m365.meeting(lobbyBypassSettings=LOBBY)
    made = await m365.subscribe(meeting)
    await m365.browser.post(f"/api/subscriptions/{made['id']}/reauthorize", json={"pause": True})
    await m365.join(meeting, "Lost")
    await m365.world.settled()
    (path, body), *others = m365.app.received

    await m365.graph("POST", f"/subscriptions/{made['id']}/reauthorize")
    await m365.join(meeting, "Told")
    await m365.world.settled()

    assert path == "/graph/lifecycle"
    assert body["value"][0]["lifecycleEvent"] == "reauthorizationRequired"
    assert others == []
    assert len(m365.app.received) == 2


async def test_a_certificate_is_exchanged_together_with_its_id(m365: Stage) -> None:
    made = await m365.subscribe(await m365.meeting())
    path = f"/subscriptions/{made['id']}"

    alone = await m365.graph("PATCH", path, {"encryptionCertificate": certificate()})
    both = await m365.graph(
        "PATCH", path, {"encryptionCertificate": certificate(), "encryptionCertificateId": "key-2"}
    )

    assert alone.status_code == 400
    assert both.json()["encryptionCertificateId"] == "key-2"
