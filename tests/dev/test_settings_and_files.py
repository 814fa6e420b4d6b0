"""A local run, the example file and the app know the same settings; host.json keeps addresses out of telemetry."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from dev_commands.app_settings import app_settings
from dev_commands.run import app_command, app_environment, ready_facts
from shared.settings import DOCUMENTED, read_settings

ROOT = Path(__file__).parents[2]

SANDBOX = {
    "http": "http://127.0.0.1:7080",
    "tls": "https://127.0.0.1:7443",
    "tenant": "11111111-aaaa-4aaa-8aaa-000000000001",
    "entra_client_id": "0c0ffee0-0000-4000-8000-00000000ec01",
    "entra_client_secret": "invented",
}


def local_settings(state: Path = Path("state")) -> dict[str, str]:
    return app_settings(
        app="http://127.0.0.1:7071", sandbox=SANDBOX, storage="UseDevelopmentStorage=true", state=state
    )


def example() -> dict[str, str]:
    values: dict[str, str] = json.loads((ROOT / "local.settings.example.json").read_text(encoding="utf-8"))[
        "Values"
    ]
    return values


def host() -> Any:
    return json.loads((ROOT / "host.json").read_text(encoding="utf-8"))


def test_the_example_names_every_setting_that_the_app_knows() -> None:
    assert set(DOCUMENTED) - set(example()) == set()


def test_the_example_is_what_a_local_run_uses() -> None:
    # These differ from run to run; everything else in the example may be copied as it stands.
    differing = {"AZURE_CLIENT_SECRET", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"}
    used = {name: value for name, value in example().items() if value and name not in differing}

    assert used == {name: value for name, value in local_settings().items() if name not in differing}


def test_the_app_accepts_the_settings_of_a_local_run() -> None:
    settings = read_settings(local_settings())

    assert settings.public_base_url == "http://127.0.0.1:7071"
    assert settings.private_fhir_hosts == frozenset({"127.0.0.1:7080"})


def test_a_developers_own_azure_sign_in_never_reaches_the_app() -> None:
    inherited = {
        "PATH": "/bin",
        "AZURE_CLIENT_CERTIFICATE_PATH": "mine.pem",
        "AzureWebJobsStorage__queueServiceUri": "https://mine.example",
        "IDENTITY_ENDPOINT": "http://mine.example",
        "APPLICATIONINSIGHTS_CONNECTION_STRING": "mine",
        "NO_PROXY": "intranet.example",
    }

    environment = app_environment(inherited, local_settings())

    assert [name for name, value in environment.items() if "mine" in value] == []
    assert environment["PATH"] == "/bin"
    assert environment["NO_PROXY"] == "intranet.example,127.0.0.1,localhost"
    assert environment["AZURE_CLIENT_ID"] == SANDBOX["entra_client_id"]


def test_core_tools_are_told_language_and_port() -> None:
    assert app_command("func", 7072)[1:] == ["start", "--python", "--port", "7072"]


def test_the_ready_file_leads_another_program_to_everything() -> None:
    facts = ready_facts(
        app="http://127.0.0.1:7071",
        sandbox="http://127.0.0.1:7080",
        state=Path("state"),
        sandbox_facts=SANDBOX,
        prepared={"environment": "env-1", "hl7v2": "http://127.0.0.1:7071/hl7v2/env-1", "patient_link": "x"},
    )

    assert facts == {
        "app": "http://127.0.0.1:7071",
        "sandbox": "http://127.0.0.1:7080",
        "environment": "env-1",
        "hl7v2": "http://127.0.0.1:7071/hl7v2/env-1",
        "signing_key": str(Path("state") / "hl7-signing-key.pem"),
        "signing_certificate": str(Path("state") / "hl7-signing-certificate.pem"),
        "entra_client_id": SANDBOX["entra_client_id"],
        "admin_token_url": "http://127.0.0.1:7080/api/admin-token",
    }


def test_no_request_address_reaches_telemetry() -> None:
    # An address of a patient's page holds the join token: whoever reads it can enter the visit.
    logging = host()["logging"]
    insights = logging["applicationInsights"]

    assert logging["logLevel"]["Host.Results"] == "None"
    assert logging["logLevel"]["Microsoft"] in ("Warning", "Error", "None")
    assert insights["httpAutoCollectionOptions"]["enableHttpTriggerExtendedInfoCollection"] is False
    assert insights["enableLiveMetrics"] is False
    assert insights["enableDependencyTracking"] is False
    assert insights["snapshotConfiguration"]["isEnabled"] is False


def test_addresses_are_the_apps_own_and_queue_messages_are_base64() -> None:
    extensions = host()["extensions"]

    assert extensions["http"]["routePrefix"] == ""
    assert extensions["queues"]["messageEncoding"] == "base64"
    assert extensions["queues"]["maxDequeueCount"] == 5


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_package_is_pinned_exactly(name: str) -> None:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    wanted = [line for line in lines if line and not line.startswith(("#", "-r "))]

    assert [line for line in wanted if not re.match(r"[\w.\-]+(\[\w+\])?==\d[\w.]*(; .+)?$", line)] == []


@pytest.mark.parametrize("folder", ["sandbox/azurite", "tests/browser"])
def test_node_packages_are_pinned_and_their_lock_names_no_registry(folder: str) -> None:
    package = json.loads((ROOT / folder / "package.json").read_text(encoding="utf-8"))
    lock = json.loads((ROOT / folder / "package-lock.json").read_text(encoding="utf-8"))

    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in package["dependencies"].values())
    assert [name for name, entry in lock["packages"].items() if "resolved" in entry] == []
    assert all("integrity" in entry for name, entry in lock["packages"].items() if name)


def test_every_direct_dependency_is_explained() -> None:
    explained = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8").lower()
    names = []
    for name in ("requirements.txt", "requirements-dev.txt"):
        direct = (ROOT / name).read_text(encoding="utf-8").split("# What those bring along")[0]
        names += re.findall(r"^([\w.\-]+)(?:\[\w+\])?==", direct, re.MULTILINE)
    for folder in ("sandbox/azurite", "tests/browser"):
        names += json.loads((ROOT / folder / "package.json").read_text(encoding="utf-8"))["dependencies"]

    assert [name for name in names if f"| {name.lower()} |" not in explained] == []


def test_a_deployment_carries_the_app_and_nothing_of_its_development() -> None:
    ignored = (ROOT / ".funcignore").read_text(encoding="utf-8").splitlines()

    assert {"tests/", "sandbox/", "bench/", "dev.py", "dev_commands/", "local.settings*.json"} <= set(ignored)
    assert not {"functions/", "shared/", "function_app.py", "host.json", "requirements.txt"} & set(ignored)
