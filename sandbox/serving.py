"""Listens on two ports of this machine, plain and with TLS, until it is told to stop."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Generator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from sandbox.authority import make_authority
from sandbox.server import Sandbox, build
from sandbox.world import World

_HOST = "127.0.0.1"
# Clients keep idle connections for about a minute; a server that closes them earlier makes the next request fail.
_SECONDS_IDLE = 75
_SECONDS_TO_END = 1


class _Server(uvicorn.Server):
    """Two servers share one process, so neither may take its signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


@contextlib.asynccontextmanager
async def running(
    *, http_port: int, tls_port: int, state_dir: Path, storage: str = "", keep: bool = False
) -> AsyncIterator[Sandbox]:
    """A sandbox that answers on both ports; port 0 means any free one."""
    with socket.create_server((_HOST, http_port)) as plain, socket.create_server((_HOST, tls_port)) as secure:
        world = World(
            http=f"http://{_HOST}:{plain.getsockname()[1]}",
            tls=f"https://{_HOST}:{secure.getsockname()[1]}",
            state_dir=state_dir,
            storage=storage,
            keep=keep,
        )
        if keep:
            world.recall_secrets()
        certificate = make_authority(state_dir, now=world.now())
        sandbox = build(world)
        try:
            async with _serving(sandbox.http_app, plain), _serving(sandbox.tls_app, secure, certificate):
                yield sandbox
        finally:
            await sandbox.aclose()


@contextlib.asynccontextmanager
async def _serving(
    app: ASGIApp, listening: socket.socket, certificate: Path | None = None
) -> AsyncIterator[None]:
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_keep_alive=_SECONDS_IDLE,
        timeout_graceful_shutdown=_SECONDS_TO_END,
        ssl_certfile=certificate,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn only sets a flag
            await asyncio.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        await task
