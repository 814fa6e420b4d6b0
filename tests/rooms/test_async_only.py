"""Nothing in the app may block the loop on which everybody else's requests wait."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    [ROOT / "function_app.py", *(ROOT / "functions").rglob("*.py"), *(ROOT / "shared").rglob("*.py")]
)

# The packages whose clients come in a blocking and an async kind, and where the async kind lives.
BLOCKING = {
    "azure.data.tables": {"TableServiceClient", "TableClient"},
    "azure.storage.queue": {"QueueServiceClient", "QueueClient"},
    "azure.identity": {"DefaultAzureCredential", "ManagedIdentityCredential", "ClientSecretCredential"},
    "azure.keyvault.secrets": {"SecretClient"},
    "azure.communication.sms": {"SmsClient"},
    "httpx": {"Client", "get", "post", "put", "request", "stream"},
    "time": {"sleep"},
    "urllib.request": {"urlopen"},
    "socket": {"getaddrinfo", "gethostbyname", "create_connection"},
    "requests": {"get", "post", "Session"},
    "subprocess": {"run", "check_output", "Popen"},
}


def blocking_uses(source: str) -> list[str]:
    """The blocking clients and calls that a module imports or reaches by their full name."""
    tree, found = ast.parse(source), []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names}
            found += [f"{node.module}.{name}" for name in names & BLOCKING.get(node.module or "", set())]
        elif isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value)
            if node.attr in BLOCKING.get(owner, set()):
                found.append(f"{owner}.{node.attr}")
    return sorted(found)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_uses_a_blocking_client(path: Path) -> None:
    assert blocking_uses(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import httpx\nhttp = httpx.Client()",
        "from azure.data.tables import TableClient",
        "import time\ntime.sleep(1)",
        "from azure.identity import DefaultAzureCredential",
    ],
)
def test_a_blocking_client_would_be_found(source: str) -> None:
    assert blocking_uses(source)


def test_nothing_in_the_domain_waits() -> None:
    for path in (ROOT / "shared" / "domain").glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert not [node for node in ast.walk(tree) if isinstance(node, (ast.AsyncFunctionDef, ast.Await))], (
            path
        )


def test_no_task_is_started_and_left_behind() -> None:
    sources = [path for path in SOURCES if "create_task(" in path.read_text(encoding="utf-8")]

    # Group commit holds its task and awaits it.
    assert {path.name for path in sources} <= {"shared_sends.py"}
