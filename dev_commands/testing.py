"""`dev.py test`: the checks, then every test against a fresh storage emulator."""

import argparse
import re
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from dev_commands import checks
from dev_commands.emulator import connection_string, start_azurite
from dev_commands.places import ROOT, STATE, VENV_PYTHON, environment_with_venv
from dev_commands.ports import free_ports
from dev_commands.processes import Programs
from dev_commands.progress import Progress, say
from dev_commands.set_up import (
    require_node,
    set_up_azurite,
    set_up_browser,
    set_up_browser_tools,
    set_up_python,
)

# Journeys and browser tests start whole products and wait for them: beside each other, or beside the quick tests, they
# would only wait longer. Everything else is spread over two processes.
_QUICK = ["-n", "2", "--dist", "loadfile", "-m", "not journey and not browser"]
_ALONE = ["-p", "no:xdist", "-m", "journey or browser"]

_NO_TESTS = 5


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-check", action="store_true", help="skip what `dev.py check` does")


def test(options: argparse.Namespace, pytest_arguments: Sequence[str]) -> int:
    """Status 0 when the checks and all tests passed. With arguments for pytest, one plain run of just those tests."""
    require_node()
    set_up_python()
    set_up_azurite()
    set_up_browser_tools()
    browser = set_up_browser()
    if browser is None:
        say("No Chromium was found and this user cannot install one: browser tests are skipped.")

    check_status = 0 if options.no_check else checks.check()
    with Programs() as programs:
        progress = Progress("Starting Azurite for the tests")
        ports = free_ports({"blob": 0, "queue": 0, "table": 0})
        start_azurite(programs, ports, log=STATE / "logs" / "azurite-tests.log", location=None)
        progress.finish("ready")
        env = environment_with_venv()
        env["AZURITE_CONNECTION"] = connection_string(ports)
        if browser is not None:
            env["CHROMIUM"] = browser
        if pytest_arguments:
            return check_status or _pytest(programs, env, pytest_arguments)[0]
        status, counts = _run_all(programs, env)
    # The last line, in the words that pytest uses, because the run was in two parts.
    say(total_line(counts))
    return check_status or status


def _run_all(programs: Programs, env: dict[str, str]) -> tuple[int, Counter[str]]:
    quick, quick_counts = _pytest(programs, env, _QUICK)
    alone, alone_counts = _pytest(programs, env, _ALONE)
    counts = quick_counts + alone_counts
    statuses = [status for status in (quick, alone) if status != _NO_TESTS]
    # No test at all is not a success.
    return max(statuses, default=1), counts


def _pytest(programs: Programs, env: dict[str, str], arguments: Sequence[str]) -> tuple[int, Counter[str]]:
    """Run pytest with its output shown; its status, and how many tests ended in which way."""
    with tempfile.TemporaryDirectory() as folder:
        outcomes = Path(folder) / "outcomes"
        program = programs.start(
            "pytest",
            [VENV_PYTHON, "-m", "pytest", *arguments],
            cwd=ROOT,
            env={**env, "TEST_OUTCOMES_FILE": str(outcomes)},
        )
        program.process.wait()
        programs.forget(program)
        counted = outcomes.read_text(encoding="utf-8") if outcomes.exists() else ""
    status = program.process.returncode
    return (status if status >= 0 else 1), read_outcomes(counted)


def read_outcomes(text: str) -> Counter[str]:
    """`passed 12` and so on, one outcome a line, as tests/conftest.py writes them."""
    return Counter({name: int(number) for name, number in re.findall(r"^(\w+) (\d+)$", text, re.MULTILINE)})


def total_line(counts: Counter[str]) -> str:
    """`12 passed, 0 failed`, and skipped ones when there are some. A test that could not start has failed."""
    failed = counts["failed"] + counts["error"]
    skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    return f"{counts['passed']} passed, {failed} failed{skipped}"
