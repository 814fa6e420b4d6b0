"""Visits: one row each, with the meeting, who was seen in it, and what Epic is owed."""

import json
from typing import Any

from shared.domain.environment import EnvironmentId
from shared.domain.outcome import Outcome
from shared.domain.participant import Participant, ParticipantRole, Stay
from shared.domain.tenant import TenantId
from shared.domain.versioned import Versioned
from shared.domain.visit import ExternalId, Fact, FactKind, Meeting, Subscription, Visit, VisitRef
from shared.storage.keys import Scope, joined, shard_of
from shared.storage.rows import compact, gathered, instant, moment, moment_or_none, spread, texts
from shared.storage.seals import Seals
from shared.storage.tables import Row, Table, version_of

_PURPOSE = "external-id"


class Visits:
    """The visits of one environment. `get` and `save` are one storage call each, `insert` is two."""

    def __init__(
        self, table: Table, index: Table, tenant: TenantId, environment: EnvironmentId, seals: Seals
    ) -> None:
        self._table = table
        self._index = index
        self._scope = Scope(tenant, environment)
        self._seals = seals

    async def get(self, key: str) -> Versioned[Visit]:
        """Raise NotFound."""
        row = await self._table.get(self._scope.partition(key), joined(key))
        return Versioned(from_row(row, self._scope, await self._opened(row)), version_of(row))

    async def insert(self, visit: Visit) -> str:
        """Raise AlreadyThere; return the version.

        The index row is written first: without its visit it leads nowhere, and every try writes the same.
        """
        row = await self._row(visit)
        await self._index.put(_index_row(visit.ref))
        return await self._table.insert(row)

    async def save(self, visit: Visit, *, seen: str) -> str:
        """Raise OutOfStep; return the new version."""
        return await self._table.save(await self._row(visit), seen=seen)

    async def _row(self, visit: Visit) -> dict[str, Any]:
        self._scope.must_hold(visit.ref.tenant, visit.ref.environment)
        sealed = ""
        if visit.external_ids:
            content = compact({name: [one.value, one.type] for name, one in visit.external_ids.items()})
            sealed = await self._seals.seal(content.encode(), purpose=_PURPOSE, tenant=self._scope.tenant)
        return to_row(visit, external_ids=sealed)

    async def _opened(self, row: Row) -> dict[str, ExternalId]:
        sealed = gathered(row, "external_ids")
        if not sealed:
            return {}
        content = json.loads(await self._seals.open(sealed, purpose=_PURPOSE, tenant=self._scope.tenant))
        return {name: ExternalId(value, kind) for name, (value, kind) in content.items()}


class VisitIndex:
    """Leads from a visit's opaque name to the visit. One storage call."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def find(self, opaque: str) -> VisitRef:
        """The visit with that opaque name, or raise NotFound."""
        row = await self._table.get(*_index_key(opaque))
        return VisitRef(TenantId(row["tenant"]), EnvironmentId(row["environment"]), row["key"])


def _index_key(opaque: str) -> tuple[str, str]:
    return shard_of(opaque, 256), joined(opaque)


def _index_row(ref: VisitRef) -> dict[str, Any]:
    partition, key = _index_key(ref.opaque)
    return {
        "PartitionKey": partition,
        "RowKey": key,
        "tenant": ref.tenant,
        "environment": ref.environment,
        "key": ref.key,
    }


def to_row(visit: Visit, *, external_ids: str) -> dict[str, Any]:
    """The row of a visit whose `external_ids` are sealed already, or empty."""
    ref, meeting, subscription = visit.ref, visit.meeting, visit.subscription
    return {
        "PartitionKey": Scope(ref.tenant, ref.environment).partition(ref.key),
        "RowKey": joined(ref.key),
        "key": ref.key,
        "session": visit.session,
        **spread("appointments", compact(visit.appointments)),
        "starts_at": instant(visit.starts_at),
        "ends_at": instant(visit.ends_at),
        "organizer": visit.organizer,
        "meeting_id": meeting.id if meeting else "",
        "meeting_join_url": meeting.join_url if meeting else "",
        "meeting_guest_url": meeting.guest_url if meeting else "",
        "meeting_opens_in_browser": bool(meeting and meeting.guest_url_opens_in_browser),
        "has_meeting": meeting is not None,
        "meeting_starts_at": instant(visit.meeting_starts_at),
        **spread("co_organizers", compact(sorted(visit.co_organizers))),
        "subscription_id": subscription.id if subscription else "",
        "subscription_expires_at": instant(subscription.expires_at) if subscription else "",
        **spread("participants", compact([_participant_out(one) for one in visit.participants])),
        **spread("external_ids", external_ids),
        **spread("events_seen", compact(visit.events_seen)),
        "facts_counted": visit.facts_counted,
        **spread("owed", compact([fact_out(one) for one in visit.owed])),
        **spread("told", compact({name: kind.value for name, kind in visit.told.items()})),
        "call_started_at": instant(visit.call_started_at),
        "ended_at": instant(visit.ended_at),
        "outcome": visit.outcome.value,
        "joins": visit.joins,
    }


def from_row(row: Row, scope: Scope, external_ids: dict[str, ExternalId]) -> Visit:
    """The visit that `row` holds; `external_ids` are opened already."""
    return Visit(
        ref=VisitRef(scope.tenant, scope.environment, row["key"]),
        session=row["session"],
        appointments=texts(gathered(row, "appointments")),
        starts_at=moment(row["starts_at"]),
        ends_at=moment(row["ends_at"]),
        organizer=row["organizer"],
        meeting=_meeting(row),
        meeting_starts_at=moment_or_none(row["meeting_starts_at"]),
        co_organizers=frozenset(texts(gathered(row, "co_organizers"))),
        subscription=_subscription(row),
        participants=tuple(_participant_in(one) for one in json.loads(gathered(row, "participants"))),
        external_ids=external_ids,
        events_seen=texts(gathered(row, "events_seen")),
        facts_counted=row["facts_counted"],
        owed=tuple(fact_in(one) for one in json.loads(gathered(row, "owed"))),
        told={name: FactKind(kind) for name, kind in json.loads(gathered(row, "told")).items()},
        call_started_at=moment_or_none(row["call_started_at"]),
        ended_at=moment_or_none(row["ended_at"]),
        outcome=Outcome(row["outcome"]),
        joins=row["joins"],
    )


def _meeting(row: Row) -> Meeting | None:
    if not row["has_meeting"]:
        return None
    return Meeting(
        id=row["meeting_id"],
        join_url=row["meeting_join_url"],
        guest_url=row["meeting_guest_url"],
        guest_url_opens_in_browser=row["meeting_opens_in_browser"],
    )


def _subscription(row: Row) -> Subscription | None:
    expires_at = moment_or_none(row["subscription_expires_at"])
    return Subscription(row["subscription_id"], expires_at) if expires_at is not None else None


def _participant_out(participant: Participant) -> dict[str, Any]:
    return {
        "id": participant.id,
        "role": participant.role.value,
        "stays": [
            {
                "id": stay.id,
                "waiting_since": instant(stay.waiting_since),
                "connected_at": instant(stay.connected_at),
                "left_at": instant(stay.left_at),
                "told": stay.told,
            }
            for stay in participant.stays
        ],
    }


def _participant_in(content: dict[str, Any]) -> Participant:
    return Participant(
        id=content["id"],
        role=ParticipantRole(content["role"]),
        stays=tuple(
            Stay(
                id=stay["id"],
                waiting_since=moment_or_none(stay["waiting_since"]),
                connected_at=moment_or_none(stay["connected_at"]),
                left_at=moment_or_none(stay["left_at"]),
                told=stay["told"],
            )
            for stay in content["stays"]
        ),
    )


def fact_out(fact: Fact) -> dict[str, Any]:
    """A fact as JSON."""
    return {
        "sequence": fact.sequence,
        "participant": fact.participant,
        "role": fact.role.value,
        "kind": fact.kind.value,
        "at": instant(fact.at),
    }


def fact_in(content: dict[str, Any]) -> Fact:
    """The fact that `fact_out` wrote."""
    return Fact(
        sequence=content["sequence"],
        participant=content["participant"],
        role=ParticipantRole(content["role"]),
        kind=FactKind(content["kind"]),
        at=moment(content["at"]),
    )
