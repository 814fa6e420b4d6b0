"""The invented hospital: its patients, clinicians, departments and kinds of visit. Nobody here exists.

Telephone numbers come from the range that is reserved for fiction (555-01xx), addresses from `.example`.
"""

import base64
import hashlib
from dataclasses import dataclass
from datetime import date

# Epic writes ids as object identifiers below its own root; 999 stands for a customer that does not exist.
_OID_ROOT = "1.2.840.114350.1.13.999"
# Epic numbers its kinds of instances: 2 is production, 3 is anything else.
_OID_ENVIRONMENT = {"production": "2", "test": "3"}


@dataclass(frozen=True, slots=True)
class Language:
    """A language as Epic names it in PID-15 (ISO 639-2) and as the web does (BCP 47)."""

    tag: str
    code: str
    name: str


LANGUAGES = {
    "en": Language("en", "eng", "English"),
    "es": Language("es", "spa", "Spanish"),
    "zh": Language("zh", "chi", "Chinese"),
}


@dataclass(frozen=True, slots=True)
class Patient:
    """An invented patient. `mobile` and `home` are ten digits, empty when Epic has none."""

    key: str
    family: str
    given: str
    born: date
    sex: str
    language: str
    mrn: str
    mychart: str
    mobile: str = ""
    home: str = ""
    email: str = ""
    confidential: bool = False

    @property
    def name(self) -> str:
        return f"{self.given} {self.family}"


@dataclass(frozen=True, slots=True)
class Proxy:
    """Someone who acts for a patient in MyChart, such as a parent."""

    key: str
    family: str
    given: str
    patient: str
    relationship: str
    mychart: str

    @property
    def name(self) -> str:
        return f"{self.given} {self.family}"


@dataclass(frozen=True, slots=True)
class Provider:
    """An invented clinician: an Epic user (employee id, network login) and a provider record."""

    key: str
    family: str
    given: str
    employee: str
    record: str
    npi: str
    login: str
    email: str
    sex: str
    title: str = "Dr."

    @property
    def name(self) -> str:
        return " ".join(part for part in (self.title, self.given, self.family) if part)


@dataclass(frozen=True, slots=True)
class Department:
    id: str
    name: str
    zone: str


@dataclass(frozen=True, slots=True)
class VisitType:
    """What is booked. `code` is the short name that Epic sends first, which need not be unique."""

    id: str
    code: str
    name: str


PATIENTS = {
    one.key: one
    for one in (
        Patient(
            key="elena",
            family="Ruiz",
            given="Elena",
            born=date(1984, 3, 9),
            sex="F",
            language="es",
            mrn="700142",
            mychart="165790",
            mobile="2065550142",
            home="2065550188",
            email="elena.ruiz@mail.example",
        ),
        Patient(
            key="jordan",
            family="Blake",
            given="Jordan",
            born=date(1991, 11, 30),
            sex="M",
            language="en",
            mrn="700117",
            mychart="165801",
            mobile="2065550117",
            email="jordan.blake@mail.example",
        ),
        Patient(
            key="mei",
            family="Chen",
            given="Mei 美玲",
            born=date(1958, 6, 2),
            sex="F",
            language="zh",
            mrn="700163",
            mychart="165812",
            mobile="2065550163",
            home="2065550164",
        ),
        Patient(
            key="theo",
            family="Okafor",
            given="Theo",
            born=date(2019, 1, 15),
            sex="M",
            language="en",
            mrn="700125",
            mychart="165823",
            mobile="2065550125",
        ),
        Patient(
            key="rosa",
            family="Núñez",
            given="Rosa",
            born=date(1947, 8, 21),
            sex="F",
            language="es",
            mrn="700139",
            mychart="165834",
            home="2065550139",
        ),
        Patient(
            key="sam",
            family="Lindqvist",
            given="Sam",
            born=date(1999, 12, 5),
            sex="F",
            language="en",
            mrn="700171",
            mychart="165845",
            mobile="2065550171",
            confidential=True,
        ),
    )
}

PROXIES = {
    one.key: one
    for one in (
        Proxy(
            key="amara",
            family="Okafor",
            given="Amara",
            patient="theo",
            relationship="MTH",
            mychart="165856",
        ),
    )
}

PROVIDERS = {
    one.key: one
    for one in (
        Provider(
            key="susan",
            family="Carter",
            given="Susan",
            employee="10023",
            record="2001",
            npi="1000000001",
            login="SCARTER",
            email="susan.carter@lamna.example",
            sex="F",
        ),
        Provider(
            key="omar",
            family="Reyes",
            given="Omar",
            employee="10047",
            record="2002",
            npi="1000000002",
            login="OREYES",
            email="omar.reyes@lamna.example",
            sex="M",
        ),
    )
}

# Works in Epic and treats nobody. Epic names every user of its own a Practitioner.
ANALYSTS = {
    one.key: one
    for one in (
        Provider(
            key="priya",
            family="Nair",
            given="Priya",
            employee="10088",
            record="",
            npi="",
            login="PNAIR",
            email="priya.nair@lamna.example",
            sex="F",
            title="",
        ),
    )
}

DEPARTMENTS = {
    one.id: one
    for one in (
        Department("10501", "LAMNA FAMILY MEDICINE", "America/Los_Angeles"),
        Department("10502", "LAMNA HEART CENTER", "America/Los_Angeles"),
        Department("10503", "LAMNA CLINIC DENVER", "America/Denver"),
        Department("10590", "LAMNA SURGERY CENTER", "America/Los_Angeles"),
    )
}

VISIT_TYPES = {
    "video": VisitType("2311", "VIDEO", "VIDEO VISIT"),
    "in-person": VisitType("2312", "OFFICE", "OFFICE VISIT"),
    "surgery": VisitType("2390", "SURG", "SURGERY"),
}


def fhir_id(instance: str, kind: str, key: str) -> str:
    """An id as Epic's FHIR makes them: opaque, stable, and another one in each instance."""
    digest = hashlib.sha256(f"{instance}|{kind}|{key}".encode()).digest()[:24]
    return "e" + base64.urlsafe_b64encode(digest).decode().replace("_", ".")


def oid(instance: str, value: str) -> str:
    """The identifier system `value` of an instance, such as `7.3.698084.8` for contact serial numbers."""
    return f"urn:oid:{_OID_ROOT}.{_OID_ENVIRONMENT[instance]}.{value}"


CSN = "7.3.698084.8"
VISIT_TYPE = "7.2.808267"
EMPLOYEE = "7.2.697780"
DEPARTMENT = "7.2.686980"
MRN = "7.5.737384.14"
MYCHART = "7.2.878082"
NPI = "urn:oid:2.16.840.1.113883.4.6"


def mobile_e164(digits: str) -> str:
    return f"+1{digits}"
