"""Ports are the usual ones where they are free, and others where they are not."""

import socket
from collections.abc import Iterator

import pytest

from dev_commands.emulator import ACCOUNT, connection_string
from dev_commands.ports import USUAL, free_ports, is_free, numbered_from, taken


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def test_a_port_that_something_listens_on_is_taken(taken_port: int) -> None:
    assert not is_free(taken_port)
    assert taken({"app": taken_port}) == [taken_port]


def test_a_free_port_is_kept_and_a_taken_one_replaced(taken_port: int) -> None:
    free = free_ports({"any": 0})["any"]

    chosen = free_ports({"app": free, "sandbox": taken_port})

    assert chosen["app"] == free
    assert chosen["sandbox"] not in (taken_port, free)


def test_no_port_is_given_out_twice() -> None:
    chosen = free_ports(dict.fromkeys(("a", "b", "c", "d"), 0))

    assert len(set(chosen.values())) == 4


def test_ports_from_a_base_stand_in_a_row() -> None:
    assert numbered_from(9000) == dict(zip(USUAL, range(9000, 9006), strict=True))


def test_the_connection_string_leads_to_the_three_services() -> None:
    parts = dict(
        part.split("=", 1)
        for part in connection_string({"blob": 1, "queue": 2, "table": 3}).strip(";").split(";")
    )

    assert parts["BlobEndpoint"] == f"http://127.0.0.1:1/{ACCOUNT}"
    assert parts["QueueEndpoint"] == f"http://127.0.0.1:2/{ACCOUNT}"
    assert parts["TableEndpoint"] == f"http://127.0.0.1:3/{ACCOUNT}"
