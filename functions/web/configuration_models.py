"""The shapes of the API around versions: history, differences, effects, copies, files and sharing."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from functions.web.portal_models import ConnectionIn, Model, OperationIn
from shared.domain.address_use import ShareStage
from shared.domain.difference import Difference
from shared.domain.effects import Effects
from shared.domain.environment import Environment, EnvironmentKind, Operation, Stage
from shared.domain.history import Half, HistoryEntry

FILE_FORMAT = "visit-connector-environment"


class VersionIn(Model):
    version: str = Field(default="", description="What was shown; refused when it changed since")


class RemovalIn(Model):
    organization: str = Field(description="The organization's name, typed to confirm")
    version: str = ""


class RemovedOut(Model):
    removed: str


class RestorationIn(Model):
    kind: Half
    number: int
    version: str = ""


class CopyIn(Model):
    once: str = Field(min_length=1, max_length=64, description="Sent again, it makes nothing new")


class DifferencesAsked(Model):
    kind: Half
    older: int = Field(ge=0, description="0 compares with nothing")
    newer: int = Field(ge=1)


class DifferenceOut(Model):
    field: str
    label: str
    before: str
    after: str


class DifferencesOut(Model):
    differences: list[DifferenceOut]


class HistoryEntryOut(Model):
    kind: Half
    number: int
    saved_by: str
    saved_at: datetime
    stage: Stage | None
    decided_by: str
    decided_at: datetime | None
    reason: str


class HistoryOut(Model):
    entries: list[HistoryEntryOut]


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


class EnvironmentFile(Model):
    """An environment as a file: settings without secrets, certificates, consents and numbers of people."""

    format: Literal["visit-connector-environment"]
    version: Literal[1]
    kind: EnvironmentKind
    connection: ConnectionIn
    operation: OperationIn


class ImportIn(Model):
    file: EnvironmentFile
    once: str = Field(min_length=1, max_length=64, description="Sent again, it makes nothing new")


class ShareIn(Model):
    environment: str


class ShareAnswerIn(Model):
    address: str = Field(pattern="^[0-9a-f]{64}$")
    tenant: str
    answer: Literal["allowed", "refused", "withdrawn"]


class ShareOut(Model):
    address: str
    fhir_base_url: str
    tenant: str
    organization: str
    theirs: bool = Field(description="The other organization asks this one")
    stage: ShareStage
    at: datetime
    live: bool


class SharingOut(Model):
    shares: list[ShareOut]


def difference_out(one: Difference) -> DifferenceOut:
    return DifferenceOut(field=one.field, label=str(one.label), before=str(one.before), after=str(one.after))


def entry_out(one: HistoryEntry) -> HistoryEntryOut:
    return HistoryEntryOut(
        kind=one.kind,
        number=one.number,
        saved_by=one.saved_by,
        saved_at=one.saved_at,
        stage=one.stage,
        decided_by=one.decided_by,
        decided_at=one.decided_at,
        reason=one.reason,
    )


def effects_out(one: Effects) -> EffectsOut:
    return EffectsOut(
        stops_texts=one.stops_texts,
        stops_visits=one.stops_visits,
        stops_messages=one.stops_messages,
        visits=one.visits,
        texts=one.texts,
    )


def file_of(environment: Environment) -> EnvironmentFile:
    """What is newest of `environment`, to be kept or taken elsewhere."""
    operation = OperationIn.of(environment.operation)
    return EnvironmentFile(
        format="visit-connector-environment",
        version=1,
        kind=environment.kind,
        connection=ConnectionIn.of(environment.newest.connection),
        operation=operation.model_copy(
            update={"texts": operation.texts.model_copy(update={"only_numbers": [], "consents": []})}
        ),
    )


def imported(file: EnvironmentFile) -> Operation:
    """The operation of a file, as a new environment takes it over.

    A consent is given by a person for patients of their own: texts stay off until somebody gives it here, and a
    language until somebody confirms its review here.
    """
    texts = file.operation.texts.model_copy(
        update={"on": False, "consents": [], "languages": ["en"], "only_numbers": []}
    )
    return file.operation.model_copy(update={"texts": texts}).value()
