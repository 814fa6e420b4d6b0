"""Finds ports on this machine that nothing else listens on."""

import contextlib
import socket
from collections.abc import Mapping

from dev_commands.places import ON_WINDOWS

# What the addresses in README.md and in people's browser histories say.
USUAL = {"app": 7071, "sandbox": 7080, "tls": 7443, "blob": 10000, "queue": 10001, "table": 10002}


def numbered_from(base: int) -> dict[str, int]:
    """Ports in one row, for somebody who wants to know beforehand where they are."""
    return {name: base + place for place, name in enumerate(USUAL)}


def is_free(port: int) -> bool:
    bound = _bound(port)
    if bound is None:
        return False
    bound.close()
    return True


def free_ports(wanted: Mapping[str, int]) -> dict[str, int]:
    """Each wanted port, or a free one in its place when it is taken (0 takes any)."""
    with contextlib.ExitStack() as held:
        chosen: dict[str, int] = {}
        for name, port in wanted.items():
            # All are held until the last is chosen, so that no port is given out twice.
            bound = _bound(port) or _bound(0)
            if bound is None:
                raise OSError("this machine has no free port")
            held.enter_context(bound)
            chosen[name] = bound.getsockname()[1]
        return chosen


def taken(ports: Mapping[str, int]) -> list[int]:
    return [port for port in ports.values() if not is_free(port)]


def _bound(port: int) -> socket.socket | None:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if ON_WINDOWS:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            # Connections that a run just ended has left behind do not make its port taken.
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", port))
        # Binding alone succeeds beside a listener in some systems.
        bound.listen(1)
    except OSError:
        bound.close()
        return None
    return bound
