"""Where things lie in a clone of the repository, and what the operating system calls them."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
STATE = ROOT / "sandbox" / ".state"
AZURITE = ROOT / "sandbox" / "azurite"
BROWSER_TOOLS = ROOT / "tests" / "browser"

ON_WINDOWS = sys.platform == "win32"
PROGRAMS_OF_VENV = VENV / ("Scripts" if ON_WINDOWS else "bin")
VENV_PYTHON = PROGRAMS_OF_VENV / ("python.exe" if ON_WINDOWS else "python")


def venv_program(name: str) -> Path:
    """A program that a package brought into the virtual environment."""
    return PROGRAMS_OF_VENV / (f"{name}.exe" if ON_WINDOWS else name)


def environment_with_venv() -> dict[str, str]:
    """This process's environment as if the virtual environment were activated."""
    environment = dict(os.environ)
    environment["VIRTUAL_ENV"] = str(VENV)
    environment["PATH"] = os.pathsep.join([str(PROGRAMS_OF_VENV), environment.get("PATH", "")])
    environment.pop("PYTHONHOME", None)
    # Output of the programs started here is shown as it happens, and is UTF-8 on every system.
    environment["PYTHONUNBUFFERED"] = "1"
    environment["PYTHONUTF8"] = "1"
    return environment
