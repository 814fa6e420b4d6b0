"""The integration records an Epic analyst enters: which facts of a visit Epic adds to each launch.

A record's context tokens are written as a query string with Epic's mnemonics between percent signs, such as
`sessionId=%CSN%&departmentId=%PERFDEPID;;; ; ;;NONE;%`. Epic fills them in and adds them to the token response.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.epic.people import Patient, Provider, Proxy
from sandbox.epic.schedule import Booking

# Used where the analyst entered no record of that name.
STANDARD = {
    "provider": "sessionId=%CSN%&csn=%CSN%&departmentId=%PERFDEPID;;; ; ;;NONE;%&environment={environment}"
    "&externalId=%EXTERNALID%&externalIdType=%EXTERNALIDTYPE%",
    "patient": "sessionId=%CSN%&csn=%CSN%&environment={environment}"
    "&externalId=%EXTERNALID%&externalIdType=%EXTERNALIDTYPE%",
    "group-provider": "sessionId=%CONFERENCEID%&csn=%CSN%&departmentId=%PERFDEPID;;; ; ;;NONE;%"
    "&environment={environment}&externalId=%EXTERNALID%&externalIdType=%EXTERNALIDTYPE%",
    "group-patient": "sessionId=%CONFERENCEID%&csn=%CSN%&environment={environment}"
    "&externalId=%EXTERNALID%&externalIdType=%EXTERNALIDTYPE%",
    "device-test": "sessionId=%CSN%&environment={environment}",
}

_MNEMONIC = re.compile(r"%([A-Z]+)(;[^%]*)?%")


class BadRecord(Exception):
    """A record that Epic's editor would not take. The text says why."""


def read_records(entered: Mapping[str, object], *, environment: str) -> dict[str, dict[str, str]]:
    """The records as entered, completed by the standard ones: name -> context token -> template."""
    records = {
        name: _tokens(template.replace("{environment}", environment)) for name, template in STANDARD.items()
    }
    for name, record in entered.items():
        if name not in STANDARD:
            raise BadRecord(f"unknown record {name!r}; known are {', '.join(STANDARD)}")
        records[name] = _entered(name, record)
    return records


def _entered(name: str, record: object) -> dict[str, str]:
    """A record given as the text to paste, as its tokens, or as an object that holds either beside other values."""
    match record:
        case str():
            return _tokens(record)
        case {"context_tokens": tokens} | {"contextTokens": tokens}:
            return _entered(name, tokens)
        case dict() if all(isinstance(value, str) for value in record.values()):
            return {str(token): str(template) for token, template in record.items()}
    raise BadRecord(f"record {name!r} needs its context tokens as text, such as sessionId=%CSN%")


def _tokens(text: str) -> dict[str, str]:
    tokens: dict[str, str] = {}
    for part in text.strip().lstrip("?&").split("&"):
        token, equals, template = part.partition("=")
        if not token.strip() or not equals:
            raise BadRecord("context tokens are written as name=value, joined by &")
        tokens[token.strip()] = template
    return tokens


@dataclass(frozen=True, slots=True)
class Sheet:
    """One record as the analyst typed it in from the connector's page: what each field is called, and its value."""

    kind: str
    values: Mapping[str, str]

    def value(self, name: str) -> str:
        """The value of a field, or raise BadRecord."""
        if not self.values.get(name):
            raise BadRecord(f"the {self.kind} record needs {name}")
        return self.values[name]

    def tokens(self) -> dict[str, str]:
        return _tokens(self.value("Context token"))


LAUNCHING = ("provider", "patient", "group-provider", "group-patient", "device-test")
FEED = "sms-configuration"


def read_sheet(kind: str, text: str) -> Sheet:
    """A record pasted as lines of `Name: value`. Raises BadRecord."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(": ")
        if not colon or not value:
            raise BadRecord(f"the {kind} record needs lines of name and value")
        values[name] = value
    return Sheet(kind, values)


def fill(
    record: Mapping[str, str], *, booking: Booking | None, person: Provider | Patient | Proxy
) -> dict[str, str]:
    """The tokens of `record` for one launch. A mnemonic that has no value here leaves nothing behind."""
    values = _values(booking, person)

    def value(found: re.Match[str]) -> str:
        return values.get(found[1], "")

    return {token: _MNEMONIC.sub(value, template) for token, template in record.items()}


def _values(booking: Booking | None, person: Provider | Patient | Proxy) -> dict[str, str]:
    external, kind = external_id(person)
    values = {"EXTERNALID": external, "EXTERNALIDTYPE": kind}
    if booking is not None:
        values |= {
            "CSN": booking.csn,
            "CONFERENCEID": booking.conference_id,
            "PERFDEPID": booking.department.id,
        }
    return values


def external_id(person: Provider | Patient | Proxy) -> tuple[str, str]:
    """Whom the status service knows and how: employees (type 1) and MyChart accounts (type 2)."""
    if isinstance(person, Provider):
        return person.employee, "1"
    return person.mychart, "2"
