"""Writes the scheduling messages that Epic sends when an appointment is booked, moved, changed or cancelled.

The layout follows Epic's "Outgoing Appointment Scheduling Interface" and what real sites send: the CSN is PV1-19,
the start is SCH-11.4 in the clinic's local time and carries no zone.
"""

from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from sandbox.epic.schedule import Booking, Kind, Standing


class Trigger(StrEnum):
    """MSH-9.2 of the messages Epic sends about appointments (HL7 v2 chapter 10)."""

    BOOKED = "S12"
    MOVED = "S13"
    CHANGED = "S14"
    CANCELED = "S15"
    NO_SHOW = "S26"


# MSH-11: a test instance says T, so that nobody takes its patients for real ones.
_PROCESSING = {"production": "P", "test": "T"}


def compose(
    booking: Booking, trigger: Trigger, *, instance: str, control_id: str, written_at: datetime
) -> str:
    """The message as text, segments ended by carriage returns (HL7 v2.5 section 2.4)."""
    surgical = booking.kind is Kind.SURGERY
    local = _local(booking.start, booking.zone)
    segments = [
        _msh(booking, trigger, instance=instance, control_id=control_id, written_at=written_at),
        _sch(booking, trigger, local),
    ]
    if booking.comment:
        # A comment right after SCH belongs to the appointment; others belong to a resource.
        segments.append(_segment("NTE", {1: "1", 2: "Epic", 3: escape(booking.comment)}))
    segments += [
        _pid(booking),
        _pv1(booking),
        _segment("RGS", {1: "1", 2: "A", 3: f"{booking.department.id}^{escape(booking.department.name)}"}),
        _segment(
            "AIS",
            {
                1: "1",
                2: "A",
                3: _visit_type(booking),
                7: _duration(booking),
                8: _unit(booking),
                10: booking.standing.value,
            },
        ),
        _segment(
            "AIG",
            {
                1: "1",
                2: "A",
                3: f"{booking.provider.record}^{_family_first(booking)}",
                4: "1^PROVIDER",
                8: local,
                11: _duration(booking),
                12: _unit(booking),
            },
        ),
    ]
    if surgical:
        segments.append(_segment("NTE", {1: "1", 2: "Epic", 3: "Resource set by the case"}))
    segments += [
        _segment("AIL", {1: "1", 2: "A", 3: _location(booking), 6: local}),
        _segment(
            "AIP",
            {
                1: "1",
                2: "A",
                3: _provider(booking),
                4: "1^PROVIDER",
                6: local,
                9: _duration(booking),
                10: _unit(booking),
            },
        ),
    ]
    if surgical:
        segments += [
            _segment("ZCS", {1: "1", 2: "BEFORE", 3: "900", 4: "S"}),
            _segment("ZCS", {1: "2", 2: "AFTER", 3: "900", 4: "S"}),
            _segment("OBX", {1: "1", 2: "ST", 3: "CASE_CLASS^Case class", 5: "Elective", 11: "F"}),
        ]
    segments.append(
        _segment("ZPL", {2: escape(booking.department.name), 3: "Yes" if booking.confidential else "No"})
    )
    return "".join(f"{segment}\r" for segment in segments)


def escape(text: str) -> str:
    """`text` as it may stand in a field (HL7 v2.5 section 2.7): separators are spelled out."""
    for sign, spelled in (("\\", "\\E\\"), ("|", "\\F\\"), ("^", "\\S\\"), ("~", "\\R\\"), ("&", "\\T\\")):
        text = text.replace(sign, spelled)
    return text.replace("\r\n", "\\.br\\").replace("\n", "\\.br\\").replace("\r", "\\.br\\")


def _segment(name: str, fields: dict[int, str]) -> str:
    """A segment with `fields` at their numbers and nothing after the last."""
    return "|".join([name, *(fields.get(number, "") for number in range(1, max(fields) + 1))])


def _msh(booking: Booking, trigger: Trigger, *, instance: str, control_id: str, written_at: datetime) -> str:
    bridge = "SIU_SURGICAL_UDP" if booking.kind is Kind.SURGERY else "SIU_GENERIC"
    # MSH-1 is the separator itself, so the numbers of the others are one less in this join.
    return _segment(
        "MSH",
        {
            1: "^~\\&",
            2: f"EPIC^{bridge}",
            3: "LAMNA",
            4: "VISIT CONNECTOR",
            5: "LAMNA",
            6: f"{written_at.astimezone(ZoneInfo(booking.zone)):%Y%m%d%H%M%S}",
            8: f"SIU^{trigger.value}",
            9: control_id,
            10: _PROCESSING[instance],
            11: "2.3",
            17: "UNICODE UTF-8",
        },
    )


def _sch(booking: Booking, trigger: Trigger, local: str) -> str:
    # After a move, SCH-1 holds the CSN before it and SCH-2 stays on the first one.
    previous = booking.previous_csns[-1] if booking.previous_csns else booking.csn
    status = "1^SCH" if booking.standing is Standing.SCHEDULED else _status(booking)
    return _segment(
        "SCH",
        {
            1: previous,
            # The surgical interface names the case here, which is not a contact.
            2: f"C{booking.original_csn}" if booking.kind is Kind.SURGERY else booking.original_csn,
            6: f"1^{escape(booking.cancel_reason)}" if trigger is Trigger.CANCELED else "",
            7: _visit_type(booking),
            8: _visit_type(booking),
            9: _duration(booking),
            10: _unit(booking),
            11: f"^^{_duration(booking)}^{local}",
            20: "10099^SCHEDULER^FRONT DESK",
            25: status,
        },
    )


def _status(booking: Booking) -> str:
    return f"{booking.standing.number}^{booking.standing.value.upper()}"


def _pid(booking: Booking) -> str:
    patient = booking.patient
    phones = []
    if patient.mobile:
        phones.append(_phone(patient.mobile, "CP"))
    if patient.home:
        phones.append(_phone(patient.home, "H"))
    if patient.email:
        phones.append(f"^NET^Internet^{patient.email}")
    language = booking.language
    return _segment(
        "PID",
        {
            1: "1",
            3: f"{patient.mrn}^^^LAMNA^MRN~{patient.mychart}^^^LAMNA^MYCHART",
            5: f"{escape(patient.family)}^{escape(patient.given)}",
            7: f"{patient.born:%Y%m%d}",
            8: patient.sex,
            11: "1 Invented Way^^Seattle^WA^98101^US^P",
            13: "~".join(phones),
            15: f"{language.code}^{language.name}^ISO6392",
            18: booking.csn,
            30: "N",
        },
    )


def _phone(digits: str, kind: str) -> str:
    area, exchange, line = digits[:3], digits[3:6], digits[6:]
    return f"({area}){exchange}-{line}^P^{kind}^^1^{area}^{exchange}{line}"


def _pv1(booking: Booking) -> str:
    return _segment(
        "PV1",
        {
            1: "1",
            2: "S" if booking.kind is Kind.SURGERY else "O",
            3: _location(booking),
            7: _provider(booking),
            19: booking.csn,
        },
    )


def _provider(booking: Booking) -> str:
    """The clinician three times over, as surgical and generic feeds do: employee, provider record and NPI."""
    one = booking.provider
    name = f"{escape(one.family.upper())}^{escape(one.given.upper())}"
    return "~".join(
        f"{number}^{name}^^^^^^{kind}^^^^{kind}"
        for number, kind in ((one.employee, "PERID"), (one.record, "PROVID"), (one.npi, "NPI"))
    )


def _family_first(booking: Booking) -> str:
    return escape(f"{booking.provider.family.upper()}, {booking.provider.given.upper()}")


def _location(booking: Booking) -> str:
    return f"{booking.department.id}^^^LAMNA"


def _visit_type(booking: Booking) -> str:
    return f"{booking.visit_type.code}^{booking.visit_type.name}"


def _duration(booking: Booking) -> str:
    return str(booking.minutes * 60 if booking.kind is Kind.SURGERY else booking.minutes)


def _unit(booking: Booking) -> str:
    # The surgical interface counts in seconds.
    return "S" if booking.kind is Kind.SURGERY else "MIN"


def _local(moment: datetime, zone: str) -> str:
    there = moment.astimezone(ZoneInfo(zone))
    # Epic's appointments start on the minute and are written in 12 digits; 14 only when there are seconds.
    return f"{there:%Y%m%d%H%M%S}" if there.second else f"{there:%Y%m%d%H%M}"
