"""`dev.py run`: the whole product on this machine, one visit played through it, and the addresses to look at."""

import argparse
import contextlib
import json
import os
import shutil
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev_commands import ports as port_numbers
from dev_commands.app_settings import app_settings
from dev_commands.emulator import connection_string, start_azurite
from dev_commands.locks import try_lock
from dev_commands.places import ROOT, STATE, VENV_PYTHON, environment_with_venv
from dev_commands.processes import Program, ProgramEnded, Programs
from dev_commands.progress import Progress, say
from dev_commands.set_up import require_node, set_up_azurite, set_up_python
from dev_commands.stops import CannotRun, StepFailed, Stopped

_SECONDS_FOR_THE_SANDBOX = 60
# Core Tools may first fetch its extension bundle.
_SECONDS_FOR_THE_APP = {"builtin": 60, "func": 300}
_SECONDS_BETWEEN_LOOKS = 0.2

# A person's proxy leads away from this machine; everything asked here is on it.
_HERE = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--exit", action="store_true", help="end after the story; status 0 only if every step was seen"
    )
    parser.add_argument(
        "--no-story", action="store_true", help="set up an approved test environment, but play no visit"
    )
    parser.add_argument(
        "--ready-file",
        type=Path,
        metavar="PATH",
        help="write the addresses as JSON, for other programs, once all is started and the story (if any) is over",
    )
    parser.add_argument(
        "--keep", action="store_true", help="keep storage and the sandbox's world for the next run"
    )
    parser.add_argument(
        "--host",
        choices=["func", "builtin"],
        help="what runs the app: Azure Functions Core Tools or the built-in host (default: func when it is on PATH)",
    )
    parser.add_argument(
        "--trouble",
        action="append",
        default=[],
        metavar="NAME",
        help="let the outside services fail during the story, e.g. throttle: Graph and Communication Services answer "
        "429 for a while and one notification is lost; may be given several times",
    )
    parser.add_argument(
        "--port-base", type=int, metavar="N", help="use ports from N on (default: 7071, 7080, ...)"
    )


def run(options: argparse.Namespace) -> int:
    """Status 0 when all went well and it was then told to stop, 1 when a step of the story or a program failed."""
    require_node()
    host = choose_host(options.host, func=shutil.which("func"))
    if options.ready_file:
        # Whoever waits for this file must not read the one of an earlier run.
        options.ready_file.unlink(missing_ok=True)
    set_up_python()
    set_up_azurite()
    with _state(keep=options.keep) as state:
        ports = _choose_ports(options, state)
        with Programs() as programs:
            try:
                return _run(options, programs, state, ports, host)
            except ProgramEnded as ended:
                raise StepFailed(_what_ended(ended.program)) from ended


def choose_host(wanted: str | None, *, func: str | None) -> str:
    """`func` or `builtin`. Raise CannotRun when Core Tools are wanted and absent."""
    if wanted == "func" and func is None:
        raise CannotRun(
            "Azure Functions Core Tools (func) are not on PATH: install them, or use --host builtin."
        )
    return wanted or ("func" if func else "builtin")


@dataclass(frozen=True)
class State:
    """Where one run keeps what it makes."""

    folder: Path
    logs: Path
    azurite: Path | None
    is_kept: bool


@contextlib.contextmanager
def _state(*, keep: bool) -> Iterator[State]:
    """A state folder that no other run uses: one that lasts with `keep`, otherwise an emptied one."""
    lock = try_lock(STATE / ("kept.lock" if keep else "run.lock"))
    if lock is not None:
        name, logs = ("kept" if keep else "run"), STATE / "logs"
    elif keep:
        raise CannotRun(
            "Another run with --keep is using the kept data: stop it first, or run without --keep."
        )
    else:
        # Beside another run; what it leaves stays readable until a later run of this kind clears it away.
        _clear_old_states()
        name = f"run-{os.getpid()}"
        lock, logs = try_lock(STATE / f"{name}.lock"), STATE / name / "logs"
    folder = STATE / name
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield State(folder=folder, logs=logs, azurite=STATE / "azurite" if keep else None, is_kept=keep)
    finally:
        if lock is not None:
            lock.close()


def _clear_old_states() -> None:
    for path in STATE.glob("run-*.lock"):
        lock = try_lock(path)
        if lock is not None:
            shutil.rmtree(path.with_suffix(""), ignore_errors=True)
            lock.close()
            path.unlink(missing_ok=True)


def _choose_ports(options: argparse.Namespace, state: State) -> dict[str, int]:
    wanted = (
        port_numbers.USUAL if options.port_base is None else port_numbers.numbered_from(options.port_base)
    )
    remembered = state.folder / "ports.json"
    if state.is_kept and remembered.exists():
        # Kept links, records and the approved FHIR address name these ports, so no other will do.
        kept: dict[str, int] = json.loads(remembered.read_text(encoding="utf-8"))
        taken = port_numbers.taken({name: kept[name] for name in ("app", "sandbox", "tls")})
        if taken:
            numbers = ", ".join(map(str, taken))
            raise CannotRun(
                f"The kept data names port {numbers}, which is taken: free it, or run without --keep."
            )
        wanted = {**wanted, **kept}
    chosen = port_numbers.free_ports(wanted)
    for name, port in chosen.items():
        if port != wanted[name]:
            say(f"Port {wanted[name]} is taken, so {_PORT_NAMES[name]} uses {port}.")
    if state.is_kept:
        remembered.write_text(json.dumps(chosen), encoding="utf-8")
    return chosen


_PORT_NAMES = {
    "app": "the app",
    "sandbox": "the sandbox",
    "tls": "the sandbox's TLS server",
    "blob": "Azurite's blob service",
    "queue": "Azurite's queue service",
    "table": "Azurite's table service",
}


def _run(
    options: argparse.Namespace, programs: Programs, state: State, ports: Mapping[str, int], host: str
) -> int:
    app, sandbox = f"http://127.0.0.1:{ports['app']}", f"http://127.0.0.1:{ports['sandbox']}"
    storage = connection_string(ports)
    _start_storage_and_sandbox(programs, state, ports, storage=storage, sandbox=sandbox)
    facts = json.loads((state.folder / "sandbox.json").read_text(encoding="utf-8"))
    _start_app(
        programs,
        state,
        app_settings(app=app, sandbox=facts, storage=storage, state=state.folder),
        ports,
        host,
    )

    status = _play(options, programs, state, app=app, sandbox=sandbox, storage=storage)
    prepared = _read_prepared(state)
    if options.ready_file:
        _write_ready_file(
            options.ready_file,
            ready_facts(app=app, sandbox=sandbox, state=state.folder, sandbox_facts=facts, prepared=prepared),
        )
    if status != 0:
        say(f"What each program wrote is in {state.logs}.")
    if options.exit:
        return status
    if status != 0 and options.no_story:
        raise StepFailed("The environment could not be prepared; what is missing is written above.")
    _show_addresses(state, app=app, sandbox=sandbox, patient_link=prepared.get("patient_link"))
    _stay_up(programs)
    return status


def _start_storage_and_sandbox(
    programs: Programs, state: State, ports: Mapping[str, int], *, storage: str, sandbox: str
) -> None:
    progress = Progress("Starting Azurite")
    start_azurite(programs, ports, log=state.logs / "azurite.log", location=state.azurite)
    progress.finish("ready")

    progress = Progress("Starting the sandbox")
    command: list[str | Path] = [VENV_PYTHON, "-m", "sandbox"]
    command += ["--http-port", str(ports["sandbox"]), "--tls-port", str(ports["tls"])]
    command += ["--state-dir", state.folder, "--storage", storage, *(["--keep"] if state.is_kept else [])]
    program = programs.start(
        "sandbox", command, cwd=ROOT, env=environment_with_venv(), log=state.logs / "sandbox.log"
    )
    _wait_for(f"{sandbox}/api/trouble", programs, program, progress, seconds=_SECONDS_FOR_THE_SANDBOX)
    progress.finish("ready")


def _start_app(
    programs: Programs, state: State, settings: Mapping[str, str], ports: Mapping[str, int], host: str
) -> None:
    progress = Progress(f"Starting the app with {'Core Tools' if host == 'func' else 'the built-in host'}")
    program = programs.start(
        "app",
        app_command(host, ports["app"]),
        cwd=ROOT,
        env=app_environment(environment_with_venv(), settings),
        log=state.logs / "app.log",
    )
    address = f"http://127.0.0.1:{ports['app']}/health/live"
    _wait_for(address, programs, program, progress, seconds=_SECONDS_FOR_THE_APP[host])
    progress.finish("ready")


def app_command(host: str, port: int) -> list[str | Path]:
    if host == "func":
        # Core Tools reads the settings of the environment, and those win over a local.settings.json, so a developer's
        # own file is neither needed nor touched; without that file it has to be told the language.
        return [shutil.which("func") or "func", "start", "--python", "--port", str(port)]
    return [VENV_PYTHON, "-m", "sandbox.host", "--app", ROOT, "--port", str(port)]


def app_environment(inherited: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """The app's environment: what this machine needs, and of Azure only `settings`.

    A developer who is signed in to Azure has variables of the same names, which would lead away from the sandbox.
    """
    kept = {
        name: value
        for name, value in inherited.items()
        if not name.upper().startswith(("AZURE", "IDENTITY_", "MSI_", "APPLICATIONINSIGHTS_"))
    }
    without_proxy = ",".join(
        filter(None, [kept.get("NO_PROXY") or kept.get("no_proxy"), "127.0.0.1,localhost"])
    )
    return {
        **kept,
        "NO_PROXY": without_proxy,
        "no_proxy": without_proxy,
        # Core Tools would otherwise start the first Python of its liking.
        "languageWorkers__python__defaultExecutablePath": str(VENV_PYTHON),
        **settings,
    }


def _play(
    options: argparse.Namespace, programs: Programs, state: State, *, app: str, sandbox: str, storage: str
) -> int:
    """Play the story, or prepare its environment only, with its lines shown as they come. Its exit status."""
    command: list[str | Path] = [VENV_PYTHON, "-m", "sandbox.story", "--app", app, "--sandbox", sandbox]
    # It looks into storage at the end, to see that nothing of the patient is left.
    command += ["--state-dir", state.folder, "--storage", storage]
    command += ["--prepare-only"] if options.no_story else []
    for name in options.trouble:
        command += ["--trouble", name]
    story = programs.start("story", command, cwd=ROOT, env=environment_with_venv())
    while story.status is None:
        programs.check(besides=story)
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    programs.forget(story)
    return 0 if story.status == 0 else 1


def _read_prepared(state: State) -> dict[str, Any]:
    path = state.folder / "prepared.json"
    if not path.is_file():
        return {}
    prepared: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return prepared


def ready_facts(
    *, app: str, sandbox: str, state: Path, sandbox_facts: Mapping[str, Any], prepared: Mapping[str, Any]
) -> dict[str, Any]:
    """What another program needs to drive the product."""
    return {
        "app": app,
        "sandbox": sandbox,
        "environment": prepared.get("environment"),
        "hl7v2": prepared.get("hl7v2"),
        "signing_key": str(state / "hl7-signing-key.pem"),
        "signing_certificate": str(state / "hl7-signing-certificate.pem"),
        "entra_client_id": sandbox_facts["entra_client_id"],
        "admin_token_url": f"{sandbox}/api/admin-token",
    }


def _write_ready_file(path: Path, facts: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Whoever polls for the file never sees half of it.
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    os.replace(unfinished, path)


def _wait_for(
    address: str, programs: Programs, program: Program, progress: Progress, *, seconds: float
) -> None:
    """Wait until `address` answers 200, or raise StepFailed with the end of the program's log."""
    until = time.monotonic() + seconds
    while not _answers(address):
        programs.check()
        progress.tick()
        if time.monotonic() > until:
            progress.finish("no answer")
            raise StepFailed(
                f"{program.name} did not answer on {address} within {seconds:.0f} s. "
                f"The end of its log, {program.log}:\n"
                f"{program.last_lines()}"
            )
        time.sleep(0.1)


def _answers(address: str) -> bool:
    try:
        with _HERE.open(address, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _show_addresses(state: State, *, app: str, sandbox: str, patient_link: str | None) -> None:
    say("")
    say(f"  Control room   {sandbox}/")
    say(f"  Portal         {app}/")
    say(f"  Patient link   {patient_link or 'none: no visit was booked'}")
    say(f"  App health     {app}/health/ready")
    say(f"  What happened  {sandbox}/api/event-log")
    say(f"  Logs           {state.logs}")
    say("")
    say("Running. Ctrl-C stops everything.")


def _stay_up(programs: Programs) -> None:
    """Until a stop is asked for, which is how this is meant to end; a program that ends by itself raises."""
    with contextlib.suppress(Stopped):
        while True:
            programs.check()
            time.sleep(_SECONDS_BETWEEN_LOOKS)
    say("Stopping ...")


def _what_ended(program: Program) -> str:
    status = program.status or 0
    how = f"was ended by {_signal_name(-status)}" if status < 0 else f"ended with status {status}"
    return f"The {program.name} {how}. The end of its log, {program.log}:\n{program.last_lines()}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
