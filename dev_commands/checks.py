"""`dev.py check`: everything about the code that can be seen without running it."""

import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from dev_commands.places import ROOT, VENV_PYTHON, environment_with_venv, venv_program
from dev_commands.progress import say


@dataclass(frozen=True)
class Check:
    name: str
    command: Sequence[str | Path]
    advice: str


@dataclass(frozen=True)
class Result:
    check: Check
    status: int
    output: str
    seconds: float


CHECKS = (
    # The slowest first: the others are done while it runs.
    Check("mypy", [VENV_PYTHON, "-m", "mypy", "--no-error-summary"], "Types do not fit."),
    Check(
        "ruff check",
        [venv_program("ruff"), "check", "--output-format", "concise", "."],
        "`.venv/bin/ruff check --fix` mends some of these.",
    ),
    Check(
        "ruff format",
        [venv_program("ruff"), "format", "--check", "."],
        "`.venv/bin/ruff format` mends all of these.",
    ),
    Check(
        "import-linter",
        [venv_program("lint-imports")],
        "A room is entered the wrong way: see docs or pyproject.toml.",
    ),
)


def check() -> int:
    """Run every check at once, print one line for each and the words of those that failed. Status 0 or 1."""
    started = time.monotonic()
    failed: list[Result] = []
    with ThreadPoolExecutor(len(CHECKS)) as threads:
        for done in as_completed([threads.submit(_run, each) for each in CHECKS]):
            result = done.result()
            say(f"{result.check.name}: {'ok' if result.status == 0 else 'failed'} ({result.seconds:.1f} s)")
            if result.status != 0:
                failed.append(result)
    for result in failed:
        say(f"\n--- {result.check.name} --- {result.check.advice}\n{result.output.strip()}")
    if failed:
        say("")
    names = ", ".join(result.check.name for result in failed)
    say(f"Checks: {f'failed: {names}' if failed else 'all passed'} ({time.monotonic() - started:.1f} s)")
    return 1 if failed else 0


def _run(each: Check) -> Result:
    started = time.monotonic()
    done = subprocess.run(
        [str(part) for part in each.command],
        cwd=ROOT,
        env=environment_with_venv(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    return Result(each, done.returncode, done.stdout, time.monotonic() - started)
