"""Every setting is read, explained and shown in the example; nothing is read that is not."""

import json
import re
from pathlib import Path

import pytest

from shared.settings import DOCUMENTED
from tests.fakes.hospital import Hospital

ROOT = Path(__file__).parents[2]

# Read by libraries and by the Functions host, not by the app.
OF_OTHERS = {
    "FUNCTIONS_WORKER_RUNTIME",
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
}


def example() -> dict[str, str]:
    values: dict[str, str] = json.loads((ROOT / "local.settings.example.json").read_text(encoding="utf-8"))[
        "Values"
    ]
    return values


def test_the_example_holds_every_setting_and_no_other() -> None:
    assert example().keys() - OF_OTHERS == DOCUMENTED.keys()


def test_the_reader_reads_what_is_documented_and_no_other() -> None:
    source = (ROOT / "shared" / "settings.py").read_text(encoding="utf-8")
    read = set(re.findall(r'source(?:\.get\(|\[)"(\w+)"', source))

    assert read <= DOCUMENTED.keys()
    assert DOCUMENTED.keys() - read == {
        "REMINDER_TICK",
        "SUBSCRIPTION_TICK",
        "RECONCILE_TICK",
        "RETENTION_TICK",
    }


def test_every_timer_follows_a_documented_setting() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "functions").glob("*.py"))
    schedules = set(re.findall(r'schedule="([^"]*)"', sources))

    assert schedules == {f"%{name}%" for name in DOCUMENTED if name.endswith("_TICK")}
    assert Hospital().app.functions


def test_every_setting_is_explained_to_administrators() -> None:
    pages = [path for path in (ROOT / "docs" / "settings.md", ROOT / "README.md") if path.is_file()]
    if not pages:
        pytest.skip("neither docs/settings.md nor README.md is written yet")
    text = "".join(path.read_text(encoding="utf-8") for path in pages)

    assert [name for name in DOCUMENTED if name not in text] == []
