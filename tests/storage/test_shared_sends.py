"""Messages that wait at one moment share one send, and each learns what became of it."""

import asyncio
from collections.abc import Sequence

import pytest

from shared.domain.errors import TryAgain, TurnedDown
from shared.storage.shared_sends import SharedSends


class Line:
    """Where sends go: what was sent together, and what the next sends raise. `open` lets them through."""

    def __init__(self) -> None:
        self.sent: list[list[str]] = []
        self.failures: list[Exception] = []
        self.open = asyncio.Event()
        self.open.set()
        self.asked = asyncio.Event()

    async def __call__(self, entries: Sequence[str]) -> None:
        self.asked.set()
        await self.open.wait()
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append(list(entries))


def shared(line: Line, *, room: int = 1000) -> SharedSends:
    return SharedSends(line, room=room, wait=0.003)


async def test_all_that_wait_together_leave_together_and_in_order() -> None:
    line = Line()
    sends = shared(line)

    await asyncio.gather(*(sends.send(f"m-{number}") for number in range(20)))

    assert line.sent == [[f"m-{number}" for number in range(20)]]


async def test_one_alone_leaves_alone() -> None:
    line = Line()
    sends = shared(line)

    await sends.send("first")
    await sends.send("second")

    assert line.sent == [["first"], ["second"]]


async def test_no_send_is_larger_than_its_room() -> None:
    line = Line()
    sends = shared(line, room=32)

    await asyncio.gather(*(sends.send(f"message-{number:02d}") for number in range(50)))

    assert sorted(entry for sent in line.sent for entry in sent) == [f"message-{n:02d}" for n in range(50)]
    assert max(len(",".join(sent)) for sent in line.sent) == 32


async def test_who_comes_while_a_send_is_under_way_does_not_wait_for_it() -> None:
    line = Line()
    sends = shared(line)
    line.open.clear()
    first = asyncio.create_task(sends.send("first"))
    await line.asked.wait()

    second = asyncio.create_task(sends.send("second"))
    line.asked.clear()
    await line.asked.wait()
    line.open.set()
    await asyncio.gather(first, second)

    assert line.sent == [["first"], ["second"]]


@pytest.mark.parametrize("failure", [TryAgain("away"), TurnedDown("no")], ids=["away", "turned down"])
async def test_when_the_send_fails_everyone_who_waited_hears_it(failure: Exception) -> None:
    line = Line()
    line.failures = [failure]
    sends = shared(line)

    results = await asyncio.gather(*(sends.send(f"m-{n}") for n in range(10)), return_exceptions=True)

    assert [isinstance(result, TryAgain | TurnedDown) for result in results] == [True] * 10
    assert line.sent == []
    await sends.send("later")
    assert line.sent == [["later"]]


async def test_when_whoever_sends_is_cancelled_the_others_are_sent_all_the_same() -> None:
    line = Line()
    sends = shared(line)
    line.open.clear()
    waiting = [asyncio.create_task(sends.send(f"m-{number}")) for number in range(5)]
    await line.asked.wait()

    waiting[0].cancel()
    line.open.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)

    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1:] == [None] * 4
    assert [entry for sent in line.sent for entry in sent] == ["m-1", "m-2", "m-3", "m-4"]


async def test_when_whoever_waits_is_cancelled_the_others_are_sent_all_the_same() -> None:
    line = Line()
    sends = shared(line)
    line.open.clear()
    waiting = [asyncio.create_task(sends.send(f"m-{number}")) for number in range(3)]
    await line.asked.wait()

    waiting[2].cancel()
    line.open.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)

    assert results[:2] == [None, None]
    assert "m-0" in line.sent[0]
    assert "m-1" in line.sent[0]


async def test_an_error_nobody_expected_reaches_everyone_in_the_end() -> None:
    line = Line()
    line.failures = [ZeroDivisionError(), ZeroDivisionError()]
    sends = shared(line)

    results = await asyncio.gather(sends.send("a"), sends.send("b"), return_exceptions=True)

    assert [type(result) for result in results] == [ZeroDivisionError, ZeroDivisionError]
