"""Shows that what runs here runs in Azure: Microsoft's own runtime takes every function, and both library lines agree.

On Python 3.13 Azure runs `azure-functions-runtime`. It is installed beside the repository's own environment, in
`.venv-3.13`, the first time these tests run (some minutes), without msgraph-sdk, which is large and only imported by
the app when it is needed.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from sandbox.host.app_loader import collect_functions
from sandbox.host.refusals import CannotStart
from tests.host.waiting import until_true

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
ENVIRONMENT = REPOSITORY / ".venv-3.13"

# Pinned because the script reaches for one private name, and newer runtimes may want more of the messages.
RUNTIME = "azure-functions-runtime==1.3.0"
LEFT_OUT = ("msgraph-sdk",)

# Nothing listens on port 9, so every service the app asks for is away.
NOWHERE = "http://127.0.0.1:9"
NO_STORAGE = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=bm9ib2R5;"
    f"BlobEndpoint={NOWHERE}/devstoreaccount1;QueueEndpoint={NOWHERE}/devstoreaccount1;"
    f"TableEndpoint={NOWHERE}/devstoreaccount1;"
)
SETTINGS = {
    "AzureWebJobsStorage": NO_STORAGE,
    # The product's
    "GEOGRAPHY": "americas",
    "REGION": "eastus2",
    "PUBLIC_BASE_URL": "http://127.0.0.1:7071",
    "TENANTS": json.dumps(
        {
            "11111111-aaaa-4aaa-8aaa-000000000001": {
                "name": "Lamna Healthcare",
                "home": "http://127.0.0.1:7071",
            }
        }
    ),
    "KEY_VAULT_URL": "https://127.0.0.1:9",
    "ENTRA_CLIENT_ID": "0c0ffee0-0000-4000-8000-00000000ec01",
    "ENTRA_CREDENTIAL": "secret",
    "AZURE_AUTHORITY_HOST": "https://127.0.0.1:9",
    "AZURE_TENANT_ID": "11111111-aaaa-4aaa-8aaa-000000000001",
    "AZURE_CLIENT_ID": "0c0ffee0-0000-4000-8000-00000000ec01",
    "AZURE_CLIENT_SECRET": "nobody",
    "GRAPH_BASE_URL": f"{NOWHERE}/graph",
    "CALL_EVENTS_VERSION": "v1.0",
    "COMMUNICATION_ENDPOINT": f"{NOWHERE}/communication",
    "COMMUNICATION_CREDENTIAL": "key",
    "PRIVATE_FHIR_HOSTS": "",
    "REMINDER_TICK": "0 * * * * *",
    "SUBSCRIPTION_TICK": "0 * * * * *",
    "RECONCILE_TICK": "0 */5 * * * *",
    "RETENTION_TICK": "0 0 3 * * *",
    # The sample app's
    "LINES_QUEUE": "lines",
    "LINES_TICK": "0 * * * * *",
}

# In these the binding layer speaks, not the app.
BINDING_LAYER = re.compile(r"azure_functions_runtime/|azure/functions/(http|queue|timer|meta)\.py")

# What a door may answer when a service behind it is away.
SERVICE_AWAY = (502, 503, 504)

pytestmark = [pytest.mark.timeout(1200), pytest.mark.needs_another_python]


def python_313() -> Path | None:
    """A Python 3.13 that really runs; a name on PATH may be a version manager's empty promise."""
    homes = sorted((Path.home() / ".pyenv" / "versions").glob("3.13*/bin/python"), reverse=True)
    found = shutil.which("python3.13")
    for candidate in [*([Path(found)] if found else []), *homes]:
        answer = subprocess.run(
            [
                candidate,
                "-c",
                "import sys; print(sys.version_info >= (3, 13) and sys.version_info < (3, 14))",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.stdout.strip() == "True":
            return candidate
    return None


def requirements() -> list[str]:
    path = REPOSITORY / "requirements.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else ["azure-functions>=2.3,<3"]
    wanted = [line.split("#")[0].strip() for line in lines]
    return [line for line in wanted if line and not line.lower().startswith(LEFT_OUT)] + [RUNTIME]


def build(python: Path, wanted: list[str]) -> None:
    """Make the environment again, with uv when it is there."""
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    interpreter = interpreter_in(ENVIRONMENT)
    if shutil.which("uv"):
        subprocess.run(["uv", "venv", "--quiet", "--python", python, ENVIRONMENT], check=True)
        installer: list[str | Path] = ["uv", "pip", "install", "--quiet", "--python", interpreter]
    else:
        subprocess.run([python, "-m", "venv", ENVIRONMENT], check=True)
        installer = [interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*installer, *wanted], check=True)


def interpreter_in(environment: Path) -> Path:
    return environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


@pytest.fixture(scope="session")
def runtime_python() -> Path:
    """The Python of an environment that holds the app's requirements and Microsoft's runtime."""
    python = python_313()
    if python is None:
        pytest.skip("no Python 3.13 on this computer, so Microsoft's runtime cannot be tried")
    wanted = requirements()
    fingerprint = hashlib.sha256("\n".join(wanted).encode()).hexdigest()
    stamp = ENVIRONMENT / "installed-requirements"
    lock = ENVIRONMENT.with_suffix(".lock")

    def is_ready() -> bool:
        return stamp.is_file() and stamp.read_text() == fingerprint

    def is_ready_or_mine() -> bool:
        if is_ready():
            return True
        try:
            lock.mkdir()
        except FileExistsError:
            return False
        return True

    # Another test process may be at it already.
    until_true(
        is_ready_or_mine, seconds=900, what=f"{lock.name} to be removed by whoever builds {ENVIRONMENT.name}"
    )
    if not is_ready():
        try:
            build(python, wanted)
            stamp.write_text(fingerprint)
        finally:
            lock.rmdir()
    return interpreter_in(ENVIRONMENT)


def run(python: Path, script: str, app: Path, output: Path) -> Any:
    """What one of the scripts beside this file reports about an app folder."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("AZURE", "PYTHON"))
    }
    done = subprocess.run(
        [python, "-m", f"tests.host.{script}", app, output],
        cwd=REPOSITORY,
        env={**inherited, **SETTINGS, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(output.read_text(encoding="utf-8"))


APPS = {"sample": HERE / "sample_app", "product": REPOSITORY}


Report = Mapping[str, Any]


@pytest.fixture(scope="session")
def report_of(runtime_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Report]:
    """What became of an app in Microsoft's runtime; each app is run once."""

    @cache
    def report(app: str) -> Report:
        output = tmp_path_factory.mktemp(app) / "report.json"
        found: Report = run(runtime_python, "run_in_runtime", APPS[app], output)
        return found

    return report


@pytest.fixture(params=APPS)
def report(request: pytest.FixtureRequest, report_of: Callable[[str], Report]) -> Report:
    return report_of(request.param)


def test_microsofts_runtime_indexes_and_loads_every_function(report: Report) -> None:
    assert report["init"] is None
    assert report["functions"]
    assert {name: each["load"] for name, each in report["functions"].items() if each["load"]} == {}


def test_every_function_reaches_its_own_code(report: Report) -> None:
    assert [name for name, each in report["functions"].items() if not each["entered"]] == []


def test_no_function_fails_in_the_binding_layer(report: Report) -> None:
    failed = {
        name: each
        for name, each in report["functions"].items()
        if each["ended"] == "raised" and BINDING_LAYER.search("".join(each["at"]).replace("\\", "/"))
    }
    # The sample's `nothing` returns None where an HTTP answer is due; Azure does not take that, and nor does our host.
    assert set(failed) - {"nothing"} == set()


def test_every_web_function_of_the_product_answers_even_when_its_services_are_away(
    report_of: Callable[[str], Report],
) -> None:
    functions = report_of("product")["functions"]
    web = {name: each for name, each in functions.items() if each["trigger"] == "httpTrigger"}

    assert web
    assert {
        name: each
        for name, each in web.items()
        if each["ended"] != "waiting"
        and not (each.get("status") is not None and (each["status"] < 500 or each["status"] in SERVICE_AWAY))
    } == {}


@pytest.mark.parametrize("app", APPS.values(), ids=APPS.keys())
def test_both_lines_of_the_library_index_the_app_alike(
    app: Path, runtime_python: Path, tmp_path: Path
) -> None:
    if sys.version_info >= (3, 13):
        pytest.skip(
            "these tests run on Python 3.13 already, so there is no older library line to compare with"
        )

    run(Path(sys.executable), "list_functions", app, tmp_path / "1.x.json")
    run(runtime_python, "list_functions", app, tmp_path / "2.x.json")

    assert (tmp_path / "1.x.json").read_bytes() == (tmp_path / "2.x.json").read_bytes()


REFUSED = {
    "a parameter without a binding": "async def f(req: func.HttpRequest, extra: str) -> str:",
    "a binding without a parameter": "async def f(request: func.HttpRequest) -> str:",
    "a wrong request type": "async def f(req: func.QueueMessage) -> str:",
    "an optional request type": "async def f(req: func.HttpRequest | None) -> str:",
    "an input marked as output": "async def f(req: func.Out[str]) -> str:",
    "a wrong return type": "async def f(req: func.HttpRequest) -> int:",
    "a return type of two kinds": "async def f(req: func.HttpRequest) -> func.HttpResponse | str:",
    "a context of another type": "async def f(req: func.HttpRequest, context: str) -> str:",
}


@pytest.mark.parametrize("signature", REFUSED.values(), ids=REFUSED.keys())
def test_what_azure_refuses_to_load_the_built_in_host_refuses_too(
    signature: str, runtime_python: Path, tmp_path: Path
) -> None:
    source = f"import azure.functions as func\napp = func.FunctionApp()\n@app.route('f')\n{signature}\n    return ''\n"
    (tmp_path / "function_app.py").write_text(source)
    names: dict[str, Any] = {}
    exec(compile(source, "function_app.py", "exec"), names)  # noqa: S102 - our own text, a line above

    with pytest.raises(CannotStart, match="function f: "):
        collect_functions(names["app"].get_functions(), {})
    assert run(runtime_python, "run_in_runtime", tmp_path, tmp_path / "report.json")["init"] is not None
