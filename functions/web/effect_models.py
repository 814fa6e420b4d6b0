"""The shapes of the API that takes away: what a change would stop, and the removal of an environment."""

from pydantic import Field

from functions.web.portal_models import ConnectionIn, Model, OperationIn
from shared.domain.effects import Effects


class RemovalIn(Model):
    organization: str = Field(description="The organization's name, typed to confirm")
    version: str = ""


class RemovedOut(Model):
    removed: str


class EffectsIn(Model):
    """The change to look at: new settings, or the removal of the environment."""

    connection: ConnectionIn | None = None
    operation: OperationIn | None = None
    remove: bool = False


class EffectsOut(Model):
    stops_texts: bool
    stops_visits: bool
    stops_messages: bool
    visits: int = Field(description="Visits of the next 7 days")
    texts: int = Field(description="Reminders planned for the next 7 days that would not go out")


def effects_out(one: Effects) -> EffectsOut:
    return EffectsOut(
        stops_texts=one.stops_texts,
        stops_visits=one.stops_visits,
        stops_messages=one.stops_messages,
        visits=one.visits,
        texts=one.texts,
    )
