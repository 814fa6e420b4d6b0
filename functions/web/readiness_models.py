"""The shapes of the readiness API: each check with its state, what was seen, and what to do."""

from datetime import datetime

from functions.web.portal_models import Model
from shared.domain.readiness import Area, Check, Observer, State, worst
from shared.flows.check_readiness import Readiness


class CheckOut(Model):
    id: str
    environment: str
    area: Area
    title: str
    state: State
    what_was_seen: str
    what_to_do: list[str]
    commands: list[str]
    observed_by: Observer


class ReadinessOut(Model):
    """`state` is the worst of all checks."""

    checked_at: datetime
    state: State
    checks: list[CheckOut]


def readiness_out(found: Readiness) -> ReadinessOut:
    return ReadinessOut(
        checked_at=found.at, state=worst(found.checks), checks=[_check(one) for one in found.checks]
    )


def _check(one: Check) -> CheckOut:
    # Plain copies: the API speaks English, whatever language a page would choose.
    return CheckOut(
        id=one.id,
        environment=one.environment,
        area=one.area,
        title=str(one.title),
        state=one.state,
        what_was_seen=str(one.what_was_seen),
        what_to_do=[str(step) for step in one.what_to_do],
        commands=list(one.commands),
        observed_by=one.observed_by,
    )
