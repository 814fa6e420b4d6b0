"""Look at the address of an environment once more, and keep what was found for whoever opens the list."""

from datetime import datetime

from shared.domain.environment import EnvironmentId
from shared.domain.last_check import LastCheck, last_check
from shared.flows.configuring import Configuring, administrator
from shared.flows.ports import AddressChecker, LastChecks


async def check_again(
    environment: EnvironmentId,
    *,
    checker: AddressChecker,
    checks: LastChecks,
    given: Configuring,
    now: datetime,
) -> LastCheck:
    """What is found at the newest address, for an administrator. Raises NotAllowed or NotFound."""
    await administrator(given)
    url = (await given.environments.get(environment)).value.newest.connection.fhir_base_url
    made = last_check(environment, url, await checker.check(url), at=now)
    await checks.keep(made)
    return made
