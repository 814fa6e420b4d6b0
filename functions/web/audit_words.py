"""The audit log in words: who may read it, what was done, how it ended, before and after, and as lines of a file."""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from shared.domain.audit import AuditEntry, Linked
from shared.domain.errors import NotAllowed
from shared.domain.portal_session import Colleague
from shared.domain.tenant import Person, Role
from shared.domain.words import Said, said

# Every act that the flows write down. The log keeps the key for good; the words are for whoever reads it.
ACTIONS: Mapping[str, Said] = {
    "signed in": said("Signed in"),
    "signed out": said("Signed out"),
    "was refused at sign-in": said("Signed in without access"),
    "was refused": said("Tried something they may not do"),
    "pinned the tenant": said("Confirmed where the data lives"),
    "created the environment": said("Created an environment"),
    "changed the connection": said("Changed the connection"),
    "changed the operation": said("Changed the operation"),
    "added a certificate": said("Added a certificate"),
    "removed a certificate": said("Removed a certificate"),
    "restored the connection": said("Restored an earlier connection"),
    "removed the environment": said("Removed an environment"),
    "finished the setup": said("Finished the setup"),
    "made a new key": said("Made a new key"),
    "asked for approval": said("Asked for approval"),
    "withdrew the connection": said("Withdrew the request for approval"),
    "signed in to Epic": said("Signed in to Epic to approve"),
    "was not accepted by Epic": said("Could not be accepted as an approver at Epic"),
    "approved the connection": said("Approved the connection"),
    "rejected the connection": said("Sent the connection back"),
    "told an approver by e-mail": said("Told an approver by e-mail"),
    "reminded an approver by e-mail": said("Reminded an approver by e-mail"),
    "could not tell an approver by e-mail": said("Could not tell an approver by e-mail"),
    "asked to share an address": said("Asked to share an Epic address"),
    "allowed an address to be shared": said("Allowed an Epic address to be shared"),
    "refused to share an address": said("Refused to share an Epic address"),
    "withdrew the sharing of an address": said("Stopped sharing an Epic address"),
    "erased": said("Erased what led to a patient"),
}

# Names of facts that are not already words of a page.
FACTS: Mapping[str, Said] = {
    "attempt": said("What was tried"),
    "approver": said("Approver"),
    "cause": said("Cause"),
    "client": said("Epic client"),
    "code": said("Code"),
    "content": said("Fingerprint of the settings"),
    "fingerprint": said("Fingerprint of the certificate"),
    "geography": said("Geography"),
    "kind": said("Kind"),
    "reason": said("Reason"),
    "roles": said("Roles"),
    "version": said("Version"),
}

_REFUSED = frozenset({"was refused", "was refused at sign-in", "was not accepted by Epic"})
_ARROW = " -> "


@dataclass(frozen=True, slots=True)
class Change:
    """One value before and after. Empty text: there was nothing, or is nothing."""

    label: str
    before: str
    after: str


def utc(moment: datetime) -> str:
    """A moment as the log shows it, to the second and the same in every language."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def action(did: str) -> str:
    """What was done, in words where there are some."""
    return ACTIONS.get(did, did)


Result = Literal["done", "refused", "failed"]


def result(entry: AuditEntry) -> Result:
    """How an act ended: `done`, `refused` or `failed`."""
    if entry.did in _REFUSED:
        return "refused"
    return "failed" if entry.did.startswith("could not ") else "done"


def changes(entry: AuditEntry) -> list[Change]:
    """The values that an entry names before and after."""
    pairs = ((name, value.partition(_ARROW)) for name, value in entry.facts.items() if _ARROW in value)
    return [
        Change(name, "" if old == "-" else old, "" if new == "-" else new) for name, (old, _, new) in pairs
    ]


def other_facts(entry: AuditEntry) -> list[tuple[str, str]]:
    """What else an entry holds: the name in words, and the value."""
    return [(FACTS.get(name, name), value) for name, value in entry.facts.items() if _ARROW not in value]


def as_csv(entries: Iterable[Linked], names: Mapping[str, Colleague]) -> bytes:
    """The entries as a file for spreadsheet programs: UTF-8 with BOM, moments in ISO 8601."""
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow(
        ["time_utc", "person", "name", "action", "where", "result", "facts", "day", "number", "link"]
    )
    for one in entries:
        entry = one.entry
        called = names[entry.who].name if entry.who in names else ""
        facts = "; ".join(f"{name}: {value}" for name, value in entry.facts.items())
        at = entry.at.astimezone(UTC).isoformat(timespec="seconds")
        row = [at, entry.who, called, entry.did, entry.to, result(entry), facts]
        lines.writerow([_harmless(cell) for cell in row] + [one.place.day, one.place.number, one.place.link])
    return text.getvalue().encode("utf-8-sig")


def _harmless(cell: str) -> str:
    """A spreadsheet program takes a cell with such a beginning for a formula, and runs it (OWASP, CSV injection)."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def must_watch(person: Person) -> None:
    """Raise NotAllowed for whoever may not read the log."""
    if not person.roles & {Role.ADMINISTRATOR, Role.AUDITOR}:
        raise NotAllowed(said("Only an administrator or an auditor can see the audit log."))
