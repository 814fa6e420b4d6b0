"""The storage in memory has every store that the flows ask for; mypy compares each with its port."""

from tests.fakes.storage import FakeStamp
from tests.storage.stores import Stores


def test_the_fake_stamp_is_a_stamp() -> None:
    stamp: Stores = FakeStamp()

    assert stamp.queues is not None
