"""Tell approvers by e-mail that something waits for them, and tell them again when it waits too long.

A mail holds a link and the organization's name: no address of Epic, no client id, nothing about the content.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from shared.domain.approval import REMINDED_AT_MOST, late_at
from shared.domain.audit import AuditEntry
from shared.domain.due import Due
from shared.domain.environment import Environment, Stage
from shared.domain.errors import NotFound, OutsideError, TurnedDown
from shared.domain.tenant import Role
from shared.flows.configure_environment import Configuring
from shared.flows.each import each
from shared.flows.ports import AuditLog, DueIndex, Environments, Mail, People

logger = logging.getLogger(__name__)

# In the audit chain, for what no person set off.
_CLOCK = "clock"


@dataclass(frozen=True, slots=True)
class Telling:
    """What telling the approvers of one tenant needs. `mail` is None while no mailbox is set up to send from."""

    mail: Mail | None
    people: People
    audit: AuditLog
    public_base_url: str


async def tell_approvers(
    environment: Environment, *, by: str = _CLOCK, again: bool = False, given: Telling, now: datetime
) -> int:
    """Send each approver one mail and return how many were sent. Each sending is in the audit chain.

    A mail that cannot be sent is logged and audited, and stops neither the others nor whoever asked: the page
    shows what waits in any case.
    """
    if given.mail is None:
        return 0
    subject, text = _words(environment, again, given.public_base_url)
    sent = 0
    for approver, address in await _addresses(environment, given.people):
        facts = {"approver": approver}
        try:
            await given.mail.send(to=address, subject=subject, text=text)
        except OutsideError as failed:
            code = (failed.code or "refused") if isinstance(failed, TurnedDown) else "away"
            logger.warning("an approver could not be told by e-mail: %s", code)
            did, facts = "could not tell an approver by e-mail", {**facts, "code": code}
        else:
            sent += 1
            did = "reminded an approver by e-mail" if again else "told an approver by e-mail"
        await given.audit.write(AuditEntry(now, by, did, f"environment/{environment.id}", facts))
    return sent


async def _addresses(environment: Environment, people: People) -> list[tuple[str, str]]:
    """The approvers with an address: what the audit may call them, and where their mail goes."""
    named = environment.newest.connection.approvers
    known = await people.named([one for one in named if "@" not in one])
    # An address that is not bound to a person yet is personal data, which the audit chain never holds.
    typed = [("typed address", one) for one in named if "@" in one]
    return typed + [(one, known[one].address) for one in named if one in known and known[one].address]


def _words(environment: Environment, again: bool, base: str) -> tuple[str, str]:
    organization = environment.operation.organization
    subject = f"Waiting for your approval: {organization} ({environment.kind})"
    lead = "is still waiting for your approval" if again else "is waiting for your approval"
    text = (
        f"The connection of {organization} ({environment.kind}) to Epic {lead}.\n\n"
        f"Look at it and decide:\n{base}/approvals/{environment.id}\n\n"
        "You will sign in with your Microsoft 365 work account, and with your Epic account to approve. "
        "You get this message because an administrator named you as approver in Visit Connector.\n"
    )
    return (f"Reminder: {subject}" if again else subject), text


async def asked(
    environment: Environment, *, by: str, given: Telling, approvals: DueIndex, now: datetime
) -> None:
    """After a connection was submitted: plan the reminder, then tell the approvers."""
    await approvals.add([_reminder(environment, number=1, asked_at=now)], now=now)
    await tell_approvers(environment, by=by, given=given, now=now)


async def remind_now(
    environment: Environment, *, configuring: Configuring, given: Telling, now: datetime
) -> int:
    """An administrator has the approvers told again; returns how many mails were sent. Raises NotAllowed."""
    configuring.person.must_be(Role.ADMINISTRATOR)
    if environment.newest.stage is not Stage.WAITING:
        return 0
    return await tell_approvers(
        environment, by=configuring.person.object_id, again=True, given=given, now=now
    )


def _reminder(environment: Environment, *, number: int, asked_at: datetime) -> Due:
    return Due(
        environment.tenant,
        environment.id,
        str(environment.newest.number),
        str(number),
        late_at(asked_at, zone=environment.operation.feed.zone),
    )


@dataclass(frozen=True, slots=True)
class Reminding:
    """One tenant's part of the reminders."""

    environments: Environments
    telling: Telling


async def remind_approvers(
    *, approvals: DueIndex, reminding_of: Callable[[Due], Awaitable[Reminding | None]], now: datetime
) -> int:
    """Remind whoever has not decided in time; return how many plans were looked at."""

    async def one(due: Due) -> None:
        reminding = await reminding_of(due)
        if reminding is not None:
            await _remind(due, reminding, approvals, now=now)
        await approvals.done(due)

    return await each(approvals.due(now=now), one, what="approval to remind of", log=logger)


async def _remind(due: Due, reminding: Reminding, approvals: DueIndex, *, now: datetime) -> None:
    try:
        environment = (await reminding.environments.get(due.environment)).value
    except NotFound:
        return
    newest = environment.newest
    if newest.stage is not Stage.WAITING or str(newest.number) != due.key:
        return  # decided, withdrawn or changed meanwhile
    if late_at(newest.saved_at, zone=environment.operation.feed.zone) > now:
        # Taken back and sent again since: the plan of that stands, and is the same when it is added again.
        await approvals.add([_reminder(environment, number=1, asked_at=newest.saved_at)], now=now)
        return
    number = int(due.slot)
    if number < REMINDED_AT_MOST:
        # Planned before it is sent: a crash in between sends one mail too many, never lets the reminders end.
        again = _reminder(environment, number=number + 1, asked_at=now)
        await approvals.add([again], now=now)
    await tell_approvers(environment, again=True, given=reminding.telling, now=now)
