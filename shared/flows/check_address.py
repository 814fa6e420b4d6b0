"""Look at Epic before an approver is asked: the address, the sign-in, and all three client ids."""

from dataclasses import dataclass, replace

from shared.domain.environment import Connection, Environment, EnvironmentId, EnvironmentKind, EpicClient
from shared.domain.errors import Refused
from shared.domain.fhir_check import AddressCheck
from shared.domain.preflight import Preflight
from shared.domain.words import said
from shared.flows.ports import AddressChecker, EpicPreflight


@dataclass(frozen=True, slots=True)
class Looking:
    """The two ways to look at Epic, and the address to which its sign-in returns."""

    checker: AddressChecker
    preflight: EpicPreflight
    redirect_uri: str


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found. `preflight` is None when no sign-in was found to try client ids at."""

    address: AddressCheck
    preflight: Preflight | None

    @property
    def ok(self) -> bool:
        """Whether an approver could sign in and everything would work afterwards, as far as can be seen."""
        return self.address.ok and self.preflight is not None and self.preflight.ok


class NotReady(Refused):
    """Something would keep the approver from approving, or the environment from working. `looked` says what."""

    def __init__(self, looked: Looked) -> None:
        super().__init__(
            {
                "": said(
                    "Something is not ready at Epic yet. See below what it is, or ask for approval all the same."
                )
            }
        )
        self.looked = looked


async def look(environment: EnvironmentId, connection: Connection, *, given: Looking) -> Looked:
    """What Epic says about `connection`. Nobody is asked, and nothing is changed, anywhere."""
    found = await given.checker.check(
        connection.fhir_base_url, connection.clients.get(EpicClient.PROVIDER, "")
    )
    if not found.endpoints:
        return Looked(found, None)
    pinned = replace(
        connection,
        authorize_url=found.endpoints["authorize_url"],
        token_url=found.endpoints["token_url"],
        issuer=found.endpoints["issuer"],
        keys_url=found.endpoints["keys_url"],
    )
    tried = await given.preflight.try_clients(environment, pinned, redirect_uri=given.redirect_uri)
    return Looked(found, tried)


def asks_unlooked(environment: Environment) -> bool:
    """Whether a program may ask without such a decision: for a test environment, whose analyst may well be the
    one who finishes the set-up.
    """
    return environment.kind is EnvironmentKind.TEST
