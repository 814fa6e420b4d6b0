"""Note what the carrier says of a text: delivered or not, by the tag it was sent with."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from shared.domain.notification import NotificationRef
from shared.flows.ports import CarrierMessageIndex
from shared.flows.send_notification import Sending, settle_delivery

# Azure Communication Services as an Event Grid source, SMS events.
_REPORT = "Microsoft.Communication.SMSDeliveryReportReceived"


async def note_carrier_event(
    event: Mapping[str, object],
    *,
    carrier_index: CarrierMessageIndex,
    sending_of: Callable[[NotificationRef], Awaitable[Sending | None]],
    now: datetime,
) -> str:
    """Settle the text that `event` is about and say in one word what came of it."""
    data = event.get("data")
    if event.get("eventType") != _REPORT or not isinstance(data, Mapping):
        return "ignored"
    # The sample in the documentation spells it "Tag", the schema "tag".
    tag = str(data.get("Tag") or data.get("tag") or "")
    ref = await carrier_index.find(tag) if tag else None
    if ref is None:
        return "unknown text"
    given = await sending_of(ref)
    if given is None:
        return "dropped"
    delivered = data.get("deliveryStatus") == "Delivered"
    reason = "" if delivered else _reason(str(data.get("deliveryStatusDetails") or ""))
    await settle_delivery(ref, delivered=delivered, reason=reason, given=given, now=now)
    return "delivered" if delivered else "failed"


# What the carrier writes is free text that may hold a number, so only known phrases are kept, in our words.
_REASONS = (
    ("sender blocked for given recipient", "blocked by recipient (opted out)"),
    ("invalid", "invalid number"),
    ("does not exist", "number does not exist"),
    ("spam", "spam content detected"),
    ("unreachable", "unreachable"),
    ("blocked", "blocked"),
)


def _reason(details: str) -> str:
    lowered = details.lower()
    return next((ours for theirs, ours in _REASONS if theirs in lowered), "other error")
