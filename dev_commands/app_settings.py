"""The settings with which the app runs on a laptop: the same names as in Azure, leading to the sandbox."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Timers tick quickly here, so that nobody waits a minute to see a reminder.
_TICKS = {
    "REMINDER_TICK": "*/2 * * * * *",
    "SUBSCRIPTION_TICK": "*/2 * * * * *",
    "RECONCILE_TICK": "*/5 * * * * *",
    "RETENTION_TICK": "*/5 * * * * *",
}

# Where the sandbox's Azure keeps this app, so that its region can be asked for.
_OWN_RESOURCE = (
    "subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/visits"
    "/providers/Microsoft.Web/sites/visits"
)


def app_settings(
    *, app: str, sandbox: Mapping[str, Any], storage: str, state: Path, call_events: str = "v1.0"
) -> dict[str, str]:
    """The app settings of a local run. `app` is its own address, `sandbox` what the sandbox wrote to sandbox.json."""
    s, t = str(sandbox["http"]).rstrip("/"), str(sandbox["tls"]).rstrip("/")
    authorities = str(state / "ca-bundle.pem")
    return {
        "AzureWebJobsStorage": storage,
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "GEOGRAPHY": "americas",
        "REGION": "eastus2",
        "PUBLIC_BASE_URL": app,
        "TENANTS": json.dumps({sandbox["tenant"]: {"name": "Lamna Healthcare", "home": app}}),
        "KEY_VAULT_URL": t,
        "ENTRA_CLIENT_ID": sandbox["entra_client_id"],
        "ENTRA_CREDENTIAL": "secret",
        "AZURE_AUTHORITY_HOST": t,
        "GRAPH_BASE_URL": f"{s}/graph",
        "CALL_EVENTS_VERSION": call_events,
        "COMMUNICATION_ENDPOINT": f"{s}/communication",
        "COMMUNICATION_CREDENTIAL": "key",
        # The sandbox's Epic is on this machine, and speaks plain http.
        "PRIVATE_FHIR_HOSTS": s.split("://", 1)[1],
        "MAIL_FROM": "visits@lamna.example",
        "AZURE_RESOURCE_MANAGER": f"{s}/arm/{_OWN_RESOURCE}",
        **_TICKS,
        # With these the unchanged Azure clients sign in to the sandbox's Entra and trust its throw-away authority.
        "AZURE_TENANT_ID": sandbox["tenant"],
        "AZURE_CLIENT_ID": sandbox["entra_client_id"],
        "AZURE_CLIENT_SECRET": sandbox["entra_client_secret"],
        "SSL_CERT_FILE": authorities,
        "REQUESTS_CA_BUNDLE": authorities,
    }
