"""Opens a Function app folder and lists the functions in it, each checked and ready to be called."""

import importlib
import inspect
import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import azure.functions as func

from sandbox.host.host_json import expand
from sandbox.host.refusals import CannotStart
from sandbox.host.signatures import Binding, Signature, check_signature

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoadedFunction:
    """One function of the app, as the host calls it."""

    name: str
    call: Callable[..., Any]
    is_async: bool
    directory: str
    signature: Signature

    @property
    def trigger(self) -> Binding:
        return self.signature.trigger.binding


def load_functions(folder: Path, settings: Mapping[str, str]) -> list[LoadedFunction]:
    """Import the app and check its functions; disabled ones and warm-up triggers are left out.

    Raises CannotStart when the app has no or several FunctionApp objects, or a function cannot be hosted. An exception
    of the app's own import passes through, because its traceback is the answer.
    """
    return collect_functions(_index(folder, settings), settings)


def collect_functions(
    functions: Sequence[func.Function], settings: Mapping[str, str]
) -> list[LoadedFunction]:
    """Check what `get_functions()` returned; see load_functions."""
    loaded = []
    for function in functions:
        name = str(function.get_function_name())
        bindings = [json.loads(text) for text in function.get_raw_bindings()]
        if settings.get(f"AzureWebJobs.{name}.Disabled", "").lower() in ("true", "1"):
            logger.info("function %s is disabled by its app setting", name)
            continue
        if any(binding["type"] == "warmupTrigger" for binding in bindings):
            continue
        call = function.get_user_function()
        loaded.append(
            LoadedFunction(
                name=name,
                call=call,
                # The worker awaits only what it can see is a coroutine function; so does this host.
                is_async=inspect.iscoroutinefunction(call),
                directory=str(Path(inspect.getfile(call)).parent),
                signature=check_signature(name, call, [_expanded(each, settings, name) for each in bindings]),
            )
        )
    return loaded


def _expanded(binding: dict[str, Any], settings: Mapping[str, str], function: str) -> dict[str, Any]:
    placed = ("queueName", "schedule")
    return {
        key: expand(value, settings, function=function) if key in placed and isinstance(value, str) else value
        for key, value in binding.items()
    }


def _index(folder: Path, settings: Mapping[str, str]) -> list[func.Function]:
    script = settings.get("PYTHON_SCRIPT_FILE_NAME", "function_app.py")
    if not (folder / script).is_file():
        raise CannotStart(f"the app folder has no {script}")
    sys.path.insert(0, str(folder))
    module = importlib.import_module(Path(script).stem)
    apps = {id(value): value for value in vars(module).values() if isinstance(value, func.FunctionRegister)}
    if len(apps) != 1:
        raise CannotStart(f"{script} defines {len(apps)} FunctionApp objects, the host needs one")
    try:
        functions: list[func.Function] = next(iter(apps.values())).get_functions()
    except ValueError as refused:
        raise CannotStart(str(refused)) from refused
    return functions
