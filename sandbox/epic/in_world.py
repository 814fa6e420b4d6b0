"""Where Epic stands in the sandbox's world: one Epic for each world, with the world's clock, log and troubles."""

from sandbox.epic.keeping import keep, recall
from sandbox.epic.smart import Log
from sandbox.epic.state import EpicState, new_state
from sandbox.world import World

# The world is kept beside its Epic, so that its identity cannot be another world's later.
_epics: dict[int, tuple[World, EpicState]] = {}


def epic_of(world: World) -> EpicState:
    """The Epic of `world`, made at its first use."""
    if id(world) not in _epics:
        state = new_state(
            url=world.http,
            state_dir=world.state_dir,
            clock=world.now,
            http=world.client,
            pause=world.pause,
        )
        if world.keep:
            recall(state, world.state_dir)
            state.changed = lambda: keep(state, world.state_dir)
        _epics[id(world)] = (world, state)
    return _epics[id(world)][1]


async def close(world: World) -> None:
    """Stop sending messages, and forget the Epic of `world`."""
    _, state = _epics.pop(id(world), (world, None))
    if state is not None:
        await state.aclose()


def note_in(world: World) -> Log:
    """Epic's log as a part of the world's: what was refused is listed with the other broken contracts."""

    def note(event: str, **details: object) -> None:
        what = event.removeprefix("epic: ")
        if what.endswith("refused"):
            world.refuse("epic", what, **details)
        else:
            world.log("epic", what, **details)

    return note
