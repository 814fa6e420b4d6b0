"""The audit chain: who did what, in rows that cannot be changed or dropped unseen."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One act. `facts` holds ids and counts, never personal data."""

    at: datetime
    who: str
    did: str
    to: str
    facts: dict[str, str]


FIRST_LINK = "0" * 64


def link(previous: str, entry: AuditEntry) -> str:
    """The hash that ties `entry` to the one before it (SHA-256 over the previous hash and the entry)."""
    content = json.dumps(
        [previous, entry.at.isoformat(), entry.who, entry.did, entry.to, entry.facts],
        sort_keys=True,
        separators=(",", ":"),
    )
    return hashlib.sha256(content.encode()).hexdigest()
