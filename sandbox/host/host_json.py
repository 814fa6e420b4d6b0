"""Reads the app's host.json and its `%SETTING%` placeholders, with the meanings and defaults of Azure Functions."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sandbox.host.refusals import CannotStart

_PLACEHOLDER = re.compile(r"%([^%]+)%")
_TIME_SPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,7}))?")


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """`extensions.queues` of host.json; the defaults are those of the Storage Queues extension 5.x."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    max_dequeue_count: int = 5
    visibility_timeout: timedelta = timedelta(0)
    max_polling_interval: timedelta = timedelta(minutes=1)
    base64: bool = True


@dataclass(frozen=True, slots=True)
class HostSettings:
    """What this host takes from host.json."""

    route_prefix: str = "api"
    queues: QueueOptions = QueueOptions()


def read_host_json(folder: Path) -> HostSettings:
    """Read host.json in the app folder, or raise CannotStart naming the value that is wrong."""
    path = folder / "host.json"
    if not path.is_file():
        raise CannotStart("the app folder has no host.json")
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as broken:
        raise CannotStart(f"host.json is not JSON: {broken}") from broken
    extensions = document.get("extensions", {})
    return HostSettings(
        route_prefix=str(extensions.get("http", {}).get("routePrefix", "api")).strip("/"),
        queues=_queue_options(extensions.get("queues", {})),
    )


def _queue_options(queues: Mapping[str, object]) -> QueueOptions:
    batch_size = _integer(queues, "batchSize", 16, 1, 32)
    encoding = str(queues.get("messageEncoding", "base64")).lower()
    if encoding not in ("base64", "none"):
        raise CannotStart(f"host.json: queues.messageEncoding is base64 or none, not {encoding}")
    return QueueOptions(
        batch_size=batch_size,
        new_batch_threshold=_integer(queues, "newBatchThreshold", batch_size // 2, 0, 1000),
        max_dequeue_count=_integer(queues, "maxDequeueCount", 5, 1, 1_000_000),
        visibility_timeout=_duration(queues, "visibilityTimeout", timedelta(0)),
        max_polling_interval=_duration(queues, "maxPollingInterval", timedelta(minutes=1)),
        base64=encoding == "base64",
    )


def _integer(values: Mapping[str, object], key: str, default: int, lowest: int, highest: int) -> int:
    value = values.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
        raise CannotStart(f"host.json: queues.{key} is a number from {lowest} to {highest}")
    return value


def _duration(values: Mapping[str, object], key: str, default: timedelta) -> timedelta:
    value = values.get(key)
    if value is None:
        return default
    # The extension takes maxPollingInterval as a number too, and then it is milliseconds.
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return timedelta(milliseconds=value)
    match = _TIME_SPAN.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise CannotStart(f"host.json: queues.{key} is written hh:mm:ss")
    days, hours, minutes, seconds, fraction = match.groups(default="0")
    return timedelta(
        days=int(days),
        hours=int(hours),
        minutes=int(minutes),
        seconds=int(seconds),
        microseconds=int(fraction.ljust(7, "0")) // 10,
    )


def expand(text: str, settings: Mapping[str, str], *, function: str) -> str:
    """Replace each `%NAME%` by the app setting NAME, or raise CannotStart naming function and setting."""

    def value(match: re.Match[str]) -> str:
        found = settings.get(match[1])
        if found is None:
            raise CannotStart(f"function {function}: the app setting {match[1]} is missing")
        return found

    return _PLACEHOLDER.sub(value, text)


def read_local_settings(folder: Path) -> dict[str, str]:
    """The `Values` of local.settings.json, which Core Tools hands to the app too; empty when there is none."""
    path = folder / "local.settings.json"
    if not path.is_file():
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as broken:
        raise CannotStart(f"local.settings.json is not JSON: {broken}") from broken
    if document.get("IsEncrypted"):
        raise CannotStart("local.settings.json is encrypted; decrypt it with Core Tools first")
    return {str(name): str(value) for name, value in document.get("Values", {}).items()}
