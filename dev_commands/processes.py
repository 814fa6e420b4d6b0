"""Starts programs, watches them, and stops exactly those, with everything that they started themselves."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import IO

from dev_commands.stops import Stopped

_SECONDS_TO_END_IN_ORDER = 12.0
_LINES_SHOWN_OF_A_LOG = 25


def start_group(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    output: IO[bytes] | None = None,
    with_locks: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a program as the head of a process group of its own.

    So Ctrl-C at the keyboard reaches only dev.py, which then ends each program in order, and ending the group ends
    whatever the program started. Without `output` the program writes to where dev.py writes. `with_locks` hands
    inheritable files on to it, which are the locks that are to last as long as it does.
    """
    words = [str(part) for part in command]
    if sys.platform == "win32":
        return subprocess.Popen(
            words,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
            creationflags=subprocess.CREATE_NEW_PROCESS_GROUP,
        )
    return subprocess.Popen(
        words,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
        start_new_session=True,
        close_fds=not with_locks,
    )


def ask_to_end(process: subprocess.Popen[bytes]) -> None:
    """Tell a group that was started by `start_group` to end in its own way."""
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            process.send_signal(signal.CTRL_BREAK_EVENT)
        else:
            os.killpg(process.pid, signal.SIGTERM)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """End a group at once, also one whose head has ended but left others running."""
    if sys.platform == "win32":
        if process.poll() is None:
            subprocess.run(
                ["taskkill", "/T", "/F", "/PID", str(process.pid)], capture_output=True, check=False
            )
    else:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Program:
    """One started program and its log."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        cwd: Path,
        env: Mapping[str, str],
        log: Path | None,
    ) -> None:
        self.name = name
        self.log = log
        if log is None:
            self.process = start_group(command, cwd=cwd, env=env)
            return
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            self.process = start_group(command, cwd=cwd, env=env, output=output)

    @property
    def status(self) -> int | None:
        """The exit status, or None while it runs."""
        return self.process.poll()

    def last_lines(self) -> str:
        """The end of its log, for a person to read."""
        if self.log is None:
            return ""
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return "\n".join(f"    {line}" for line in lines[-_LINES_SHOWN_OF_A_LOG:])


class ProgramEnded(Exception):
    """A program that should still be running has ended."""

    def __init__(self, program: Program) -> None:
        self.program = program
        super().__init__(f"{program.name} ended with status {program.status}")


class Programs:
    """The programs of one run; leaving the `with` stops them, last started first."""

    def __init__(self) -> None:
        self._running: list[Program] = []

    def __enter__(self) -> "Programs":
        return self

    def __exit__(self, *_: object) -> None:
        with stop_requests_ignored():
            for program in reversed(self._running):
                self._stop(program)
            self._running.clear()

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        cwd: Path,
        env: Mapping[str, str],
        log: Path | None = None,
    ) -> Program:
        program = Program(name, command, cwd=cwd, env=env, log=log)
        self._running.append(program)
        return program

    def forget(self, program: Program) -> None:
        """It was meant to end, and did."""
        self._running.remove(program)
        kill_group(program.process)

    def check(self, *, besides: Program | None = None) -> None:
        """Raise ProgramEnded when one of them is no longer running, `besides` one that may end."""
        for program in self._running:
            if program is not besides and program.status is not None:
                raise ProgramEnded(program)

    @staticmethod
    def _stop(program: Program) -> None:
        if program.status is None:
            ask_to_end(program.process)
            until = time.monotonic() + _SECONDS_TO_END_IN_ORDER
            while program.status is None and time.monotonic() < until:
                time.sleep(0.05)
        # Azurite has been seen to ignore a request to end; and a head that has ended may have left others behind.
        kill_group(program.process)


def _raise_stopped(number: int, _: FrameType | None) -> None:
    raise Stopped(number)


def stop_signals() -> list[signal.Signals]:
    """The signals by which a person, a terminal that closes or another program ends dev.py."""
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    return [getattr(signal, name) for name in names if hasattr(signal, name)]


def raise_when_asked_to_stop() -> None:
    """From here on each of those signals raises Stopped in the main thread."""
    for number in stop_signals():
        signal.signal(number, _raise_stopped)


@contextlib.contextmanager
def stop_requests_ignored() -> Iterator[None]:
    """Nothing interrupts what is done inside: an impatient second Ctrl-C must not leave programs running."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in stop_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
