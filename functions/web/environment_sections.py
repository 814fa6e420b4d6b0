"""The parts in which an environment is set up in the portal: what each part asks, and how an answer is read."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal, Protocol

from shared.domain.environment import (
    Connection,
    Department,
    Environment,
    EpicClient,
    FeedStatus,
    Operation,
    WriteBackSign,
    WriteBackTarget,
)
from shared.domain.errors import Refused
from shared.domain.words import Said, said

_USES = ("mobile", "home", "work", "skip")
_FACTS = ("connected", "disconnected", "no-show", "device-test-passed", "device-test-failed")
_NAMES = ("session", "external_id", "external_id_type", "vendor", "status")


class Typed(Protocol):
    """What a person sent from a form."""

    def text(self, name: str, default: str = "") -> str: ...
    def all(self, name: str) -> list[str]: ...
    def has(self, name: str) -> bool: ...


Kind = Literal["text", "mono", "number", "area", "select", "yes"]


@dataclass(frozen=True, slots=True)
class Field:
    """One question of a part; its `name` is also the name of the problem that a rule finds in it."""

    name: str
    label: Said
    hint: Said | None = None
    kind: Kind = "text"
    optional: bool = False
    options: tuple[tuple[str, Said], ...] = ()
    suggests: Literal["", "zones", "countries"] = ""


@dataclass(frozen=True, slots=True)
class Section:
    """One part of an environment. `connection` parts are approved by an analyst, the others are live at once."""

    id: str
    title: Said
    about: Said
    half: Literal["connection", "operation"]
    fields: tuple[Field, ...]
    show: Callable[[Environment], dict[str, str]]
    read_connection: Callable[[Typed, Connection], Connection] | None = None
    read_operation: Callable[[Typed, Operation], Operation] | None = None


# --- words and lists ---------------------------------------------------------------------------------------


def _lines(text: str) -> list[str]:
    return list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))


def _pairs(form: Typed, name: str, *, wrong: Said) -> dict[str, str]:
    """Lines like `CELL = mobile` as a mapping, or raise Refused with the sentence `wrong`."""
    found: dict[str, str] = {}
    for line in _lines(form.text(name)):
        key, sign, value = (part.strip() for part in line.partition("="))
        if not (key and sign and value):
            raise Refused({name: wrong})
        found[key] = value
    return found


def _as_lines(pairs: Mapping[str, str]) -> str:
    return "\n".join(f"{key} = {value}" for key, value in pairs.items())


def _minutes(form: Typed, name: str) -> timedelta:
    text = form.text(name)
    # More digits than a month of minutes has cannot be meant.
    if not (text.isascii() and text.isdecimal() and len(text) <= 6):
        raise Refused({name: said("Enter a number of minutes, like 30")})
    return timedelta(minutes=int(text))


def _as_minutes(span: timedelta) -> str:
    return str(int(span.total_seconds() // 60))


# --- organization ------------------------------------------------------------------------------------------

NAME = Field(
    "operation.organization",
    said("Organization name"),
    said("Patients see this name on the join page and in text messages. Up to 40 characters."),
)
PHONE = Field(
    "operation.phone",
    said("Phone number for patients"),
    said("Patients call it when they need help. Choose one that does not reveal a speciality."),
)
ZONE = Field(
    "operation.feed.zone",
    said("Time zone"),
    said("The zone of the times in Epic's messages, like America/New_York."),
    suggests="zones",
)
FHIR = Field(
    "connection.fhir_base_url",
    said("FHIR base URL"),
    said("Ask your Epic technical specialist. It starts with https:// and ends with /R4."),
    kind="mono",
)


def _read_organization(form: Typed, operation: Operation) -> Operation:
    return replace(operation, organization=form.text(NAME.name), phone=form.text(PHONE.name))


_ORGANIZATION = Section(
    "organization",
    said("Organization"),
    said("What patients see and whom they call."),
    "operation",
    (NAME, PHONE),
    lambda one: {NAME.name: one.operation.organization, PHONE.name: one.operation.phone},
    read_operation=_read_organization,
)

# --- connection --------------------------------------------------------------------------------------------


def fhir_url(form: Typed) -> str:
    """The typed address without the slash at its end."""
    return form.text(FHIR.name).rstrip("/")


def approvers_of(form: Typed) -> list[str]:
    """The typed approvers in order, without empty rows."""
    return [one.strip() for one in form.all("connection.approvers") if one.strip()]


def _read_connection(form: Typed, connection: Connection) -> Connection:
    # Addresses of Epic's sign-in belong to the server: those of another are looked up when approval is asked for.
    return replace(connection, fhir_base_url=fhir_url(form), approvers=tuple(approvers_of(form)))


_CONNECTION = Section(
    "connection",
    said("Epic server and approvers"),
    said("Which Epic this environment trusts, and who may approve that."),
    "connection",
    (FHIR,),
    lambda one: {
        FHIR.name: one.newest.connection.fhir_base_url,
        "connection.approvers": "\n".join(one.newest.connection.approvers),
    },
    read_connection=_read_connection,
)

_CLIENT_LABELS = {
    EpicClient.PROVIDER: said("Client id for providers"),
    EpicClient.PATIENT: said("Client id for patients"),
    EpicClient.BACKEND: said("Client id for the backend system"),
}


def _read_clients(form: Typed, connection: Connection) -> Connection:
    typed = {kind: form.text(f"connection.clients.{kind}") for kind in EpicClient}
    return replace(connection, clients={kind: value for kind, value in typed.items() if value})


_CLIENTS = Section(
    "clients",
    said("Client ids"),
    said(
        "Register three apps at Epic, then enter the client ids that Epic gave them. Approval needs all three."
    ),
    "connection",
    tuple(Field(f"connection.clients.{kind}", label, kind="mono") for kind, label in _CLIENT_LABELS.items()),
    lambda one: {
        f"connection.clients.{kind}": one.newest.connection.clients.get(kind, "") for kind in EpicClient
    },
    read_connection=_read_clients,
)

# --- write-back --------------------------------------------------------------------------------------------

_WRITE = "connection.write_back"


def _read_write_back(form: Typed, connection: Connection) -> Connection:
    url = form.text(f"{_WRITE}.url")
    if not url:
        return replace(connection, write_back=None)
    fresh = WriteBackTarget(url)
    method, sign = form.text(f"{_WRITE}.method", "GET"), form.text(f"{_WRITE}.sign", fresh.sign)
    if method not in ("GET", "POST"):
        raise Refused({f"{_WRITE}.method": said("Select GET or POST")})
    if sign not in set(WriteBackSign):
        raise Refused({f"{_WRITE}.sign": said("Select how the service knows us")})
    statuses = _pairs(form, f"{_WRITE}.statuses", wrong=said("Enter lines like connected = 1"))
    if unknown := set(statuses) - set(_FACTS):
        raise Refused(
            {
                f"{_WRITE}.statuses": said(
                    "%(word)s is not known. Use: %(known)s", word=min(unknown), known=", ".join(_FACTS)
                )
            }
        )
    names = _pairs(form, f"{_WRITE}.names", wrong=said("Enter lines like status = ConnectionStatus"))
    if unknown := set(names) - set(_NAMES):
        raise Refused(
            {
                f"{_WRITE}.names": said(
                    "%(word)s is not known. Use: %(known)s", word=min(unknown), known=", ".join(_NAMES)
                )
            }
        )
    return replace(
        connection,
        write_back=replace(
            fresh,
            method=method,
            sign=WriteBackSign(sign),
            vendor=form.text(f"{_WRITE}.vendor") or fresh.vendor,
            statuses=statuses or fresh.statuses,
            names=names or fresh.names,
        ),
    )


def _show_write_back(one: Environment) -> dict[str, str]:
    target = one.newest.connection.write_back
    known = target or WriteBackTarget("")
    return {
        f"{_WRITE}.url": known.url,
        f"{_WRITE}.method": known.method,
        f"{_WRITE}.sign": known.sign.value,
        f"{_WRITE}.vendor": known.vendor,
        f"{_WRITE}.statuses": _as_lines(known.statuses),
        f"{_WRITE}.names": _as_lines(known.names),
    }


_WRITE_BACK = Section(
    "write-back",
    said("Status in Epic"),
    said(
        "Where Epic is told who is waiting and who is connected. Leave the address empty to tell Epic nothing."
    ),
    "connection",
    (
        Field(
            f"{_WRITE}.url",
            said("Address of the status service"),
            said("It starts with https://. Ask your Epic technical specialist."),
            kind="mono",
            optional=True,
        ),
        Field(
            f"{_WRITE}.method",
            said("Verb"),
            kind="select",
            options=(("GET", said("GET")), ("POST", said("POST"))),
        ),
        Field(
            f"{_WRITE}.sign",
            said("How the service knows us"),
            kind="select",
            options=(
                (WriteBackSign.BACKEND_TOKEN.value, said("Token of the backend client id")),
                (WriteBackSign.BASIC.value, said("User name and password from the key vault")),
            ),
        ),
        Field(f"{_WRITE}.vendor", said("Vendor name"), said("As it is entered in Epic's records.")),
        Field(
            f"{_WRITE}.statuses",
            said("Values of the states"),
            said(
                "One line each, like connected = 1. Known: connected, disconnected, no-show, device-test-passed,"
                " device-test-failed. What has no line is not told."
            ),
            kind="area",
        ),
        Field(
            f"{_WRITE}.names",
            said("Names of the parameters"),
            said(
                "One line each, like status = ConnectionStatus. Known: session, external_id, external_id_type,"
                " vendor, status."
            ),
            kind="area",
        ),
    ),
    _show_write_back,
    read_connection=_read_write_back,
)

# --- feed --------------------------------------------------------------------------------------------------

_FEED = "operation.feed"


def _read_feed(form: Typed, operation: Operation) -> Operation:
    wrong = said("Enter lines like CELL = mobile")
    types = {
        code.upper(): use.lower() for code, use in _pairs(form, f"{_FEED}.phone_types", wrong=wrong).items()
    }
    if any(use not in _USES for use in types.values()):
        raise Refused({f"{_FEED}.phone_types": said("Use mobile, home, work or skip, like CELL = mobile")})
    country = form.text(f"{_FEED}.country").upper()
    if not (len(country) == 2 and country.isascii() and country.isalpha()):
        raise Refused({f"{_FEED}.country": said("Enter a country as two letters, like US")})
    return replace(
        operation,
        feed=replace(
            operation.feed,
            zone=form.text(ZONE.name),
            country=country,
            sending_applications=frozenset(_lines(form.text(f"{_FEED}.sending_applications"))),
            video_visit_types=frozenset(_lines(form.text(f"{_FEED}.video_visit_types"))),
            phone_types=types,
            statuses=_statuses(form),
            external_id_type=form.text(f"{_FEED}.external_id_type"),
        ),
    )


def _statuses(form: Typed) -> dict[str, FeedStatus]:
    name = f"{_FEED}.statuses"
    typed = _pairs(form, name, wrong=said("Enter lines like NOSHOW = no-show"))
    if any(value.lower() not in set(FeedStatus) for value in typed.values()):
        raise Refused({name: said("Use one of: %(known)s", known=", ".join(FeedStatus))})
    return {code.upper(): FeedStatus(value.lower()) for code, value in typed.items()}


def _show_feed(one: Environment) -> dict[str, str]:
    feed = one.operation.feed
    return {
        ZONE.name: feed.zone,
        f"{_FEED}.country": feed.country,
        f"{_FEED}.sending_applications": "\n".join(sorted(feed.sending_applications)),
        f"{_FEED}.video_visit_types": "\n".join(sorted(feed.video_visit_types)),
        f"{_FEED}.phone_types": _as_lines(feed.phone_types),
        f"{_FEED}.statuses": _as_lines(feed.statuses),
        f"{_FEED}.external_id_type": feed.external_id_type,
    }


_FEED_SECTION = Section(
    "feed",
    said("Appointments from Epic"),
    said("How Epic's HL7v2 messages are read."),
    "operation",
    (
        ZONE,
        Field(
            f"{_FEED}.country",
            said("Country of phone numbers"),
            said("Two letters, like US. It completes numbers that are written without a country code."),
            suggests="countries",
        ),
        Field(
            f"{_FEED}.sending_applications",
            said("Sending applications"),
            said("One per line (MSH-3). Leave empty to take messages from any."),
            kind="area",
            optional=True,
        ),
        Field(
            f"{_FEED}.video_visit_types",
            said("Visit types by video"),
            said(
                "One code or name per line (SCH-7 or SCH-8). Leave empty when every appointment is by video."
            ),
            kind="area",
            optional=True,
        ),
        Field(
            f"{_FEED}.phone_types",
            said("Phone types"),
            said("One line each, like CELL = mobile. Known uses: mobile, home, work, skip."),
            kind="area",
            optional=True,
        ),
        Field(
            f"{_FEED}.statuses",
            said("Status codes of your own"),
            said(
                "One line each, like NOSHOW = no-show (SCH-25). Known meanings: booked, cancelled, no-show, arrived,"
                " completed, ignore."
            ),
            kind="area",
            optional=True,
        ),
        Field(
            f"{_FEED}.external_id_type",
            said("Type of the patient's id"),
            said("The id type (PID-3.5) by which Epic's status service knows a patient."),
            kind="mono",
            optional=True,
        ),
    ),
    _show_feed,
    read_operation=_read_feed,
)

# --- departments -------------------------------------------------------------------------------------------

MOST_DEPARTMENTS = 200
_PARTS = ("id", "name", "phone", "zone", "emergency")


def department_rows(form: Typed) -> list[dict[str, str]]:
    """The typed rows, empty ones left out, each with the number it has on the page."""
    rows = []
    for number in _row_numbers(form):
        typed = {part: form.text(f"department.{number}.{part}") for part in _PARTS}
        if any(typed.values()):
            rows.append({"number": str(number), **typed})
    return rows


def _row_numbers(form: Typed) -> Iterator[int]:
    for number in range(1, MOST_DEPARTMENTS + 1):
        if form.has(f"department.{number}.id"):
            yield number


def _read_departments(form: Typed, operation: Operation) -> Operation:
    problems: dict[str, str] = {}
    found: dict[str, Department] = {}
    for row in department_rows(form):
        field = f"department.{row['number']}.id"
        if not row["id"]:
            problems[field] = said("Enter the department's id in Epic")
        elif row["id"] in found:
            problems[field] = said("%(id)s is already in the list", id=row["id"])
        found[row["id"]] = replace(
            operation.departments.get(row["id"], Department()),
            name=row["name"],
            phone=row["phone"],
            zone=row["zone"],
            emergency=row["emergency"],
        )
    if problems:
        raise Refused(problems)
    return replace(operation, departments=found)


def _show_departments(one: Environment) -> dict[str, str]:
    shown: dict[str, str] = {}
    for number, (id, about) in enumerate(one.operation.departments.items(), start=1):
        shown |= {
            f"department.{number}.id": id,
            f"department.{number}.name": about.name,
            f"department.{number}.phone": about.phone,
            f"department.{number}.zone": about.zone,
            f"department.{number}.emergency": about.emergency,
        }
    return shown


_DEPARTMENTS = Section(
    "departments",
    said("Departments"),
    said(
        "Departments with a name, phone number, time zone or emergency line of their own. What is empty is as for the"
        " organization."
    ),
    "operation",
    (),
    _show_departments,
    read_operation=_read_departments,
)

# --- meetings ----------------------------------------------------------------------------------------------

_MEET = "operation.meetings"


def _read_meetings(form: Typed, operation: Operation) -> Operation:
    wrong = said("Enter lines like P77 = carter@lamna.example")
    return replace(
        operation,
        meetings=replace(
            operation.meetings,
            scheduling_accounts=tuple(_lines(form.text(f"{_MEET}.scheduling_accounts"))),
            providers=_pairs(form, f"{_MEET}.providers", wrong=wrong),
            opens_before=_minutes(form, f"{_MEET}.opens_before_minutes"),
            closes_after=_minutes(form, f"{_MEET}.closes_after_minutes"),
            linger=_minutes(form, f"{_MEET}.linger_minutes"),
            connected_when_waiting="yes" in form.all(f"{_MEET}.connected_when_waiting"),
            guests_may_chat="yes" in form.all(f"{_MEET}.guests_may_chat"),
            guests_may_share="yes" in form.all(f"{_MEET}.guests_may_share"),
        ),
    )


def _show_meetings(one: Environment) -> dict[str, str]:
    meetings = one.operation.meetings
    return {
        f"{_MEET}.scheduling_accounts": "\n".join(meetings.scheduling_accounts),
        f"{_MEET}.providers": _as_lines(meetings.providers),
        f"{_MEET}.opens_before_minutes": _as_minutes(meetings.opens_before),
        f"{_MEET}.closes_after_minutes": _as_minutes(meetings.closes_after),
        f"{_MEET}.linger_minutes": _as_minutes(meetings.linger),
        f"{_MEET}.connected_when_waiting": "yes" if meetings.connected_when_waiting else "",
        f"{_MEET}.guests_may_chat": "yes" if meetings.guests_may_chat else "",
        f"{_MEET}.guests_may_share": "yes" if meetings.guests_may_share else "",
    }


_MEETINGS = Section(
    "meetings",
    said("Teams meetings"),
    said("Who organizes the meetings and how long patients' links work."),
    "operation",
    (
        Field(
            f"{_MEET}.scheduling_accounts",
            said("Scheduling accounts"),
            said(
                "Licensed Teams accounts that organize meetings, one address per line. Enter several when you have"
                " many visits: Microsoft limits how many meetings one account can make."
            ),
            kind="area",
            optional=True,
        ),
        Field(
            f"{_MEET}.providers",
            said("Providers who organize their own meetings"),
            said(
                "One line each: Epic's provider id = Microsoft 365 address, like P77 = carter@lamna.example."
            ),
            kind="area",
            optional=True,
        ),
        Field(f"{_MEET}.opens_before_minutes", said("Links open, minutes before the visit"), kind="number"),
        Field(f"{_MEET}.closes_after_minutes", said("Links close, minutes after the visit"), kind="number"),
        Field(
            f"{_MEET}.linger_minutes",
            said("Minutes to keep a visit after its call has ended"),
            said("A patient who lost the connection can come back in this time."),
            kind="number",
        ),
        Field(
            f"{_MEET}.connected_when_waiting",
            said("Status while waiting"),
            kind="yes",
            options=(
                ("yes", said("Tell Epic that a patient is connected as soon as they wait in the lobby")),
            ),
        ),
        Field(
            f"{_MEET}.guests_may_chat",
            said("Chat"),
            kind="yes",
            options=(("yes", said("Patients and guests may write in the chat while the meeting runs")),),
        ),
        Field(
            f"{_MEET}.guests_may_share",
            said("Sharing"),
            kind="yes",
            options=(
                ("yes", said("Patients and guests may share their screen; Teams makes them presenters")),
            ),
        ),
    ),
    _show_meetings,
    read_operation=_read_meetings,
)

SECTIONS: Mapping[str, Section] = {
    one.id: one
    for one in (_ORGANIZATION, _CONNECTION, _CLIENTS, _FEED_SECTION, _DEPARTMENTS, _MEETINGS, _WRITE_BACK)
}


def changed_meanwhile(
    section: Section, environment: Environment, form: Typed
) -> Sequence[tuple[Said | str, str, str]]:
    """What somebody else saved and what was typed here, field by field where the two differ."""
    newest = section.show(environment)
    labels: dict[str, Said] = {field.name: field.label for field in section.fields}
    labels["connection.approvers"] = said("Approvers")
    names = list(dict.fromkeys([*newest, *labels]))
    if section.id == "departments":
        names = list(dict.fromkeys([*newest, *(n for row in department_rows(form) for n in _names(row))]))
    found = []
    for name in names:
        if not (form.has(name) or name in newest):
            continue
        typed = "\n".join(form.all(name)) if name == "connection.approvers" else form.text(name)
        was = newest.get(name, "")
        if typed.splitlines() != was.splitlines():
            found.append((labels.get(name, name), was, typed))
    return found


def _names(row: Mapping[str, str]) -> list[str]:
    return [f"department.{row['number']}.{part}" for part in _PARTS]
