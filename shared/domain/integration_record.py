"""The integration records: the values an Epic analyst enters in Epic so that launches and messages find their way.

Epic fills in what stands between percent signs (`%CSN%`). A one-to-one visit is known by its CSN; a group by its
conference id, which all its patients share, while `csn=%CSN%` tells whose appointment it is.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlencode

from shared.domain.environment import (
    Connection,
    Environment,
    EnvironmentId,
    EnvironmentKind,
    EpicClient,
    Operation,
    RecordField,
    RecordSettings,
)
from shared.domain.words import Said, said


class RecordKind(StrEnum):
    PROVIDER = "provider"
    PATIENT = "patient"
    GROUP_PROVIDER = "group-provider"
    GROUP_PATIENT = "group-patient"
    DIRECT_SMS = "direct-sms"
    SMS_CONFIGURATION = "sms-configuration"
    DEVICE_TEST = "device-test"


TITLES = {
    RecordKind.PROVIDER: said("Provider launch"),
    RecordKind.PATIENT: said("Patient launch"),
    RecordKind.GROUP_PROVIDER: said("Group visit, provider launch"),
    RecordKind.GROUP_PATIENT: said("Group visit, patient launch"),
    RecordKind.DIRECT_SMS: said("Direct SMS"),
    RecordKind.SMS_CONFIGURATION: said("SMS configuration"),
    RecordKind.DEVICE_TEST: said("Device test"),
}

HINTS = {
    RecordKind.PROVIDER: said("Opens a visit from Hyperspace, Haiku or Canto."),
    RecordKind.PATIENT: said(
        "Opens a visit from MyChart. It also holds the context token of the device test."
    ),
    RecordKind.GROUP_PROVIDER: said(
        "For group visits. The session is the conference id, which all patients of the group share."
    ),
    RecordKind.GROUP_PATIENT: said(
        "For group visits. The session is the conference id, which all patients of the group share."
    ),
    RecordKind.DIRECT_SMS: said("Texts a patient the link to one visit."),
    RecordKind.SMS_CONFIGURATION: said("Sends appointments to Visit Connector, from which texts are made."),
    RecordKind.DEVICE_TEST: said("Lets a patient try camera, microphone and speaker before the visit."),
}

KINDS = {EnvironmentKind.TEST: said("Test"), EnvironmentKind.PRODUCTION: said("Production")}

BRACES = re.compile(r"{(\w+)}")
PERCENT_TOKEN = re.compile(r"%[A-Z][^%\r\n]*%")


@dataclass(frozen=True, slots=True)
class FieldTemplate:
    id: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class RecordTemplate:
    kind: RecordKind
    fields: tuple[FieldTemplate, ...]


@dataclass(frozen=True, slots=True)
class RecordBook:
    """The templates of all records and the names of Epic's tokens, as `shared/integration_records.json` has them."""

    tokens: Mapping[str, str]
    records: tuple[RecordTemplate, ...]

    def field(self, key: str) -> FieldTemplate | None:
        """The field that `<kind>.<id>` names."""
        kind, _, id = key.partition(".")
        of_kind = (one for record in self.records if record.kind == kind for one in record.fields)
        return next((one for one in of_kind if one.id == id), None)


@dataclass(frozen=True, slots=True)
class Value:
    """One line of a record: what Epic's field is called, and exactly what belongs in it."""

    id: str
    name: str
    text: str

    @property
    def pieces(self) -> tuple[tuple[str, bool], ...]:
        """The text in pieces, each with whether Epic fills it in."""
        return pieces(self.text)


@dataclass(frozen=True, slots=True)
class Record:
    kind: RecordKind
    values: tuple[Value, ...]

    @property
    def title(self) -> Said:
        return TITLES[self.kind]

    @property
    def hint(self) -> Said:
        return HINTS[self.kind]

    def lines(self) -> str:
        """What "Copy all" copies: one `Name: value` a line."""
        return "".join(f"{one.name}: {one.text}\n" for one in self.values)


def pieces(text: str) -> tuple[tuple[str, bool], ...]:
    found: list[tuple[str, bool]] = []
    place = 0
    for token in PERCENT_TOKEN.finditer(text):
        if token.start() > place:
            found.append((text[place : token.start()], False))
        found.append((token[0], True))
        place = token.end()
    if place < len(text) or not found:
        found.append((text[place:], False))
    return tuple(found)


def book_of(content: Mapping[str, object]) -> RecordBook:
    """The book that the JSON object `content` describes. Raises ValueError or KeyError when it is not one."""
    tokens, records = content["tokens"], content["records"]
    if not isinstance(tokens, dict) or not isinstance(records, list):
        raise ValueError("the book of integration records needs tokens and records")
    made = tuple(
        RecordTemplate(
            RecordKind(record["kind"]),
            tuple(FieldTemplate(one["id"], one["name"], one["value"]) for one in record["fields"]),
        )
        for record in records
    )
    if [one.kind for one in made] != list(RecordKind):
        raise ValueError("the book of integration records needs each kind once, in order")
    book = RecordBook({str(word): str(name) for word, name in tokens.items()}, made)
    known = words_of(book, settings=RecordSettings(), facts={})
    for field in (field for record in made for field in record.fields):
        if unknown := set(BRACES.findall(field.value)) - set(known):
            raise ValueError(f"the book of integration records does not know {sorted(unknown)}")
    return book


def records_of(
    environment: Environment, *, connection: Connection, book: RecordBook, app: str
) -> tuple[Record, ...]:
    """The records of `environment` as they stand with `connection`, whose approved version is the one to enter."""
    settings = environment.operation.records
    words = words_of(
        book, settings=settings, facts=_facts(environment.id, connection, environment.operation, app)
    )
    return tuple(
        Record(template.kind, tuple(_values(template, settings=settings, words=words)))
        for template in book.records
    )


def _values(
    template: RecordTemplate, *, settings: RecordSettings, words: Mapping[str, str]
) -> Iterable[Value]:
    for field in template.fields:
        own = settings.fields.get(f"{template.kind}.{field.id}", RecordField())
        value = own.value or field.value
        used = BRACES.findall(value)
        text = BRACES.sub(lambda found: words.get(found[1], found[0]), value)
        if used and not any(words.get(word) for word in used):
            continue
        yield Value(field.id, own.name or field.name, text)


_FACTS = (
    "app",
    "environment",
    "fhir_base_url",
    "client_provider",
    "client_patient",
    "client_backend",
    "sender",
    "certificate",
    "certificate_ends",
    "feed_zone",
    "status_values",
    "status_vendor",
    "test_values",
)


def words_of(book: RecordBook, *, settings: RecordSettings, facts: Mapping[str, str]) -> dict[str, str]:
    names = {f"in_{word}": settings.tokens.get(word) or name for word, name in book.tokens.items()}
    own = "".join(f"&{name}={value}" for name, value in settings.own_fields)
    return {**dict.fromkeys(_FACTS, ""), **facts, **names, "own_fields": own}


def _facts(id: EnvironmentId, connection: Connection, operation: Operation, app: str) -> dict[str, str]:
    target = connection.write_back
    newest = max(connection.certificates, key=lambda one: one.valid_until, default=None)
    statuses = target.statuses if target else {}
    return {
        "app": app.rstrip("/"),
        "environment": id,
        "fhir_base_url": connection.fhir_base_url,
        **{f"client_{client}": connection.clients.get(client, "") for client in EpicClient},
        "sender": operation.texts.sender,
        "certificate": newest.fingerprint if newest else "",
        "certificate_ends": newest.valid_until.date().isoformat() if newest else "",
        "feed_zone": operation.feed.zone,
        "status_vendor": target.vendor if target else "",
        "status_values": _pairs(statuses, tests=False),
        "test_values": _pairs(statuses, tests=True),
    }


def _pairs(statuses: Mapping[str, str], *, tests: bool) -> str:
    chosen = {fact: value for fact, value in statuses.items() if fact.startswith("device-test") is tests}
    return "&".join(f"{fact}={value}" for fact, value in chosen.items() if value)


def record_of(records: Iterable[Record], kind: str) -> Record | None:
    return next((one for one in records if one.kind == kind), None)


def as_text(record: Record, *, heading: str) -> str:
    """One record as a text file."""
    return f"{heading}\n{record.title}\n\n{record.lines()}"


def as_json(records: Iterable[Record], *, environment: EnvironmentId) -> str:
    """All records as a JSON file."""
    content = [
        {"kind": one.kind, "values": [{"id": v.id, "name": v.name, "value": v.text} for v in one.values]}
        for one in records
    ]
    return json.dumps({"environment": environment, "records": content}, ensure_ascii=False, indent=2) + "\n"


def sample_link(*, app: str, environment: EnvironmentId, role: str, iss: str, launch: str) -> str:
    """The address that Epic would open for a launch by the `role` record."""
    query = urlencode({"iss": iss, "launch": launch})
    return f"{app.rstrip('/')}/launch/{environment}/{role}?{query}"
