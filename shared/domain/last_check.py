"""The last look at the address of an environment, kept for the list: did it pass, when, and what answered.

It is no part of the configuration: looking again changes nothing that an approver approved.
"""

from dataclasses import dataclass
from datetime import datetime

from shared.domain.environment import Environment, EnvironmentId
from shared.domain.fhir_check import AddressCheck
from shared.domain.words import Said


@dataclass(frozen=True, slots=True)
class LastCheck:
    """What was found at `url`. `problem` is the first thing that stood in the way, None when nothing did."""

    environment: EnvironmentId
    url: str
    at: datetime
    fhir_version: str = ""
    software: str = ""
    problem: Said | None = None

    def is_of(self, environment: Environment) -> bool:
        """Whether the environment still has the address that was looked at."""
        return self.environment == environment.id and self.url == environment.newest.connection.fhir_base_url


def last_check(environment: EnvironmentId, url: str, found: AddressCheck, *, at: datetime) -> LastCheck:
    """What is worth keeping of `found`."""
    named = (found.software.name, found.software.version)
    return LastCheck(
        environment=environment,
        url=url,
        at=at,
        fhir_version=found.fhir_version,
        software=", ".join(one for one in named if one),
        problem=found.problem,
    )
