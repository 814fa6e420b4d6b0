"""Loading the app loads nothing that only some calls need: a cold start is a patient who waits."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.fakes.hospital import SETTINGS

ROOT = Path(__file__).parents[2]

_HEAVY = (
    "msgraph",
    "fhirclient",
    "phonenumbers",
    "azure.identity",
    "azure.communication",
    "msal",
    "babel",
    "jinja2",
)

_LOOK = (
    f"import json, sys; import function_app; print(json.dumps([m for m in {_HEAVY!r} if m in sys.modules]))"
)


def test_importing_the_app_loads_no_heavy_library() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", _LOOK],
        cwd=ROOT,
        env={**os.environ, **SETTINGS},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert json.loads(loaded.stdout) == []
