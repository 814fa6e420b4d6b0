"""The shapes of the approvals API: what waits, what was found at Epic, and what asking and deciding take."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from functions.web.portal_models import Model
from functions.web.version_models import DifferenceOut, difference_out
from shared.domain.difference import differences
from shared.domain.environment import Environment, EnvironmentKind, EpicClient
from shared.domain.fhir_check import AddressCheck, CheckCode
from shared.domain.last_check import LastCheck
from shared.domain.preflight import Preflight, PreflightCode
from shared.flows.check_address import Looked


class AddressIn(Model):
    fhir_base_url: str = Field(max_length=2000)
    client_id: str = Field("", max_length=200, description="Epic may name other addresses for other clients")


class FindingOut(Model):
    code: CheckCode
    said: str
    ok: bool
    warns: bool


class AddressCheckOut(Model):
    """`suggested_url` is an address at which a FHIR R4 server answered, empty when there is none to offer."""

    ok: bool
    findings: list[FindingOut]
    suggested_url: str
    fhir_version: str
    software_name: str
    software_version: str
    software_released: str
    endpoints: dict[str, str]


class LastCheckOut(Model):
    """The last look at the newest address; `at` is null while nobody has looked at it."""

    at: datetime | None
    ok: bool
    said: str
    fhir_version: str
    software: str


def last_check_out(found: LastCheck | None) -> LastCheckOut:
    if found is None:
        return LastCheckOut(at=None, ok=False, said="", fhir_version="", software="")
    return LastCheckOut(
        at=found.at,
        ok=found.problem is None,
        said=found.problem or "",
        fhir_version=found.fhir_version,
        software=found.software,
    )


class RemindedOut(Model):
    """How many approvers were told by e-mail: none where e-mail is off or nothing waits."""

    mails: int


class ClientOut(Model):
    client: EpicClient
    code: PreflightCode
    said: str
    ok: bool


class PreflightOut(Model):
    """`clients` is empty when no sign-in was found at which they could be tried."""

    ok: bool
    address: AddressCheckOut
    clients: list[ClientOut]


class VersionIn(Model):
    version: str = Field(default="", description="What was shown; refused when it changed since")


class SubmissionIn(Model):
    anyway: bool = Field(
        default=False,
        description="Ask although something is not ready at Epic. A test environment needs no such decision",
    )


class DecisionIn(Model):
    decision: Literal["approve", "reject"]
    content_hash: str = Field(max_length=100, description="Of what was looked at, from `GET /approvals`")
    reason: str = Field("", max_length=2000, description="5 to 500 characters, needed to reject")


class ApprovalOut(Model):
    environment: str
    organization: str
    kind: EnvironmentKind
    fhir_base_url: str
    content_hash: str
    asked_by: str
    asked_at: datetime
    first: bool = Field(description="Nothing was approved before")
    differences: list[DifferenceOut]


class ApprovalsOut(Model):
    waiting: list[ApprovalOut]


def address_out(found: AddressCheck) -> AddressCheckOut:
    return AddressCheckOut(
        ok=found.ok,
        findings=[
            FindingOut(code=one.code, said=str(one.said), ok=one.ok, warns=one.warns)
            for one in found.findings
        ],
        suggested_url=found.suggested_url,
        fhir_version=found.fhir_version,
        software_name=found.software.name,
        software_version=found.software.version,
        software_released=found.software.released,
        endpoints=dict(found.endpoints),
    )


def preflight_out(looked: Looked) -> PreflightOut:
    tried = looked.preflight or Preflight(())
    return PreflightOut(
        ok=looked.ok,
        address=address_out(looked.address),
        clients=[
            ClientOut(client=one.client, code=one.code, said=str(one.said), ok=one.ok)
            for one in tried.results
        ],
    )


def approval_out(one: Environment) -> ApprovalOut:
    newest = one.newest
    return ApprovalOut(
        environment=one.id,
        organization=one.operation.organization,
        kind=one.kind,
        fhir_base_url=newest.connection.fhir_base_url,
        content_hash=newest.connection.content_hash(),
        asked_by=newest.saved_by,
        asked_at=newest.saved_at,
        first=one.live is None,
        differences=[
            difference_out(each)
            for each in differences(one.live.connection if one.live else None, newest.connection)
        ],
    )
