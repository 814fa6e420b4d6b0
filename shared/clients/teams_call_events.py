"""Asking Teams to tell who comes into a visit's meeting and who leaves it."""

import base64
import hashlib
import hmac
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from azure.core.credentials_async import AsyncTokenCredential

from shared.clients.graph import Build, Graph, GraphRefused
from shared.clients.key_material import CallEventsKey
from shared.domain.errors import TurnedDown
from shared.domain.visit import Meeting, Subscription

if TYPE_CHECKING:
    from kiota_abstractions.base_request_builder import BaseRequestBuilder
    from msgraph.graph_service_client import GraphServiceClient

logger = logging.getLogger(__name__)

# Graph's own tables say 4,320 minutes and 4,230; the lesser, less a little for the clocks.
_LONGEST = timedelta(minutes=4200)
_MAC_LENGTH = 22
_OPAQUE_LENGTH = 22
# How Graph may say that a meeting is watched already: its pages say "403 when over quota", and a quota is one.
_MAY_BE_THERE = frozenset({403, 409})
# A tenant's subscriptions are looked through for a lost one in pages of a hundred or so.
_PAGES = 20

CookieKey = Callable[[], Awaitable[bytes]]
Certificate = Callable[[], Awaitable[CallEventsKey]]


def client_state(key: bytes, opaque: str) -> str:
    """What Graph repeats in every notification: the visit's opaque name, and a proof that we chose it."""
    return f"{opaque}.{_mac(key, opaque)}"


def visit_of_client_state(key: bytes, state: str) -> str | None:
    """The opaque name in a client state of ours, else None. Takes the same time whatever is wrong."""
    opaque, _, mac = state.rpartition(".")
    genuine = hmac.compare_digest(_mac(key, opaque).encode(), mac.encode("utf-8", "surrogatepass"))
    return opaque if genuine and len(opaque) == _OPAQUE_LENGTH else None


def _mac(key: bytes, opaque: str) -> str:
    message = f"call-events|{opaque}".encode("utf-8", "surrogatepass")
    digest = hmac.new(key, message, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode()[:_MAC_LENGTH]


class TeamsCallEvents:
    """Subscriptions to the call events of the one tenant that `credential` belongs to.

    `version` is `v1.0` or `beta`: Graph's pages differ about where call events are served.
    """

    def __init__(
        self,
        graph: Graph,
        *,
        credential: AsyncTokenCredential,
        public_base_url: str,
        cookie_key: CookieKey,
        certificate: Certificate,
        now: Callable[[], datetime],
        version: str = "v1.0",
    ) -> None:
        self._graph = graph
        self._credential = credential
        self._public_base_url = public_base_url.rstrip("/")
        self._cookie_key = cookie_key
        self._certificate = certificate
        self._now = now
        self._version = version

    async def subscribe(self, meeting: Meeting, *, visit: str, until: datetime) -> Subscription:
        """Watch the call of `meeting`. `visit` is the visit's opaque name. Raise TryAgain or TurnedDown.

        An app may watch a meeting once. When a watch is there already, because an answer was lost on the way, that
        one is prolonged instead.
        """
        certificate = await self._certificate()
        resource = _resource(meeting)
        body = {
            "changeType": "updated",
            "resource": resource,
            "notificationUrl": f"{self._public_base_url}/graph/notifications",
            # Needed for anything longer than an hour, and cannot be added later.
            "lifecycleNotificationUrl": f"{self._public_base_url}/graph/lifecycle",
            "expirationDateTime": _graph_time(self._at_most(until)),
            "clientState": client_state(await self._cookie_key(), visit),
            "includeResourceData": True,
            "encryptionCertificate": certificate.certificate,
            "encryptionCertificateId": certificate.id,
            "latestSupportedTlsVersion": "v1_2",
        }
        try:
            answer = await self._call(lambda graph: graph.subscriptions, "POST", body=body)
        except GraphRefused as refusal:
            lost = await self._lost(resource) if refusal.status in _MAY_BE_THERE else None
            if lost is None:
                raise
            logger.info("took up a watch on a call that was there already")
            return await self.renew(lost, until=until)
        return self._subscription(answer)

    async def renew(self, subscription: Subscription, *, until: datetime) -> Subscription:
        """Prolong the watch, which also answers Graph's request to reauthorize it."""
        answer = await self._call(
            lambda graph: graph.subscriptions.by_subscription_id(subscription.id),
            "PATCH",
            body={"expirationDateTime": _graph_time(self._at_most(until))},
        )
        return self._subscription({"id": subscription.id, **answer})

    async def _call(self, build: Build, method: str, *, body: dict[str, Any] | None = None) -> dict[str, Any]:
        return await self._graph.call(
            build, method, credential=self._credential, version=self._version, body=body
        )

    async def _lost(self, resource: str) -> Subscription | None:
        """Our watch on `resource`, looked for among all that this app has in the tenant."""
        build: Build = _first_page
        for _ in range(_PAGES):
            page = await self._call(build, "GET")
            found = page.get("value")
            for one in found if isinstance(found, list) else []:
                if isinstance(one, dict) and one.get("resource") == resource:
                    return self._subscription(one)
            following = page.get("@odata.nextLink")
            query = urlsplit(following).query if isinstance(following, str) else ""
            if not query:
                return None
            build = _next_page(query)
        return None

    def _at_most(self, until: datetime) -> datetime:
        return min(until, self._now() + _LONGEST)

    def _subscription(self, answer: dict[str, Any]) -> Subscription:
        id, ends = answer.get("id"), answer.get("expirationDateTime")
        try:
            expires_at = datetime.fromisoformat(str(ends))
        except ValueError:
            expires_at = None
        if not isinstance(id, str) or not id or expires_at is None:
            raise TurnedDown("Graph answered with a subscription that cannot be read", code="not-readable")
        return Subscription(id, expires_at if expires_at.tzinfo else expires_at.replace(tzinfo=UTC))


def _first_page(graph: "GraphServiceClient") -> "BaseRequestBuilder":
    return graph.subscriptions


def _next_page(query: str) -> Build:
    """Only what follows the question mark of Graph's link is used: a request goes where the first one went."""

    def build(graph: "GraphServiceClient") -> "BaseRequestBuilder":
        return graph.subscriptions.with_url(f"{graph.request_adapter.base_url}/subscriptions?{query}")

    return build


def _resource(meeting: Meeting) -> str:
    """The join address is encoded once more, although it holds encoded parts already."""
    return f"communications/onlineMeetings(joinWebUrl='{quote(meeting.join_url, safe='')}')/meetingCallEvents"


def _graph_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
