"""Keys that others publish are kept, renewed and asked for again, but never so often that it hurts them."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from shared.clients.published_keys import PublishedKeys, UnknownKey
from shared.domain.errors import TryAgain
from tests.clients.signing import key_set
from tests.fakes.clock import FixedClock

URL = "https://login.example/keys"


class Publisher:
    """Publishes key sets, or is away."""

    def __init__(self, *names: str) -> None:
        self.published: dict[str, Any] | None = key_set(*names)
        self.asked = 0
        self.clock = FixedClock()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        return httpx.Response(503) if self.published is None else httpx.Response(200, json=self.published)

    def keys(self) -> PublishedKeys:
        return PublishedKeys(httpx.AsyncClient(transport=httpx.MockTransport(self)), now=self.clock)


async def test_a_key_is_asked_for_once_an_hour() -> None:
    publisher = Publisher("key-1")
    keys = publisher.keys()

    for _ in range(3):
        await keys.key(URL, "key-1", service="Entra")
    assert publisher.asked == 1
    publisher.clock.advance(timedelta(hours=1))
    await keys.key(URL, "key-1", service="Entra")

    assert publisher.asked == 2


async def test_a_new_key_is_found_as_soon_as_it_signs() -> None:
    publisher = Publisher("key-1")
    keys = publisher.keys()
    await keys.key(URL, "key-1", service="Entra")
    publisher.published = key_set("key-1", "key-2")
    publisher.clock.advance(timedelta(seconds=30))

    assert (await keys.key(URL, "key-2", service="Entra")).key_id == "key-2"


async def test_made_up_key_ids_lead_to_one_question_in_half_a_minute() -> None:
    publisher = Publisher("key-1")
    keys = publisher.keys()
    await keys.key(URL, "key-1", service="Entra")
    publisher.clock.advance(timedelta(minutes=1))

    for number in range(5):
        with pytest.raises(UnknownKey):
            await keys.key(URL, f"made-up-{number}", service="Entra")

    assert publisher.asked == 2


async def test_known_keys_serve_on_while_their_publisher_is_away() -> None:
    publisher = Publisher("key-1")
    keys = publisher.keys()
    await keys.key(URL, "key-1", service="Entra")
    publisher.published = None
    publisher.clock.advance(timedelta(hours=20))

    assert (await keys.key(URL, "key-1", service="Entra")).key_id == "key-1"


async def test_keys_a_day_old_serve_no_longer() -> None:
    publisher = Publisher("key-1")
    keys = publisher.keys()
    await keys.key(URL, "key-1", service="Entra")
    publisher.published = None
    publisher.clock.advance(timedelta(hours=25))

    with pytest.raises(TryAgain):
        await keys.key(URL, "key-1", service="Entra")


async def test_a_withdrawn_key_is_forgotten() -> None:
    publisher = Publisher("key-1", "key-2")
    keys = publisher.keys()
    await keys.key(URL, "key-1", service="Entra")
    publisher.published = key_set("key-2")
    publisher.clock.advance(timedelta(hours=1))

    with pytest.raises(UnknownKey):
        await keys.key(URL, "key-1", service="Entra")


async def test_a_publisher_that_was_never_reached_is_worth_another_try() -> None:
    publisher = Publisher()
    publisher.published = None
    keys = publisher.keys()

    with pytest.raises(TryAgain):
        await keys.key(URL, "key-1", service="Entra")
    publisher.published = key_set("key-1")
    publisher.clock.advance(timedelta(seconds=3))

    assert (await keys.key(URL, "key-1", service="Entra")).key_id == "key-1"


async def test_what_is_no_rsa_key_for_signatures_is_passed_over() -> None:
    publisher = Publisher("key-1")
    assert publisher.published is not None
    good = publisher.published["keys"][0]
    publisher.published = {
        "keys": [
            {"kty": "oct", "k": "AAAA", "kid": "shared"},
            {**good, "kid": "for-encryption", "use": "enc"},
            {**good, "kid": "broken", "n": "!"},
            "nonsense",
            good,
        ]
    }
    keys = publisher.keys()

    assert (await keys.key(URL, "key-1", service="Entra")).key_id == "key-1"
    for other in ("shared", "for-encryption", "broken"):
        with pytest.raises(UnknownKey):
            await keys.key(URL, other, service="Entra")
