"""Ask the approvers of an environment: look at Epic first, then let the connection wait for them and tell them."""

from dataclasses import dataclass
from datetime import datetime

from shared.domain.configuration import check, problems_of_submission
from shared.domain.environment import Environment, EnvironmentId
from shared.domain.last_check import last_check
from shared.domain.tenant import Role
from shared.flows.check_address import Looked, Looking, NotReady, look
from shared.flows.configure_environment import Configuring, submit
from shared.flows.ports import DueIndex, EpicSmart, LastChecks
from shared.flows.tell_approvers import Telling, asked


@dataclass(frozen=True, slots=True)
class Asking:
    """What asking needs besides the environment."""

    configuring: Configuring
    looking: Looking
    checks: LastChecks
    smart: EpicSmart
    telling: Telling
    approvals: DueIndex


async def look_first(environment: EnvironmentId, *, given: Asking, now: datetime) -> Looked:
    """What an approver would meet at Epic, for an administrator. Nobody is asked. Raises NotAllowed or Refused."""
    found = await _askable(environment, given)
    return await _looked_at(found, given, now)


async def ask_approvers(
    environment: EnvironmentId, *, anyway: bool, given: Asking, now: datetime
) -> tuple[Environment, Looked]:
    """Let the newest connection wait for its approvers, and tell them.

    Raises NotReady when something is missing at Epic and nobody decided to ask `anyway`, and what `submit` raises.
    """
    found = await _askable(environment, given)
    looked = await _looked_at(found, given, now)
    if not looked.ok and not anyway:
        raise NotReady(looked)
    waiting = await submit(environment, smart=given.smart, given=given.configuring, now=now)
    await asked(
        waiting,
        by=given.configuring.person.object_id,
        given=given.telling,
        approvals=given.approvals,
        now=now,
    )
    return waiting, looked


async def _looked_at(environment: Environment, given: Asking, now: datetime) -> Looked:
    """Look at Epic, and keep what the address answered for the list of environments."""
    connection = environment.newest.connection
    looked = await look(environment.id, connection, given=given.looking)
    await given.checks.keep(last_check(environment.id, connection.fhir_base_url, looked.address, at=now))
    return looked


async def _askable(environment: EnvironmentId, given: Asking) -> Environment:
    given.configuring.person.must_be(Role.ADMINISTRATOR)
    found = (await given.configuring.environments.get(environment)).value
    check(problems_of_submission(found.newest.connection))
    return found
