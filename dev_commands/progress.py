"""Shows a person that a slow step is still going: one line that counts seconds, or plain lines in a log."""

import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from dev_commands.processes import kill_group, start_group
from dev_commands.stops import StepFailed

# Often enough in a log to show life, seldom enough to read past.
_SECONDS_BETWEEN_PLAIN_LINES = 15
_LINES_OF_A_FAILURE = 40


def say(line: str) -> None:
    print(line, flush=True)


class Progress:
    """The line of one step: `tick` while it runs, `finish` when it is over."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._started = time.monotonic()
        self._shown = 0.0
        self._updates_one_line = sys.stdout.isatty()
        if not self._updates_one_line:
            say(f"{what} ...")

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def tick(self) -> None:
        """Show how long it has been going on; cheap enough to call several times a second."""
        seconds = self.seconds
        if self._updates_one_line and seconds - self._shown >= 1:
            self._shown = seconds
            print(f"\r{self._what} ... {seconds:.0f} s ", end="", flush=True)
        elif not self._updates_one_line and seconds - self._shown >= _SECONDS_BETWEEN_PLAIN_LINES:
            self._shown = seconds
            say(f"{self._what} ... {seconds:.0f} s")

    def finish(self, result: str = "done") -> None:
        line = f"{self._what}: {result} ({self.seconds:.1f} s)"
        # Blanks wipe what the counting line left behind.
        say(f"\r{line:<79}" if self._updates_one_line else line)


def run_step(
    what: str,
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> None:
    """Run one slow program with its progress shown, or raise StepFailed with the end of what it wrote."""
    progress = Progress(what)
    with tempfile.TemporaryFile() as output:
        try:
            process = start_group(command, cwd=cwd, env=env, output=output, with_locks=True)
        except OSError as missing:
            progress.finish("failed")
            raise StepFailed(f"{what}: {command[0]} could not be started: {missing.strerror}") from missing
        try:
            while process.poll() is None:
                progress.tick()
                time.sleep(0.1)
        finally:
            kill_group(process)
        if process.returncode != 0:
            progress.finish("failed")
            output.seek(0)
            written = output.read().decode("utf-8", "replace").strip().splitlines()
            said = "\n".join(f"    {line}" for line in written[-_LINES_OF_A_FAILURE:])
            raise StepFailed(
                f"{what}: {Path(command[0]).name} ended with status {process.returncode}\n{said}"
            )
    progress.finish()
