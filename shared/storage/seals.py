"""Seals what leads to a person, such as a phone number, so that storage alone cannot tell it."""

import base64
import binascii
import os
import re
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.domain.errors import NotFound, Unsealable
from shared.domain.tenant import TenantId

# What a sealed value looks like wherever it rests: form 1, key version, purpose, nonce and ciphertext.
_SEALED = re.compile(r"sealed\.1\.([A-Za-z0-9_-]+)\.([a-z0-9-]+)\.([A-Za-z0-9_-]+)")

# NIST SP 800-38D, 8.2: a random 96-bit nonce for each value.
_NONCE_BYTES = 12


class DataKeys(Protocol):
    """The versions of the stamp's data key (32 bytes), which a key store remembers by name."""

    async def current(self) -> tuple[str, bytes]:
        """The version to seal with and its key. The version holds letters, digits, `-` and `_` only."""
        ...

    async def version(self, version: str) -> bytes:
        """The key of an earlier version; raise KeyError or NotFound when it is gone."""
        ...


@dataclass(frozen=True, slots=True)
class Sealed:
    """The parts of a sealed value."""

    key_version: str
    purpose: str
    nonce: bytes
    ciphertext: bytes


def parse(sealed: str) -> Sealed:
    """Take a sealed value apart, or raise Unsealable."""
    parts = _SEALED.fullmatch(sealed)
    if parts is None:
        raise Unsealable("this is not a sealed value")
    key_version, purpose, encoded = parts.groups()
    try:
        content = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except binascii.Error as broken:
        raise Unsealable("a sealed value was cut short") from broken
    return Sealed(key_version, purpose, content[:_NONCE_BYTES], content[_NONCE_BYTES:])


class Seals:
    """AES-256-GCM under the stamp's data key, bound to a purpose and a tenant.

    A value moved to another tenant, or used for another purpose, does not open.
    """

    def __init__(self, keys: DataKeys) -> None:
        self._keys = keys
        # Building a cipher expands its key schedule: once a version is enough.
        self._ciphers: dict[str, tuple[bytes, AESGCM]] = {}

    async def seal(self, content: bytes, *, purpose: str, tenant: TenantId) -> str:
        version, key = await self._keys.current()
        nonce = os.urandom(_NONCE_BYTES)
        ciphertext = self._cipher(version, key).encrypt(nonce, content, _bound_to(purpose, tenant))
        encoded = base64.urlsafe_b64encode(nonce + ciphertext).decode().rstrip("=")
        return f"sealed.1.{version}.{purpose}.{encoded}"

    async def open(self, sealed: str, *, purpose: str, tenant: TenantId) -> bytes:
        """Raise Unsealable when the key version is gone or the content was changed or moved."""
        parts = parse(sealed)
        if parts.purpose != purpose:
            raise Unsealable("a sealed value was used for another purpose")
        try:
            key = await self._keys.version(parts.key_version)
        except (KeyError, NotFound) as gone:
            raise Unsealable("the key of a sealed value is gone") from gone
        try:
            return self._cipher(parts.key_version, key).decrypt(
                parts.nonce, parts.ciphertext, _bound_to(purpose, tenant)
            )
        except (InvalidTag, ValueError) as changed:
            raise Unsealable("a sealed value was changed or moved") from changed

    def _cipher(self, version: str, key: bytes) -> AESGCM:
        known = self._ciphers.get(version)
        if known is None or known[0] != key:
            known = self._ciphers[version] = (key, AESGCM(key))
        return known[1]


def _bound_to(purpose: str, tenant: TenantId) -> bytes:
    return f"{purpose}|{tenant}".encode()
