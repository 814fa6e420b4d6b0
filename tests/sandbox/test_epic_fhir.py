"""Sandbox Epic's FHIR answers are valid R4, and go only to tokens that may see them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fhirclient.models import (
    appointment,
    bundle,
    capabilitystatement,
    encounter,
    operationoutcome,
    patient,
    practitioner,
    relatedperson,
)

from tests.sandbox.epic_stage import Stage, stage

BASE = "/epic/test/api/FHIR/R4"
MODELS = {
    "Appointment": appointment.Appointment,
    "Bundle": bundle.Bundle,
    "CapabilityStatement": capabilitystatement.CapabilityStatement,
    "Encounter": encounter.Encounter,
    "OperationOutcome": operationoutcome.OperationOutcome,
    "Patient": patient.Patient,
    "Practitioner": practitioner.Practitioner,
    "RelatedPerson": relatedperson.RelatedPerson,
}


@pytest_asyncio.fixture
async def epic(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as set_up:
        yield set_up


def valid(resource: dict[str, Any]) -> Any:
    """The resource as the public FHIR library understands it: strict about everything that is there."""
    return MODELS[resource["resourceType"]](resource, strict=True)


async def get(epic: Stage, path: str, token: str, **parameters: str) -> httpx.Response:
    return await epic.browser.get(
        f"{BASE}/{path}", params=parameters, headers={"Authorization": f"Bearer {token}"}
    )


async def test_the_resources_of_a_launch_are_valid_and_belong_together(epic: Stage) -> None:
    booking = epic.desk.book(patient="mei", minutes=20).booking
    launch = await epic.launch(booking.csn)
    token = launch["access_token"]

    found = valid((await get(epic, f"Appointment/{launch['appointment']}", token)).json())
    met = valid((await get(epic, f"Encounter/{launch['encounter']}", token)).json())
    who = valid((await get(epic, f"Patient/{launch['patient']}", token)).json())

    assert found.identifier[0].value == met.identifier[0].value == booking.csn
    assert found.start.as_json() == "2027-01-15T19:00:00Z"
    assert found.end.as_json() == "2027-01-15T19:20:00Z"
    assert found.serviceType[0].coding[0].display == "VIDEO VISIT"
    assert found.participant[0].actor.reference == met.subject.reference == f"Patient/{who.id}"


async def test_a_clinician_is_known_by_address_and_numbers(epic: Stage) -> None:
    launch = await epic.launch(epic.desk.book().booking.csn)

    found = (await get(epic, "Practitioner", launch["access_token"], family="Carter")).json()
    clinician = valid(found["entry"][0]["resource"])

    assert valid(found).total == 1
    assert [one.value for one in clinician.telecom] == ["susan.carter@lamna.example"]
    assert {one.type.text: one.value for one in clinician.identifier}["EXTERNAL"] == "10023"


async def test_who_acts_for_a_patient_points_to_the_patient(epic: Stage) -> None:
    launch = await epic.launch(epic.desk.book(patient="theo").booking.csn, role="patient", person="proxy")

    found = (await get(epic, "RelatedPerson", launch["access_token"], patient=launch["patient"])).json()

    assert valid(found["entry"][0]["resource"]).patient.reference == f"Patient/{launch['patient']}"


@pytest.mark.parametrize(
    ("name", "total"),
    [("csn", 1), ("system|csn", 1), ("wrong system|csn", 0), ("another csn", 0)],
)
async def test_an_appointment_is_found_by_its_csn(epic: Stage, name: str, total: int) -> None:
    booking = epic.desk.book().booking
    epic.desk.book(patient="jordan")
    identifier = {
        "csn": booking.csn,
        "system|csn": f"urn:oid:1.2.840.114350.1.13.999.3.7.3.698084.8|{booking.csn}",
        "wrong system|csn": f"urn:oid:1.2.3|{booking.csn}",
        "another csn": "404",
    }[name]

    found = (await get(epic, "Appointment", await epic.backend_token(), identifier=identifier)).json()

    assert valid(found).total == total
    if not total:
        assert found["entry"][0]["resource"]["issue"][0]["details"]["coding"][0]["code"] == "4101"


async def test_an_appointment_stays_the_same_resource_when_it_moves(epic: Stage) -> None:
    first = epic.desk.book().booking
    launch = await epic.launch(first.csn)
    moved = epic.desk.reschedule(first.csn, start=epic.now[0]).booking

    found = (await get(epic, f"Appointment/{launch['appointment']}", launch["access_token"])).json()

    assert found["identifier"][0]["value"] == moved.csn
    assert found["start"] == "2027-01-15T17:00:00Z"


@pytest.mark.parametrize(
    ("date", "total"),
    [
        ("2027-01-15", 1),
        ("ge2027-01-15", 1),
        ("gt2027-01-15", 0),
        ("lt2027-01-15T20:00:00Z", 1),
        ("2027-01-16", 0),
    ],
)
async def test_appointments_are_found_by_date(epic: Stage, date: str, total: int) -> None:
    epic.desk.book()

    found = (await get(epic, "Appointment", await epic.backend_token(), date=date)).json()

    assert found["total"] == total


async def test_a_patient_sees_only_their_own(epic: Stage) -> None:
    own = epic.desk.book(patient="elena").booking
    epic.desk.book(patient="jordan")
    other = await epic.launch(epic.desk.book(patient="jordan").booking.csn)
    launch = await epic.launch(own.csn, role="patient")

    mine = (await get(epic, "Appointment", launch["access_token"], status="booked")).json()
    theirs = await get(epic, f"Appointment/{other['appointment']}", launch["access_token"])

    assert mine["total"] == 1
    assert theirs.status_code == 403


async def test_a_token_reaches_only_what_was_granted(epic: Stage) -> None:
    launch = await epic.launch(epic.desk.book().booking.csn)

    refused = await get(epic, f"Patient/{launch['patient']}", await epic.backend_token())

    assert refused.status_code == 403
    assert refused.headers["www-authenticate"] == 'Bearer error="insufficient_scope"'
    assert valid(refused.json()).issue[0].details.coding[0].code == "4118"


@pytest.mark.parametrize("authorization", ["", "Bearer made-up", "Basic YTpi"])
async def test_without_a_token_nothing_is_read(epic: Stage, authorization: str) -> None:
    refused = await epic.browser.get(f"{BASE}/Patient/1", headers={"Authorization": authorization})

    assert refused.status_code == 401
    assert valid(refused.json()).issue[0].code == "login"


async def test_a_token_expires(epic: Stage) -> None:
    token = await epic.backend_token()
    epic.later(hours=1)

    assert (await get(epic, "Appointment", token, date="2027-01-15")).status_code == 401


@pytest.mark.parametrize(
    ("path", "parameters", "status"),
    [
        ("Appointment/unknown", {}, 404),
        ("Observation/1", {}, 404),
        ("Appointment", {}, 400),
        ("Appointment", {"colour": "blue"}, 400),
        ("Appointment", {"date": "someday"}, 400),
    ],
    ids=["unknown id", "unknown resource", "no parameter", "unknown parameter", "unreadable date"],
)
async def test_a_refusal_is_an_operation_outcome(
    epic: Stage, path: str, parameters: dict[str, str], status: int
) -> None:
    epic.desk.book()

    refused = await get(epic, path, await epic.backend_token(), **parameters)

    assert refused.status_code == status
    assert valid(refused.json())


async def test_the_capability_statement_is_valid(epic: Stage) -> None:
    assert valid((await epic.browser.get(f"{BASE}/metadata")).json()).fhirVersion == "4.0.1"
