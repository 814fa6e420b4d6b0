"""Starting the app loads none of the libraries that a first launch may wait for."""

import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_HEAVY = (
    "msgraph",
    "kiota_http",
    "fhirclient",
    "azure.identity",
    "azure.communication",
    "msal",
    "phonenumbers",
)

_PROGRAM = f"""
import importlib, pkgutil, sys
import shared.clients
for module in pkgutil.iter_modules(shared.clients.__path__, "shared.clients."):
    importlib.import_module(module.name)
print(*[name for name in {_HEAVY!r} if name in sys.modules])
"""


def test_importing_every_client_loads_no_heavy_library() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], cwd=_ROOT, capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.split() == []
