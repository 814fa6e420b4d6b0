"""The shapes of the portal's API: what may be sent."""

from datetime import time, timedelta
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema

from shared.domain.environment import (
    Connection,
    Department,
    EnvironmentKind,
    EpicClient,
    Feed,
    FeedStatus,
    Meetings,
    Operation,
    RecordField,
    RecordSettings,
    Texts,
    WriteBackSign,
    WriteBackTarget,
)
from shared.domain.errors import Refused


class Model(BaseModel):
    """Unknown fields are refused: a misspelt setting must not be lost in silence."""

    model_config = ConfigDict(extra="forbid")


class TenantIn(Model):
    geography: str


class WriteBackIn(Model):
    url: str
    method: Literal["GET", "POST"] = "GET"
    sign: WriteBackSign = WriteBackSign.BACKEND_TOKEN
    vendor: str = "Visit Connector"
    statuses: dict[str, str] | None = None
    names: dict[str, str] | None = None

    @classmethod
    def of(cls, target: WriteBackTarget) -> Self:
        return cls(
            url=target.url,
            method=target.method,  # type: ignore[arg-type]
            sign=target.sign,
            vendor=target.vendor,
            statuses=target.statuses,
            names=target.names,
        )

    def value(self) -> WriteBackTarget:
        given = self.model_dump(exclude_none=True)
        return WriteBackTarget(**given)


class ConnectionIn(Model):
    fhir_base_url: str
    clients: dict[EpicClient, str]
    approvers: list[str]
    write_back: WriteBackIn | None = None

    @classmethod
    def of(cls, connection: Connection) -> Self:
        target = connection.write_back
        return cls(
            fhir_base_url=connection.fhir_base_url,
            clients=connection.clients,
            approvers=list(connection.approvers),
            write_back=WriteBackIn.of(target) if target else None,
        )

    def value(self) -> Connection:
        return Connection(
            fhir_base_url=self.fhir_base_url.strip().rstrip("/"),
            clients=dict(self.clients),
            approvers=tuple(dict.fromkeys(one.strip() for one in self.approvers if one.strip())),
            write_back=self.write_back.value() if self.write_back else None,
        )


class FeedIn(Model):
    zone: str
    country: str = "US"
    sending_applications: list[str] = []
    video_visit_types: list[str] = []
    phone_types: dict[str, Literal["mobile", "home", "work", "skip"]] = {}
    external_id_type: str = ""
    statuses: dict[str, FeedStatus] = {}

    @classmethod
    def of(cls, feed: Feed) -> Self:
        return cls(
            zone=feed.zone,
            country=feed.country,
            sending_applications=sorted(feed.sending_applications),
            video_visit_types=sorted(feed.video_visit_types),
            phone_types=feed.phone_types,  # type: ignore[arg-type]
            external_id_type=feed.external_id_type,
            statuses=feed.statuses,
        )

    def value(self) -> Feed:
        return Feed(
            zone=self.zone,
            country=self.country,
            sending_applications=frozenset(self.sending_applications),
            video_visit_types=frozenset(self.video_visit_types),
            phone_types={kind.upper(): use for kind, use in self.phone_types.items()},
            external_id_type=self.external_id_type,
            statuses={code.strip().upper(): meaning for code, meaning in self.statuses.items()},
        )


def _without_zone(given: time) -> time:
    if given.tzinfo is not None:
        raise ValueError("Enter a time without a zone, like 21:00")
    return given.replace(microsecond=0)


# The `time` of JSON Schema needs a zone; quiet hours are by the clock of each clinic.
ClockTime = Annotated[
    time,
    AfterValidator(_without_zone),
    WithJsonSchema({"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$"}),
]


# Up to two years: the rules name their own, shorter limits; this one keeps a number from being no time at all.
Minutes = Annotated[int, Field(ge=0, le=1_000_000)]


class TextsIn(Model):
    on: bool = False
    sender: str = ""
    consents: list[str] = []
    booked: bool = True
    changed: bool = True
    cancelled: bool = True
    reminders_minutes: list[Minutes] = Field(default=[1440, 60])
    quiet_from: ClockTime = time(21, 0)
    quiet_until: ClockTime = time(8, 0)
    backload: bool = False
    only_numbers: list[str] = []
    languages: list[str] = ["en"]
    skipped: bool = False

    @classmethod
    def of(cls, texts: Texts) -> Self:
        return cls(
            on=texts.on,
            sender=texts.sender,
            consents=list(texts.consents),
            booked=texts.booked,
            changed=texts.changed,
            cancelled=texts.cancelled,
            reminders_minutes=[int(one.total_seconds() // 60) for one in texts.reminders],
            quiet_from=texts.quiet_from,
            quiet_until=texts.quiet_until,
            backload=texts.backload,
            only_numbers=list(texts.only_numbers),
            languages=list(texts.languages),
            skipped=texts.skipped,
        )

    def value(self) -> Texts:
        return Texts(
            on=self.on,
            sender=self.sender,
            consents=tuple(self.consents),
            booked=self.booked,
            changed=self.changed,
            cancelled=self.cancelled,
            reminders=tuple(timedelta(minutes=one) for one in sorted(self.reminders_minutes, reverse=True)),
            quiet_from=self.quiet_from,
            quiet_until=self.quiet_until,
            backload=self.backload,
            only_numbers=tuple(self.only_numbers),
            languages=tuple(self.languages),
            skipped=self.skipped,
        )


class MeetingsIn(Model):
    scheduling_accounts: list[str] = []
    providers: dict[str, str] = {}
    opens_before_minutes: Minutes = 30
    closes_after_minutes: Minutes = 60
    connected_when_waiting: bool = True
    linger_minutes: int = Field(default=15, ge=0, le=1440)
    guests_may_chat: bool = True
    guests_may_share: bool = False

    @classmethod
    def of(cls, meetings: Meetings) -> Self:
        return cls(
            scheduling_accounts=list(meetings.scheduling_accounts),
            providers=meetings.providers,
            opens_before_minutes=int(meetings.opens_before.total_seconds() // 60),
            closes_after_minutes=int(meetings.closes_after.total_seconds() // 60),
            connected_when_waiting=meetings.connected_when_waiting,
            linger_minutes=int(meetings.linger.total_seconds() // 60),
            guests_may_chat=meetings.guests_may_chat,
            guests_may_share=meetings.guests_may_share,
        )

    def value(self) -> Meetings:
        return Meetings(
            scheduling_accounts=tuple(self.scheduling_accounts),
            providers=dict(self.providers),
            opens_before=timedelta(minutes=self.opens_before_minutes),
            closes_after=timedelta(minutes=self.closes_after_minutes),
            connected_when_waiting=self.connected_when_waiting,
            linger=timedelta(minutes=self.linger_minutes),
            guests_may_chat=self.guests_may_chat,
            guests_may_share=self.guests_may_share,
        )


class DepartmentIn(Model):
    name: str = ""
    phone: str = ""
    zone: str = ""
    emergency: str = ""


class RecordFieldIn(Model):
    name: str = ""
    value: str = ""


class OwnFieldIn(Model):
    name: str
    value: str


class RecordsIn(Model):
    """Where a site's integration records differ: own fields, names of Epic's tokens, and single fields."""

    own_fields: list[OwnFieldIn] = []
    tokens: dict[str, str] = {}
    fields: dict[str, RecordFieldIn] = {}

    @classmethod
    def of(cls, records: RecordSettings) -> Self:
        return cls(
            own_fields=[OwnFieldIn(name=name, value=value) for name, value in records.own_fields],
            tokens=dict(records.tokens),
            fields={
                key: RecordFieldIn(name=own.name, value=own.value) for key, own in records.fields.items()
            },
        )

    def value(self) -> RecordSettings:
        return RecordSettings(
            own_fields=tuple((own.name, own.value) for own in self.own_fields),
            tokens=dict(self.tokens),
            fields={key: RecordField(own.name, own.value) for key, own in self.fields.items()},
        )


class OperationIn(Model):
    organization: str
    phone: str
    feed: FeedIn
    texts: TextsIn = TextsIn()
    meetings: MeetingsIn = MeetingsIn()
    departments: dict[str, DepartmentIn] = {}
    records: RecordsIn = RecordsIn()

    @classmethod
    def of(cls, operation: Operation) -> Self:
        return cls(
            organization=operation.organization,
            phone=operation.phone,
            feed=FeedIn.of(operation.feed),
            texts=TextsIn.of(operation.texts),
            meetings=MeetingsIn.of(operation.meetings),
            departments={
                key: DepartmentIn(
                    name=about.name, phone=about.phone, zone=about.zone, emergency=about.emergency
                )
                for key, about in operation.departments.items()
            },
            records=RecordsIn.of(operation.records),
        )

    def value(self) -> Operation:
        return Operation(
            organization=self.organization.strip(),
            phone=self.phone.strip(),
            feed=self.feed.value(),
            texts=self.texts.value(),
            meetings=self.meetings.value(),
            departments={
                key: Department(about.name, about.phone, about.zone, about.emergency)
                for key, about in self.departments.items()
            },
            records=self.records.value(),
        )


class EnvironmentIn(Model):
    kind: EnvironmentKind
    connection: ConnectionIn
    operation: OperationIn
    once: str = Field(
        default="", max_length=64, description="A key of your own: sent again, it makes nothing new"
    )


class ConnectionChange(Model):
    connection: ConnectionIn
    version: str = ""


class OperationChange(Model):
    operation: OperationIn
    version: str = ""


class CertificateIn(Model):
    pem: str = Field(max_length=16 * 1024)


Shape = TypeVar("Shape", bound=Model)


def read(model: type[Shape], body: bytes) -> Shape:
    """The body as `model`, or raise Refused with one sentence for each wrong field."""
    try:
        return model.model_validate_json(body or b"{}")
    except ValidationError as wrong:
        raise Refused(_problems(wrong)) from None


def read_fields(model: type[Shape], fields: dict[str, str]) -> Shape:
    """The fields of a query as `model`, or raise Refused with one sentence for each wrong one."""
    try:
        return model.model_validate_strings(fields)
    except ValidationError as wrong:
        raise Refused(_problems(wrong)) from None


def _problems(wrong: ValidationError) -> dict[str, str]:
    # The input is left out: it may be a number or a name.
    errors = wrong.errors(include_input=False, include_url=False, include_context=False)
    return {".".join(str(part) for part in error["loc"]): error["msg"] for error in errors}
