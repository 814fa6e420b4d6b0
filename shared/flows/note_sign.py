"""Signs of life are noted beside the work: a launch or a message never fails because its sign could not be."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from shared.domain.environment import Environment, EnvironmentId, LiveEnvironment
from shared.domain.errors import OutsideError
from shared.domain.launch import LaunchContext, LaunchRole, MixUp
from shared.domain.sign_of_life import (
    SignKind,
    launch_kind,
    mixed_up,
    other_by_address,
    other_by_stamp,
)
from shared.domain.tenant import TenantId
from shared.flows.ports import Environments, SignsOfLife

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Noting:
    """Where signs go, and where the tenant's other environments are found."""

    signs_of: Callable[[TenantId, EnvironmentId], SignsOfLife]
    environments_of: Callable[[TenantId], Environments]


async def note(
    kind: SignKind, environment: LiveEnvironment, *, given: Noting, now: datetime, other: str = ""
) -> None:
    """One write at most in a minute and process."""
    try:
        await given.signs_of(environment.tenant, environment.id).note(kind, at=now, other=other)
    except OutsideError:
        logger.warning("a sign of life of %s could not be noted", environment.id, exc_info=True)


async def note_launch(
    role: LaunchRole,
    context: LaunchContext,
    environment: LiveEnvironment,
    *,
    given: Noting,
    now: datetime,
) -> None:
    """Epic began a launch by the right record and confirmed who came."""
    await note(launch_kind(role, group=context.of_group), environment, given=given, now=now)


async def note_other_epic(
    iss: str, environment: LiveEnvironment, *, given: Noting, now: datetime
) -> MixUp | None:
    """A launch of `environment` came from another Epic: is it that of the same tenant's other environment?"""
    return await _noted(
        SignKind.OTHER_EPIC,
        environment,
        lambda every: other_by_address(every, own=environment.id, iss=iss),
        given=given,
        now=now,
    )


async def note_other_record(
    stamp: str, environment: LiveEnvironment, *, given: Noting, now: datetime
) -> MixUp | None:
    """A launch of `environment` came with a record that is stamped for another one."""
    return await _noted(
        SignKind.OTHER_RECORD,
        environment,
        lambda every: other_by_stamp(every, own=environment.id, stamp=stamp),
        given=given,
        now=now,
    )


async def _noted(
    kind: SignKind,
    environment: LiveEnvironment,
    find: Callable[[list[Environment]], Environment | None],
    *,
    given: Noting,
    now: datetime,
) -> MixUp | None:
    try:
        every = await given.environments_of(environment.tenant).all()
    except OutsideError:
        logger.warning("the other environments could not be looked up", exc_info=True)
        return None
    own = next((one for one in every if one.id == environment.id), None)
    other = find(every)
    if own is None or other is None:
        return None
    await note(kind, environment, given=given, now=now, other=other.id)
    return mixed_up(kind, own=own, other=other)
