"""What a run started is stopped with it, whatever it is doing, and what ends by itself is noticed."""

import os
import sys
import time
from pathlib import Path

import pytest

from dev_commands.processes import Program, ProgramEnded, Programs
from dev_commands.progress import run_step
from dev_commands.stops import StepFailed

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="looks at processes the Unix way")

WAITS = "import signal; print('up', flush=True); signal.pause()"
HAS_A_CHILD = (
    "import signal, subprocess, sys; "
    f"child = subprocess.Popen([sys.executable, '-c', {WAITS!r}], stdout=subprocess.DEVNULL); "
    "print(child.pid, flush=True); signal.pause()"
)


def start(programs: Programs, folder: Path, source: str) -> Program:
    return programs.start(
        "sample", [sys.executable, "-c", source], cwd=folder, env=os.environ, log=folder / "sample.log"
    )


def first_line(program: Program) -> str:
    assert program.log is not None
    until = time.monotonic() + 30
    while "\n" not in program.log.read_text(encoding="utf-8"):
        assert time.monotonic() < until
        time.sleep(0.02)
    return program.log.read_text(encoding="utf-8").splitlines()[0]


def ends(pid: int) -> bool:
    """The system ends a killed process a moment after it was told to."""
    until = time.monotonic() + 30
    while is_running(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return not is_running(pid)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # One that has ended stays in the list until its parent, or the system's first process, has looked at it.
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] != "Z"


def test_what_a_program_started_ends_with_it(tmp_path: Path) -> None:
    with Programs() as programs:
        program = start(programs, tmp_path, HAS_A_CHILD)
        child = int(first_line(program))
        assert is_running(child)

    assert program.status is not None
    assert ends(child)


def test_a_program_that_ends_by_itself_is_named_with_its_last_words(tmp_path: Path) -> None:
    with Programs() as programs:
        program = start(programs, tmp_path, "import sys; print('no table'); sys.exit(3)")
        program.process.wait()

        with pytest.raises(ProgramEnded) as ended:
            programs.check()

    assert ended.value.program is program
    assert program.status == 3
    assert "no table" in program.last_lines()


def test_a_program_that_may_end_does_not_count(tmp_path: Path) -> None:
    with Programs() as programs:
        story = start(programs, tmp_path, "pass")
        story.process.wait()

        programs.check(besides=story)


def test_a_failed_step_shows_what_its_program_said(tmp_path: Path) -> None:
    with pytest.raises(StepFailed) as failed:
        run_step(
            "Trying", [sys.executable, "-c", "print('no such package'); raise SystemExit(4)"], cwd=tmp_path
        )

    assert "status 4" in str(failed.value)
    assert "no such package" in str(failed.value)


def test_a_step_whose_program_is_missing_says_which(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="no-such-program"):
        run_step("Trying", [tmp_path / "no-such-program"])
