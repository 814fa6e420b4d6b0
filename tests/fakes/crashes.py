"""A stamp whose process dies just before the k-th call to storage, whichever that is."""

from collections import Counter

from tests.fakes.storage import FakeStamp


class Crash(Exception):
    """The process died: no code of the app catches this."""


class Fuse(Counter[str]):
    """Counts calls and burns down with them; the call that finds it burnt never happens."""

    def __init__(self) -> None:
        super().__init__()
        self.left: int | None = None

    def __setitem__(self, name: str, count: int) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.left = None
                raise Crash(name)
        super().__setitem__(name, count)


class CrashingStamp(FakeStamp):
    """`stamp.fuse.left = k` lets k more calls happen; the next one crashes, and those after it work again."""

    def __init__(self) -> None:
        super().__init__()
        self.fuse = Fuse()
        self._steps.calls = self.calls = self.fuse
