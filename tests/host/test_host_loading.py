"""Facts about which apps the host takes and how it says that it does not take one."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from sandbox.host.app_loader import LoadedFunction, collect_functions, load_functions
from sandbox.host.refusals import CannotStart

QUEUE: dict[str, Any] = {"queue_name": "orders", "connection": "AzureWebJobsStorage"}


def collected(register: Callable[[func.FunctionApp], Any], **settings: str) -> dict[str, LoadedFunction]:
    app = func.FunctionApp()
    register(app)
    return {function.name: function for function in collect_functions(app.get_functions(), settings)}


def test_every_function_of_the_sample_app_is_found(sample: Mapping[str, LoadedFunction]) -> None:
    assert set(sample) == {
        *("echo", "reverse", "cookies", "text", "who", "fails", "nothing", "quiet", "order", "closed"),
        *("take_order", "copy_line", "tick", "room", "files"),
    }


def test_a_function_disabled_by_its_setting_is_left_out(sample: Mapping[str, LoadedFunction]) -> None:
    assert "lobby" not in sample


def test_async_functions_are_told_from_sync_ones(sample: Mapping[str, LoadedFunction]) -> None:
    assert all(
        function.is_async == inspect.iscoroutinefunction(function.call) for function in sample.values()
    )
    assert sample["echo"].is_async
    assert not sample["text"].is_async


def test_placeholders_in_queue_names_and_schedules_are_filled_in(
    sample: Mapping[str, LoadedFunction],
) -> None:
    assert sample["copy_line"].trigger["queueName"] == "lines"
    assert sample["tick"].trigger["schedule"] == "0 */5 * * * *"


def test_a_warm_up_trigger_is_ignored() -> None:
    def register(app: func.FunctionApp) -> None:
        @app.warm_up_trigger("context")
        def warmup(context: func.Context) -> None: ...

    assert collected(register) == {}


def test_an_unknown_binding_type_is_refused_by_name() -> None:
    def register(app: func.FunctionApp) -> None:
        @app.blob_trigger("blob", path="in/{name}", connection="AzureWebJobsStorage")
        def store(blob: func.InputStream) -> None: ...

    with pytest.raises(CannotStart, match="function store: .*blobTrigger"):
        collected(register)


def wrong_parameter(app: func.FunctionApp) -> None:
    @app.queue_trigger("message", **QUEUE)
    def read(msg: func.QueueMessage) -> None: ...


def wrong_type(app: func.FunctionApp) -> None:
    @app.queue_trigger("message", **QUEUE)
    def read(message: func.HttpRequest) -> None: ...


def output_without_out(app: func.FunctionApp) -> None:
    @app.queue_trigger("message", **QUEUE)
    @app.queue_output("copies", **QUEUE)
    def read(message: func.QueueMessage, copies: str) -> None: ...


def bare_out(app: func.FunctionApp) -> None:
    @app.queue_trigger("message", **QUEUE)
    @app.queue_output("copies", **QUEUE)
    def read(message: func.QueueMessage, copies: func.Out) -> None: ...  # type: ignore[type-arg]


def wrong_output_type(app: func.FunctionApp) -> None:
    @app.queue_trigger("message", **QUEUE)
    @app.queue_output("copies", **QUEUE)
    def read(message: func.QueueMessage, copies: func.Out[int]) -> None: ...


def request_as_text(app: func.FunctionApp) -> None:
    @app.route("read", trigger_arg_name="message")
    def read(message: str) -> str:
        return message


@pytest.mark.parametrize(
    ("register", "named"),
    [
        (wrong_parameter, "msg"),
        (wrong_type, "message"),
        (output_without_out, "copies"),
        (bare_out, "copies"),
        (wrong_output_type, "copies"),
        (request_as_text, "message"),
    ],
)
def test_a_parameter_that_does_not_fit_its_binding_is_refused_by_name(
    register: Callable[[func.FunctionApp], None], named: str
) -> None:
    with pytest.raises(CannotStart, match=rf"function read: .*\b{named}\b"):
        collected(register)


def test_a_missing_setting_behind_a_placeholder_is_named() -> None:
    def register(app: func.FunctionApp) -> None:
        @app.timer_trigger("timer", schedule="%TICK%")
        def tick(timer: func.TimerRequest) -> None: ...

    with pytest.raises(CannotStart, match="function tick: .*TICK"):
        collected(register)


@pytest.mark.parametrize("count", [0, 2])
def test_a_file_without_exactly_one_app_object_is_refused(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f"apps_{count}.py"
    lines = ["import azure.functions as func", *(f"app{n} = func.FunctionApp()" for n in range(count))]
    (tmp_path / script).write_text("\n".join(lines))
    monkeypatch.syspath_prepend(str(tmp_path))

    with pytest.raises(CannotStart, match=f"{count} FunctionApp objects"):
        load_functions(tmp_path, {"PYTHON_SCRIPT_FILE_NAME": script})


def test_a_folder_without_an_app_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=r"function_app\.py"):
        load_functions(tmp_path, {})
