"""What every test may use, and two rules for all of them: nothing leaves this machine, and CI skips nothing."""

import ipaddress
import os
import shutil
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

IN_CI = os.environ.get("CI", "").lower() in ("1", "true")

# A test that needs another Python than the one that runs it may skip even in CI: nobody installs Pythons for it.
MAY_SKIP_IN_CI = "needs_another_python"


# --- fixtures ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def azurite() -> str:
    """The connection string of a storage emulator; `dev.py test` starts a fresh one."""
    connection = os.environ.get("AZURITE_CONNECTION")
    if not connection:
        pytest.skip("set AZURITE_CONNECTION to test against Azure Storage's emulator")
    return connection


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium to open pages in."""
    for name in (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name) if name else None
        if found:
            return found
    pytest.skip("no Chromium on this computer (Debian: apt-get install chromium)")


@pytest.fixture(scope="session")
def axe_script() -> str:
    """The source of axe-core, which finds accessibility faults in an open page."""
    path = Path(__file__).parent / "browser" / "node_modules" / "axe-core" / "axe.min.js"
    if not path.is_file():
        pytest.skip("axe-core is not installed (`npm ci` in tests/browser, or `dev.py test`)")
    return path.read_text(encoding="utf-8")


# --- nothing leaves this machine -----------------------------------------------------------------------------


class LeavesThisMachine(AssertionError):
    """A test tried to reach another computer."""


def refuse_other_machines(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook: raise LeavesThisMachine before a connection to anywhere but this machine is made."""
    if event != "socket.connect":
        return
    address = arguments[1]
    if isinstance(address, tuple) and not is_this_machine(str(address[0])):
        raise LeavesThisMachine(
            "a test tried to connect to another machine; use a fake or httpx.MockTransport"
        )


def is_this_machine(host: str) -> bool:
    if host in ("localhost", ""):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


# --- CI skips nothing ----------------------------------------------------------------------------------------


def pytest_configure() -> None:
    # For good, as audit hooks are: this process only runs tests.
    sys.addaudithook(refuse_other_machines)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if (
        IN_CI
        and report.skipped
        and not hasattr(report, "wasxfail")
        and not item.get_closest_marker(MAY_SKIP_IN_CI)
    ):
        report.outcome = "failed"
        report.longrepr = f"skipped, which is a failure in CI: {reason_of(report.longrepr)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if IN_CI and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"a whole file skipped, which is a failure in CI: {reason_of(report.longrepr)}"
    return report


def reason_of(skip: object) -> str:
    """The words of a skip; pytest hands over (file, line, words)."""
    return str(skip[2]) if isinstance(skip, tuple) else str(skip)


# --- the sum for `dev.py test`, which runs pytest twice ------------------------------------------------------


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    file = os.environ.get("TEST_OUTCOMES_FILE")
    if file:
        outcomes = ("passed", "failed", "error", "skipped", "xfailed")
        lines = [f"{name} {len(terminalreporter.stats.get(name, []))}" for name in outcomes]
        Path(file).write_text("\n".join(lines) + "\n", encoding="utf-8")
