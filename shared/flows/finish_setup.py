"""An administrator says that an environment is set up: written down, and nothing else changes."""

from datetime import datetime

from shared.domain.environment import EnvironmentId
from shared.domain.errors import Refused
from shared.domain.words import said
from shared.flows.configuring import Configuring, administrator, note


async def finish_setup(environment: EnvironmentId, *, given: Configuring, now: datetime) -> None:
    """Raises NotAllowed, NotFound, or Refused before anything is approved."""
    await administrator(given)
    found = await given.environments.get(environment)
    if found.value.live is None:
        raise Refused({"": said("This environment has not been approved yet.")})
    await note(given, "finished the setup", environment, now)
