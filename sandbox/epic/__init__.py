"""Epic on a laptop: sign-in, FHIR, the telehealth status service, a schedule and the messages about it."""

from starlette.routing import Route

from sandbox.epic.desk_api import DeskApi
from sandbox.epic.in_world import close, epic_of, note_in
from sandbox.epic.web import EpicWeb
from sandbox.world import World

__all__ = ["close", "routes"]


def routes(world: World) -> list[Route]:
    """Epic's own addresses and the sandbox's JSON addresses about Epic. `close` ends what they started."""
    state = epic_of(world)
    return [*EpicWeb(state, note_in(world)).routes(), *DeskApi(state).routes()]
