"""Every promise of a store is tried in memory and against Azure Storage, so that the two cannot drift apart."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

from shared.domain.environment import EnvironmentId
from shared.domain.tenant import TenantId
from shared.storage.due_rows import DueIndex
from shared.storage.stamp import Stamp
from tests.fakes.clock import FixedClock
from tests.fakes.storage import FakeDueIndex, FakeStamp, Steps
from tests.storage.real import Requests, own_table, real_stamp
from tests.storage.stores import Stores

IN_MEMORY, IN_AZURE = "in memory", "in Azure Storage"


@pytest.fixture
def tenant() -> TenantId:
    """A tenant nobody else has, because all tests share one storage account."""
    return TenantId(str(uuid4()))


@pytest.fixture
def environment() -> EnvironmentId:
    return EnvironmentId(uuid4().hex)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture(params=[IN_MEMORY, IN_AZURE])
async def stamp(request: pytest.FixtureRequest, clock: FixedClock) -> AsyncIterator[Stores]:
    if request.param == IN_MEMORY:
        yield FakeStamp()
        return
    async with real_stamp(request.getfixturevalue("azurite"), clock) as real:
        yield real


@pytest.fixture
async def in_azure(azurite: str, clock: FixedClock) -> AsyncIterator[Stamp]:
    """The real stamp, for promises about rows and calls."""
    async with real_stamp(azurite, clock) as real:
        yield real


DueIndexes = Callable[[], Awaitable[DueIndex | FakeDueIndex]]


@pytest.fixture(params=[IN_MEMORY, IN_AZURE])
async def due_index(request: pytest.FixtureRequest) -> AsyncIterator[DueIndex | FakeDueIndex]:
    """An index with a table of its own: what is due is asked of the whole table."""
    if request.param == IN_MEMORY:
        yield FakeDueIndex(Steps(), "due")
        return
    async with AsyncExitStack() as stack:
        yield DueIndex(await own_table(stack, request.getfixturevalue("azurite")))


@pytest.fixture
async def counted_due_index(azurite: str) -> AsyncIterator[tuple[DueIndex, Requests]]:
    """The same in Azure Storage, with every request counted."""
    async with AsyncExitStack() as stack:
        requests = Requests()
        yield DueIndex(await own_table(stack, azurite, requests)), requests
