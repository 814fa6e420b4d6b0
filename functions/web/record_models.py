"""The shapes of the API's records: what they say, what was pasted, and what came from Epic."""

from datetime import datetime
from typing import Self

from pydantic import Field

from functions.web.portal_models import Model
from shared.domain.environment import EpicClient
from shared.domain.integration_record import Record, RecordKind
from shared.domain.key_rotation import KeyState, PublishedKey
from shared.domain.launch import MixUp
from shared.domain.record_comparison import MOST_PASTED, Comparison
from shared.domain.record_mistakes import Cause
from shared.domain.sign_of_life import Sign, SignKind, Signs


class FinishedOut(Model):
    finished: str


class ValueOut(Model):
    id: str
    name: str
    value: str


class RecordOut(Model):
    kind: RecordKind
    title: str
    values: list[ValueOut]

    @classmethod
    def of(cls, record: Record) -> Self:
        values = [ValueOut(id=one.id, name=one.name, value=one.text) for one in record.values]
        return cls(kind=record.kind, title=record.title, values=values)


class RecordsOut(Model):
    environment: str
    records: list[RecordOut]


class SignOut(Model):
    kind: SignKind
    first_at: datetime
    last_at: datetime

    @classmethod
    def of(cls, sign: Sign) -> Self:
        return cls(kind=sign.kind, first_at=sign.first_at, last_at=sign.last_at)


class MixUpOut(Model):
    other: str
    came_from: str
    record_of: str
    last_at: datetime


class SignsOut(Model):
    launches: list[SignOut]
    first_launch: SignOut | None
    last_launch: SignOut | None
    message: SignOut | None
    mix_up: MixUpOut | None

    @classmethod
    def of(cls, signs: Signs, mixed: MixUp | None) -> Self:
        sign = signs.mix_up
        return cls(
            launches=[SignOut.of(one) for one in signs.launches],
            first_launch=SignOut.of(signs.first_launch) if signs.first_launch else None,
            last_launch=SignOut.of(signs.last_launch) if signs.last_launch else None,
            message=SignOut.of(signs.message) if signs.message else None,
            mix_up=MixUpOut(
                other=mixed.other,
                came_from=mixed.came_from,
                record_of=mixed.record_of,
                last_at=sign.last_at,
            )
            if mixed and sign
            else None,
        )


class PastedIn(Model):
    pasted: str = Field(min_length=1, max_length=MOST_PASTED)
    kind: RecordKind | None = None


class PieceOut(Model):
    text: str
    differs: bool


class RecordDifferenceOut(Model):
    field: str
    cause: Cause
    words: str
    pasted: list[PieceOut]
    expected: list[PieceOut]


class ComparisonOut(Model):
    kind: RecordKind
    clean: bool
    checked: list[str]
    differences: list[RecordDifferenceOut]

    @classmethod
    def of(cls, found: Comparison) -> Self:
        return cls(
            kind=found.kind,
            clean=found.clean,
            checked=list(found.checked),
            differences=[
                RecordDifferenceOut(
                    field=one.field,
                    cause=one.cause,
                    words=one.said,
                    pasted=[PieceOut(text=text, differs=differs) for text, differs in one.pasted],
                    expected=[PieceOut(text=text, differs=differs) for text, differs in one.expected],
                )
                for one in found.differences
            ],
        )


class SampleAsked(Model):
    launch: str = Field(default="sample", min_length=1, max_length=2000)


class SampleOut(Model):
    record: str
    url: str


class SamplesOut(Model):
    links: list[SampleOut]


class KeyOut(Model):
    id: str
    state: KeyState
    made_at: datetime
    signs_from: datetime
    ends_at: datetime | None

    @classmethod
    def of(cls, key: PublishedKey) -> Self:
        return cls(
            id=key.id,
            state=key.state,
            made_at=key.made_at,
            signs_from=key.signs_from,
            ends_at=key.ends_at,
        )


class ClientKeysOut(Model):
    client: EpicClient
    address: str
    keys: list[KeyOut]


class KeysOut(Model):
    clients: list[ClientKeysOut]


class NewKeyIn(Model):
    client: EpicClient
