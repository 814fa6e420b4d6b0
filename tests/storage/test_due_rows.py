"""What is due is found however late one looks, and looking costs what is due, never what is stored."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

from shared.domain.due import Due
from shared.domain.environment import EnvironmentId
from shared.domain.tenant import TenantId
from shared.storage.due_rows import DueIndex
from tests.fakes.storage import FakeDueIndex
from tests.storage.made_up import NOW
from tests.storage.real import Requests

Index = DueIndex | FakeDueIndex
MINUTE = timedelta(minutes=1)


def plan(key: str, due_at: datetime, slot: str = "reminder-60") -> Due:
    return Due(TenantId("t/1"), EnvironmentId("e|1"), key, slot, due_at)


async def due(index: Index, now: datetime) -> list[Due]:
    return [one async for one in index.due(now=now)]


class TestDueIndex:
    async def test_what_is_due_is_handed_out_and_what_is_not_waits(self, due_index: Index) -> None:
        soon, later = plan("a", NOW + MINUTE), plan("b", NOW + MINUTE + timedelta(microseconds=1))
        await due_index.add([soon, later], now=NOW)

        assert await due(due_index, NOW) == []
        assert await due(due_index, soon.due_at) == [soon]
        assert await due(due_index, later.due_at) == [soon, later]

    async def test_what_is_done_is_not_handed_out_again_and_the_rest_is(self, due_index: Index) -> None:
        plans = [plan("a", NOW + MINUTE), plan("b", NOW + MINUTE)]
        await due_index.add(plans, now=NOW)

        await due_index.done(plans[0])
        await due_index.done(plans[0])

        assert await due(due_index, NOW + 2 * MINUTE) == [plans[1]]

    async def test_the_oldest_comes_first_across_and_within_minutes(self, due_index: Index) -> None:
        plans = [plan(f"k-{second}", NOW + timedelta(seconds=second)) for second in range(1, 300, 7)]
        await due_index.add(plans[::-1], now=NOW)

        assert await due(due_index, NOW + timedelta(hours=1)) == plans

    async def test_the_same_plan_added_twice_is_there_once(self, due_index: Index) -> None:
        await due_index.add([plan("a", NOW + MINUTE)], now=NOW)
        await due_index.add([plan("a", NOW + MINUTE), plan("a", NOW + MINUTE)], now=NOW)

        assert await due(due_index, NOW + 2 * MINUTE) == [plan("a", NOW + MINUTE)]

    async def test_what_is_due_already_becomes_due_now(self, due_index: Index) -> None:
        await due_index.add([plan("a", NOW - timedelta(days=3))], now=NOW)

        (found,) = await due(due_index, NOW)
        assert found == plan("a", NOW)
        await due_index.done(found)
        assert await due(due_index, NOW) == []

    async def test_after_an_hour_of_standstill_everything_is_caught_up(self, due_index: Index) -> None:
        await due(due_index, NOW)
        plans = [plan(f"k-{minute}", NOW + minute * MINUTE) for minute in range(1, 61)]
        await due_index.add(plans, now=NOW)

        caught_up = await due(due_index, NOW + timedelta(hours=1))

        assert caught_up == plans
        for one in caught_up:
            await due_index.done(one)
        assert await due(due_index, NOW + timedelta(hours=1)) == []

    async def test_what_is_never_done_is_handed_out_for_ever(self, due_index: Index) -> None:
        stuck = plan("stuck", NOW + MINUTE)
        await due_index.add([stuck], now=NOW)

        seen = [await due(due_index, NOW + timedelta(hours=hour)) for hour in range(1, 6)]

        assert seen == [[stuck]] * 5

    async def test_a_late_addition_is_found_after_everything_before_was_drained(
        self, due_index: Index
    ) -> None:
        now = NOW
        for _ in range(30):
            now += MINUTE
            assert await due(due_index, now) == []

        await due_index.add([plan("late", NOW + MINUTE)], now=now)

        assert [one.key for one in await due(due_index, now)] == ["late"]

    async def test_an_addition_whose_writer_was_slow_is_found(self, due_index: Index) -> None:
        now = NOW + timedelta(minutes=30)
        await due(due_index, now)

        await due_index.add([plan("slow", now - 4 * MINUTE)], now=now - 5 * MINUTE)

        assert [one.key for one in await due(due_index, now)] == ["slow"]

    async def test_planning_again_while_a_plan_is_handled_is_not_undone_by_its_end(
        self, due_index: Index
    ) -> None:
        first = plan("a", NOW + MINUTE)
        await due_index.add([first], now=NOW)
        again = replace(first, due_at=first.due_at + timedelta(seconds=1))

        async for handled in due_index.due(now=first.due_at):
            await due_index.add([again], now=first.due_at)
            await due_index.done(handled)

        assert await due(due_index, NOW + 2 * MINUTE) == [again]

    async def test_ticks_at_the_same_moment_hand_out_everything(self, due_index: Index) -> None:
        plans = [plan(f"k-{number}", NOW + number * MINUTE) for number in range(1, 20)]
        await due_index.add(plans, now=NOW)

        both = await asyncio.gather(*(due(due_index, NOW + timedelta(hours=2)) for _ in range(4)))

        assert both == [plans] * 4

    async def test_a_tick_that_stops_half_way_loses_nothing(self, due_index: Index) -> None:
        plans = [plan(f"k-{number}", NOW + number * MINUTE) for number in range(1, 6)]
        await due_index.add(plans, now=NOW)

        async for one in due_index.due(now=NOW + timedelta(hours=1)):
            await due_index.done(one)
            break

        assert await due(due_index, NOW + timedelta(hours=1)) == plans[1:]


Counted = tuple[DueIndex, Requests]


async def test_a_tick_costs_the_same_whatever_is_planned_for_later(counted_due_index: Counted) -> None:
    index, requests = counted_due_index
    await index.add([plan("due", NOW + MINUTE)], now=NOW)
    requests.clear()
    assert len(await due(index, NOW + MINUTE)) == 1
    before = len(requests.made)

    far = NOW + timedelta(days=40)
    await index.add([plan(f"far-{number}", far) for number in range(1000)], now=NOW)
    requests.clear()

    assert len(await due(index, NOW + MINUTE)) == 1
    assert len(requests.made) <= before


async def test_a_tick_is_two_calls_and_one_more_when_the_watermark_moves(counted_due_index: Counted) -> None:
    index, requests = counted_due_index
    await due(index, NOW)
    requests.clear()

    await due(index, NOW + timedelta(seconds=10))
    assert [call.split()[0] for call in requests.made] == ["GET", "GET"]

    requests.clear()
    await due(index, NOW + 2 * MINUTE)
    assert [call.split()[0] for call in requests.made] == ["GET", "GET", "PUT"]


async def test_drained_minutes_are_not_read_again(counted_due_index: Counted) -> None:
    index, requests = counted_due_index
    await index.add([plan("a", NOW + MINUTE)], now=NOW)
    for one in await due(index, NOW + timedelta(hours=2)):
        await index.done(one)
    await due(index, NOW + timedelta(hours=2))
    requests.clear()

    await due(index, NOW + timedelta(hours=2))

    reads = [call for call in requests.made if "filter=" in call]
    assert len(reads) == 1
    assert "20260302T1650" in reads[0]  # ten minutes back: slow writers are waited for


async def test_adding_many_plans_shares_calls(counted_due_index: Counted) -> None:
    index, requests = counted_due_index

    await index.add([plan(f"k-{number}", NOW + MINUTE) for number in range(400)], now=NOW)

    assert len(requests.made) <= 8
    assert len(await due(index, NOW + MINUTE)) == 400
