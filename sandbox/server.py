"""Puts the sandbox together: one plain web application for everything, one behind TLS for Entra and Key Vault."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from sandbox.communication import Communication
from sandbox.communication_proof import CommunicationDoor
from sandbox.control_room.pages import ControlRoom
from sandbox.entra import Entra
from sandbox.entra_pages import EntraPages
from sandbox.entra_tokens import EntraTokens
from sandbox.epic.desk_api import DeskApi
from sandbox.epic.state import CLIENT_IDS, EpicState, new_state
from sandbox.epic.web import EpicWeb
from sandbox.event_grid import EventGrid
from sandbox.graph import GraphDoor
from sandbox.graph_calls import GraphCalls
from sandbox.graph_directory import GraphDirectory
from sandbox.graph_mail import GraphMail
from sandbox.graph_meetings import GraphMeetings
from sandbox.graph_notifications import GraphNotifications
from sandbox.graph_subscriptions import GraphSubscriptions
from sandbox.keeping import Keeping, KeepingAfterChanges
from sandbox.key_vault import KeyVault
from sandbox.neighbours import SandboxNeighbours
from sandbox.open_api import OpenApi
from sandbox.pages import stylesheet
from sandbox.phone_numbers import PhoneNumbers
from sandbox.resource_manager import ResourceManager
from sandbox.teams import Teams
from sandbox.teams_pages import TeamsPages
from sandbox.trouble import Service, TroubledService
from sandbox.world import ENTRA_CLIENT_ID, FACTS_FILE, TENANT, USERS, World

_SERVICES = {
    "graph": Service.GRAPH,
    "communication": Service.COMMUNICATION,
    "sms": Service.COMMUNICATION,
    "phoneNumbers": Service.COMMUNICATION,
    "availablePhoneNumbers": Service.COMMUNICATION,
    "epic": Service.EPIC,
    "entra": Service.ENTRA,
}


@dataclass(frozen=True, slots=True)
class Sandbox:
    """One assembled sandbox: two web applications and what they share."""

    world: World
    epic: EpicState
    teams: Teams
    events: EventGrid
    tokens: EntraTokens
    http_app: ASGIApp
    tls_app: ASGIApp

    async def aclose(self) -> None:
        await self.epic.aclose()
        await self.world.aclose()
        await self.events.aclose()


def build(world: World) -> Sandbox:
    """Assemble all services on `world`, seed Key Vault, and write `sandbox.json` for other programs."""
    tokens = EntraTokens(world)
    entra = Entra(world, tokens)
    pages = EntraPages(entra)
    vault = KeyVault(world, tokens)
    vault.seed("entra-client-secret", world.entra_client_secret)
    vault.seed("communication-key", world.communication_key)

    teams, door = Teams(world), GraphDoor(world, tokens)
    meetings = GraphMeetings(door, teams)
    subscriptions = GraphSubscriptions(door, teams)
    notifications = GraphNotifications(world, tokens, subscriptions)
    teams.told.append(notifications.tell)

    events = EventGrid(world)
    communication_door = CommunicationDoor(world, tokens)
    communication = Communication(world, communication_door, events)
    numbers = PhoneNumbers(world, communication_door, communication)

    manager = ResourceManager(world, tokens)
    api = OpenApi(world, entra, teams, notifications, communication, numbers, door.switches, manager)
    epic = new_state(
        url=world.http, state_dir=world.state_dir, clock=world.now, http=world.client, pause=world.pause
    )

    http_routes: list[BaseRoute] = [
        stylesheet(),
        *api.routes(),
        *GraphDirectory(door, entra).routes(),
        *GraphMail(door).routes(),
        *manager.routes(),
        *meetings.routes(),
        *GraphCalls(door, teams, meetings).routes(),
        *subscriptions.routes(),
        *TeamsPages(teams).routes(),
        *communication.routes(),
        *numbers.routes(),
        *pages.routes("/entra"),
        *EpicWeb(epic, _note_in(world)).routes(),
        *DeskApi(epic).routes(),
        *ControlRoom(epic, SandboxNeighbours(api)).routes(),
    ]
    tls_routes: list[BaseRoute] = [stylesheet(), *vault.routes(), *entra.routes(), *pages.routes("")]
    _write_facts(world, epic)
    http_app = _troubled(world, http_routes, lambda path: _SERVICES.get(path.split("/")[1]))
    if world.keep:
        keeping = Keeping(world.state_dir, teams, subscriptions, communication, numbers)
        keeping.recall()
        http_app = KeepingAfterChanges(http_app, keeping.keep)
    return Sandbox(
        world,
        epic,
        teams,
        events,
        tokens,
        http_app=http_app,
        tls_app=_troubled(world, tls_routes, _behind_tls),
    )


def _note_in(world: World) -> Callable[..., None]:
    """Epic's log as a part of the world's: what it refused is listed with the other broken contracts."""

    def note(event: str, **details: object) -> None:
        what = event.removeprefix("epic: ")
        if what.endswith("refused"):
            world.refuse("epic", what, **details)
        else:
            world.log("epic", what, **details)

    return note


def _behind_tls(path: str) -> Service:
    return Service.KEY_VAULT if path.startswith(("/secrets", "/deletedsecrets")) else Service.ENTRA


def _troubled(
    world: World, routes: Sequence[BaseRoute], service_of: Callable[[str], Service | None]
) -> ASGIApp:
    app = Starlette(routes=routes)
    # A redirect that the real services do not make would hide a wrong address.
    app.router.redirect_slashes = False
    return TroubledService(app, world.troubles, service_of, world.log)


def _write_facts(world: World, epic: EpicState) -> None:
    """What other programs on this machine need to know, for the start command and the story."""
    facts = {
        "http": world.http,
        "tls": world.tls,
        "tenant": TENANT,
        "entra_client_id": ENTRA_CLIENT_ID,
        "entra_client_secret": world.entra_client_secret,
        "communication_key": world.communication_key,
        "fhir_base_url": epic.instances["test"].fhir_base,
        "epic_clients": {kind.value: id for kind, id in CLIENT_IDS["test"].items()},
        "users": {
            one.key: {"oid": one.oid, "name": one.name, "address": one.address, "roles": list(one.roles)}
            for one in USERS.values()
            if one.tenant == TENANT
        },
    }
    path = world.state_dir / FACTS_FILE
    path.touch(mode=0o600)
    path.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
