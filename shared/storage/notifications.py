"""Notifications: one row for each text, found by its appointment, or by the tag it was sent with."""

from typing import Any

from shared.domain.appointment import AppointmentRef
from shared.domain.environment import EnvironmentId
from shared.domain.notification import Notification, NotificationKind, NotificationRef, NotificationState
from shared.domain.tenant import TenantId
from shared.domain.versioned import Versioned
from shared.storage.keys import Scope, joined, shard_of
from shared.storage.rows import instant, moment, moment_or_none
from shared.storage.tables import AFTER, Row, Table, version_of


class Notifications:
    """The texts of one environment. Each method is one storage call."""

    def __init__(self, table: Table, tenant: TenantId, environment: EnvironmentId) -> None:
        self._table = table
        self._scope = Scope(tenant, environment)

    async def get(self, ref: NotificationRef) -> Versioned[Notification]:
        """Raise NotFound."""
        self._must_hold(ref)
        key = ref.appointment.key
        row = await self._table.get(self._scope.partition(key), joined(key, ref.slot))
        return Versioned(from_row(row, self._scope), version_of(row))

    async def insert(self, notification: Notification) -> None:
        """Raise AlreadyThere."""
        self._must_hold(notification.ref)
        await self._table.insert(to_row(notification))

    async def save(self, notification: Notification, *, seen: str) -> str:
        """Raise OutOfStep; return the new version."""
        self._must_hold(notification.ref)
        return await self._table.save(to_row(notification), seen=seen)

    async def of_appointment(self, key: str) -> list[Notification]:
        rows = self._table.rows(self._scope.partition(key), low=f"{joined(key)}|", high=joined(key) + AFTER)
        return [from_row(row, self._scope) async for row in rows]

    def _must_hold(self, ref: NotificationRef) -> None:
        self._scope.must_hold(ref.appointment.tenant, ref.appointment.environment)


def to_row(notification: Notification) -> dict[str, Any]:
    """The row of a text."""
    appointment = notification.ref.appointment
    return {
        "PartitionKey": Scope(appointment.tenant, appointment.environment).partition(appointment.key),
        "RowKey": joined(appointment.key, notification.ref.slot),
        "appointment": appointment.key,
        "slot": notification.ref.slot,
        "kind": notification.kind.value,
        "revision": notification.revision,
        "planned_at": instant(notification.planned_at),
        "state": notification.state.value,
        "reason": notification.reason,
        "claimed_at": instant(notification.claimed_at),
        "accepted_at": instant(notification.accepted_at),
        "settled_at": instant(notification.settled_at),
        "carrier_id": notification.carrier_id,
        "asked_by": notification.asked_by,
    }


def from_row(row: Row, scope: Scope) -> Notification:
    """The text that `row` holds."""
    appointment = AppointmentRef(scope.tenant, scope.environment, row["appointment"])
    return Notification(
        ref=NotificationRef(appointment, row["slot"]),
        kind=NotificationKind(row["kind"]),
        revision=row["revision"],
        planned_at=moment(row["planned_at"]),
        state=NotificationState(row["state"]),
        reason=row["reason"],
        claimed_at=moment_or_none(row["claimed_at"]),
        accepted_at=moment_or_none(row["accepted_at"]),
        settled_at=moment_or_none(row["settled_at"]),
        carrier_id=row["carrier_id"],
        asked_by=row["asked_by"],
    )


class CarrierMessageIndex:
    """Leads from the tag a text was sent with to its row, for delivery reports. Each method is one storage call."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def put(self, tag: str, ref: NotificationRef) -> None:
        partition, key = _tag_key(tag)
        await self._table.put(
            {
                "PartitionKey": partition,
                "RowKey": key,
                "tenant": ref.appointment.tenant,
                "environment": ref.appointment.environment,
                "appointment": ref.appointment.key,
                "slot": ref.slot,
            }
        )

    async def find(self, tag: str) -> NotificationRef | None:
        row = await self._table.find(*_tag_key(tag))
        if row is None:
            return None
        appointment = AppointmentRef(
            TenantId(row["tenant"]), EnvironmentId(row["environment"]), row["appointment"]
        )
        return NotificationRef(appointment, row["slot"])


def _tag_key(tag: str) -> tuple[str, str]:
    return shard_of(tag, 256), joined(tag)
