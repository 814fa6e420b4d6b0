"""Opening what Teams tells about a call: proven to be from Graph, unharmed, for us, and free of names.

Source: Microsoft Graph, "change notifications with resource data" and "change notifications for online meetings".
The documents show the decrypted event in three generations; all are read. A display name never is.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from shared.clients.key_material import CallEventsKey
from shared.domain.errors import NotFound, TurnedDown
from shared.domain.roster import CallEvent, CallEventKind, Sighting
from shared.domain.tenant import TenantId

KeyNamed = Callable[[str], Awaitable[CallEventsKey]]

_KINDS = {
    "callstarted": CallEventKind.STARTED,
    "callended": CallEventKind.ENDED,
    "rosterupdated": CallEventKind.ROSTER,
    "callrosterupdate": CallEventKind.ROSTER,
    "callrosterupdated": CallEventKind.ROSTER,
}
# Where the generations list people: name of the list, and whether being in it means having left.
_ROSTERS = (
    ("participants@delta", False),
    ("activeparticipants@delta", False),
    ("activeparticipants@joined", False),
    ("participants@remove", True),
    ("activeparticipants@remove", True),
    ("activeparticipants@exited", True),
)
# The kinds of identity that belong to a Microsoft tenant when they name one.
_TENANT_MEMBER = "user"


class TokenCheck(Protocol):
    async def check_notification(self, token: str, *, tenant: TenantId, received_at: datetime) -> None:
        """Raise TurnedDown with `bad-token`."""
        ...


class TeamsNotifications:
    """Opens stored notifications: `{"value": item or items, "validationTokens": [...], "receivedAt": time}`.

    `receivedAt` (ISO 8601) may be left out; then the tokens have to be good at the time of opening.
    """

    def __init__(self, *, tokens: TokenCheck, key_named: KeyNamed, now: Callable[[], datetime]) -> None:
        self._tokens = tokens
        self._key_named = key_named
        self._now = now

    async def open(self, notification: str, *, tenant: TenantId) -> Sequence[CallEvent]:
        """The events told, or raise TurnedDown: `bad-token`, `bad-signature`, `unknown-certificate`, `not-readable`.

        Raise TryAgain when the keys to judge by cannot be had just now.
        """
        stored = _object(notification)
        await self._prove(stored, tenant)
        events: list[CallEvent] = []
        value = stored.get("value")
        for item in value if isinstance(value, list) else [value]:
            if not isinstance(item, dict):
                raise _unreadable()
            if str(item.get("tenantId", tenant)).lower() != tenant.lower():
                raise TurnedDown("a notification is about another tenant", code="bad-token")
            event = _event(await self._content(item))
            if event is not None:
                events.append(event)
        return events

    async def _prove(self, stored: dict[str, Any], tenant: TenantId) -> None:
        """One token for each app and tenant (Graph's words): the one for this tenant has to be among them."""
        received_at = _time(stored["receivedAt"]) if "receivedAt" in stored else self._now()
        refusal = TurnedDown("a notification came without a token", code="bad-token")
        # Bounded: each token costs a signature check.
        for token in _list(stored, "validationTokens")[:10]:
            try:
                await self._tokens.check_notification(str(token), tenant=tenant, received_at=received_at)
            except TurnedDown as forged:
                refusal = forged
            else:
                return
        raise refusal

    async def _content(self, item: dict[str, Any]) -> dict[str, Any]:
        encrypted = item.get("encryptedContent")
        if not isinstance(encrypted, dict):
            raise _unreadable()
        try:
            key = await self._key_named(str(encrypted.get("encryptionCertificateId", "")))
        except NotFound:
            raise TurnedDown(
                "a notification is encrypted to a key that is gone", code="unknown-certificate"
            ) from None
        return _object(_decrypted(encrypted, key).decode("utf-8", "replace"))


def _decrypted(encrypted: dict[str, Any], key: CallEventsKey) -> bytes:
    """Unwrap the key, prove the content with it, and only then decrypt."""
    data, signature, wrapped = (_bytes(encrypted, name) for name in ("data", "dataSignature", "dataKey"))
    try:
        symmetric = key.private_key.decrypt(
            wrapped,
            # SHA-1 is Graph's choice; in OAEP it guards nothing that its weakness would break.
            padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None),  # noqa: S303
        )
    except ValueError:
        raise TurnedDown("a notification's key cannot be unwrapped", code="bad-signature") from None
    if len(symmetric) != 32 or not hmac.compare_digest(
        hmac.new(symmetric, data, hashlib.sha256).digest(), signature
    ):
        raise TurnedDown("a notification was changed on its way", code="bad-signature")
    try:
        decryptor = Cipher(algorithms.AES(symmetric), modes.CBC(symmetric[:16])).decryptor()
        padded = decryptor.update(data) + decryptor.finalize()
        unpadder = PKCS7(128).unpadder()
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError:
        raise _unreadable() from None


def _event(content: dict[str, Any]) -> CallEvent | None:
    """The event, or None for one of a kind that this app does not follow."""
    event = _lowered(content)
    kind = _KINDS.get(str(event.get("eventtype", event.get("calleventtype", ""))).rpartition(".")[2].lower())
    if kind is None:
        return None
    at = _time(event.get("eventdatetime"))
    sightings = tuple(
        sighting
        for roster, gone in _ROSTERS
        for one in event.get(roster) or ()
        if isinstance(one, dict) and (sighting := _sighting(_lowered(one), gone=gone)) is not None
    )
    return CallEvent(_identity(kind, at, event, sightings), kind, at, sightings)


def _sighting(person: dict[str, Any], *, gone: bool) -> Sighting | None:
    id = person.get("id")
    if not isinstance(id, str) or not id:
        return None
    info = person.get("info")
    identity = (_lowered(info) if isinstance(info, dict) else person).get("identity")
    user = _lowered(identity).get(_TENANT_MEMBER) if isinstance(identity, dict) else None
    member = _lowered(user) if isinstance(user, dict) else {}
    tenant = member.get("tenantid")
    belongs = isinstance(tenant, str) and isinstance(member.get("id"), str)
    return Sighting(
        id=id,
        object_id=str(member["id"]).lower() if belongs else "",
        tenant=str(tenant).lower() if belongs else "",
        in_lobby=person.get("isinlobby") is True,
        left=gone or person.get("removedstate") is not None,
    )


def _identity(
    kind: CallEventKind, at: datetime, event: dict[str, Any], sightings: tuple[Sighting, ...]
) -> str:
    """The same for a repeated event, another for any other.

    Not Graph's own id: in one generation it is the meeting's, the same for every event.
    """
    content = json.dumps(
        [kind, at.isoformat(), str(event.get("eventdatetime")), str(event.get("id", ""))]
        + [[one.id, one.object_id, one.in_lobby, one.left] for one in sightings]
    )
    return base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()[:16]).decode().rstrip("=")


def _lowered(content: dict[str, Any]) -> dict[str, Any]:
    """Names in lower case: the generations differ in it."""
    return {str(name).lower(): value for name, value in content.items()}


def _object(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise _unreadable()
    return content


def _list(content: dict[str, Any], name: str) -> list[Any]:
    value = content.get(name)
    return value if isinstance(value, list) else []


def _bytes(encrypted: dict[str, Any], name: str) -> bytes:
    try:
        return base64.b64decode(str(encrypted.get(name, "")), validate=True)
    except binascii.Error:
        raise _unreadable() from None


def _time(value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise _unreadable() from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _unreadable() -> TurnedDown:
    return TurnedDown("a notification cannot be read", code="not-readable")
