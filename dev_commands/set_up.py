"""Installs what the project needs into its own folders, once: later runs see that it is there and skip it.

A stamp beside each installation holds a hash of what was asked for, and is written last; a mark that is removed last
tells a later run that an installation was cut short, and then it begins anew.
"""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from dev_commands.locks import waiting_for_lock
from dev_commands.places import (
    AZURITE,
    BROWSER_TOOLS,
    ON_WINDOWS,
    ROOT,
    STATE,
    VENV,
    VENV_PYTHON,
    environment_with_venv,
    venv_program,
)
from dev_commands.progress import run_step, say
from dev_commands.stops import CannotRun, StepFailed

OLDEST_NODE = 20
REQUIREMENTS = (ROOT / "requirements.txt", ROOT / "requirements-dev.txt")


def fingerprint(files: Iterable[Path], *, also: str = "") -> str:
    """A hash of what these files ask for; the same on every system, whatever its line ends."""
    digest = hashlib.sha256(also.encode())
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return digest.hexdigest()


def is_stamped(stamp: Path, expected: str) -> bool:
    return stamp.is_file() and stamp.read_text(encoding="ascii", errors="replace").strip() == expected


# --- Python --------------------------------------------------------------------------------------------------


def set_up_python() -> None:
    """Make `.venv` hold exactly the pinned requirements, or raise StepFailed."""
    with waiting_for_lock(STATE / "set-up.lock", what="setting up"):
        _set_up_python()


def _set_up_python() -> None:
    stamp, unfinished = VENV / ".installed-requirements", VENV / ".installing"
    wanted = fingerprint(REQUIREMENTS, also=f"python {sys.version_info[0]}.{sys.version_info[1]}")
    if is_stamped(stamp, wanted) and not unfinished.exists() and VENV_PYTHON.exists():
        return
    if unfinished.exists() or not _is_usable(VENV_PYTHON):
        _make_venv()
    unfinished.touch()
    stamp.unlink(missing_ok=True)
    _install_requirements()
    stamp.write_text(wanted, encoding="ascii")
    unfinished.unlink()


def _is_usable(python: Path) -> bool:
    """An environment of this Python line, with pip; a half-made one, or one of a Python that was removed, is not."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    check = f"import sys, pip; sys.exit('%d.%d' % sys.version_info[:2] != '{version}')"
    try:
        return subprocess.run([python, "-c", check], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _make_venv() -> None:
    if VENV.exists():
        shutil.rmtree(VENV)
    command = [sys.executable, "-m", "venv", str(VENV)]
    what = "Creating the virtual environment .venv"
    try:
        run_step(what, command)
    except StepFailed:
        # Debian and Ubuntu keep part of Python's venv module in a package of its own.
        package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        if not _may_install_packages() or not _has_package(package):
            raise
        install_debian_packages(package)
        shutil.rmtree(VENV, ignore_errors=True)
        run_step(what, command)


def _install_requirements() -> None:
    file = REQUIREMENTS[-1]
    env = environment_with_venv()
    uv = _find_uv(env)
    if uv is not None:
        try:
            run_step(
                "Installing the Python packages with uv",
                [uv, "pip", "install", "--quiet", "--python", VENV_PYTHON, "--requirement", file],
                cwd=ROOT,
                env=env,
            )
        except StepFailed as failure:
            # uv does not read pip's own settings, which in some networks hold the way to the packages.
            say(f"{failure}\nTrying pip instead.")
        else:
            return
    run_step(
        "Installing the Python packages with pip (about a minute)",
        [*_pip_install(), "--requirement", file],
        cwd=ROOT,
        env=env,
    )


def _find_uv(env: dict[str, str]) -> Path | None:
    """The uv of this machine, or else the pinned one, put into `.venv` first: together still far quicker than pip."""
    found = shutil.which("uv")
    if found:
        return Path(found)
    pinned = re.search(r"^uv==\S+", REQUIREMENTS[-1].read_text(encoding="utf-8"), re.MULTILINE)
    if pinned is None:
        return None
    try:
        run_step(
            "Installing uv, which installs the rest quickly", [*_pip_install(), pinned[0]], cwd=ROOT, env=env
        )
    except StepFailed:
        return None
    return venv_program("uv")


def _pip_install() -> list[str]:
    return [
        str(VENV_PYTHON),
        *("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"),
    ]


# --- Node ----------------------------------------------------------------------------------------------------


def require_node() -> None:
    """Raise CannotRun, with what to do, unless Node and npm are there and new enough."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        raise CannotRun(
            f"Visit Connector's storage emulator needs Node {OLDEST_NODE} or newer with npm, and they are not on PATH: "
            "install Node and try again."
        )
    done = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    major = node_major(done.stdout)
    if major is None or major < OLDEST_NODE:
        raise CannotRun(
            f"Visit Connector's storage emulator needs Node {OLDEST_NODE} or newer, and this is "
            f"{done.stdout.strip() or 'a Node that does not tell its version'}: install a newer one and try again."
        )


def node_major(version: str) -> int | None:
    """The 20 of `v20.11.1`."""
    match = re.match(r"v?(\d+)\.", version.strip())
    return int(match[1]) if match else None


def set_up_azurite() -> None:
    """Install the storage emulator into sandbox/azurite, or raise StepFailed."""
    with waiting_for_lock(STATE / "set-up.lock", what="setting up"):
        _install_node_packages("Installing Azurite, the storage emulator (about a minute)", AZURITE)


def set_up_browser_tools() -> None:
    """Install what the browser tests load into pages, or raise StepFailed."""
    with waiting_for_lock(STATE / "set-up.lock", what="setting up"):
        _install_node_packages("Installing axe-core, which checks pages for accessibility", BROWSER_TOOLS)


def _install_node_packages(what: str, folder: Path) -> None:
    # Inside node_modules, which `npm ci` deletes first: an installation that was cut short has no stamp.
    stamp = folder / "node_modules" / ".installed-lock"
    wanted = fingerprint([folder / "package-lock.json"], also=f"{platform.system()} {platform.machine()}")
    if is_stamped(stamp, wanted):
        return
    npm = shutil.which("npm")
    if npm is None:
        raise CannotRun("npm is not on PATH: install Node with npm and try again.")
    # No package of ours needs to run a script of its own to be installed, so none may.
    run_step(what, [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cwd=folder)
    stamp.write_text(wanted, encoding="ascii")


# --- Browser -------------------------------------------------------------------------------------------------


def find_browser() -> str | None:
    """A Chromium that the browser tests can drive."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        found = shutil.which(name)
        if found:
            return found
    return None


def set_up_browser() -> str | None:
    """The browser for the tests, installed first where this process may; None where it is absent and may not."""
    found = find_browser()
    if found is None and _may_install_packages():
        with waiting_for_lock(STATE / "set-up.lock", what="setting up"):
            install_debian_packages("chromium", "fonts-liberation")
        found = find_browser()
    return found


def _may_install_packages() -> bool:
    return (
        not ON_WINDOWS
        and hasattr(os, "geteuid")
        and os.geteuid() == 0
        and shutil.which("apt-get") is not None
    )


def _has_package(name: str) -> bool:
    run_step("Reading the list of Debian packages", ["apt-get", "update", "-q"])
    return subprocess.run(["apt-cache", "show", name], capture_output=True, check=False).returncode == 0


def install_debian_packages(*names: str) -> None:
    """Install packages of the operating system, or raise StepFailed. Only for root on Debian and its kin."""
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run_step("Reading the list of Debian packages", ["apt-get", "update", "-q"], env=env)
    run_step(
        f"Installing {names[0]} (about a minute)",
        ["apt-get", "install", "-y", "-q", "--no-install-recommends", *names],
        env=env,
    )
