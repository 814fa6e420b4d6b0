"""Azurite, the emulator of Azure Storage, which holds tables, queues and blobs on this machine."""

import os
import shutil
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from dev_commands.places import AZURITE, ROOT
from dev_commands.processes import Program, Programs
from dev_commands.stops import CannotRun, StepFailed

# The account and key that every Azurite has; Microsoft publishes them, and they open nothing else.
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

_SECONDS_TO_START = 60


def connection_string(ports: Mapping[str, int]) -> str:
    """The app setting AzureWebJobsStorage for an Azurite on these ports."""
    parts = ["DefaultEndpointsProtocol=http", f"AccountName={ACCOUNT}", f"AccountKey={ACCOUNT_KEY}"]
    parts += [
        f"{kind.title()}Endpoint=http://127.0.0.1:{ports[kind]}/{ACCOUNT}"
        for kind in ("blob", "queue", "table")
    ]
    return ";".join(parts) + ";"


def start_azurite(
    programs: Programs, ports: Mapping[str, int], *, log: Path, location: Path | None
) -> Program:
    """Start it and wait until all three services answer. Without `location` it forgets everything at its end."""
    node = shutil.which("node")
    if node is None:
        raise CannotRun("node is not on PATH: install Node and try again.")
    keeping = ["--location", str(location)] if location else ["--inMemoryPersistence"]
    if location:
        location.mkdir(parents=True, exist_ok=True)
    command: list[str | Path] = [
        node,
        # Not through npx or a .cmd file: the process started here is the one to be stopped later.
        AZURITE / "node_modules" / "azurite" / "dist" / "src" / "azurite.js",
        *keeping,
        *("--silent", "--skipApiVersionCheck", "--disableTelemetry"),
        *(f"--{kind}Port={ports[kind]}" for kind in ("blob", "queue", "table")),
    ]
    program = programs.start("azurite", command, cwd=ROOT, env=os.environ, log=log)
    until = time.monotonic() + _SECONDS_TO_START
    while not all(_listens(ports[kind]) for kind in ("blob", "queue", "table")):
        programs.check()
        if time.monotonic() > until:
            raise StepFailed(
                f"Azurite did not answer within {_SECONDS_TO_START} s; see {log}\n{program.last_lines()}"
            )
        time.sleep(0.1)
    return program


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
