"""Starts the built-in host: `python -m sandbox.host --app DIR --port N`.

Exit status 0 after SIGTERM or Ctrl-C, 2 when the app cannot be hosted or the port is taken.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import uvicorn

from sandbox.host.app_loader import LoadedFunction, load_functions
from sandbox.host.host_json import read_host_json, read_local_settings
from sandbox.host.http_app import Keys
from sandbox.host.refusals import CannotStart
from sandbox.host.running import LAST_CALLS, Host, with_longest_pause


class _Server(uvicorn.Server):
    """Serves until told to stop, and says when it serves."""

    def __init__(self, config: uvicorn.Config, host: Host, address: str) -> None:
        super().__init__(config)
        self._host = host
        self._address = address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(f"Host ready on {self._address}", flush=True)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Uvicorn's own way raises the signal again at the end, which would make an orderly stop exit with -15.
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(self._begin_to_stop))
        yield

    def _begin_to_stop(self) -> None:
        # A second Ctrl-C does not wait for the web requests that are still being answered.
        self.force_exit = self.should_exit
        self.should_exit = True
        self._host.stop()


def main() -> int:
    options = _options()
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    # These clients log every address at INFO, and an address may carry a token or a row key.
    for name in ("azure", "httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        listening = _listen(options.port)
    except OSError as taken:
        print(f"cannot listen on port {options.port}: {taken.strerror}", file=sys.stderr)
        return 2
    with listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        try:
            host, functions, prefix = _prepare(options)
        except CannotStart as refused:
            print(f"the app cannot be hosted: {refused}", file=sys.stderr)
            return 2
        for function in functions:
            print(f"{function.name}, {_describe(function, f'{address}{prefix}')}", flush=True)
        asyncio.run(_serve(host, listening, address))
    if host.has_calls_in_threads:
        # Python would wait for them at exit, however long they take.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox.host", description=__doc__)
    parser.add_argument("--app", type=Path, default=Path(), help="folder with function_app.py and host.json")
    parser.add_argument("--port", type=int, default=7071, help="0 takes any free port")
    parser.add_argument(
        "--keys",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="ask for access keys as Azure does (Core Tools does not, so the default is no)",
    )
    parser.add_argument(
        "--max-poll",
        type=float,
        default=1.0,
        metavar="SECONDS",
        help="longest pause between two looks at a queue",
    )
    parser.add_argument(
        "--show-errors", action="store_true", help="log exception texts too; they may quote patient data"
    )
    return parser.parse_args()


def _prepare(options: argparse.Namespace) -> tuple[Host, list[LoadedFunction], str]:
    folder = options.app.resolve()
    if not folder.is_dir():
        raise CannotStart(f"{options.app} is not a folder")
    host_settings = read_host_json(folder)
    host_settings = replace(host_settings, queues=with_longest_pause(host_settings.queues, options.max_poll))
    # As in Core Tools, what is already in the environment wins over local.settings.json.
    for name, value in {**read_local_settings(folder), "AZURE_FUNCTIONS_ENVIRONMENT": "Development"}.items():
        os.environ.setdefault(name, value)
    # The worker runs in the app's folder, and so does code that opens a file beside it.
    os.chdir(folder)
    functions = load_functions(folder, os.environ)
    host = Host(
        functions,
        host_settings,
        os.environ,
        keys=_keys() if options.keys else None,
        show_errors=options.show_errors,
    )
    return host, functions, f"/{host_settings.route_prefix}".rstrip("/")


def _keys() -> Keys:
    """The keys from the settings, or fresh ones, which are shown because nobody could know them otherwise."""
    names = ("BUILTIN_HOST_MASTER_KEY", "BUILTIN_HOST_FUNCTION_KEY")
    values = []
    for name in names:
        value = os.environ.get(name)
        if not value:
            value = secrets.token_urlsafe(32)
            print(f"{name} {value}", flush=True)
        values.append(value)
    return Keys(*values)


def _listen(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # On Windows this option would let two hosts share the port.
    if sys.platform != "win32":
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
        listening.listen(2048)
    except OSError:
        listening.close()
        raise
    return listening


async def _serve(host: Host, listening: socket.socket, address: str) -> None:
    config = uvicorn.Config(
        host.http,
        lifespan="off",
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        # The real host keeps an idle connection this long; a shorter time surprises clients that reuse one.
        timeout_keep_alive=120,
        timeout_graceful_shutdown=int(LAST_CALLS),
    )
    async with host.running():
        await _Server(config, host, address).serve(sockets=[listening])


def _describe(function: LoadedFunction, base: str) -> str:
    trigger = function.trigger
    if trigger["type"] == "queueTrigger":
        return f"queueTrigger {trigger['queueName']}"
    if trigger["type"] == "timerTrigger":
        return f"timerTrigger {trigger['schedule']}"
    methods = ",".join(trigger.get("methods") or ["any method"])
    return f"httpTrigger {methods} {base}/{str(trigger.get('route', function.name)).lstrip('/')}"


if __name__ == "__main__":
    sys.exit(main())
