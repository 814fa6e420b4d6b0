"""The shapes of the API of an environment's versions: history, differences, copies and files."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from functions.web.portal_models import ConnectionIn, Model, OperationIn
from shared.domain.difference import Difference
from shared.domain.environment import Environment, EnvironmentKind, Operation, Stage
from shared.domain.history import Half, HistoryEntry


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
