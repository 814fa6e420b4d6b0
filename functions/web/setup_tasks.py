"""What a hospital still has to do until visits run in production, task by task, as the home page lists it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from shared.domain.certificates import Urgency, expiry
from shared.domain.environment import Environment, EnvironmentKind, Stage
from shared.domain.sign_of_life import Signs, mix_up_of
from shared.domain.words import Said, said


@dataclass(frozen=True, slots=True)
class Task:
    """One task. Without `href` it cannot start yet, and `why` says what is missing."""

    title: Said
    href: str
    kind: Literal["ok", "warn", "bad", "info", "plain"]
    state: Said
    why: Said | None = None


_NOT_STARTED = said("Not started")
_IN_PROGRESS = said("In progress")
_CANNOT = said("Cannot start yet")
_COMPLETED = said("Completed")
_PROBLEM = said("There is a problem")


def setup_tasks(
    environments: Sequence[Environment],
    *,
    names: Mapping[str, str],
    tested: bool = False,
) -> list[Task]:
    """The tasks in order. `names` leads from an approver to the name to show.

    `tested` says whether Epic has begun a visit in a test environment.
    """
    return [
        _organizations(environments),
        _texts(environments),
        _approval(environments, names),
        _records(environments),
        _test_visit(environments, tested),
        _production(environments),
    ]


def _organizations(environments: Sequence[Environment]) -> Task:
    title, href = said("Organizations"), "/setup/organizations"
    if not environments:
        return Task(title, href, "plain", _NOT_STARTED)
    if any(one.newest.stage is Stage.REJECTED for one in environments):
        return Task(title, href, "bad", _PROBLEM, said("An approver sent a configuration back."))
    if all(one.newest.stage in (Stage.WAITING, Stage.APPROVED) for one in environments):
        return Task(title, href, "ok", _COMPLETED)
    return Task(title, href, "info", _IN_PROGRESS)


def _texts(environments: Sequence[Environment]) -> Task:
    title, href = said("SMS notifications (optional)"), "/setup/sms"
    if not environments:
        return Task(title, "", "plain", _CANNOT, said("Add an environment first."))
    if any(one.operation.texts.on for one in environments):
        return Task(title, href, "ok", _COMPLETED)
    if all(one.operation.texts.skipped for one in environments):
        return Task(title, href, "plain", said("Not used"))
    if any(one.operation.texts.consents for one in environments):
        return Task(title, href, "info", _IN_PROGRESS)
    return Task(title, href, "plain", _NOT_STARTED)


def _approval(environments: Sequence[Environment], names: Mapping[str, str]) -> Task:
    title, href = said("Epic approval"), "/approvals"
    waiting = [one for one in environments if one.newest.stage is Stage.WAITING]
    if waiting:
        asked = waiting[0].newest.connection.approvers
        who = ", ".join(names.get(one, one) for one in asked)
        return Task(title, href, "info", said("Waiting for %(who)s", who=who))
    if not environments:
        return Task(title, "", "plain", _CANNOT, said("Add an environment first."))
    approved = sum(one.live is not None for one in environments)
    if approved == len(environments):
        return Task(title, href, "ok", _COMPLETED)
    if approved:
        counted = said("%(some)s of %(all)s approved", some=approved, all=len(environments))
        return Task(title, href, "info", counted)
    return Task(title, "", "plain", _CANNOT, said("Send an environment for approval first."))


def _records(environments: Sequence[Environment]) -> Task:
    title = said("Integration records")
    approved = next((one for one in environments if one.live is not None), None)
    if approved is None:
        return Task(title, "", "plain", _CANNOT, said("Records appear after approval."))
    return Task(title, f"/records/{approved.id}", "info", said("Ready to enter in Epic"))


def _test_visit(environments: Sequence[Environment], tested: bool) -> Task:
    title = said("First test visit")
    ready = next((one for one in environments if one.kind is EnvironmentKind.TEST and one.live), None)
    if tested:
        return Task(title, "/readiness", "ok", _COMPLETED)
    if ready is None:
        return Task(title, "", "plain", _CANNOT, said("Have a test environment approved first."))
    return Task(title, f"/records/{ready.id}", "warn", said("No launch from Epic yet"))


def _production(environments: Sequence[Environment]) -> Task:
    title, href = said("Production"), "/setup/organizations"
    real = [one for one in environments if one.kind is EnvironmentKind.PRODUCTION]
    if any(one.live for one in real):
        return Task(title, href, "ok", _COMPLETED)
    if real:
        return Task(title, href, "info", _IN_PROGRESS)
    if not environments:
        return Task(title, "", "plain", _CANNOT, said("Start with a test environment."))
    return Task(title, href, "plain", _NOT_STARTED)


def setup_steps(
    environments: Sequence[Environment], *, names: Mapping[str, str]
) -> dict[str, tuple[str, Said]]:
    """How far each of the four steps of the bar is, by its id: a kind and words."""
    tasks = {
        "organizations": _organizations(environments),
        "sms": _texts(environments),
        "approvals": _approval(environments, names),
        "records": _records(environments),
    }
    return {id: (task.kind, task.state) for id, task in tasks.items()}


@dataclass(frozen=True, slots=True)
class Health:
    """One line about how an environment is doing."""

    title: Said
    kind: Literal["ok", "warn", "bad", "info", "plain"]
    state: Said
    at: datetime | None = None


def environment_health(
    environment: Environment, signs: Signs, *, every: Sequence[Environment], now: datetime
) -> tuple[Health, ...]:
    """What is known of an approved environment: the last launch and message, its certificate, a mix-up."""
    launch, message = signs.last_launch, signs.message
    mixed = mix_up_of(signs, own=environment, every=every)
    lines = [
        Health(said("Last launch from Epic"), "ok", said("Received"), launch.last_at)
        if launch
        else Health(said("Last launch from Epic"), "plain", said("No launch from Epic yet")),
        Health(said("Last HL7v2 message"), "ok", said("Received"), message.last_at)
        if message
        else Health(said("Last HL7v2 message"), "plain", said("No message from Epic yet")),
        certificate_health(environment, now=now),
    ]
    if mixed is not None:
        words = said(
            "A launch came from %(epic)s with the %(record)s record. Check the records in Epic.",
            epic=mixed.came_from,
            record=mixed.record_of,
        )
        lines.append(Health(said("Records in Epic"), "bad", words))
    return tuple(lines)


# How loudly the end of a certificate is said.
_LOUDNESS: Mapping[Urgency, Literal["ok", "warn", "bad", "info"]] = {
    Urgency.FINE: "ok",
    Urgency.SOON: "info",
    Urgency.URGENT: "warn",
    Urgency.NOW: "bad",
}


def certificate_health(environment: Environment, *, now: datetime) -> Health:
    """How long the certificates that prove Epic's messages are still good for."""
    title = said("Certificate")
    ends = expiry(environment.newest.connection.certificates, now=now)
    if ends is None:
        return Health(title, "plain", said("No certificate yet"))
    if ends.urgency is Urgency.OVER:
        return Health(title, "bad", said("A certificate has expired"))
    return Health(title, _LOUDNESS[ends.urgency], said("Expires in %(days)s days", days=ends.days))
