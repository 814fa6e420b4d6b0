"""Starts the sandbox: `python -m sandbox --http-port N --tls-port N --state-dir DIR`, and prints "sandbox ready"."""

import argparse
import asyncio
import contextlib
import signal
import sys
from pathlib import Path

from sandbox.serving import running


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--http-port", type=int, default=7080, help="port of the plain server (default 7080)")
    parser.add_argument("--tls-port", type=int, default=7443, help="port of the TLS server (default 7443)")
    parser.add_argument("--state-dir", type=Path, required=True, help="folder for keys and facts")
    parser.add_argument("--storage", default="", help="connection string of the storage Event Grid writes to")
    parser.add_argument(
        "--keep", action="store_true", help="keep secrets, keys and schedules for the next run"
    )
    options = parser.parse_args()
    options.state_dir.mkdir(parents=True, exist_ok=True)
    try:
        asyncio.run(_serve(options))
    except OSError as taken:
        print(f"The sandbox cannot listen: {taken.strerror or taken}", file=sys.stderr)
        return 1
    return 0


async def _serve(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    _when_told(stop)
    async with running(
        http_port=options.http_port,
        tls_port=options.tls_port,
        state_dir=options.state_dir,
        storage=options.storage,
        keep=options.keep,
    ) as sandbox:
        print(f"sandbox ready on {sandbox.world.http} and {sandbox.world.tls}", flush=True)
        await stop.wait()


def _when_told(stop: asyncio.Event) -> None:
    """Set `stop` at Ctrl-C or when another program asks for the end."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C ends asyncio.run by itself
            loop.add_signal_handler(number, stop.set)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
