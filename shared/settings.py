"""Every setting of the app, read once from the mapping that is passed in; what is missing is named all at once."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from shared.domain.errors import DomainError
from shared.domain.geography import Geography, check_region
from shared.domain.tenant import AllowedTenant, TenantId


class BadSettings(DomainError):
    """The app cannot start with these settings. The text names every one that is missing or wrong."""


@dataclass(frozen=True, slots=True)
class Settings:
    geography: Geography
    region: str
    public_base_url: str
    tenants: dict[TenantId, AllowedTenant]
    storage_connection: str  # a connection string, or empty when identities are used
    table_endpoint: str
    queue_endpoint: str
    identity_client_id: str
    key_vault_url: str
    entra_client_id: str
    entra_credential: str
    authority: str
    graph_base_url: str
    call_events_version: str
    communication_endpoint: str
    communication_credential: str
    private_fhir_hosts: frozenset[str]
    mail_from: str  # the mailbox that tells approvers; empty: nobody is told by mail
    resource_manager: (
        str  # the app's own address in Azure Resource Manager; empty: its region is not observed
    )


# Every app setting, with the sentence that the documentation prints. A test keeps the list, the example
# file and the reader below the same.
DOCUMENTED: dict[str, str] = {
    "AzureWebJobsStorage": "Connection string of the stamp's storage account, for local runs only.",
    "AzureWebJobsStorage__tableServiceUri": "Table endpoint of the storage account, used with an identity.",
    "AzureWebJobsStorage__queueServiceUri": "Queue endpoint of the storage account, used with an identity.",
    "AzureWebJobsStorage__clientId": "Client id of the user-assigned identity that reads and writes storage.",
    "GEOGRAPHY": "Where this stamp's data lives: americas, emea or apac. Cannot change once storage is used.",
    "REGION": "The stamp's Azure region; must lie in its geography.",
    "PUBLIC_BASE_URL": "The address that Epic, patients and Graph call. Epic holds it for years: use your own domain.",
    "TENANTS": "JSON: each allowed Microsoft Entra tenant with its name and the address of its home stamp.",
    "KEY_VAULT_URL": "The key vault that holds the stamp's keys.",
    "ENTRA_CLIENT_ID": "The app registration for portal sign-in, the API and Microsoft Graph.",
    "ENTRA_CREDENTIAL": "How the app proves itself to Graph: federated (managed identity) or secret (key vault).",
    "AZURE_AUTHORITY_HOST": "Microsoft Entra's address; https://login.microsoftonline.com when empty.",
    "GRAPH_BASE_URL": "Microsoft Graph's address; https://graph.microsoft.com when empty.",
    "CALL_EVENTS_VERSION": "Graph version for call events: v1.0 or beta.",
    "COMMUNICATION_ENDPOINT": "Address of the Azure Communication Services resource that sends texts.",
    "COMMUNICATION_CREDENTIAL": "How the app proves itself there: identity or key (key vault).",
    "PRIVATE_FHIR_HOSTS": "FHIR servers (host:port) that may be private or plain http; empty in production.",
    "MAIL_FROM": "The one mailbox that tells approvers by e-mail; empty: no mail is sent.",
    "AZURE_RESOURCE_MANAGER": "The app's own address in Azure Resource Manager, to observe its region; may be empty.",
    "REMINDER_TICK": "When due texts are dispatched (six-field NCRONTAB).",
    "SUBSCRIPTION_TICK": "When meetings and call-event subscriptions are prepared.",
    "RECONCILE_TICK": "When visits whose end nobody told are judged.",
    "RETENTION_TICK": "When people are forgotten.",
}

_REQUIRED = (
    "GEOGRAPHY",
    "REGION",
    "PUBLIC_BASE_URL",
    "TENANTS",
    "KEY_VAULT_URL",
    "ENTRA_CLIENT_ID",
    "COMMUNICATION_ENDPOINT",
    "REMINDER_TICK",
    "SUBSCRIPTION_TICK",
    "RECONCILE_TICK",
    "RETENTION_TICK",
)


def settings_of_this_process() -> Settings:
    """The app settings that the Functions host put into the environment."""
    return read_settings(os.environ)


def read_settings(source: Mapping[str, str]) -> Settings:
    """The settings in `source`, or raise BadSettings with everything that is wrong in one message."""
    problems = [f"{name} is missing: {DOCUMENTED[name]}" for name in _REQUIRED if not source.get(name)]
    if not source.get("AzureWebJobsStorage") and not (
        source.get("AzureWebJobsStorage__tableServiceUri")
        and source.get("AzureWebJobsStorage__queueServiceUri")
    ):
        problems.append(
            "AzureWebJobsStorage is missing: give a connection string, or "
            "AzureWebJobsStorage__tableServiceUri and AzureWebJobsStorage__queueServiceUri"
        )
    problems += _wrong(source)
    if problems:
        raise BadSettings("The app cannot start. " + "; ".join(problems) + ".")
    return Settings(
        geography=Geography(source["GEOGRAPHY"]),
        region=source["REGION"],
        public_base_url=source["PUBLIC_BASE_URL"].rstrip("/"),
        tenants=_tenants(source["TENANTS"]),
        storage_connection=source.get("AzureWebJobsStorage", ""),
        table_endpoint=source.get("AzureWebJobsStorage__tableServiceUri", ""),
        queue_endpoint=source.get("AzureWebJobsStorage__queueServiceUri", ""),
        identity_client_id=source.get("AzureWebJobsStorage__clientId", ""),
        key_vault_url=source["KEY_VAULT_URL"].rstrip("/"),
        entra_client_id=source["ENTRA_CLIENT_ID"],
        entra_credential=source.get("ENTRA_CREDENTIAL") or "federated",
        authority=_authority(source),
        graph_base_url=(source.get("GRAPH_BASE_URL") or "https://graph.microsoft.com").rstrip("/"),
        call_events_version=source.get("CALL_EVENTS_VERSION") or "v1.0",
        communication_endpoint=source["COMMUNICATION_ENDPOINT"].rstrip("/"),
        communication_credential=source.get("COMMUNICATION_CREDENTIAL") or "identity",
        private_fhir_hosts=frozenset(
            host.strip() for host in source.get("PRIVATE_FHIR_HOSTS", "").split(",") if host.strip()
        ),
        mail_from=source.get("MAIL_FROM", "").strip(),
        resource_manager=source.get("AZURE_RESOURCE_MANAGER", "").rstrip("/"),
    )


def _wrong(source: Mapping[str, str]) -> list[str]:
    """What is there but cannot be used."""
    problems = []
    geography = source.get("GEOGRAPHY", "")
    if geography and geography not in set(Geography):
        problems.append(f"GEOGRAPHY must be one of {', '.join(Geography)}")
    elif geography and source.get("REGION"):
        try:
            check_region(Geography(geography), source["REGION"])
        except DomainError as wrong:
            problems.append(f"REGION does not fit: {wrong}")
    choices = {
        "ENTRA_CREDENTIAL": ("", "federated", "secret"),
        "CALL_EVENTS_VERSION": ("", "v1.0", "beta"),
        "COMMUNICATION_CREDENTIAL": ("", "identity", "key"),
    }
    for name, allowed in choices.items():
        if source.get(name, "") not in allowed:
            problems.append(f"{name} must be one of {', '.join(filter(None, allowed))}")
    addresses = ("PUBLIC_BASE_URL", "KEY_VAULT_URL", "GRAPH_BASE_URL", "COMMUNICATION_ENDPOINT")
    for name in (*addresses, "AZURE_RESOURCE_MANAGER"):
        if source.get(name) and not _safe_address(source[name]):
            problems.append(f"{name} must be an https address without a query")
    if source.get("TENANTS"):
        try:
            _tenants(source["TENANTS"])
        except (ValueError, KeyError, TypeError, AttributeError):
            problems.append(
                'TENANTS must be JSON like {"<tenant id>": {"name": "...", "home": "https://..."}}'
            )
    return problems


_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def _safe_address(address: str) -> bool:
    """https everywhere; plain http only to the computer itself, where the sandbox runs."""
    parts = urlsplit(address)
    if parts.query or parts.fragment or parts.username or not parts.hostname:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def _authority(source: Mapping[str, str]) -> str:
    authority = (source.get("AZURE_AUTHORITY_HOST") or "https://login.microsoftonline.com").rstrip("/")
    # azure-identity accepts the bare host name in this variable, so we do too.
    return authority if authority.startswith("https://") else f"https://{authority}"


def _tenants(text: str) -> dict[TenantId, AllowedTenant]:
    listed = json.loads(text)
    return {
        TenantId(tenant): AllowedTenant(TenantId(tenant), about["name"], about["home"].rstrip("/"))
        for tenant, about in listed.items()
    }
