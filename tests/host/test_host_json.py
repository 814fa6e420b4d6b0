"""Facts about what the host reads from host.json and the settings."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.host.connections import Connections
from sandbox.host.host_json import QueueOptions, expand, read_host_json, read_local_settings
from sandbox.host.refusals import CannotStart
from sandbox.host.running import with_longest_pause


def written(folder: Path, **extensions: Any) -> Path:
    (folder / "host.json").write_text(json.dumps({"version": "2.0", "extensions": extensions}))
    return folder


def test_without_settings_the_defaults_are_those_of_azure(tmp_path: Path) -> None:
    settings = read_host_json(written(tmp_path))

    assert settings.route_prefix == "api"
    assert settings.queues == QueueOptions(16, 8, 5, timedelta(0), timedelta(minutes=1), base64=True)


def test_queue_settings_mean_what_they_mean_in_azure(tmp_path: Path) -> None:
    queues = {
        "batchSize": 4,
        "maxDequeueCount": 2,
        "visibilityTimeout": "00:00:30",
        "maxPollingInterval": 2500,
        "messageEncoding": "none",
    }
    settings = read_host_json(written(tmp_path, http={"routePrefix": ""}, queues=queues))

    assert settings.route_prefix == ""
    assert settings.queues == QueueOptions(
        4, 2, 2, timedelta(seconds=30), timedelta(seconds=2.5), base64=False
    )


@pytest.mark.parametrize(
    "queues",
    [
        {"batchSize": 33},
        {"batchSize": "16"},
        {"maxDequeueCount": 0},
        {"visibilityTimeout": "soon"},
        {"messageEncoding": "utf8"},
    ],
    ids=lambda queues: next(iter(queues)),
)
def test_a_wrong_queue_setting_is_named(queues: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=next(iter(queues))):
        read_host_json(written(tmp_path, queues=queues))


@pytest.mark.parametrize("text", ["{", ""], ids=["half", "empty"])
def test_a_broken_host_json_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text(text)
    with pytest.raises(CannotStart, match=r"host\.json"):
        read_host_json(tmp_path)


def test_an_app_without_host_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=r"host\.json"):
        read_host_json(tmp_path)


def test_a_placeholder_becomes_the_settings_value() -> None:
    assert expand("%WHICH%-%WHAT%", {"WHICH": "blue", "WHAT": "orders"}, function="f") == "blue-orders"


def test_a_missing_setting_is_named_with_its_function() -> None:
    with pytest.raises(CannotStart, match="function take_order: the app setting WHICH"):
        expand("%WHICH%", {}, function="take_order")


def test_local_settings_are_read_like_core_tools_does(tmp_path: Path) -> None:
    assert read_local_settings(tmp_path) == {}
    (tmp_path / "local.settings.json").write_text('{"IsEncrypted": false, "Values": {"A": "b", "N": 1}}')
    assert read_local_settings(tmp_path) == {"A": "b", "N": "1"}


def test_encrypted_local_settings_are_refused(tmp_path: Path) -> None:
    (tmp_path / "local.settings.json").write_text('{"IsEncrypted": true, "Values": {}}')
    with pytest.raises(CannotStart, match="encrypted"):
        read_local_settings(tmp_path)


def test_a_local_run_looks_more_often_but_never_less() -> None:
    assert with_longest_pause(QueueOptions(), 1).max_polling_interval == timedelta(seconds=1)
    quick = QueueOptions(max_polling_interval=timedelta(milliseconds=200))
    assert with_longest_pause(quick, 1) == quick


def test_a_connection_is_found_with_and_without_its_prefix() -> None:
    connections = Connections({"AzureWebJobsStorage": "main", "AzureWebJobsOther": "other"})

    assert connections.connection_string("AzureWebJobsStorage") == "main"
    assert connections.connection_string("") == "main"
    assert connections.connection_string("Other") == "other"


def test_the_emulators_short_name_stands_for_its_addresses() -> None:
    connections = Connections({"AzureWebJobsStorage": "UseDevelopmentStorage=true"})
    assert "127.0.0.1:10001" in connections.connection_string("")


def test_a_missing_connection_is_named_and_an_identity_is_not_mistaken_for_one() -> None:
    with pytest.raises(CannotStart, match="AzureWebJobsStorage"):
        Connections({}).connection_string("")
    with pytest.raises(CannotStart, match="identity"):
        Connections({"AzureWebJobsStorage__queueServiceUri": "https://q.example"}).connection_string("")
