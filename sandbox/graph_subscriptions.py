"""Graph's subscriptions to the call events of meetings: made after a handshake, prolonged, and let go."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import unquote, urlsplit

import httpx
from cryptography import x509
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.graph import ROOT, Caller, GraphDoor, GraphRefused, body_of, moment, written
from sandbox.graph_certificates import read_certificate
from sandbox.graph_meetings import READ
from sandbox.teams import Teams
from sandbox.world import Row

# Graph's two tables say 4,230 and 4,320 minutes; whoever keeps to the first satisfies both.
_LONGEST = timedelta(minutes=4230)
_SHORTEST = timedelta(minutes=45)
_NEEDS_LIFECYCLE = timedelta(hours=1)
_HANDSHAKE_SECONDS = 10.0
# The join address is encoded once more, so no character of it can end the text too early.
_RESOURCE = re.compile(r"/?communications/onlineMeetings\(joinWebUrl='([^'/?]+)'\)/meetingCallEvents")


@dataclass(slots=True)
class Subscription:
    """One app watching the calls of one meeting."""

    id: str
    tenant: str
    app: str
    resource: str
    join_url: str
    notification_url: str
    lifecycle_url: str
    expires_at: datetime
    client_state: str
    certificate_id: str = ""
    certificate: x509.Certificate | None = None
    tls: str = "v1_2"
    # Since Graph asked for a renewal that has not come: it withholds what happens meanwhile.
    paused: bool = False


@dataclass(slots=True)
class GraphSubscriptions:
    """The handlers, and the subscriptions that are alive."""

    door: GraphDoor
    teams: Teams
    all: dict[str, Subscription] = field(default_factory=dict)

    def routes(self) -> list[Route]:
        door, one = self.door.open, f"{ROOT}/subscriptions/{{subscription}}"
        return [
            Route(f"{ROOT}/subscriptions", door(self._create, roles=READ), methods=["POST"]),
            Route(f"{ROOT}/subscriptions", door(self._list, roles=READ)),
            Route(f"{one}/reauthorize", door(self._reauthorize, roles=READ), methods=["POST"]),
            Route(one, door(self._change, roles=READ), methods=["PATCH"]),
            Route(one, door(self._delete, roles=READ), methods=["DELETE"]),
            Route(one, door(self._get, roles=READ)),
        ]

    def of_meeting(self, join_url: str) -> list[Subscription]:
        return [one for one in self._alive() if one.join_url == join_url]

    def _alive(self) -> list[Subscription]:
        now = self.door.world.now()
        for lapsed in [id for id, one in self.all.items() if one.expires_at <= now]:
            del self.all[lapsed]
        return list(self.all.values())

    async def _create(self, request: Request, caller: Caller) -> Response:
        body = await body_of(request, "subscriptionPost")
        version = request.path_params["version"]
        if version not in self.door.switches.call_events_in:
            raise GraphRefused(400, "BadRequest", f"meetingCallEvents is not a resource of {version}.")
        if body["changeType"] != "updated":
            raise GraphRefused(
                400, "InvalidRequest", "meetingCallEvents only supports the changeType 'updated'."
            )
        join_url = self._join_url(body["resource"], caller)
        self._check_free(join_url, caller)
        expires_at = self._expiry(body["expirationDateTime"])
        lifecycle_url = body.get("lifecycleNotificationUrl") or ""
        if not lifecycle_url and expires_at - self.door.world.now() > _NEEDS_LIFECYCLE:
            text = (
                "lifecycleNotificationUrl is required when the expirationDateTime is more than 1 hour away."
            )
            raise GraphRefused(400, "InvalidRequest", text)
        certificate_id, certificate = self._encryption(body)
        for url in filter(None, (body["notificationUrl"], lifecycle_url)):
            await self._shake_hands(url)
        # While hands were shaken the same request may have been made a second time.
        self._check_free(join_url, caller)
        subscription = Subscription(
            id=self.door.world.new_id(),
            tenant=caller.tenant,
            app=caller.app,
            resource=body["resource"],
            join_url=join_url,
            notification_url=body["notificationUrl"],
            lifecycle_url=lifecycle_url,
            expires_at=expires_at,
            client_state=body.get("clientState") or "",
            certificate_id=certificate_id,
            certificate=certificate,
            tls=body.get("latestSupportedTlsVersion") or "v1_2",
        )
        self.all[subscription.id] = subscription
        return JSONResponse(_row(subscription), status_code=201)

    async def _list(self, request: Request, caller: Caller) -> Response:
        return JSONResponse({"value": [_row(one) for one in self._alive() if _belongs(one, caller)]})

    async def _get(self, request: Request, caller: Caller) -> Response:
        return JSONResponse(_row(self._find(request, caller)))

    async def _change(self, request: Request, caller: Caller) -> Response:
        """A later expiry also answers Graph's request to reauthorize."""
        subscription = self._find(request, caller)
        body = await body_of(request, "subscriptionPatch")
        expires_at = self._expiry(body["expirationDateTime"]) if "expirationDateTime" in body else None
        if ("encryptionCertificate" in body) != ("encryptionCertificateId" in body):
            raise GraphRefused(
                400, "InvalidRequest", "A certificate and its id can only be changed together."
            )
        certificate = _certificate(body["encryptionCertificate"]) if "encryptionCertificate" in body else None
        if "notificationUrl" in body:
            await self._shake_hands(body["notificationUrl"])
            subscription.notification_url = body["notificationUrl"]
        if certificate is not None:
            subscription.certificate = certificate
            subscription.certificate_id = body["encryptionCertificateId"]
        if expires_at is not None:
            subscription.expires_at, subscription.paused = expires_at, False
        return JSONResponse(_row(subscription))

    async def _reauthorize(self, request: Request, caller: Caller) -> Response:
        self._find(request, caller).paused = False
        return Response(status_code=204)

    async def _delete(self, request: Request, caller: Caller) -> Response:
        del self.all[self._find(request, caller).id]
        return Response(status_code=204)

    def _find(self, request: Request, caller: Caller) -> Subscription:
        wanted = request.path_params["subscription"]
        for one in self._alive():
            if one.id == wanted and _belongs(one, caller):
                return one
        raise GraphRefused(404, "ResourceNotFound", "The object was not found.")

    def _join_url(self, resource: str, caller: Caller) -> str:
        """The join address inside a resource, decoded once; it has to be that of a meeting of the tenant."""
        found = _RESOURCE.fullmatch(resource)
        if found is None:
            text = "The resource must be communications/onlineMeetings(joinWebUrl='{encoded}')/meetingCallEvents."
            raise GraphRefused(400, "InvalidRequest", text)
        join_url = unquote(found[1])
        meeting = self.teams.by_join_url(join_url)
        if meeting is None or meeting.organizer.tenant != caller.tenant:
            raise GraphRefused(
                404, "NotFound", "No meeting has this joinWebUrl; it must be encoded exactly once more."
            )
        policy = self.door.switches.policy_for
        if policy is not None and meeting.organizer.oid not in policy:
            oid = meeting.organizer.oid
            text = f"No application access policy found for this app: {caller.app} on the user: {oid}."
            raise GraphRefused(403, "Forbidden", text)
        return join_url

    def _check_free(self, join_url: str, caller: Caller) -> None:
        if any(_belongs(one, caller) for one in self.of_meeting(join_url)):
            text = "The limit of 1 subscription for each app and online meeting has been reached."
            raise GraphRefused(403, "ExtensionError", text)

    def _expiry(self, asked: str) -> datetime:
        """When a subscription ends: never sooner than in 45 minutes, and not too late, or raise GraphRefused."""
        now = self.door.world.now()
        expires_at = moment(asked)
        if expires_at <= now:
            raise GraphRefused(400, "InvalidRequest", "The expirationDateTime lies in the past.")
        if expires_at - now > _LONGEST:
            raise GraphRefused(400, "InvalidRequest", "A subscription can only last 4230 minutes.")
        return max(expires_at, now + _SHORTEST)

    def _encryption(self, body: Mapping[str, str]) -> tuple[str, x509.Certificate | None]:
        id, encoded = body.get("encryptionCertificateId") or "", body.get("encryptionCertificate") or ""
        if not body.get("includeResourceData"):
            return "", None
        if not encoded or not id:
            text = "encryptionCertificate and encryptionCertificateId are required with includeResourceData."
            raise GraphRefused(400, "InvalidRequest", text)
        return id, _certificate(encoded)

    async def _shake_hands(self, url: str) -> None:
        """Ask the address whether it wants notifications: it has to repeat a token as plain text in time."""
        parts = urlsplit(url)
        on_this_machine = parts.hostname in ("127.0.0.1", "localhost")
        if parts.scheme != "https" and not (parts.scheme == "http" and on_this_machine):
            raise GraphRefused(400, "InvalidRequest", "A notification address has to be reached over https.")
        reference = self.door.world.new_id()
        token = (
            f"Validation: Testing client application reachability for subscription Request-Id: {reference}"
        )
        try:
            answer = await self.door.world.client.post(
                url,
                params={"validationToken": token},
                headers={"Content-Type": "text/plain; charset=utf-8"},
                timeout=_HANDSHAKE_SECONDS,
            )
        except httpx.HTTPError as away:
            raise _unshaken(f"the address could not be reached: {type(away).__name__}") from away
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if answer.status_code != 200:
            raise _unshaken(f"HTTP status code is {answer.status_code}")
        if kind != "text/plain" or answer.content.decode("utf-8", "replace") != token:
            raise _unshaken("the validation token was not repeated as plain text")
        self.door.world.log("graph", "handshake done", path=parts.path)


def _unshaken(why: str) -> GraphRefused:
    return GraphRefused(400, "ValidationError", f"Subscription validation request failed: {why}.")


def _certificate(encoded: str) -> x509.Certificate:
    try:
        return read_certificate(encoded)
    except ValueError as unusable:
        raise GraphRefused(400, "InvalidRequest", f"Certificate validation error: {unusable}.") from unusable


def _belongs(one: Subscription, caller: Caller) -> bool:
    return (one.tenant, one.app) == (caller.tenant, caller.app)


def _row(one: Subscription) -> Row:
    return {
        "id": one.id,
        "resource": one.resource,
        "applicationId": one.app,
        "changeType": "updated",
        "clientState": one.client_state,
        "notificationUrl": one.notification_url,
        "lifecycleNotificationUrl": one.lifecycle_url or None,
        "notificationQueryOptions": None,
        "notificationUrlAppId": None,
        "expirationDateTime": written(one.expires_at),
        "creatorId": one.app,
        "includeResourceData": one.certificate is not None,
        "latestSupportedTlsVersion": one.tls,
        "encryptionCertificate": None,
        "encryptionCertificateId": one.certificate_id or None,
    }
