"""The last look at each address: read back whole, replaced by the next, and nobody else's business."""

from dataclasses import replace

from shared.domain.environment import EnvironmentId
from shared.domain.last_check import LastCheck
from shared.domain.tenant import TenantId
from shared.domain.words import Said, said
from tests.storage.made_up import NOW
from tests.storage.stores import Stores

URL = "https://epic.lamna.example/api/FHIR/R4"


def passed(environment: EnvironmentId) -> LastCheck:
    return LastCheck(environment, URL, NOW, fhir_version="4.0.1", software="Epic, May 2030")


async def test_nothing_is_known_before_the_first_look(stamp: Stores, tenant: TenantId) -> None:
    assert await stamp.last_checks(tenant).all() == {}


async def test_a_look_is_read_back_whole_with_its_sentence(
    stamp: Stores, tenant: TenantId, environment: EnvironmentId
) -> None:
    problem = said("The server answered with an error (%(status)s). Try again later.", status=503)
    other = EnvironmentId("another")
    checks = stamp.last_checks(tenant)
    await checks.keep(passed(environment))
    await checks.keep(LastCheck(other, URL, NOW, problem=problem))

    found = await checks.all()

    assert found[environment] == passed(environment)
    read = found[other].problem
    assert isinstance(read, Said)
    assert (read, read.template) == (problem, problem.template)


async def test_the_next_look_replaces_the_one_before(
    stamp: Stores, tenant: TenantId, environment: EnvironmentId
) -> None:
    checks = stamp.last_checks(tenant)
    later = replace(passed(environment), fhir_version="4.0.2")
    await checks.keep(passed(environment))
    await checks.keep(later)

    assert await checks.all() == {environment: later}


async def test_a_tenant_sees_its_own_only(
    stamp: Stores, tenant: TenantId, environment: EnvironmentId
) -> None:
    await stamp.last_checks(tenant).keep(passed(environment))

    assert await stamp.last_checks(TenantId("another")).all() == {}
