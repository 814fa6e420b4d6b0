"""Prove the audit log of a tenant: that nothing in it was changed, dropped, moved or put between."""

from dataclasses import dataclass
from datetime import date

from shared.domain.audit import DayChain, Fault, Place, first_fault
from shared.flows.ports import AuditLog


@dataclass(frozen=True, slots=True)
class Proof:
    """What was looked at, the first fault in it if there is one, and where the log ends.

    Whoever can write to storage could write the whole log anew. `end` kept elsewhere shows that: a later log must
    still hold that entry.
    """

    days: int
    entries: int
    fault: Fault | None
    end: Place | None


async def prove_audit(log: AuditLog, *, first: date | None = None, last: date | None = None) -> Proof:
    """Prove the days from `first` to `last` (included; all days without them), and what ties them together."""
    known = await log.days(last=last)
    days = [day for day in known if first is None or day >= first]
    before: DayChain | None = None
    for earlier in reversed(known[: len(known) - len(days)]):
        before = await log.chain(earlier)
        if before.entries:
            break
    entries, end = 0, None
    for number, day in enumerate(days, start=1):
        chain = await log.chain(day)
        entries += len(chain.entries)
        fault = first_fault([chain], before=before)
        if fault:
            return Proof(number, entries, fault, end)
        if chain.entries:
            before, end = chain, chain.head
    return Proof(len(days), entries, None, end)
