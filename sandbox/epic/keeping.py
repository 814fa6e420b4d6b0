"""Keeps Epic's schedules in the state folder, so that a sandbox that starts again gives no number twice."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from sandbox.epic.people import DEPARTMENTS, LANGUAGES, PATIENTS, PROVIDERS
from sandbox.epic.schedule import Booking, Connection, Kind, Schedule, Standing

FILE = "epic-schedule.json"


def keep(schedules: Mapping[str, Schedule], state_dir: Path) -> None:
    """Write the schedules down, whole or not at all."""
    kept = {name: _schedule_row(one) for name, one in schedules.items()}
    fresh = state_dir / f"{FILE}.new"
    fresh.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    fresh.replace(state_dir / FILE)


def recall(schedules: Mapping[str, Schedule], state_dir: Path) -> None:
    """Read back what an earlier run kept, if one did."""
    file = state_dir / FILE
    if not file.exists():
        return
    for name, row in json.loads(file.read_text(encoding="utf-8")).items():
        schedule = schedules[name]
        schedule.next_csn, schedule.next_message = row["next_csn"], row["next_message"]
        schedule.bookings = [_booking(one) for one in row["bookings"]]


def _schedule_row(schedule: Schedule) -> dict[str, Any]:
    return {
        "next_csn": schedule.next_csn,
        "next_message": schedule.next_message,
        "bookings": [_row(one) for one in schedule.bookings],
    }


def _row(booking: Booking) -> dict[str, Any]:
    return {
        "csn": booking.csn,
        "original_csn": booking.original_csn,
        "previous_csns": booking.previous_csns,
        "patient": booking.patient.key,
        "provider": booking.provider.key,
        "department": booking.department.id,
        "kind": booking.kind,
        "start": booking.start.isoformat(),
        "minutes": booking.minutes,
        "zone": booking.zone,
        "language": booking.language.tag,
        "confidential": booking.confidential,
        "conference": booking.conference,
        "comment": booking.comment,
        "standing": booking.standing,
        "cancel_reason": booking.cancel_reason,
        "patient_connection": booking.patient_connection,
        "provider_connection": booking.provider_connection,
    }


def _booking(row: dict[str, Any]) -> Booking:
    return Booking(
        csn=row["csn"],
        original_csn=row["original_csn"],
        previous_csns=row["previous_csns"],
        patient=PATIENTS[row["patient"]],
        provider=PROVIDERS[row["provider"]],
        department=DEPARTMENTS[row["department"]],
        kind=Kind(row["kind"]),
        start=datetime.fromisoformat(row["start"]),
        minutes=row["minutes"],
        zone=row["zone"],
        language=LANGUAGES[row["language"]],
        confidential=row["confidential"],
        conference=row["conference"],
        comment=row["comment"],
        standing=Standing(row["standing"]),
        cancel_reason=row["cancel_reason"],
        patient_connection=Connection(row["patient_connection"]),
        provider_connection=Connection(row["provider_connection"]),
    )
