"""`dev.py prove-audit`: whether a deployment's audit log is whole, from its settings."""

import argparse
import subprocess
from collections.abc import Sequence

from dev_commands.places import ROOT, VENV_PYTHON, environment_with_venv
from dev_commands.set_up import set_up_python


def prove_audit(_: argparse.Namespace, arguments: Sequence[str]) -> int:
    """Status 0 when it is whole, 1 when it is not, 2 when it could not be read."""
    set_up_python()
    # Storage is read with the app's own packages, which only the virtual environment has.
    command = [str(VENV_PYTHON), "-m", "shared.audit_check", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment_with_venv(), check=False).returncode
