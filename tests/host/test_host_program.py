"""Facts about the host as a program: how it starts, what it prints and how it stops."""

import base64
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue.aio import QueueServiceClient

from tests.host.conftest import SAMPLE_APP, UNREACHABLE_STORAGE
from tests.host.waiting import until, until_true

REPOSITORY = Path(__file__).parents[2]
HOST_JSON = '{"version": "2.0", "extensions": {"http": {"routePrefix": ""}}}'

SAMPLE_SETTINGS = {
    "AzureWebJobsStorage": UNREACHABLE_STORAGE,
    "LINES_QUEUE": "lines",
    "LINES_TICK": "0 0 0 1 1 *",
}

Started = tuple["subprocess.Popen[str]", str, list[str]]
Start = Callable[..., Started]


def launch(app: Path, *arguments: str, settings: Mapping[str, str] | None = None) -> "subprocess.Popen[str]":
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("Azure")}
    return subprocess.Popen(
        [sys.executable, "-m", "sandbox.host", "--app", app, "--port", "0", *arguments],
        cwd=REPOSITORY,
        env={**inherited, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", **(settings or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a host and returns it with its address and the lines it printed until it was ready."""
    hosts: list[subprocess.Popen[str]] = []

    def start(app: Path, *arguments: str, settings: Mapping[str, str] | None = None) -> Started:
        host = launch(app, *arguments, settings=settings)
        hosts.append(host)
        assert host.stdout is not None
        lines = []
        for line in host.stdout:
            lines.append(line.strip())
            if ready := re.fullmatch(r"Host ready on (http://127\.0\.0\.1:\d+)", line.strip()):
                return host, ready[1], lines
        raise AssertionError(f"the host did not start: {host.communicate()[1]}")

    yield start
    for host in hosts:
        if host.poll() is None:
            host.kill()
        host.communicate()


def ended(host: "subprocess.Popen[str]") -> tuple[int, str]:
    """How a host ended that was told to, or that would not start, and what it wrote about it."""
    _, complaint = host.communicate(timeout=30)
    return host.returncode, complaint


def test_it_prints_a_line_for_each_function_and_serves(start: Start) -> None:
    _, address, lines = start(SAMPLE_APP, settings=SAMPLE_SETTINGS)

    assert f"echo, httpTrigger GET,POST {address}/echo/{{word:alpha}}" in lines
    assert "copy_line, queueTrigger lines" in lines
    assert "tick, timerTrigger 0 0 0 1 1 *" in lines
    assert httpx.get(f"{address}/echo/hello").json()["url"] == f"{address}/echo/hello"


def test_large_and_chunked_bodies_pass_through_the_real_server(start: Start) -> None:
    _, address, _ = start(SAMPLE_APP, settings=SAMPLE_SETTINGS)
    chunk = bytes(range(256)) * 256

    answer = httpx.post(f"{address}/reverse", content=(chunk for _ in range(40)))

    assert answer.content == (chunk * 40)[::-1]


def test_the_keys_it_asks_for_are_printed_or_taken_from_the_settings(start: Start) -> None:
    settings = {**SAMPLE_SETTINGS, "BUILTIN_HOST_MASTER_KEY": "master-key"}
    _, address, lines = start(SAMPLE_APP, "--keys", settings=settings)
    printed = next(line.split()[1] for line in lines if line.startswith("BUILTIN_HOST_FUNCTION_KEY"))

    assert httpx.get(f"{address}/closed").status_code == 401
    assert httpx.get(f"{address}/closed", params={"code": printed}).status_code == 200
    assert httpx.get(f"{address}/closed", params={"code": "master-key"}).status_code == 200


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without asking it")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_a_stop_lets_the_running_request_finish_and_exits_with_0(
    number: signal.Signals, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "host.json").write_text(HOST_JSON)
    (tmp_path / "function_app.py").write_text(
        """
import asyncio
from pathlib import Path
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.route("slow")
async def slow(req: func.HttpRequest) -> str:
    Path("started").touch()
    while not Path("finish").exists():
        await asyncio.sleep(0.02)
    return "finished"
"""
    )
    host, address, _ = start(tmp_path)

    def refuses_connections() -> bool:
        with socket.socket() as attempt:
            return attempt.connect_ex(("127.0.0.1", int(address.rpartition(":")[2]))) != 0

    with ThreadPoolExecutor() as pool:
        answer = pool.submit(httpx.get, f"{address}/slow", timeout=30)
        until_true((tmp_path / "started").exists, what="the request to begin")
        host.send_signal(number)
        until_true(refuses_connections, what="the host to take no new connections")
        (tmp_path / "finish").touch()

        assert answer.result().text == "finished"
    assert ended(host)[0] == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without asking it")
def test_a_stop_while_storage_is_away_exits_with_0(start: Start) -> None:
    host, _, _ = start(SAMPLE_APP, settings=SAMPLE_SETTINGS)
    host.send_signal(signal.SIGTERM)
    assert ended(host)[0] == 0


def test_a_port_that_is_taken_is_said_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, complaint = ended(launch(SAMPLE_APP, "--port", str(port), settings=SAMPLE_SETTINGS))

    assert status == 2
    assert str(port) in complaint
    assert "Traceback" not in complaint


@pytest.mark.parametrize(
    ("missing", "named"),
    [("LINES_QUEUE", "LINES_QUEUE"), ("AzureWebJobsStorage", "AzureWebJobsStorage")],
    ids=["a setting", "the storage account"],
)
def test_an_app_that_cannot_be_hosted_is_said_in_one_line(missing: str, named: str) -> None:
    settings = {name: value for name, value in SAMPLE_SETTINGS.items() if name != missing}
    status, complaint = ended(launch(SAMPLE_APP, settings=settings))

    assert status == 2
    assert "the app cannot be hosted: " in complaint
    assert named in complaint
    assert "Traceback" not in complaint


async def test_requests_queues_and_timers_work_together(start: Start, storage: str, tmp_path: Path) -> None:
    unique = uuid4().hex[:12]
    app = shutil.copytree(SAMPLE_APP, tmp_path / "app")
    script = (app / "function_app.py").read_text()
    for name in ("orders", "lines-out"):
        script = script.replace(f'queue_name="{name}"', f'queue_name="{name}-{unique}"')
    (app / "function_app.py").write_text(script)
    settings = {
        "AzureWebJobsStorage": storage,
        "LINES_QUEUE": f"lines-{unique}",
        "LINES_TICK": "* * * * * *",
    }
    _, address, _ = start(app, settings=settings)

    async with httpx.AsyncClient() as client:
        assert (await client.post(f"{address}/orders", content=b"broken")).status_code == 202

    async with QueueServiceClient.from_connection_string(storage, retry_total=0) as service:
        found: set[str] = set()

        async def have_both_arrived() -> bool:
            for name in (f"orders-{unique}-poison", f"lines-out-{unique}"):
                try:
                    async for message in service.get_queue_client(name).receive_messages():
                        found.add(base64.b64decode(message.content).decode())
                except ResourceNotFoundError:
                    pass
            return {"broken", "TICK"} <= found

        await until(have_both_arrived, what="the poison message and the timer's line")
