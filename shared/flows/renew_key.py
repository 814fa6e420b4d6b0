"""An administrator makes a new key for one of the environment's clients at Epic; the old one stays for a week."""

from datetime import datetime

from shared.domain.environment import EnvironmentId, EpicClient
from shared.domain.key_rotation import PublishedKey
from shared.flows.configuring import Configuring, administrator, note
from shared.flows.ports import KeyRotation


async def renew_key(
    environment: EnvironmentId,
    client: EpicClient,
    *,
    rotation: KeyRotation,
    given: Configuring,
    now: datetime,
) -> bool:
    """Whether a key was made; not while the newest waits for its first day, so a repeat is harmless.

    The audit row comes first: if the process ends between the two, the row says what was begun, and beginning
    again makes the key. Raises NotAllowed, NotFound, TryAgain or TurnedDown.
    """
    await administrator(given)
    await given.environments.get(environment)
    await note(given, "made a new key", environment, now, client=client.value)
    return await rotation.renew_smart_key(environment, client)


async def keys_of(
    environment: EnvironmentId, *, rotation: KeyRotation
) -> dict[EpicClient, list[PublishedKey]]:
    """What is published for each client. Raises TryAgain or TurnedDown."""
    return {client: await rotation.key_states(environment, client) for client in EpicClient}
