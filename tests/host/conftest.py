"""Fixtures of the host's tests: the sample app, loaded once, and a storage account to run it on."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from uuid import uuid4

import pytest

from sandbox.host.app_loader import LoadedFunction, load_functions

SAMPLE_APP = Path(__file__).parent / "sample_app"

UNREACHABLE_STORAGE = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=bm9ib2R5;"
    "QueueEndpoint=http://127.0.0.1:9/devstoreaccount1;TableEndpoint=http://127.0.0.1:9/devstoreaccount1;"
)


@pytest.fixture
def storage() -> str:
    """The connection string of a storage emulator."""
    connection = os.environ.get("AZURITE_CONNECTION")
    if not connection:
        pytest.skip("set AZURITE_CONNECTION to test the host's queues and timers against storage")
    return connection


@pytest.fixture
def queue_name() -> str:
    return f"q{uuid4().hex}"


@pytest.fixture(scope="session")
def sample() -> Iterator[Mapping[str, LoadedFunction]]:
    """The sample app's functions by name; the session's, because an app object can be asked only once."""
    settings = {
        "AzureWebJobsStorage": UNREACHABLE_STORAGE,
        "LINES_QUEUE": "lines",
        "LINES_TICK": "0 */5 * * * *",
        "AzureWebJobs.lobby.Disabled": "true",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SAMPLE_APP))
        yield {function.name: function for function in load_functions(SAMPLE_APP, settings)}
