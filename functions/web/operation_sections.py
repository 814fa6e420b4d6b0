"""The parts of an environment that are live at once: what patients see, and how Epic's appointments are read."""

from dataclasses import replace

from functions.web.section_parts import Field, Section, Typed, as_lines, lines, pairs
from shared.domain.environment import Environment, FeedStatus, Operation
from shared.domain.errors import Refused
from shared.domain.words import said

_USES = ("mobile", "home", "work", "skip")

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


def _read_organization(form: Typed, operation: Operation) -> Operation:
    return replace(operation, organization=form.text(NAME.name), phone=form.text(PHONE.name))


ORGANIZATION = Section(
    "organization",
    said("Organization"),
    said("What patients see and whom they call."),
    "operation",
    (NAME, PHONE),
    lambda one: {NAME.name: one.operation.organization, PHONE.name: one.operation.phone},
    read_operation=_read_organization,
)

_FEED = "operation.feed"


def _read_feed(form: Typed, operation: Operation) -> Operation:
    wrong = said("Enter lines like CELL = mobile")
    types = {
        code.upper(): use.lower() for code, use in pairs(form, f"{_FEED}.phone_types", wrong=wrong).items()
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
            sending_applications=frozenset(lines(form.text(f"{_FEED}.sending_applications"))),
            video_visit_types=frozenset(lines(form.text(f"{_FEED}.video_visit_types"))),
            phone_types=types,
            statuses=_statuses(form),
            external_id_type=form.text(f"{_FEED}.external_id_type"),
        ),
    )


def _statuses(form: Typed) -> dict[str, FeedStatus]:
    name = f"{_FEED}.statuses"
    typed = pairs(form, name, wrong=said("Enter lines like NOSHOW = no-show"))
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
        f"{_FEED}.phone_types": as_lines(feed.phone_types),
        f"{_FEED}.statuses": as_lines(feed.statuses),
        f"{_FEED}.external_id_type": feed.external_id_type,
    }


FEED = Section(
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
