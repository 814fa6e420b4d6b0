"""Opens the storage account that a binding names, and says what an outage of it looks like."""

from collections.abc import Mapping
from typing import Any

import aiohttp
from azure.core.exceptions import AzureError
from azure.data.tables.aio import TableServiceClient
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from sandbox.host.refusals import CannotStart

# What a stopped or overloaded storage emulator makes the clients raise; a loop that meets one of these tries again.
OUTAGES = (AzureError, aiohttp.ClientError, OSError, TimeoutError)

DEFAULT_CONNECTION = "AzureWebJobsStorage"

# The storage emulator's own published account; a real account never has this name and key.
_DEVELOPMENT = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
    "BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;"
    "QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;"
    "TableEndpoint=http://127.0.0.1:10002/devstoreaccount1;"
)

# The storage clients would otherwise retry by themselves for up to a minute, and a poll that hangs is worse than one
# that fails and comes back.
_PATIENCE: dict[str, Any] = {"retry_total": 0, "connection_timeout": 5, "read_timeout": 20}


class Connections:
    """The storage clients of one host, one set for each connection name, closed together."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = settings
        self._queues: dict[str, QueueServiceClient] = {}
        self._tables: dict[str, TableServiceClient] = {}

    def queue(self, connection: str, name: str) -> QueueClient:
        """The queue `name` in the account that the setting `connection` describes."""
        text = self.connection_string(connection)
        if text not in self._queues:
            self._queues[text] = QueueServiceClient.from_connection_string(text, **_PATIENCE)
        return self._queues[text].get_queue_client(name)

    def tables(self, connection: str = DEFAULT_CONNECTION) -> TableServiceClient:
        text = self.connection_string(connection)
        if text not in self._tables:
            self._tables[text] = TableServiceClient.from_connection_string(text, **_PATIENCE)
        return self._tables[text]

    def connection_string(self, connection: str) -> str:
        """The connection string behind a binding's `connection`, or CannotStart when the settings have none."""
        name = connection or DEFAULT_CONNECTION
        # The real host lets a binding leave the prefix away.
        text = self._settings.get(name) or self._settings.get(f"AzureWebJobs{name}")
        if text:
            return _DEVELOPMENT if text.strip().lower().startswith("usedevelopmentstorage=true") else text
        if any(key.startswith(f"{name}__") for key in self._settings):
            raise CannotStart(f"this host opens {name} by a connection string, not by an identity")
        raise CannotStart(f"the app setting {name}, a storage connection string, is missing")

    async def close(self) -> None:
        for queues in self._queues.values():
            await queues.close()
        for tables in self._tables.values():
            await tables.close()
