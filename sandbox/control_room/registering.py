"""Where an analyst registers the connector at one of the sandbox's Epics, with what the portal's page says."""

import re
from dataclasses import dataclass

from sandbox.epic.desk import desk_of
from sandbox.epic.state import CLIENT_IDS, ClientKind, EpicState

# The address of a published key names the app, the environment and the client.
_KEY_ADDRESS = re.compile(
    rf"(?P<app>https?://[^/\s]+)/keys/(?P<environment>[A-Za-z0-9-]{{1,64}})/(?:{'|'.join(ClientKind)})"
    r"/\.well-known/jwks\.json"
)


class NotAKeyAddress(Exception):
    """What was entered is not the address of a key. The text is shown on the page."""


@dataclass(frozen=True, slots=True)
class Registration:
    """One Epic: what it gives whoever sets an environment up, and where it knows the connector to be."""

    instance: str
    fhir_base_url: str
    clients: dict[str, str]
    environment: str


def registrations(epic: EpicState) -> list[Registration]:
    """Both Epics, test first."""
    return [
        Registration(
            name,
            one.fhir_base,
            {kind.value: id for kind, id in CLIENT_IDS[name].items()},
            one.connected.environment if one.connected else "",
        )
        for name, one in epic.instances.items()
    ]


def register(epic: EpicState, *, instance: str, key_address: str) -> None:
    """Let an Epic know where the connector is: keys, redirect address and where its messages go.

    One key address says it all, since this Epic's three apps belong to one environment of one app.
    Raises NotAKeyAddress.
    """
    found = _KEY_ADDRESS.fullmatch(key_address.strip())
    if found is None:
        raise NotAKeyAddress(
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
