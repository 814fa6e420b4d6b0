"""What is put on a queue arrives whole, says nothing about a person, and never expires."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from azure.storage.queue.aio import QueueServiceClient
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.environment import EnvironmentId
from shared.domain.errors import Refused, TryAgain
from shared.domain.inbound import SealedMessage
from shared.domain.notification import NotificationRef
from shared.domain.tenant import TenantId
from shared.domain.visit import VisitRef
from shared.storage.envelopes import (
    ENTRIES_TAKE,
    MESSAGE_TAKES,
    LargeMessage,
    LargeRef,
    entry_of,
    pack,
    parse_text_ref,
    parse_visit_ref,
    pointed_at,
    pointer,
    text_message,
    unpack,
    visit_message,
)
from shared.storage.large_messages import LargeMessages
from shared.storage.queues import (
    CALL_EVENTS,
    HL7V2_MESSAGES,
    POISON_QUEUE_NAMES,
    QUEUE_NAMES,
    TEXTS,
    WRITE_BACKS,
    Queues,
    ensure_queues,
    queue_service,
)
from tests.fakes.clock import FixedClock
from tests.storage import made_up
from tests.storage.made_up import NOW, appointment
from tests.storage.real import Requests, own_table, real_stamp, taken

sealed_messages = st.builds(
    SealedMessage,
    made_up.tenants,
    made_up.environment_ids,
    made_up.moments,
    st.text("AZaz09-_.", min_size=1, max_size=200),
)


def message(tenant: TenantId, environment: EnvironmentId, content: str) -> SealedMessage:
    return SealedMessage(tenant, environment, NOW, f"sealed.1.v1.hl7v2.{content}")


class TestEnvelopes:
    @given(st.lists(sealed_messages, min_size=1, max_size=5))
    def test_packed_messages_are_unpacked_whole(self, messages: list[SealedMessage]) -> None:
        assert unpack(pack([entry_of(one) for one in messages])) == messages

    @given(sealed_messages, st.integers(1, 99))
    def test_a_large_message_names_where_its_content_waits(self, one: SealedMessage, parts: int) -> None:
        where = LargeRef("t|abc", parts)

        (found,) = unpack(pack([entry_of(one, where)]))

        assert found == LargeMessage(replace(one, sealed=""), where)

    @given(made_up.tenants, made_up.environment_ids, made_up.ids, made_up.ids)
    def test_ids_come_back_whole(
        self, tenant: TenantId, environment: EnvironmentId, key: str, slot: str
    ) -> None:
        text = NotificationRef(appointment(tenant, environment, key).ref, slot)
        visit = VisitRef(tenant, environment, key)

        assert parse_text_ref(text_message(text)) == text
        assert parse_visit_ref(visit_message(visit)) == visit

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "[]",
            "7",
            "{}",
            "not json",
            '{"v":2,"messages":[]}',
            '{"v":1,"messages":7}',
            '{"v":1,"messages":[7]}',
            '{"v":1,"messages":[{"t":"t","e":"e","at":"yesterday","s":"x"}]}',
            '{"v":1,"messages":[{"t":"t","e":"e","at":"2026-03-02T15:00:00+00:00"}]}',
        ],
    )
    def test_what_is_not_ours_is_refused(self, text: str) -> None:
        for read in (unpack, parse_text_ref, parse_visit_ref):
            with pytest.raises(Refused):
                read(text)

    def test_a_full_envelope_fits_a_queue_message(self) -> None:
        envelope = pack(["x" * ENTRIES_TAKE])

        assert len(envelope) == MESSAGE_TAKES
        assert len(envelope) * 4 / 3 < 64 * 1024

    def test_a_pointer_is_never_taken_for_a_notification(self) -> None:
        where = LargeRef("call-events|abc", 3)

        assert pointed_at(pointer(where)) == where
        assert pointed_at(json.dumps({"value": pointer(where)})) is None


@dataclass(frozen=True)
class Ours:
    """Queues that only one test uses."""

    service: QueueServiceClient
    prefix: str
    large: LargeMessages
    queues: Queues
    requests: Requests

    async def taken(self, name: str) -> list[str]:
        return await taken(self.service, self.prefix + name)


@pytest.fixture
async def ours(azurite: str) -> AsyncIterator[Ours]:
    requests, prefix = Requests(), f"q{uuid4().hex[:8]}-"
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(queue_service(azurite, raw_request_hook=requests))
        await ensure_queues(service, prefix=prefix)
        large = LargeMessages(await own_table(stack, azurite))
        requests.clear()
        yield Ours(service, prefix, large, Queues(service, large, prefix=prefix), requests)
        async for queue in service.list_queues(name_starts_with=prefix):
            await service.delete_queue(queue)


class TestQueues:
    async def test_fifty_at_once_share_few_messages_and_none_is_lost(
        self, ours: Ours, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        sent = [message(tenant, environment, f"{number:02d}" + "A" * 2300) for number in range(50)]
        await asyncio.gather(*(ours.queues.accept(one) for one in sent))
        calls = len(ours.requests.made)

        envelopes = await ours.taken(HL7V2_MESSAGES)
        received = [one for text in envelopes for one in await ours.queues.accepted(text)]

        assert sorted(one.sealed for one in received) == sorted(one.sealed for one in sent)
        assert {(one.tenant, one.environment, one.received_at) for one in received} == {
            (tenant, environment, NOW)
        }
        assert calls == len(envelopes) <= 5

    async def test_an_envelope_holds_the_messages_of_one_environment(
        self, ours: Ours, tenant: TenantId
    ) -> None:
        owners = [EnvironmentId(f"e-{number % 3}") for number in range(30)]
        await asyncio.gather(*(ours.queues.accept(message(tenant, owner, "A")) for owner in owners))

        for text in await ours.taken(HL7V2_MESSAGES):
            assert len({one.environment for one in await ours.queues.accepted(text)}) == 1

    @pytest.mark.parametrize("size", [50_000, 1_400_000])
    async def test_a_message_larger_than_a_queue_message_arrives_whole_and_is_removed_when_finished(
        self, ours: Ours, tenant: TenantId, environment: EnvironmentId, size: int
    ) -> None:
        large, small = message(tenant, environment, "L" * size), message(tenant, environment, "s")
        await asyncio.gather(ours.queues.accept(small), ours.queues.accept(large))
        texts = await ours.taken(HL7V2_MESSAGES)

        received = [one for text in texts for one in await ours.queues.accepted(text)]
        assert sorted(received, key=lambda one: len(one.sealed)) == [small, large]

        for text in texts:
            await ours.queues.finished(text)
            await ours.queues.finished(text)
        assert [one for text in texts for one in await ours.queues.accepted(text)] == [small]

    async def test_a_failing_send_fails_everyone_who_waited(
        self, ours: Ours, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        nowhere = (
            "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=bm9ib2R5;"
            "QueueEndpoint=http://127.0.0.1:9/devstoreaccount1;"
        )
        async with queue_service(nowhere, retry_total=0) as service:
            cut_off = Queues(service, ours.large)
            results = await asyncio.gather(
                *(cut_off.accept(message(tenant, environment, "A")) for _ in range(10)),
                return_exceptions=True,
            )

        assert [type(result) for result in results] == [TryAgain] * 10

    async def test_ids_arrive_and_can_be_read(
        self, ours: Ours, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        ref = NotificationRef(appointment(tenant, environment).ref, "booked-1")
        visit = VisitRef(tenant, environment, "0001001")
        await ours.queues.text(ref)
        await ours.queues.tell(visit)

        assert [ours.queues.text_ref(text) for text in await ours.taken(TEXTS)] == [ref]
        assert [ours.queues.visit_ref(text) for text in await ours.taken(WRITE_BACKS)] == [visit]

    async def test_a_later_text_hides_until_then_and_nothing_expires(
        self, ours: Ours, tenant: TenantId, environment: EnvironmentId
    ) -> None:
        ref = NotificationRef(appointment(tenant, environment).ref, "booked-1")
        await ours.queues.text(ref, after=0.2)
        await ours.queues.text(ref, after=10**9)

        assert await ours.taken(TEXTS) == []
        client = ours.service.get_queue_client(ours.prefix + TEXTS)
        assert (await client.get_queue_properties()).approximate_message_count == 2
        await client.clear_messages()
        await ours.queues.text(ref)
        (shown,) = await client.peek_messages()
        assert shown.expires_on is not None
        assert shown.expires_on > datetime.now(UTC) + timedelta(days=365 * 20)

    @pytest.mark.parametrize("size", [10, 70_000], ids=["small", "large"])
    async def test_a_notification_arrives_as_it_was_received(self, ours: Ours, size: int) -> None:
        notification = json.dumps({"value": "ü" * size}, ensure_ascii=False)
        await ours.queues.observe(notification)
        (text,) = await ours.taken(CALL_EVENTS)

        assert await ours.queues.observed(text) == notification
        await ours.queues.observed_for_good(text)
        assert await ours.queues.observed(text) == (notification if size == 10 else None)


class TestEnsuring:
    async def test_instances_that_start_together_do_not_disturb_each_other(self, azurite: str) -> None:
        prefix = f"q{uuid4().hex[:8]}-"
        async with queue_service(azurite) as service:
            await asyncio.gather(*(ensure_queues(service, prefix=prefix) for _ in range(4)))

            present = {queue.name async for queue in service.list_queues(name_starts_with=prefix)}
            for name in present:
                await service.delete_queue(name)
        assert present == {prefix + name for name in (*QUEUE_NAMES, *POISON_QUEUE_NAMES)}

    async def test_ensuring_again_is_two_calls(self, azurite: str, clock: FixedClock) -> None:
        requests = Requests()
        async with real_stamp(azurite, clock, requests) as stamp:
            await stamp.ensure()

        assert len(requests.made) == 2
