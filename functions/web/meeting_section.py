"""The part of an environment about Teams meetings: who organizes them, and what guests may do."""

from dataclasses import replace

from functions.web.section_parts import Field, Section, Typed, as_lines, as_minutes, lines, minutes, pairs
from shared.domain.environment import Environment, Operation
from shared.domain.words import said

_MEET = "operation.meetings"


def _read_meetings(form: Typed, operation: Operation) -> Operation:
    wrong = said("Enter lines like P77 = carter@lamna.example")
    return replace(
        operation,
        meetings=replace(
            operation.meetings,
            scheduling_accounts=tuple(lines(form.text(f"{_MEET}.scheduling_accounts"))),
            providers=pairs(form, f"{_MEET}.providers", wrong=wrong),
            opens_before=minutes(form, f"{_MEET}.opens_before_minutes"),
            closes_after=minutes(form, f"{_MEET}.closes_after_minutes"),
            linger=minutes(form, f"{_MEET}.linger_minutes"),
            connected_when_waiting="yes" in form.all(f"{_MEET}.connected_when_waiting"),
            guests_may_chat="yes" in form.all(f"{_MEET}.guests_may_chat"),
            guests_may_share="yes" in form.all(f"{_MEET}.guests_may_share"),
        ),
    )


def _show_meetings(one: Environment) -> dict[str, str]:
    meetings = one.operation.meetings
    return {
        f"{_MEET}.scheduling_accounts": "\n".join(meetings.scheduling_accounts),
        f"{_MEET}.providers": as_lines(meetings.providers),
        f"{_MEET}.opens_before_minutes": as_minutes(meetings.opens_before),
        f"{_MEET}.closes_after_minutes": as_minutes(meetings.closes_after),
        f"{_MEET}.linger_minutes": as_minutes(meetings.linger),
        f"{_MEET}.connected_when_waiting": "yes" if meetings.connected_when_waiting else "",
        f"{_MEET}.guests_may_chat": "yes" if meetings.guests_may_chat else "",
        f"{_MEET}.guests_may_share": "yes" if meetings.guests_may_share else "",
    }


MEETINGS = Section(
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
