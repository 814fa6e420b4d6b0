"""What this stamp's settings say, for the checks that compare it with what is observed."""

from shared.flows.probe_readiness import Deployment
from shared.settings import Settings


def deployment_of(settings: Settings) -> Deployment:
    """The facts of `settings` that a readiness check compares, and the secrets that a person has to provide."""
    given = {
        "entra-client-secret": settings.entra_credential == "secret",
        "communication-key": settings.communication_credential == "key",
    }
    return Deployment(
        client_id=settings.entra_client_id,
        mailbox=settings.mail_from,
        geography=settings.geography,
        region=settings.region,
        given_secrets=tuple(name for name, needed in given.items() if needed),
    )
