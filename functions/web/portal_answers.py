"""The shapes of the portal's API: a tenant and an environment as they come back."""

from dataclasses import replace
from datetime import datetime

from pydantic import Field

from functions.web.portal_models import Model, OperationIn
from shared.domain.environment import (
    Certificate,
    Connection,
    Environment,
    EnvironmentKind,
    EpicClient,
    Stage,
    WriteBackSign,
    WriteBackTarget,
)


class TenantOut(Model):
    id: str
    name: str
    geography: str


class CertificateOut(Model):
    subject: str
    issuer: str
    serial: str
    fingerprint: str
    valid_from: datetime
    valid_until: datetime
    replaced: bool
    retires_at: datetime | None


class WriteBackOut(Model):
    url: str
    method: str
    sign: WriteBackSign
    vendor: str
    statuses: dict[str, str]
    names: dict[str, str]


class ConnectionOut(Model):
    fhir_base_url: str
    clients: dict[EpicClient, str]
    approvers: list[str]
    certificates: list[CertificateOut]
    write_back: WriteBackOut | None
    authorize_url: str
    token_url: str


class AddressesOut(Model):
    """What to enter in Epic, as paths below the address of the stamp."""

    hl7v2: str
    launch_provider: str
    launch_patient: str
    keys: dict[EpicClient, str]
    redirect: str


class EnvironmentOut(Model):
    id: str
    kind: EnvironmentKind
    stage: Stage
    live: bool
    version: str = Field(description="Send it back when changing; empty in lists")
    connection_version: int
    operation_version: int
    content_hash: str = Field(description="What an approval binds to")
    reason: str
    connection: ConnectionOut
    operation: OperationIn
    addresses: AddressesOut
    changed_by: str
    changed_at: datetime


class EnvironmentsOut(Model):
    environments: list[EnvironmentOut]


def shown(environment: Environment, *, version: str = "", whole: bool = False) -> EnvironmentOut:
    """An environment as the API answers it. `whole` shows the numbers that tests may text: administrators only."""
    operation = environment.operation
    if not whole:
        operation = replace(operation, texts=replace(operation.texts, only_numbers=()))
    newest = environment.newest
    return EnvironmentOut(
        id=environment.id,
        kind=environment.kind,
        stage=newest.stage,
        live=environment.live is not None,
        version=version,
        connection_version=newest.number,
        operation_version=environment.operation_version,
        content_hash=newest.connection.content_hash(),
        reason=newest.reason,
        connection=_connection(newest.connection),
        operation=OperationIn.of(operation),
        addresses=AddressesOut(
            hl7v2=f"/hl7v2/{environment.id}",
            launch_provider=f"/launch/{environment.id}/provider",
            launch_patient=f"/launch/{environment.id}/patient",
            keys={client: f"/keys/{environment.id}/{client}/.well-known/jwks.json" for client in EpicClient},
            redirect="/launch/callback",
        ),
        changed_by=environment.changed_by,
        changed_at=environment.changed_at,
    )


def _connection(one: Connection) -> ConnectionOut:
    return ConnectionOut(
        fhir_base_url=one.fhir_base_url,
        clients=one.clients,
        approvers=list(one.approvers),
        certificates=[_certificate(each) for each in one.certificates],
        write_back=_write_back(one.write_back),
        authorize_url=one.authorize_url,
        token_url=one.token_url,
    )


def _certificate(one: Certificate) -> CertificateOut:
    return CertificateOut(
        subject=one.subject,
        issuer=one.issuer,
        serial=one.serial,
        fingerprint=one.fingerprint,
        valid_from=one.valid_from,
        valid_until=one.valid_until,
        replaced=one.replaced,
        retires_at=one.retires_at,
    )


def _write_back(target: WriteBackTarget | None) -> WriteBackOut | None:
    if target is None:
        return None
    return WriteBackOut(
        url=target.url,
        method=target.method,
        sign=target.sign,
        vendor=target.vendor,
        statuses=target.statuses,
        names=target.names,
    )
