"""What came from Epic so far, for the pages that say whether a set-up has been tried."""

from collections.abc import Mapping, Sequence

from shared.domain.environment import Environment, EnvironmentId, EnvironmentKind
from shared.domain.sign_of_life import Signs
from shared.wiring import Services


async def signs_of(services: Services, environments: Sequence[Environment]) -> dict[EnvironmentId, Signs]:
    """The signs of each environment that is approved: nothing can come to the others. One call for each."""
    live = [one for one in environments if one.live is not None]
    return {one.id: await services.signs(one.tenant, one.id).all() for one in live}


def tested(environments: Sequence[Environment], signs: Mapping[EnvironmentId, Signs]) -> bool:
    """Whether Epic has begun a visit in a test environment."""
    tests = [one.id for one in environments if one.kind is EnvironmentKind.TEST]
    return any(signs[id].first_launch is not None for id in tests if id in signs)


async def never_tested(services: Services, environments: Sequence[Environment]) -> bool:
    """Whether no visit was ever begun in a test environment, so that production would be the first try."""
    tests = [one for one in environments if one.kind is EnvironmentKind.TEST]
    return not tested(tests, await signs_of(services, tests))
