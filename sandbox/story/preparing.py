"""Before the story: an administrator sets an environment up, an analyst approves it, Epic is told about it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.story.approving import approve
from sandbox.story.observing import NotObserved
from sandbox.story.outside import Outside

# Patients may be texted by day only, and a story must not depend on the hour at which it is played: somewhere
# on this list it is always between late morning and afternoon.
_ZONES = (
    "America/New_York",
    "America/Los_Angeles",
    "Pacific/Honolulu",
    "Pacific/Auckland",
    "Asia/Tokyo",
    "Asia/Kolkata",
    "Asia/Dubai",
    "Europe/Berlin",
    "Atlantic/Azores",
    "America/Sao_Paulo",
)


def daytime_zone(now: datetime) -> str:
    """A zone in which it is day and stays day for the length of a story."""
    return next(zone for zone in _ZONES if 10 <= now.astimezone(ZoneInfo(zone)).hour < 18)


async def prepare(outside: Outside, state: Path) -> dict[str, Any]:
    """An approved test environment with texts on, as `prepared.json` describes it. Done before: used again."""
    await outside.portal("POST", "/tenant", {"geography": "americas"})
    kept = state / "prepared.json"
    if kept.exists():
        prepared: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
        if await _still_there(outside, prepared):
            await _connect_epic(outside, prepared)
            await _enter_records(outside, prepared["environment"])
            return prepared
    zone = daytime_zone(datetime.now(UTC))
    made = await outside.portal("POST", "/environments", await _environment(outside, zone))
    certificate = (state / "hl7-signing-certificate.pem").read_text(encoding="utf-8")
    path = f"/environments/{made['id']}"
    await outside.portal("POST", f"{path}/certificates", {"pem": certificate})
    prepared = {
        "environment": made["id"],
        "hl7v2": f"{outside.app}/hl7v2/{made['id']}",
        "zone": zone,
    }
    # Epic has to know client ids, keys and redirect address before an approver can sign in there.
    await _connect_epic(outside, prepared)
    ready = await outside.portal("POST", f"{path}/preflight")
    if not ready["ok"]:
        missing = [one["code"] for one in (*ready["address"]["findings"], *ready["clients"]) if not one["ok"]]
        raise NotObserved(f"Epic is not ready for an approval: {', '.join(missing)}")
    await outside.portal("POST", f"{path}/submission", {})
    await approve(outside, made["id"])
    await _enter_records(outside, made["id"])
    kept.write_text(json.dumps(prepared, indent=2) + "\n", encoding="utf-8")
    return prepared


async def _still_there(outside: Outside, prepared: dict[str, Any]) -> bool:
    every = await outside.portal("GET", "/environments")
    return any(one["id"] == prepared["environment"] and one["live"] for one in every["environments"])


async def _enter_records(outside: Outside, environment: str) -> None:
    """What the analyst enters in Epic after the approval: the records, exactly as they are handed over."""
    made = await outside.portal("GET", f"/environments/{environment}/records")
    sheets = {
        record["kind"]: "".join(f"{one['name']}: {one['value']}\n" for one in record["values"])
        for record in made["records"]
    }
    await outside.sandbox_post("/api/epic/records", {"records": sheets})


async def _connect_epic(outside: Outside, prepared: dict[str, Any]) -> None:
    """What is registered at Epic before the approval: where the app is, and the environment's id."""
    await outside.sandbox_post(
        "/api/epic/connect",
        {
            "environment": prepared["environment"],
            "app": outside.app,
            "hl7v2": prepared["hl7v2"],
            "records": {},
            "zone": prepared["zone"],
        },
    )


async def _environment(outside: Outside, zone: str) -> dict[str, Any]:
    facts = outside.facts
    users = facts["users"]
    fhir = str(facts["fhir_base_url"])
    epic = fhir.partition("/api/FHIR")[0]
    return {
        "kind": "test",
        "connection": {
            "fhir_base_url": fhir,
            "clients": facts["epic_clients"],
            "approvers": [users["priya"]["oid"]],
            "write_back": {
                "url": f"{epic}/api/epic/2018/Telehealth/ContextLinking/SetExternalConnectionStatus",
                "statuses": {"connected": "1", "disconnected": "2", "no-show": "3"},
            },
        },
        "operation": await operation(outside, zone),
    }


async def operation(outside: Outside, zone: str, *, only_numbers: list[str] | None = None) -> dict[str, Any]:
    """How the environment behaves. It texts the invented patients only, or `only_numbers`."""
    users, people = outside.facts["users"], await outside.sandbox_get("/api/epic")
    patients = sorted({one["mobile"] for one in people["patients"] if one["mobile"]})
    return {
        "organization": "Lamna Healthcare",
        "phone": "+1 206-555-0100",
        "feed": {
            "zone": zone,
            "country": "US",
            "sending_applications": ["SIU_GENERIC"],
            "external_id_type": "MYCHART",
        },
        "texts": {
            "on": True,
            "sender": "+18335550142",
            "consents": ["texts-2026-1", "agreed-2026-1"],
            "languages": ["en", "es", "zh-Hant-TW"],
            "reminders_minutes": [15],
            "only_numbers": patients if only_numbers is None else only_numbers,
        },
        "meetings": {
            "scheduling_accounts": [users["visits"]["oid"]],
            "providers": {
                one["employee"]: users[one["id"]]["oid"] for one in people["providers"] if one["id"] in users
            },
            "linger_minutes": 0,
        },
    }


def soon(now: datetime, *, seconds: float) -> datetime:
    """A start whose 15-minute reminder becomes due `seconds` from now. HL7v2 knows no fractions of seconds here."""
    return (now + timedelta(minutes=15, seconds=seconds)).replace(microsecond=0)
