"""How two versions of a configuration differ, field by field, in words a person reads and an audit may keep."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from shared.domain.environment import Connection, EpicClient, Operation, RecordField, WriteBackTarget
from shared.domain.words import Said, said


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that differs. Empty text: there was nothing, or is nothing. Numbers are masked like …61."""

    field: str
    label: Said
    before: str
    after: str


class Hidden(str):
    """A text that is shown masked and compared whole."""

    __slots__ = ("whole",)

    whole: str

    def __new__(cls, shown: str, whole: str) -> "Hidden":
        self = super().__new__(cls, shown)
        self.whole = whole
        return self


Values = dict[str, tuple[Said, str]]

_CLIENTS = {
    EpicClient.PROVIDER: said("Client id for providers"),
    EpicClient.PATIENT: said("Client id for patients"),
    EpicClient.BACKEND: said("Client id for the backend"),
}


def differences(
    before: Connection | Operation | None, after: Connection | Operation | None
) -> list[Difference]:
    """The fields in which two versions of one half differ, in the order of the pages."""
    had, has = _values(before), _values(after)
    return [
        Difference(field, (has.get(field) or had[field])[0], _value(had, field), _value(has, field))
        for field in dict.fromkeys((*had, *has))
        if _whole(_value(had, field)) != _whole(_value(has, field))
    ]


# Who may decide or organize is kept by object id, or for a while by an address that somebody typed.
_PEOPLE = frozenset(
    {
        "connection.approvers",
        "operation.meetings.scheduling_accounts",
        "operation.meetings.providers",
    }
)


def in_words(found: list[Difference]) -> dict[str, str]:
    """Differences as facts of an audit entry, which holds no address of a person: label to `before -> after`."""
    return {str(one.label): f"{_kept(one, one.before)} -> {_kept(one, one.after)}" for one in found}


def _kept(one: Difference, text: str) -> str:
    if one.field not in _PEOPLE:
        return text or "-"
    # Addresses are personal data until they are bound to an id, and the audit chain is never changed again.
    return ", ".join(_without_address(part) for part in text.split(", ")) or "-"


def _without_address(part: str) -> str:
    key, sign, who = part.rpartition("=")
    return f"{key}{sign}typed address" if "@" in who else part


def masked(*numbers: str) -> Hidden:
    """Phone numbers as they may be shown to anyone: the last two digits of each."""
    digits = (re.sub(r"\D", "", number) for number in numbers)
    return Hidden(", ".join(f"…{one[-2:]}" for one in digits if one), "|".join(numbers))


def span(length: timedelta) -> str:
    """A length of time as people say it: `2 days`, `1 hour`, `90 minutes`."""
    minutes = round(length.total_seconds() / 60)
    for size, one, many in ((1440, "day", "days"), (60, "hour", "hours")):
        if minutes and minutes % size == 0:
            count = minutes // size
            return f"{count} {one if count == 1 else many}"
    return f"{minutes} {'minute' if minutes == 1 else 'minutes'}"


def _whole(text: str) -> str:
    return text.whole if isinstance(text, Hidden) else text


def _value(values: Values, field: str) -> str:
    return values[field][1] if field in values else ""


def _values(half: Connection | Operation | None) -> Values:
    if half is None:
        return {}
    pairs = _of_connection(half) if isinstance(half, Connection) else _of_operation(half)
    return {field: (label, text) for field, label, text in pairs}


def _of_connection(one: Connection) -> Iterator[tuple[str, Said, str]]:
    yield "connection.fhir_base_url", said("FHIR base URL"), one.fhir_base_url
    for client, label in _CLIENTS.items():
        yield f"connection.clients.{client.value}", label, one.clients.get(client, "")
    yield "connection.approvers", said("Approvers"), ", ".join(one.approvers)
    certificates = "; ".join(
        f"{each.subject} ({each.fingerprint[:16]}…)" + (" (replaced)" if each.replaced else "")
        for each in one.certificates
    )
    yield "connection.certificates", said("Public key certificates"), certificates
    yield from _of_target(one.write_back)
    yield "connection.authorize_url", said("Sign-in address"), one.authorize_url
    yield "connection.token_url", said("Token address"), one.token_url
    yield "connection.issuer", said("Issuer"), one.issuer
    yield "connection.keys_url", said("Address of Epic's keys"), one.keys_url


def _of_target(target: WriteBackTarget | None) -> Iterator[tuple[str, Said, str]]:
    if target is None:
        return
    yield "connection.write_back.url", said("Status service address"), target.url
    yield "connection.write_back.method", said("Status service method"), target.method
    yield "connection.write_back.sign", said("Status service sign-in"), target.sign.value
    yield "connection.write_back.vendor", said("Vendor name"), target.vendor
    yield "connection.write_back.statuses", said("Status values"), _map(target.statuses)
    yield "connection.write_back.names", said("Parameter names"), _map(target.names)


def _of_operation(one: Operation) -> Iterator[tuple[str, Said, str]]:
    feed, texts, meetings = one.feed, one.texts, one.meetings
    yield "operation.organization", said("Organization name"), one.organization
    yield "operation.phone", said("Organization phone"), masked(one.phone)
    yield "operation.feed.zone", said("Time zone"), feed.zone
    yield "operation.feed.country", said("Country"), feed.country
    yield (
        "operation.feed.sending_applications",
        said("Sending applications"),
        _list(feed.sending_applications),
    )
    yield "operation.feed.video_visit_types", said("Video visit types"), _list(feed.video_visit_types)
    yield "operation.feed.phone_types", said("Phone types"), _map(feed.phone_types)
    yield "operation.feed.statuses", said("Appointment statuses"), _map(feed.statuses)
    yield "operation.feed.external_id_type", said("Patient id type"), feed.external_id_type
    yield "operation.texts.on", said("Text messages"), _switch(texts.on)
    yield "operation.texts.sender", said("Sender number"), masked(texts.sender)
    yield "operation.texts.consents", said("Consents"), _list(texts.consents)
    yield "operation.texts.booked", said("Text when booked"), _switch(texts.booked)
    yield "operation.texts.changed", said("Text when changed"), _switch(texts.changed)
    yield "operation.texts.cancelled", said("Text when cancelled"), _switch(texts.cancelled)
    reminders = ", ".join(span(before) for before in sorted(texts.reminders, reverse=True))
    yield "operation.texts.reminders", said("Reminders"), reminders
    quiet = f"{texts.quiet_from:%H:%M}-{texts.quiet_until:%H:%M}"
    yield "operation.texts.quiet_hours", said("Quiet hours"), quiet
    yield "operation.texts.languages", said("Languages of text messages"), _list(texts.languages)
    yield "operation.texts.backload", said("Go-live backload"), _switch(texts.backload)
    yield "operation.texts.skipped", said("Text messages not used"), _switch(texts.skipped)
    yield "operation.texts.only_numbers", said("Numbers that may be texted"), masked(*texts.only_numbers)
    accounts = ", ".join(meetings.scheduling_accounts)
    yield "operation.meetings.scheduling_accounts", said("Scheduling accounts"), accounts
    yield "operation.meetings.providers", said("Providers"), _map(meetings.providers)
    yield "operation.meetings.opens_before", said("Links open before the visit"), span(meetings.opens_before)
    yield "operation.meetings.closes_after", said("Links close after the visit"), span(meetings.closes_after)
    waiting = _switch(meetings.connected_when_waiting)
    yield "operation.meetings.connected_when_waiting", said("Waiting counts as connected"), waiting
    yield "operation.meetings.linger", said("Kept for a rejoin"), span(meetings.linger)
    yield "operation.meetings.guests_may_chat", said("Guests may chat"), _switch(meetings.guests_may_chat)
    share = _switch(meetings.guests_may_share)
    yield "operation.meetings.guests_may_share", said("Guests may share their screen"), share
    for key, about in sorted(one.departments.items()):
        label = said("Department %(department)s", department=key)
        shown = (about.name, masked(about.phone), about.zone, masked(about.emergency))
        whole = "|".join((about.name, about.phone, about.zone, about.emergency))
        text = " / ".join(part or "-" for part in shown)
        yield f"operation.departments.{key}", label, Hidden(text, whole)
    records = one.records
    yield "operation.records.own_fields", said("Own fields"), _map(dict(records.own_fields))
    yield "operation.records.tokens", said("Names of Epic's tokens"), _map(records.tokens)
    for key, own in sorted(records.fields.items()):
        yield f"operation.records.fields.{key}", said("Record field %(field)s", field=key), _own_field(own)


def _own_field(own: RecordField) -> str:
    return ": ".join(part for part in (own.name, own.value) if part)


def _list(values: frozenset[str] | tuple[str, ...]) -> str:
    return ", ".join(sorted(values))


def _map(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value!s}" for name, value in sorted(values.items()))


def _switch(on: bool) -> str:
    return "on" if on else "off"
