"""The control room: a page on which a newcomer books a visit and watches the whole chain."""

from starlette.routing import Route

from sandbox.control_room.neighbours import WorldNeighbours
from sandbox.control_room.pages import ControlRoom
from sandbox.epic.in_world import epic_of
from sandbox.world import World

__all__ = ["routes"]


def routes(world: World) -> list[Route]:
    """The page at `/` and everything below `/control-room`."""
    return ControlRoom(epic_of(world), WorldNeighbours(world)).routes()
