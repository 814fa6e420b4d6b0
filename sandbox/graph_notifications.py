"""Tells subscribers what happens in calls: encrypted events with proof of their sender, and lifecycle events."""

from dataclasses import dataclass, field

import httpx

from sandbox.deliveries import Deliveries
from sandbox.entra_tokens import EntraTokens
from sandbox.graph import written
from sandbox.graph_calls import identity_set
from sandbox.graph_certificates import encrypted_content
from sandbox.graph_subscriptions import GraphSubscriptions, Subscription
from sandbox.teams_meeting import CallEvent, EventKind, Meeting, Participant
from sandbox.trouble import Service
from sandbox.world import Row, World

# Whoever takes longer counts as not having answered.
_SECONDS = 3.0
_LEFT = {"reason": "Participant has left the meeting call."}


@dataclass(slots=True)
class GraphNotifications:
    """Listens to Teams and writes to the addresses of the subscriptions."""

    world: World
    tokens: EntraTokens
    subscriptions: GraphSubscriptions
    deliveries: Deliveries = field(init=False)

    def __post_init__(self) -> None:
        self.deliveries = Deliveries(self.world, Service.NOTIFICATIONS)

    def tell(self, meeting: Meeting, event: CallEvent) -> None:
        """One notification for every subscription to the meeting."""
        for one in self.subscriptions.of_meeting(meeting.join_url):
            if one.paused:
                self.world.log(
                    Service.NOTIFICATIONS, f"{event.kind} withheld: {one.id} waits to be reauthorized"
                )
                continue
            body = self._event(one, meeting, event)
            self._send(one, event.kind.value, one.notification_url, body)

    def ask_to_reauthorize(self, subscription: Subscription, *, pause: bool) -> None:
        """Say that the subscription must be renewed; with `pause`, as if the request had long gone unanswered."""
        subscription.paused = pause
        value = {
            "subscriptionId": subscription.id,
            "subscriptionExpirationDateTime": written(subscription.expires_at),
            "tenantId": subscription.tenant,
            "clientState": subscription.client_state,
            "lifecycleEvent": "reauthorizationRequired",
        }
        token = self.tokens.of_notification(tenant=subscription.tenant, app=subscription.app)
        body = {"value": [value], "validationTokens": [token]}
        self._send(subscription, "reauthorizationRequired", subscription.lifecycle_url, body)

    def _send(self, subscription: Subscription, what: str, url: str, body: Row) -> None:
        async def carry() -> str:
            return await self._post(url, body)

        self.deliveries.send(subscription.id, what, carry)

    async def _post(self, url: str, body: Row) -> str:
        try:
            answer = await self.world.client.post(url, json=body, timeout=_SECONDS)
        except httpx.HTTPError as away:
            return type(away).__name__
        return "" if answer.is_success else f"answered {answer.status_code}"

    def _event(self, subscription: Subscription, meeting: Meeting, event: CallEvent) -> Row:
        id = self.world.new_id()
        value: Row = {
            "subscriptionId": subscription.id,
            "clientState": subscription.client_state,
            "changeType": "updated",
            "resource": subscription.resource,
            "subscriptionExpirationDateTime": written(subscription.expires_at),
            "resourceData": {
                "@odata.type": "#microsoft.graph.callEvent",
                "@odata.id": subscription.resource,
                "id": id,
            },
            "tenantId": subscription.tenant,
        }
        if subscription.certificate is None:
            return {"value": [value]}
        value["encryptedContent"] = encrypted_content(
            _content(id, event),
            certificate=subscription.certificate,
            certificate_id=subscription.certificate_id,
        )
        token = self.tokens.of_notification(tenant=subscription.tenant, app=subscription.app)
        return {"value": [value], "validationTokens": [token]}


def _content(id: str, event: CallEvent) -> Row:
    content: Row = {
        "@odata.type": "#microsoft.graph.callEvent",
        "id": id,
        "eventType": event.kind.value,
        "eventDateTime": written(event.at),
    }
    if event.kind is EventKind.STARTED:
        content["state"] = "active"
    if event.people:
        content["participants@delta"] = [_participant(*one) for one in event.people]
    return content


def _participant(person: Participant, waits: bool, has_left: bool) -> Row:
    row: Row = {"id": person.id, "info": {"identity": identity_set(person)}, "isInLobby": waits}
    if has_left:
        row["removedState"] = _LEFT
    return row
