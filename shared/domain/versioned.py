"""A value together with the version of it that was read, so that a stale writer can be refused."""

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Versioned(Generic[T]):
    """`version` is opaque: it is only handed back to the store that gave it."""

    value: T
    version: str
