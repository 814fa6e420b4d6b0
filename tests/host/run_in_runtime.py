"""Loads an app in Microsoft's azure-functions-runtime, calls every function of it, and writes down what happened.

`python -m tests.host.run_in_runtime APP_FOLDER OUTPUT_FILE`, in an environment with azure-functions-runtime (Python
3.13). The runtime is driven through its verbs (init, metadata, load, invocation), as Azure's host drives it. For each
function the report says whether its own code was entered and how the call ended.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import re
import sys
from pathlib import Path
from types import CodeType
from typing import Any
from uuid import uuid4

from tests.host.worker_messages import Message, ParameterBinding, TypedData, protocol, request

# A call that waits for an unreachable service shows by then that it was made.
LONGEST_CALL = 10.0

MESSAGE_METADATA = {
    "Id": TypedData(string=str(uuid4())),
    "DequeueCount": TypedData(json="1"),
    "PopReceipt": TypedData(string="receipt"),
    "InsertionTime": TypedData(string="2026-03-02T10:00:00+00:00"),
    "ExpirationTime": TypedData(string="2026-03-09T10:00:00+00:00"),
    "NextVisibleTime": TypedData(string="2026-03-02T10:10:00+00:00"),
}

TIMER = {
    "Schedule": {"AdjustForDST": True},
    "ScheduleStatus": {
        "Last": "2026-03-02T10:00:00+00:00",
        "Next": "2026-03-02T10:05:00+00:00",
        "LastUpdated": "2026-03-02T10:00:00+00:00",
    },
    "IsPastDue": False,
}

VALUES = {
    "int": "7",
    "long": "7",
    "guid": "11111111-aaaa-4aaa-8aaa-000000000001",
    "bool": "true",
    "alpha": "word",
}


def http_request(binding: dict[str, Any]) -> TypedData:
    """A request that the function's own route would have let through."""
    method = (binding.get("methods") or ["GET"])[0]
    params = {}
    for name, constraint in re.findall(r"\{\*{0,2}(\w+):?(\w*)", binding.get("route", "")):
        params[name] = VALUES.get(constraint, "word")
    has_body = method in ("POST", "PUT", "PATCH")
    return TypedData(
        http=Message(
            method=method,
            url="http://127.0.0.1/" + re.sub(r"\{[^}]*\}", "word", binding.get("route", "")),
            headers={"host": "127.0.0.1", "content-type": "application/json"},
            params=params,
            query={},
            body=TypedData(bytes=b"{}" if has_body else b""),
        )
    )


def trigger_data(binding: dict[str, Any]) -> tuple[TypedData, dict[str, TypedData]]:
    if binding["type"] == "httpTrigger":
        return http_request(binding), {}
    if binding["type"] == "queueTrigger":
        return TypedData(string="{}"), MESSAGE_METADATA
    if binding["type"] == "timerTrigger":
        return TypedData(json=json.dumps(TIMER)), {}
    raise ValueError(f"no data for the trigger {binding['type']}")


# Looked up by name, because older Pythons that only check this file have no such module.
monitoring: Any = vars(sys).get("monitoring")


class Entered:
    """Notes which functions' code has begun to run."""

    TOOL = 4

    def __init__(self) -> None:
        self.codes: set[CodeType] = set()
        monitoring.use_tool_id(self.TOOL, "conformance")
        monitoring.register_callback(self.TOOL, monitoring.events.PY_START, self._started)

    def watch(self, code: CodeType) -> None:
        monitoring.set_local_events(self.TOOL, code, monitoring.events.PY_START)

    def _started(self, code: CodeType, _offset: int) -> None:
        self.codes.add(code)


async def main(folder: str, output: str) -> None:
    app_folder = Path(folder).resolve()
    target = Path(output).resolve()
    sys.path[0] = str(app_folder)
    os.chdir(app_folder)
    runtime = importlib.import_module("azure_functions_runtime")
    # Where the runtime keeps the functions it has indexed; private, which is why the runtime is pinned.
    registry = importlib.import_module("azure_functions_runtime.handle_event")._functions

    runtime.start_threadpool_executor()
    init = await runtime.worker_init_request(
        request("worker_init_request", Message(capabilities={}, function_app_directory=str(app_folder)))
    )
    report: dict[str, Any] = {"init": failure_of(init), "functions": {}}
    if report["init"] is None:
        entered = Entered()
        metadata = await runtime.functions_metadata_request(request("functions_metadata_request", Message()))
        functions = list(metadata.function_metadata_results)
        codes = [registry.get_function(each.function_id).func.__code__ for each in functions]
        for code in codes:
            entered.watch(code)
        # All at once: each may take its whole time when the services it needs are away.
        outcomes = await asyncio.gather(*(load_and_call(runtime, each) for each in functions))
        for function, code, outcome in zip(functions, codes, outcomes, strict=True):
            outcome |= {"entered": code in entered.codes, "bindings": function.raw_bindings}
            report["functions"][function.name] = outcome
    target.write_text(json.dumps(report, indent=1), encoding="utf-8")
    sys.stdout.flush()
    # A client of the app, or a thread that still waits for an unreachable service, must not hold the report back.
    os._exit(0)


async def load_and_call(runtime: Any, function: Message) -> dict[str, Any]:
    loading = Message(function_id=function.function_id, metadata=function)
    loaded = await runtime.function_load_request(request("function_load_request", loading))
    bindings = [json.loads(text) for text in function.raw_bindings]
    trigger = next(binding for binding in bindings if binding["type"].lower().endswith("trigger"))
    data, metadata = trigger_data(trigger)
    call = Message(
        invocation_id=str(uuid4()),
        function_id=function.function_id,
        input_data=[ParameterBinding(name=trigger["name"], data=data)],
        trigger_metadata=metadata,
        trace_context=Message(trace_parent="", trace_state="", attributes={}),
        retry_context=Message(retry_count=0, max_retry_count=0),
    )
    outcome: dict[str, Any] = {"trigger": trigger["type"], "load": failure_of(loaded)}
    try:
        async with asyncio.timeout(LONGEST_CALL):
            answer = await runtime.invocation_request(request("invocation_request", call))
    except TimeoutError:
        return {**outcome, "ended": "waiting"}
    failure = failure_of(answer)
    if failure is not None:
        # The last frame tells whose code gave up: the app's (or what it called), or the runtime's own.
        places = re.findall(r'File "([^"]+)"', failure["stack"])
        return {
            **outcome,
            "ended": "raised",
            "raised": failure["message"].partition(":")[0],
            "at": places[-1:],
        }
    http = answer.return_value.http if answer.return_value is not None else None
    return {
        **outcome,
        "ended": "answered",
        "status": int(http.status_code) if http is not None else None,
        "cookies": len(http.cookies or ()) if http is not None else 0,
        "outputs": [output.name for output in answer.output_data],
    }


def failure_of(response: Message) -> dict[str, str] | None:
    if response.result.status == protocol().StatusResult.Success:
        return None
    exception = response.result.exception
    return {"message": exception.message, "stack": exception.stack_trace}


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
