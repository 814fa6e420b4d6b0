"""Appointments: one row each, with the patient's number and Epic's id of the patient sealed."""

import json
from typing import Any

from shared.domain.appointment import Appointment, AppointmentRef, AppointmentState, News, SourceVersion
from shared.domain.environment import EnvironmentId
from shared.domain.expected import Expected
from shared.domain.phone_number import PhoneNumber
from shared.domain.tenant import TenantId
from shared.domain.versioned import Versioned
from shared.storage.keys import Scope, joined
from shared.storage.rows import compact, gathered, instant, moment, moment_or_none, spread, texts
from shared.storage.seals import Seals
from shared.storage.tables import Row, Table, version_of

PHONE, EXTERNAL_ID = "phone", "external-id"


class Appointments:
    """The appointments of one environment. Each method is one storage call."""

    def __init__(self, table: Table, tenant: TenantId, environment: EnvironmentId, seals: Seals) -> None:
        self._table = table
        self._scope = Scope(tenant, environment)
        self._seals = seals

    async def get(self, key: str) -> Versioned[Appointment]:
        """Raise NotFound, or Unsealable when the key that sealed the number is gone."""
        row = await self._table.get(self._scope.partition(key), joined(key))
        phone, external_id = (
            await self._opened(row["phone"], PHONE),
            await self._opened(row["external_id"], EXTERNAL_ID),
        )
        return Versioned(from_row(row, self._scope, phone=phone, external_id=external_id), version_of(row))

    async def insert(self, appointment: Appointment) -> str:
        """Raise AlreadyThere; return the version."""
        return await self._table.insert(await self._row(appointment))

    async def save(self, appointment: Appointment, *, seen: str) -> str:
        """Raise OutOfStep; return the new version."""
        return await self._table.save(await self._row(appointment), seen=seen)

    async def _row(self, appointment: Appointment) -> dict[str, Any]:
        self._scope.must_hold(appointment.ref.tenant, appointment.ref.environment)
        phone = appointment.phone.e164 if appointment.phone else ""
        return to_row(
            appointment,
            phone=await self._sealed(phone, PHONE),
            external_id=await self._sealed(appointment.external_id, EXTERNAL_ID),
        )

    async def _sealed(self, content: str, purpose: str) -> str:
        if not content:
            return ""
        return await self._seals.seal(content.encode(), purpose=purpose, tenant=self._scope.tenant)

    async def _opened(self, sealed: str, purpose: str) -> str:
        if not sealed:
            return ""
        return (await self._seals.open(sealed, purpose=purpose, tenant=self._scope.tenant)).decode()


def to_row(appointment: Appointment, *, phone: str, external_id: str) -> dict[str, Any]:
    """The row of an appointment whose `phone` and `external_id` are sealed already, or empty."""
    ref, source = appointment.ref, appointment.source
    return {
        "PartitionKey": Scope(ref.tenant, ref.environment).partition(ref.key),
        "RowKey": joined(ref.key),
        "key": ref.key,
        "csn": appointment.csn,
        **spread("aliases", compact(appointment.aliases)),
        "state": appointment.state.value,
        "starts_at": instant(appointment.starts_at),
        "zone": appointment.zone,
        "doubtful_time": appointment.doubtful_time,
        "minutes": appointment.minutes,
        "by_video": appointment.by_video,
        "confidential": appointment.confidential,
        "deceased": appointment.deceased,
        "department": appointment.department,
        **spread("providers", compact(appointment.providers)),
        "language": appointment.language,
        "phone": phone,
        "external_id": external_id,
        "patient_hash": appointment.patient_hash,
        "source_sent_at": instant(source.sent_at),
        "source_ends": source.ends,
        "source_received_at": instant(source.received_at),
        **spread("same_second", compact(appointment.same_second)),
        "revision": appointment.revision,
        "owed": appointment.owed.value if appointment.owed else "",
        "link_generation": appointment.link_generation,
        "forgotten_at": instant(appointment.forgotten_at),
        "filed": compact([_filed_out(one) for one in appointment.filed]),
    }


def from_row(row: Row, scope: Scope, *, phone: str, external_id: str) -> Appointment:
    """The appointment that `row` holds; `phone` and `external_id` are opened already."""
    return Appointment(
        ref=AppointmentRef(scope.tenant, scope.environment, row["key"]),
        csn=row["csn"],
        aliases=texts(gathered(row, "aliases")),
        state=AppointmentState(row["state"]),
        starts_at=moment_or_none(row["starts_at"]),
        zone=row["zone"],
        doubtful_time=row["doubtful_time"],
        minutes=row["minutes"],
        by_video=row["by_video"],
        confidential=row["confidential"],
        deceased=row["deceased"],
        department=row["department"],
        providers=texts(gathered(row, "providers")),
        language=row["language"],
        phone=PhoneNumber(phone) if phone else None,
        external_id=external_id,
        patient_hash=row["patient_hash"],
        source=SourceVersion(
            sent_at=moment(row["source_sent_at"]),
            ends=row["source_ends"],
            received_at=moment(row["source_received_at"]),
        ),
        same_second=texts(gathered(row, "same_second")),
        revision=row["revision"],
        owed=News(row["owed"]) if row["owed"] else None,
        link_generation=row["link_generation"],
        forgotten_at=moment_or_none(row["forgotten_at"]),
        filed=tuple(_filed_in(one, row["key"]) for one in json.loads(row.get("filed", "[]"))),
    )


def _filed_out(line: Expected) -> dict[str, Any]:
    return {"at": instant(line.starts_at), "zone": line.zone, "textable": line.textable}


def _filed_in(content: dict[str, Any], key: str) -> Expected:
    return Expected(key, moment(content["at"]), content["zone"], content["textable"])
