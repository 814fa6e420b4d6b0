"""The shapes of the portal's API: what may be sent."""

from datetime import time, timedelta
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.domain.environment import (
    Connection,
    Department,
    EnvironmentKind,
    EpicClient,
    Feed,
    Meetings,
    Operation,
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

    def value(self) -> WriteBackTarget:
        given = self.model_dump(exclude_none=True)
        return WriteBackTarget(**given)


class ConnectionIn(Model):
    fhir_base_url: str
    clients: dict[EpicClient, str]
    approvers: list[str]
    write_back: WriteBackIn | None = None

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

    def value(self) -> Feed:
        return Feed(
            zone=self.zone,
            country=self.country,
            sending_applications=frozenset(self.sending_applications),
            video_visit_types=frozenset(self.video_visit_types),
            phone_types={kind.upper(): use for kind, use in self.phone_types.items()},
            external_id_type=self.external_id_type,
        )


class TextsIn(Model):
    on: bool = False
    sender: str = ""
    consents: list[str] = []
    booked: bool = True
    changed: bool = True
    cancelled: bool = True
    reminders_minutes: list[int] = Field(default=[1440, 60])
    quiet_from: time = time(21, 0)
    quiet_until: time = time(8, 0)
    backload: bool = False
    only_numbers: list[str] = []

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
        )


class MeetingsIn(Model):
    scheduling_accounts: list[str] = []
    providers: dict[str, str] = {}
    opens_before_minutes: int = 30
    closes_after_minutes: int = 60
    connected_when_waiting: bool = True
    linger_minutes: int = Field(default=15, ge=0, le=1440)

    def value(self) -> Meetings:
        return Meetings(
            scheduling_accounts=tuple(self.scheduling_accounts),
            providers=dict(self.providers),
            opens_before=timedelta(minutes=self.opens_before_minutes),
            closes_after=timedelta(minutes=self.closes_after_minutes),
            connected_when_waiting=self.connected_when_waiting,
            linger=timedelta(minutes=self.linger_minutes),
        )


class DepartmentIn(Model):
    name: str = ""
    phone: str = ""
    zone: str = ""


class OperationIn(Model):
    organization: str
    phone: str
    feed: FeedIn
    texts: TextsIn = TextsIn()
    meetings: MeetingsIn = MeetingsIn()
    departments: dict[str, DepartmentIn] = {}

    def value(self) -> Operation:
        return Operation(
            organization=self.organization.strip(),
            phone=self.phone.strip(),
            feed=self.feed.value(),
            texts=self.texts.value(),
            meetings=self.meetings.value(),
            departments={
                key: Department(about.name, about.phone, about.zone)
                for key, about in self.departments.items()
            },
        )


class EnvironmentIn(Model):
    kind: EnvironmentKind
    connection: ConnectionIn
    operation: OperationIn


class ConnectionChange(Model):
    connection: ConnectionIn
    version: str = ""


class OperationChange(Model):
    operation: OperationIn
    version: str = ""


class CertificateIn(Model):
    pem: str = Field(max_length=16 * 1024)


class DecisionIn(Model):
    decision: Literal["approve", "reject"]
    content_hash: str
    reason: str = ""


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
