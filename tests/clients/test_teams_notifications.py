"""What Teams tells about a call counts only when it proves itself, and no name of a person is ever taken from it."""

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from shared.clients.key_material import CallEventsKey, new_call_events_pem, read_call_events
from shared.clients.teams_notifications import TeamsNotifications
from shared.domain.errors import NotFound, TryAgain, TurnedDown
from shared.domain.roster import CallEvent, CallEventKind, Sighting
from shared.domain.tenant import TenantId
from tests.fakes.clock import MONDAY_MORNING, FixedClock

TENANT = TenantId("11111111-aaaa-4aaa-8aaa-000000000001")
PROVIDER = "22222222-aaaa-4aaa-8aaa-000000000003"
KEYS = {name: read_call_events(name, new_call_events_pem(MONDAY_MORNING)) for name in ("new", "old")}
AT = datetime(2026, 3, 2, 16, 31, tzinfo=UTC)


class Tokens:
    """Believes the token `good`, and remembers the moment it was to be judged by."""

    def __init__(self) -> None:
        self.judged_at: datetime | None = None
        self.away = False

    async def check_notification(self, token: str, *, tenant: TenantId, received_at: datetime) -> None:
        if self.away:
            raise TryAgain("the keys of Entra could not be read")
        self.judged_at = received_at
        if token != "good":
            raise TurnedDown("a notification does not prove itself", code="bad-token")


async def key_named(id: str) -> CallEventsKey:
    try:
        return KEYS[id]
    except KeyError:
        raise NotFound("no such certificate") from None


def encrypted(content: bytes, *, key: str = "new") -> dict[str, str]:
    """Encrypt as Graph does."""
    symmetric = os.urandom(32)
    padder = PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(symmetric), modes.CBC(symmetric[:16])).encryptor()
    data = encryptor.update(padder.update(content) + padder.finalize()) + encryptor.finalize()
    wrapped = (
        KEYS[key]
        .private_key.public_key()
        .encrypt(
            symmetric,
            padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None),  # noqa: S303 - Graph's choice
        )
    )
    signature = hmac.new(symmetric, data, hashlib.sha256).digest()
    return {
        "data": _text(data),
        "dataSignature": _text(signature),
        "dataKey": _text(wrapped),
        "encryptionCertificateId": key,
    }


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def stored(content: Any, *, tokens: Sequence[str] = ("good",), **more: Any) -> str:
    encrypted_content = content if "dataKey" in content else encrypted(json.dumps(content).encode())
    item = {"tenantId": TENANT, "clientState": "x", "encryptedContent": encrypted_content, **more}
    return json.dumps({"value": [item], "validationTokens": list(tokens)})


async def open(notification: str, tokens: Tokens | None = None) -> Sequence[CallEvent]:
    opener = TeamsNotifications(tokens=tokens or Tokens(), key_named=key_named, now=FixedClock(AT))
    return await opener.open(notification, tenant=TENANT)


def person(id: str, *, oid: str = PROVIDER, tenant: str | None = TENANT, **state: Any) -> dict[str, Any]:
    user = {"id": oid, "displayName": "Dr. Susan Carter", **({"tenantId": tenant} if tenant else {})}
    return {"id": id, "info": {"identity": {"user": user}}, **state}


def guest(id: str, **state: Any) -> dict[str, Any]:
    return {"id": id, "info": {"identity": {"guest": {"id": "g", "displayName": "Jordan Lee"}}}, **state}


def roster(
    *people: dict[str, Any], at: str = "2026-03-02T16:31:00.0000000Z", id: str = "n-1"
) -> dict[str, Any]:
    return {
        "@odata.type": "#microsoft.graph.callevent",
        "id": id,
        "eventType": "rosterUpdated",
        "eventDateTime": at,
        "participants@delta": list(people),
    }


async def test_a_roster_says_who_waits_who_is_in_and_who_left() -> None:
    (event,) = await open(
        stored(
            roster(
                person("p-1", isInLobby=False),
                guest("p-2", isInLobby=True),
                guest(
                    "p-3", isInLobby=False, removedState={"reason": "Participant has left the meeting call."}
                ),
            )
        )
    )

    assert event.kind is CallEventKind.ROSTER
    assert event.at == AT
    assert event.sightings == (
        Sighting("p-1", PROVIDER, TENANT, in_lobby=False, left=False),
        Sighting("p-2", "", "", in_lobby=True, left=False),
        Sighting("p-3", "", "", in_lobby=False, left=True),
    )


async def test_nobody_is_called_by_name() -> None:
    events = await open(stored(roster(person("p-1"), guest("p-2"))))

    assert "Carter" not in repr(events)
    assert "Jordan" not in repr(events)


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ("callStarted", CallEventKind.STARTED),
        ("callEnded", CallEventKind.ENDED),
        ("Microsoft.Communication.CallStarted", CallEventKind.STARTED),
        ("Microsoft.Communication.CallEnded", CallEventKind.ENDED),
        ("Microsoft.Communication.CallRosterUpdate", CallEventKind.ROSTER),
    ],
)
async def test_both_generations_of_event_names_are_understood(told: str, kind: CallEventKind) -> None:
    (event,) = await open(
        stored({"eventType": told, "eventDateTime": "2026-03-02T16:31:00Z", "state": "active"})
    )

    assert (event.kind, event.at, event.sightings) == (kind, AT, ())


@pytest.mark.parametrize(("joined", "left"), [("joined", "exited"), ("delta", "remove")])
async def test_older_rosters_list_who_came_and_who_left(joined: str, left: str) -> None:
    member = {
        "Id": "p-1",
        "Identity": {"User": {"Id": PROVIDER.upper(), "DisplayName": "x", "TenantId": TENANT}},
    }
    other = {
        "Id": "p-2",
        "Identity": {"AzureCommunicationServicesUser": {"Id": "8:acs:1", "DisplayName": "y"}},
    }
    (event,) = await open(
        stored(
            {
                "eventType": "Microsoft.Communication.CallRosterUpdate",
                "eventDateTime": "2026-03-02T16:31:00.1234567Z",
                f"activeParticipants@{joined}": [member],
                f"activeParticipants@{left}": [other],
            }
        )
    )

    assert event.sightings == (
        Sighting("p-1", PROVIDER, TENANT, in_lobby=False, left=False),
        Sighting("p-2", "", "", in_lobby=False, left=True),
    )


@pytest.mark.parametrize(
    "someone",
    [
        person("p-1", tenant=None),
        {"id": "p-1", "info": {"identity": {"phone": {"id": "+12065550142"}}}},
        {"id": "p-1", "info": None},
        {"id": "p-1"},
        {"id": "p-1", "info": {"identity": {"user": {"id": 7, "tenantId": TENANT}}}},
    ],
    ids=["no tenant", "phone", "no info", "nothing", "odd id"],
)
async def test_who_belongs_to_no_tenant_is_a_sighting_without_an_identity(someone: dict[str, Any]) -> None:
    (event,) = await open(stored(roster(someone)))

    assert event.sightings == (Sighting("p-1", "", "", in_lobby=False, left=False),)


async def test_events_of_other_kinds_are_passed_over() -> None:
    content = {"eventType": "somethingNew", "eventDateTime": "2026-03-02T16:31:00Z"}

    assert await open(stored(content)) == []


async def test_a_repeated_event_has_the_same_id_and_another_event_a_different_one() -> None:
    first, again, later, moved = [
        (await open(stored(content)))[0].id
        for content in (
            roster(guest("p-2", isInLobby=True)),
            roster(guest("p-2", isInLobby=True)),
            roster(guest("p-2", isInLobby=True), at="2026-03-02T16:31:00.0000001Z"),
            roster(guest("p-2", isInLobby=False)),
        )
    ]

    assert first == again
    assert len({first, later, moved}) == 3


async def test_events_that_share_the_meetings_id_are_still_told_apart() -> None:
    shared = "communications/onlineMeetings?$filter=joinWebUrl+eq+'x'"
    started, ended = [
        (await open(stored({"id": shared, "eventType": kind, "eventDateTime": "2026-03-02T16:31:00Z"})))[0].id
        for kind in ("Microsoft.Communication.CallStarted", "Microsoft.Communication.CallEnded")
    ]

    assert started != ended


async def test_what_was_encrypted_to_an_older_key_opens_as_well() -> None:
    assert len(await open(stored(encrypted(json.dumps(roster()).encode(), key="old")))) == 1


async def test_a_single_item_need_not_be_in_a_list() -> None:
    content = json.loads(stored(roster()))
    content["value"] = content["value"][0]

    assert len(await open(json.dumps(content))) == 1


def flipped(name: str, *, at: int = 0) -> dict[str, str]:
    changed = encrypted(json.dumps(roster()).encode())
    content = bytearray(base64.b64decode(changed[name]))
    content[at] ^= 1
    return {**changed, name: _text(bytes(content))}


@pytest.mark.parametrize(
    ("notification", "code"),
    [
        (stored(roster(), tokens=()), "bad-token"),
        (stored(roster(), tokens=("forged", "forged")), "bad-token"),
        (stored(roster(), tenantId="99999999-aaaa-4aaa-8aaa-000000000009"), "bad-token"),
        (stored(flipped("data")), "bad-signature"),
        (stored(flipped("data", at=-1)), "bad-signature"),
        (stored(flipped("dataSignature")), "bad-signature"),
        (stored(flipped("dataKey")), "bad-signature"),
        (stored({**encrypted(b"{}"), "data": "", "dataSignature": ""}), "bad-signature"),
        (stored({**encrypted(b"{}"), "encryptionCertificateId": "old"}), "bad-signature"),
        (stored({**encrypted(b"{}"), "encryptionCertificateId": "gone"}), "unknown-certificate"),
        (stored({**encrypted(b"{}"), "data": "not base64!"}), "not-readable"),
        (stored(encrypted(b"[]")), "not-readable"),
        (stored(encrypted(b"\xff\xfe")), "not-readable"),
        (stored({"eventType": "callStarted", "eventDateTime": "soon"}), "not-readable"),
        (stored({"eventType": "callStarted"}), "not-readable"),
        (json.dumps({"value": [{"tenantId": TENANT}], "validationTokens": ["good"]}), "not-readable"),
        (json.dumps({"value": ["x"], "validationTokens": ["good"]}), "not-readable"),
        (json.dumps({"validationTokens": ["good"]}), "not-readable"),
        ("[]", "not-readable"),
        ("junk", "not-readable"),
    ],
)
async def test_what_does_not_prove_itself_is_refused_with_its_reason(notification: str, code: str) -> None:
    with pytest.raises(TurnedDown) as refused:
        await open(notification)

    assert refused.value.code == code


async def test_a_changed_content_is_refused_before_it_is_decrypted() -> None:
    # Wrong padding would be `not-readable`: were it found first, it would tell an attacker about the content.
    symmetric_tail = flipped("data", at=-1)

    with pytest.raises(TurnedDown) as refused:
        await open(stored(symmetric_tail))

    assert refused.value.code == "bad-signature"


async def test_one_good_token_among_those_of_other_tenants_is_enough() -> None:
    assert len(await open(stored(roster(), tokens=("theirs", "good")))) == 1


async def test_a_notification_that_waited_is_judged_by_when_it_came() -> None:
    tokens = Tokens()
    content = {**json.loads(stored(roster())), "receivedAt": "2026-03-02T10:00:00+00:00"}

    await open(json.dumps(content), tokens)
    assert tokens.judged_at == datetime(2026, 3, 2, 10, tzinfo=UTC)
    await open(stored(roster()), tokens)
    assert tokens.judged_at == AT


async def test_a_notification_is_not_lost_because_entra_is_away() -> None:
    tokens = Tokens()
    tokens.away = True

    with pytest.raises(TryAgain):
        await open(stored(roster()), tokens)
