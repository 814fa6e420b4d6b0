"""The rules a configuration must keep before it is saved, each with the sentence that says what to do."""

import re
from datetime import timedelta
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shared.domain.attested import REVIEWED_FIRST
from shared.domain.environment import Connection, EpicClient, Operation, Texts
from shared.domain.errors import Refused
from shared.domain.words import Said, said

# The two sentences an administrator accepts before any text; the version is kept with who and when.
CONSENTS = {
    "texts-2026-1": said(
        "I allow this service to send text messages to patients on behalf of my organization."
    ),
    "agreed-2026-1": said(
        "I confirm that my organization makes sure each person has agreed to send and receive text messages."
    ),
}

_MISSING_CLIENTS = {
    EpicClient.PROVIDER: said("Enter the client id for providers"),
    EpicClient.PATIENT: said("Enter the client id for patients"),
    EpicClient.BACKEND: said("Enter the client id for the backend system"),
}

_NAME_AT_MOST = 40
_MOST_APPROVERS = 10
_ADDRESS = re.compile(r"[^@\s<>]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?\.[A-Za-z]{2,63}")
_URL_AT_MOST = 500
_EARLIEST_REMINDER = timedelta(days=14)
_LATEST_REMINDER = timedelta(minutes=15)
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_UNPRINTABLE = re.compile(r"[<>\x00-\x1f\x7f]")


def check(problems: dict[str, str]) -> None:
    """Raise Refused when there is any problem."""
    if problems:
        raise Refused(problems)


def problems_of_connection(connection: Connection, *, private_hosts: frozenset[str]) -> dict[str, str]:
    """What is wrong with a connection, by field. `private_hosts` may be plain http: the sandbox."""
    problems: dict[str, str] = {}
    problem = _fhir_problem(connection.fhir_base_url, private_hosts)
    if problem:
        problems["connection.fhir_base_url"] = problem
    if not connection.approvers:
        problems["connection.approvers"] = said("Enter at least one approver")
    elif (wrong := _approvers_problem(connection.approvers)) is not None:
        problems["connection.approvers"] = wrong
    target = connection.write_back
    if target is not None and not _may_call(target.url, private_hosts):
        problems["connection.write_back.url"] = said("The status service's address must start with https://")
    return problems


def _approvers_problem(approvers: tuple[str, ...]) -> Said | None:
    """What is wrong with a list of object ids and addresses; addresses are compared without case."""
    if len(approvers) > _MOST_APPROVERS:
        return said("Enter 10 approvers or fewer")
    seen: set[str] = set()
    for one in approvers:
        if "@" in one and not _ADDRESS.fullmatch(one):
            return said("Enter an email address in the correct format, like priya@lamna.example")
        if one.lower() in seen:
            return said("%(email)s is already in the list", email=one)
        seen.add(one.lower())
    return None


def problems_of_submission(connection: Connection) -> dict[str, str]:
    """What a draft still lacks before an analyst can be asked to approve it, by field."""
    problems: dict[str, str] = {}
    if not connection.fhir_base_url:
        problems["connection.fhir_base_url"] = said("Enter the FHIR base URL")
    if not connection.approvers:
        problems["connection.approvers"] = said("Enter at least one approver")
    if connection.write_back is not None and not connection.write_back.url:
        problems["connection.write_back.url"] = said("Enter the address of the status service")
    for kind, words in _MISSING_CLIENTS.items():
        if not connection.clients.get(kind, "").strip():
            problems[f"connection.clients.{kind}"] = words
    return problems


def _fhir_problem(url: str, private_hosts: frozenset[str]) -> str:
    if not url:
        return said("Enter the FHIR base URL")
    if len(url) > _URL_AT_MOST:
        return said("FHIR base URL must be %(most)s characters or fewer", most=_URL_AT_MOST)
    parts = _parts(url)
    if parts is None:
        return said("FHIR base URL must start with https://")
    if "?" in url or "#" in url:
        return said("FHIR base URL must not include a question mark or #")
    if not _may_call(url, private_hosts) or parts.username:
        return said("FHIR base URL must start with https://")
    if _is_bare_address(parts.hostname or "") and parts.netloc not in private_hosts:
        return said("FHIR base URL must be a public internet address")
    if re.search(r"/dstu2/?$", parts.path, re.IGNORECASE):
        return said("FHIR base URL must end with /R4. You entered a DSTU2 address.")
    if not parts.path.endswith("/R4"):
        return said("FHIR base URL must end with /R4")
    return ""


def _is_bare_address(host: str) -> bool:
    """Whether `host` is no name that the internet knows: a certificate belongs to a name."""
    try:
        ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".local", ".internal")) or "." not in host
    return True


def _parts(url: str) -> SplitResult | None:
    """The parts of an address; None for what cannot be read as one, such as `https://[`."""
    try:
        return urlsplit(url)
    except ValueError:
        return None


def _may_call(url: str, private_hosts: frozenset[str]) -> bool:
    parts = _parts(url)
    if parts is None or not parts.hostname:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.netloc in private_hosts)


def problems_of_operation(operation: Operation) -> dict[str, str]:
    """What is wrong with an operation, by field."""
    problems: dict[str, str] = {}
    name = operation.organization.strip()
    if not name:
        problems["operation.organization"] = said("Enter the organization name")
    elif len(name) > _NAME_AT_MOST:
        problems["operation.organization"] = said("Organization name must be 40 characters or fewer")
    elif _UNPRINTABLE.search(name):
        problems["operation.organization"] = said("Organization name must not include < or >")
    if not operation.phone.strip() or _UNPRINTABLE.search(operation.phone):
        problems["operation.phone"] = said("Enter the phone number that patients may call")
    if not _zone_exists(operation.feed.zone):
        problems["operation.feed.zone"] = said("Enter the time zone of the feed, like America/New_York")
    problems |= _problems_of_departments(operation)
    meetings = operation.meetings
    if not timedelta() <= meetings.opens_before <= timedelta(days=1):
        problems["operation.meetings.opens_before_minutes"] = said(
            "Links open at most a day before the visit"
        )
    if not timedelta() <= meetings.closes_after <= timedelta(days=30):
        problems["operation.meetings.closes_after_minutes"] = said(
            "Links close at most 30 days after the visit"
        )
    return problems | _problems_of_texts(operation.texts)


def _problems_of_departments(operation: Operation) -> dict[str, str]:
    problems: dict[str, str] = {}
    for department, about in operation.departments.items():
        for part in ("name", "phone", "emergency"):
            if _UNPRINTABLE.search(getattr(about, part)):
                problems[f"operation.departments.{department}.{part}"] = said(
                    "Department details must not include < or >"
                )
        if about.zone and not _zone_exists(about.zone):
            problems[f"operation.departments.{department}.zone"] = said(
                "Enter a time zone like America/New_York"
            )
    return problems


def _problems_of_texts(texts: Texts) -> dict[str, str]:
    problems = _problems_of_reminders(texts.reminders)
    if "en" not in texts.languages or not set(texts.languages) <= {"en", *REVIEWED_FIRST}:
        problems["operation.texts.languages"] = said("Choose en, and es or zh-Hant-TW once they are reviewed")
    if any(not _E164.fullmatch(number) for number in texts.only_numbers):
        problems["operation.texts.only_numbers"] = said("Enter numbers like +12065550142")
    return problems | (_problems_of_texting(texts) if texts.on else {})


def _problems_of_reminders(reminders: tuple[timedelta, ...]) -> dict[str, str]:
    problems: dict[str, str] = {}
    for before in reminders:
        if not _LATEST_REMINDER <= before <= _EARLIEST_REMINDER:
            problems["operation.texts.reminders"] = said(
                "Reminder must be between 15 minutes and 14 days before the visit"
            )
    if len(reminders) > 3:
        problems["operation.texts.reminders"] = said("Choose three reminders or fewer")
    if len(set(reminders)) != len(reminders):
        problems["operation.texts.reminders"] = said("You already have a reminder at that time")
    return problems


def _problems_of_texting(texts: Texts) -> dict[str, str]:
    problems: dict[str, str] = {}
    if set(texts.consents) != set(CONSENTS):
        problems["operation.texts.consents"] = said("Select both boxes to turn on text messages")
    if not _E164.fullmatch(texts.sender):
        problems["operation.texts.sender"] = said("Link a phone number before you turn on messages")
    if not (texts.booked or texts.changed or texts.cancelled or texts.reminders):
        problems["operation.texts.on"] = said("Select at least one type of message, or turn SMS off")
    return problems


def _zone_exists(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return bool(name)
