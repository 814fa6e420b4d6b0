"""Starts the whole product as a newcomer would, with `dev.py run`, and ends it again."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_STARTS_WITHIN = 150.0


def play(*options: str) -> subprocess.CompletedProcess[str]:
    """`dev.py run --exit` to its end, with what it printed."""
    return subprocess.run(
        [sys.executable, "dev.py", "run", "--exit", "--host", "builtin", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@contextmanager
def running(folder: Path) -> Iterator[dict[str, Any]]:
    """The product with an approved environment, for as long as the block lasts: what its ready file says."""
    ready = folder / "ready.json"
    log = (folder / "run.log").open("w")
    command = [sys.executable, "dev.py", "run", "--no-story", "--host", "builtin", "--ready-file", str(ready)]
    program = subprocess.Popen(
        command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        until = time.monotonic() + _STARTS_WITHIN
        while not ready.exists():
            if program.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"the product did not start:\n{(folder / 'run.log').read_text()}")
            time.sleep(0.2)
        yield json.loads(ready.read_text(encoding="utf-8"))
    finally:
        os.killpg(program.pid, signal.SIGTERM)
        program.wait(timeout=60)
        log.close()
