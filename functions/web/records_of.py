"""What pages and API both need about records: which environments a person sees, and what each is called."""

from collections.abc import Sequence

from shared.domain.environment import Environment, EnvironmentId
from shared.domain.errors import NotFound
from shared.domain.integration_record import KINDS, Record, records_of, sample_link
from shared.domain.launch import LaunchRole
from shared.domain.record_comparison import Against
from shared.domain.words import said
from shared.wiring import Services

_SAMPLE_ROLES = (LaunchRole.PROVIDER, LaunchRole.PATIENT, LaunchRole.DEVICE_TEST)


def one_of(every: Sequence[Environment], wanted: str) -> Environment:
    """Raises NotFound."""
    one = next((one for one in every if one.id == wanted), None)
    if one is None:
        raise NotFound(said("There is no such environment."))
    return one


def records(services: Services, one: Environment) -> tuple[Record, ...]:
    """The records with the approved connection; none before that."""
    if one.live is None:
        return ()
    return records_of(
        one,
        connection=one.live.connection,
        book=services.record_book(),
        app=services.settings.public_base_url,
    )


def against(one: Environment, every: Sequence[Environment]) -> Against:
    return Against(one.id, {other.id: called(other, one) for other in every if other.id != one.id})


def called(other: Environment, own: Environment) -> str:
    """What another environment is called beside this one: by its kind when that differs."""
    if other.kind is not own.kind:
        return KINDS[other.kind]
    return f"{other.operation.organization} ({other.id})"


def samples(services: Services, one: Environment, launch: str) -> list[tuple[str, str]]:
    """For each record that begins launches, the link that Epic would open. None before an approval."""
    if one.live is None:
        return []
    iss, app = one.live.connection.fhir_base_url, services.settings.public_base_url
    return [
        (
            role.value,
            sample_link(app=app, environment=EnvironmentId(one.id), role=role, iss=iss, launch=launch),
        )
        for role in _SAMPLE_ROLES
    ]
