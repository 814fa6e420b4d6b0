"""Where an analyst registers the connector at one of the sandbox's Epics, with what the portal's page says."""

import io
import json
import re
import zipfile
from dataclasses import dataclass

from sandbox.epic.desk import desk_of
from sandbox.epic.state import CLIENT_IDS, ClientKind, EpicState

# The address of a published key names the app, the environment and the client.
_KEY_ADDRESS = re.compile(
    rf"(?P<app>https?://[^/\s]+)/keys/(?P<environment>[A-Za-z0-9-]{{1,64}})/(?:{'|'.join(ClientKind)})"
    r"/\.well-known/jwks\.json"
)


class NotEntered(Exception):
    """What was entered is not what the portal hands out. The text is shown on the page."""


@dataclass(frozen=True, slots=True)
class Registration:
    """One Epic: what it gives whoever sets an environment up, and where it knows the connector to be."""

    instance: str
    fhir_base_url: str
    clients: dict[str, str]
    environment: str
    records: int


def registrations(epic: EpicState) -> list[Registration]:
    """Both Epics, test first."""
    return [
        Registration(
            name,
            one.fhir_base,
            {kind.value: id for kind, id in CLIENT_IDS[name].items()},
            one.connected.environment if one.connected else "",
            len(one.connected.launch_urls) if one.connected else 0,
        )
        for name, one in epic.instances.items()
    ]


def register(epic: EpicState, *, instance: str, key_address: str) -> None:
    """Let an Epic know where the connector is: keys, redirect address and where its messages go.

    One key address says it all, since this Epic's three apps belong to one environment of one app.
    Raises NotEntered.
    """
    found = _KEY_ADDRESS.fullmatch(key_address.strip())
    if found is None:
        raise NotEntered(
            "Enter a key address from the portal's page “Client ids”: it ends with /.well-known/jwks.json."
        )
    app, environment = found["app"], found["environment"]
    desk_of(epic, instance).connect(
        environment=environment,
        app=app,
        hl7v2=f"{app}/hl7v2/{environment}",
        records={},
        redirect_uris=None,
    )


def enter_records(epic: EpicState, *, instance: str, archive: bytes) -> None:
    """Enter the integration records of the portal's .zip, as a specialist does. Raises NotEntered or BadRecord."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as files:
            found = json.loads(files.read("records.json"))
        sheets = {
            record["kind"]: "".join(f"{one['name']}: {one['value']}\n" for one in record["values"])
            for record in found["records"]
        }
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError) as unreadable:
        raise NotEntered(
            "Choose the .zip that the portal's page “Integration records” offers."
        ) from unreadable
    desk_of(epic, instance).enter(sheets)
