"""Keeps two commands in one clone from setting up, or using one state folder, at the same time."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from dev_commands.places import ON_WINDOWS
from dev_commands.progress import say


def try_lock(path: Path) -> IO[bytes] | None:
    """The open lock file, or None while another process has it. The system frees it when its holder ends, however."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("ab")
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415 - exists on Windows only

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415 - exists everywhere else only

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


@contextlib.contextmanager
def waiting_for_lock(path: Path, *, what: str) -> Iterator[None]:
    """Hold the lock inside the `with`, after waiting for whoever has it."""
    lock = try_lock(path)
    if lock is None:
        say(f"Waiting for another dev.py, which is {what} ...")
    while lock is None:
        time.sleep(0.2)
        lock = try_lock(path)
    if not ON_WINDOWS:
        # Handed on to what is started meanwhile: should this process be killed, the lock lasts until npm or uv, which
        # go on alone, have ended too.
        os.set_inheritable(lock.fileno(), True)
    with lock:
        yield
