"""How rows are named: a tenant first, and nothing in a name that Table Storage would misread."""

import re
import zlib
from dataclasses import dataclass

from shared.domain.environment import EnvironmentId
from shared.domain.errors import NotFound, Refused
from shared.domain.tenant import TenantId

# Forbidden in keys are / \ # ? and control characters (Azure Tables, data model). The rest of what is escaped
# keeps names the same in URLs, in filters and in every tool that shows them.
_PLAIN = re.compile(r"[A-Za-z0-9_.:@-]")
_ESCAPED = re.compile(r"~([0-9A-F]{2})")

# A key may hold 512 UTF-16 characters, and the longest one joins four parts.
_LONGEST_PART = 240


def key_part(text: str) -> str:
    """`text` as part of a key, or raise Refused when it is too long. `from_key_part` brings it back."""
    part = "".join(
        letter
        if _PLAIN.fullmatch(letter)
        else "".join(f"~{byte:02X}" for byte in letter.encode("utf-8", "surrogatepass"))
        for letter in text
    )
    if len(part) > _LONGEST_PART:
        raise Refused({"": "an id is too long to be stored"})
    return part


def from_key_part(part: str) -> str:
    """The text that `key_part` made `part` of."""
    content = bytearray()
    place = 0
    for escaped in _ESCAPED.finditer(part):
        content += part[place : escaped.start()].encode() + bytes.fromhex(escaped[1])
        place = escaped.end()
    return (content + part[place:].encode()).decode("utf-8", "surrogatepass")


def joined(*parts: str) -> str:
    """One key made of several parts."""
    return "|".join(key_part(part) for part in parts)


def parted(key: str) -> tuple[str, ...]:
    """The parts that `joined` made `key` of."""
    return tuple(from_key_part(part) for part in key.split("|"))


def shard_of(key: str, shards: int) -> str:
    """Which of `shards` partitions `key` belongs to, the same for ever: 2,000 rows a second is what one takes."""
    return f"{zlib.crc32(key.encode('utf-8', 'surrogatepass')) % shards:02x}"


# How far the hot tables of one environment are spread.
SHARDS = 16


@dataclass(frozen=True, slots=True)
class Scope:
    """One environment of one tenant: the beginning of the partition key of every row of theirs."""

    tenant: TenantId
    environment: EnvironmentId

    def partition(self, key: str, shards: int = SHARDS) -> str:
        """The partition that holds what belongs to `key`."""
        return joined(self.tenant, self.environment, shard_of(key, shards))

    def partitions(self, shards: int = SHARDS) -> list[str]:
        return [joined(self.tenant, self.environment, f"{shard:02x}") for shard in range(shards)]

    def must_hold(self, tenant: TenantId, environment: EnvironmentId) -> None:
        """Raise NotFound for what belongs to somebody else: a store knows nothing of it."""
        if (tenant, environment) != (self.tenant, self.environment):
            raise NotFound("no such record")
