"""A colleague as the tenant's directory names them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Colleague:
    """Somebody in the tenant's directory. Name and address are only shown; the object id decides."""

    object_id: str
    name: str
    address: str
