"""Epic's FHIR R4 read API: appointments, encounters and people, each only to those whose token allows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from sandbox.epic.people import (
    CSN,
    EMPLOYEE,
    MRN,
    MYCHART,
    NPI,
    PATIENTS,
    PROVIDERS,
    PROXIES,
    VISIT_TYPE,
    Patient,
    Provider,
    Proxy,
    fhir_id,
    mobile_e164,
    oid,
)
from sandbox.epic.schedule import Booking, Standing
from sandbox.epic.state import Instance, Token

Resource = dict[str, Any]

_SEARCHES = {
    "Appointment": frozenset(
        {"identifier", "patient", "date", "status", "service-category", "_count", "_id"}
    ),
    "Encounter": frozenset({"identifier", "patient", "date", "_count", "_id"}),
    "Practitioner": frozenset({"identifier", "family", "given", "name", "_count", "_id"}),
    "Patient": frozenset({"identifier", "_id"}),
    "RelatedPerson": frozenset({"patient", "_id"}),
}
RESOURCES = tuple(_SEARCHES)


@dataclass(eq=False)
class FhirRefusal(Exception):
    """A refusal as Epic words it: an OperationOutcome with one of Epic's numeric codes."""

    status: int
    issue: str
    epic_code: str
    text: str

    def outcome(self) -> Resource:
        return operation_outcome(
            severity="fatal" if self.status >= 400 else "warning",
            issue=self.issue,
            epic_code=self.epic_code,
            text=self.text,
        )


class InsufficientScope(FhirRefusal):
    """The token is good but does not reach this resource."""


def operation_outcome(*, severity: str, issue: str, epic_code: str, text: str) -> Resource:
    return {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": severity,
                "code": issue,
                "details": {
                    "coding": [
                        {
                            "system": "urn:oid:1.2.840.114350.1.13.999.2.7.2.657369",
                            "code": epic_code,
                            "display": text,
                        }
                    ],
                    "text": text,
                },
                "diagnostics": text,
            }
        ],
    }


def capability_statement(instance: Instance, *, now: datetime) -> Resource:
    """What `/metadata` says, with the sign-in addresses in the oauth-uris extension (SMART 1.0)."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "publisher": "Sandbox, invented people only",
        "kind": "instance",
        "software": {"name": "Epic (sandbox)", "version": "November 2025"},
        "implementation": {"description": f"Sandbox {instance.name} instance", "url": instance.fhir_base},
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "rest": [
            {
                "mode": "server",
                "security": {
                    "extension": [
                        {
                            "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
                            "extension": [
                                {"url": "authorize", "valueUri": instance.authorize_url},
                                {"url": "token", "valueUri": instance.token_url},
                            ],
                        }
                    ],
                    "service": [
                        {
                            "coding": [
                                {
                                    "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                                    "code": "SMART-on-FHIR",
                                }
                            ],
                            "text": "OAuth2 using SMART-on-FHIR profile",
                        }
                    ],
                },
                "resource": [
                    {
                        "type": name,
                        "interaction": [{"code": "read"}, {"code": "search-type"}],
                        "searchParam": [
                            {"name": parameter, "type": _PARAMETER_TYPES.get(parameter, "string")}
                            for parameter in sorted(parameters)
                            if parameter != "_count"
                        ],
                    }
                    for name, parameters in _SEARCHES.items()
                ],
            }
        ],
    }


_PARAMETER_TYPES = {
    "identifier": "token",
    "patient": "reference",
    "date": "date",
    "status": "token",
    "service-category": "token",
    "_id": "token",
}


def bearer(instance: Instance, authorization: str, *, now: datetime) -> Token:
    """The token of an Authorization header, or raise FhirRefusal 401."""
    scheme, _, value = authorization.partition(" ")
    token = instance.tokens.get(value.strip()) if scheme.lower() == "bearer" else None
    if token is None or now >= token.expires_at:
        raise FhirRefusal(401, "login", "4100", "The access token is missing, unknown or expired.")
    return token


def read(instance: Instance, token: Token, kind: str, id: str) -> Resource:
    """One resource, or raise FhirRefusal."""
    _check_kind(kind)
    _check_scope(token, kind)
    for resource in _all(instance, kind):
        if resource["id"] == id:
            if not _within(token, resource):
                raise FhirRefusal(403, "forbidden", "4118", "User not authorized for this record.")
            return resource
    raise FhirRefusal(404, "not-found", "4101", "Resource not found.")


def search(instance: Instance, token: Token, kind: str, sent: list[tuple[str, str]]) -> Resource:
    """A searchset Bundle, or raise FhirRefusal. Parameters that are not offered are refused, not ignored."""
    _check_kind(kind)
    _check_scope(token, kind)
    unknown = {name.partition(":")[0] for name, _ in sent} - _SEARCHES[kind]
    if unknown:
        raise FhirRefusal(400, "invalid", "59108", f"Unknown search parameter: {', '.join(sorted(unknown))}.")
    if not any(name != "_count" for name, _ in sent):
        raise FhirRefusal(400, "required", "59100", "A search needs a parameter to search by.")
    found = [
        resource
        for resource in _all(instance, kind)
        if _within(token, resource) and all(_matches(resource, name, value) for name, value in sent)
    ]
    query = f"?{urlencode(sent)}" if sent else ""
    bundle: Resource = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(found),
        "link": [{"relation": "self", "url": f"{instance.fhir_base}/{kind}{query}"}],
        "entry": [
            {
                "fullUrl": f"{instance.fhir_base}/{kind}/{resource['id']}",
                "resource": resource,
                "search": {"mode": "match"},
            }
            for resource in found
        ],
    }
    if not found:
        # Epic says in the bundle that it looked and found nothing.
        outcome = operation_outcome(
            severity="warning",
            issue="processing",
            epic_code="4101",
            text="Resource request returns no results.",
        )
        bundle["entry"] = [{"resource": outcome, "search": {"mode": "outcome"}}]
    return bundle


def _check_kind(kind: str) -> None:
    if kind not in _SEARCHES:
        raise FhirRefusal(404, "not-supported", "59187", "This resource is not offered.")


def _check_scope(token: Token, kind: str) -> None:
    if not any(scope.partition("/")[2] == f"{kind}.read" for scope in token.scopes):
        raise InsufficientScope(403, "forbidden", "4118", "The token's scope does not include this resource.")


def _within(token: Token, resource: Resource) -> bool:
    """Whether a token that belongs to a patient may see `resource`: only their own."""
    if not any(scope.startswith("patient/") for scope in token.scopes):
        return True
    own = f"Patient/{token.patient}"
    match resource["resourceType"]:
        case "Patient":
            return bool(resource["id"] == token.patient)
        case "Appointment":
            return any(one["actor"]["reference"] == own for one in resource["participant"])
        case "Encounter":
            return bool(resource["subject"]["reference"] == own)
        case "RelatedPerson":
            return bool(resource["patient"]["reference"] == own)
    return True


def _matches(resource: Resource, name: str, value: str) -> bool:
    match name:
        case "_count":
            return True
        case "_id":
            return bool(resource["id"] == value)
        case "identifier":
            return _has_identifier(resource, value)
        case "patient":
            return _is_about(resource, value)
        case "date":
            return _on_date(resource, value)
        case "status":
            return resource["status"] in value.split(",")
        case "service-category":
            return value.rpartition("|")[2] == "appointment"
        case "family" | "given" | "name":
            return _is_named(resource, name, value)
    raise FhirRefusal(400, "invalid", "59108", f"Unknown search parameter: {name}.")


def _has_identifier(resource: Resource, value: str) -> bool:
    system, bar, number = value.rpartition("|")
    return any(
        one["value"] == number and (not bar or one["system"] == system) for one in resource["identifier"]
    )


def _is_about(resource: Resource, value: str) -> bool:
    reference = f"Patient/{value.removeprefix('Patient/')}"
    people = [one["actor"]["reference"] for one in resource.get("participant", ()) if "actor" in one]
    about = [resource[part]["reference"] for part in ("subject", "patient") if part in resource]
    return reference in (*people, *about)


def _is_named(resource: Resource, part: str, value: str) -> bool:
    name = resource["name"][0]
    texts = {"family": [name["family"]], "given": name["given"], "name": [name["text"]]}[part]
    return any(value.casefold() in text.casefold() for text in texts)


def _on_date(resource: Resource, value: str) -> bool:
    prefix, rest = (value[:2], value[2:]) if value[:2].isalpha() else ("eq", value)
    start = datetime.fromisoformat(resource.get("start") or resource["period"]["start"])
    try:
        first = datetime.fromisoformat(rest)
    except ValueError as unreadable:
        raise FhirRefusal(400, "value", "59109", "The date cannot be read.") from unreadable
    whole_day = len(rest) == len("2027-01-15")
    first = first if first.tzinfo else first.replace(tzinfo=UTC)
    last = first + (timedelta(days=1) if whole_day else timedelta(seconds=1))
    match prefix:
        case "eq":
            return first <= start < last
        case "ge":
            return start >= first
        case "gt":
            return start >= last
        case "le":
            return start < last
        case "lt":
            return start < first
    raise FhirRefusal(400, "value", "59109", f"The date prefix {prefix} is not offered.")


def _all(instance: Instance, kind: str) -> list[Resource]:
    name = instance.name
    match kind:
        case "Appointment":
            return [appointment(name, booking) for booking in instance.schedule.bookings]
        case "Encounter":
            return [encounter(name, booking) for booking in instance.schedule.bookings]
        case "Patient":
            return [patient_resource(name, one) for one in PATIENTS.values()]
        case "Practitioner":
            return [practitioner(name, one) for one in PROVIDERS.values()]
        case "RelatedPerson":
            return [related_person(name, one) for one in PROXIES.values()]
    return []


_APPOINTMENT_STATUS = {
    Standing.SCHEDULED: "booked",
    Standing.COMPLETED: "fulfilled",
    Standing.CANCELED: "cancelled",
    Standing.NO_SHOW: "noshow",
}
_ENCOUNTER_STATUS = {
    Standing.SCHEDULED: "planned",
    Standing.COMPLETED: "finished",
    Standing.CANCELED: "cancelled",
    Standing.NO_SHOW: "cancelled",
}


def appointment(instance: str, booking: Booking) -> Resource:
    period = {"start": _utc(booking.start), "end": _utc(booking.end)}
    actors = [
        (f"Patient/{fhir_id(instance, 'Patient', booking.patient.key)}", booking.patient.name),
        (f"Practitioner/{fhir_id(instance, 'Practitioner', booking.provider.key)}", booking.provider.name),
        (f"Location/{fhir_id(instance, 'Location', booking.department.id)}", booking.department.name),
    ]
    return {
        "resourceType": "Appointment",
        # The resource stays the same through every move; only its CSN changes.
        "id": fhir_id(instance, "Appointment", booking.original_csn),
        "identifier": [{"system": oid(instance, CSN), "value": booking.csn}],
        "status": _APPOINTMENT_STATUS[booking.standing],
        "serviceCategory": [
            {
                "coding": [
                    {
                        "system": "http://open.epic.com/FHIR/StructureDefinition/appointment-service-category",
                        "code": "appointment",
                        "display": "appointment",
                    }
                ],
                "text": "appointment",
            }
        ],
        "serviceType": [
            {
                "coding": [
                    {
                        "system": oid(instance, VISIT_TYPE),
                        "code": booking.visit_type.id,
                        "display": booking.visit_type.name,
                    }
                ]
            }
        ],
        "appointmentType": {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
                    "code": "AMB",
                    "display": "ambulatory",
                }
            ]
        },
        "start": period["start"],
        "end": period["end"],
        "minutesDuration": booking.minutes,
        "participant": [
            {
                "actor": {"reference": reference, "display": display},
                "required": "required",
                "status": "accepted",
                "period": period,
            }
            for reference, display in actors
        ],
    }


def encounter(instance: str, booking: Booking) -> Resource:
    return {
        "resourceType": "Encounter",
        "id": fhir_id(instance, "Encounter", booking.original_csn),
        "identifier": [{"use": "usual", "system": oid(instance, CSN), "value": booking.csn}],
        "status": _ENCOUNTER_STATUS[booking.standing],
        "class": {
            "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
            "code": "AMB",
            "display": "ambulatory",
        },
        "subject": {
            "reference": f"Patient/{fhir_id(instance, 'Patient', booking.patient.key)}",
            "display": booking.patient.name,
        },
        "participant": [
            {
                "individual": {
                    "reference": f"Practitioner/{fhir_id(instance, 'Practitioner', booking.provider.key)}",
                    "display": booking.provider.name,
                }
            }
        ],
        "appointment": [
            {"reference": f"Appointment/{fhir_id(instance, 'Appointment', booking.original_csn)}"}
        ],
        "period": {"start": _utc(booking.start), "end": _utc(booking.end)},
    }


def patient_resource(instance: str, one: Patient) -> Resource:
    telecom = [
        {"system": "phone", "value": mobile_e164(digits), "use": use}
        for digits, use in ((one.mobile, "mobile"), (one.home, "home"))
        if digits
    ]
    if one.email:
        telecom.append({"system": "email", "value": one.email})
    return {
        "resourceType": "Patient",
        "id": fhir_id(instance, "Patient", one.key),
        "identifier": [
            {"use": "usual", "type": {"text": "MRN"}, "system": oid(instance, MRN), "value": one.mrn},
            {"type": {"text": "MYCHART"}, "system": oid(instance, MYCHART), "value": one.mychart},
        ],
        "active": True,
        "name": [_name(one.family, one.given)],
        "telecom": telecom,
        "gender": _gender(one.sex),
        "birthDate": _day(one.born),
        "communication": [
            {
                "language": {"coding": [{"system": "urn:ietf:bcp:47", "code": one.language}]},
                "preferred": True,
            }
        ],
    }


def practitioner(instance: str, one: Provider) -> Resource:
    return {
        "resourceType": "Practitioner",
        "id": fhir_id(instance, "Practitioner", one.key),
        "identifier": [
            {
                "use": "usual",
                "type": {"text": "EXTERNAL"},
                "system": oid(instance, EMPLOYEE),
                "value": one.employee,
            },
            {"use": "usual", "type": {"text": "NPI"}, "system": NPI, "value": one.npi},
        ],
        "active": True,
        "name": [_name(one.family, one.given, prefix="Dr.")],
        "telecom": [{"system": "email", "value": one.email, "use": "work"}],
        "gender": _gender(one.sex),
    }


def related_person(instance: str, one: Proxy) -> Resource:
    return {
        "resourceType": "RelatedPerson",
        "id": fhir_id(instance, "RelatedPerson", one.key),
        "identifier": [{"type": {"text": "MYCHART"}, "system": oid(instance, MYCHART), "value": one.mychart}],
        "active": True,
        "patient": {"reference": f"Patient/{fhir_id(instance, 'Patient', one.patient)}"},
        "relationship": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode",
                        "code": one.relationship,
                    }
                ]
            }
        ],
        "name": [_name(one.family, one.given)],
    }


def _name(family: str, given: str, *, prefix: str = "") -> Mapping[str, object]:
    name: dict[str, object] = {
        "use": "official",
        "text": " ".join(part for part in (prefix, given, family) if part),
        "family": family,
        "given": given.split(),
    }
    return {**name, "prefix": [prefix]} if prefix else name


def _gender(sex: str) -> str:
    return {"F": "female", "M": "male"}.get(sex, "unknown")


def _day(day: date) -> str:
    return day.isoformat()


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
