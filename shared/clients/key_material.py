"""Making and reading the keys and certificates that Key Vault holds for the app."""

import base64
import binascii
import hashlib
import json
import os
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from shared.domain.errors import TurnedDown

_CERTIFICATE_LIVES = timedelta(days=730)


@dataclass(frozen=True, slots=True, repr=False)
class CallEventsKey:
    """What Graph encrypts call events to. `id` comes back with every notification."""

    id: str
    certificate: str  # base64 of the DER form, as Graph wants it
    ends_at: datetime
    private_key: RSAPrivateKey


@dataclass(frozen=True, slots=True, repr=False)
class SmartKey:
    """What one of an environment's clients signs its assertions with."""

    id: str  # RFC 7638 thumbprint
    private_key: RSAPrivateKey


def random_key() -> str:
    """32 random bytes in base64."""
    return base64.b64encode(os.urandom(32)).decode()


def read_random_key(value: str) -> bytes:
    """Raise TurnedDown when it is not what `random_key` makes."""
    try:
        key = base64.b64decode(value, validate=True)
    except binascii.Error:
        key = b""
    if len(key) != 32:
        raise TurnedDown("a key in key vault is not 32 bytes in base64", code="unusable-key")
    return key


def new_rsa_pem() -> str:
    """RSA 2048: what Graph and Epic ask for at least."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def read_rsa(pem: str) -> RSAPrivateKey:
    """Raise TurnedDown when it is no RSA key."""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except ValueError:
        raise TurnedDown("a private key in key vault cannot be read", code="unusable-key") from None
    if not isinstance(key, RSAPrivateKey):
        raise TurnedDown("a private key in key vault is not an RSA key", code="unusable-key")
    return key


def new_call_events_pem(now: datetime) -> str:
    """A new key with a self-signed certificate, which is all Graph asks for, as one PEM text."""
    pem = new_rsa_pem()
    key = read_rsa(pem)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Visit Connector call events")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # An hour back: the clocks of Graph and of this computer need not agree.
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _CERTIFICATE_LIVES)
        .sign(key, hashes.SHA256())
    )
    return pem + certificate.public_bytes(Encoding.PEM).decode()


def read_call_events(id: str, pem: str) -> CallEventsKey:
    """Raise TurnedDown when it is not what `new_call_events_pem` makes."""
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        raise TurnedDown("the certificate in key vault cannot be read", code="unusable-key") from None
    der = base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()
    return CallEventsKey(id, der, certificate.not_valid_after_utc, read_rsa(pem))


def smart_key(pem: str) -> SmartKey:
    key = read_rsa(pem)
    return SmartKey(thumbprint(public_numbers(key)), key)


def public_numbers(key: RSAPrivateKey) -> dict[str, str]:
    """The public half as the members of a JWK (RFC 7518, 6.3.1)."""
    numbers = key.public_key().public_numbers()
    return {"kty": "RSA", "n": _base64url(numbers.n), "e": _base64url(numbers.e)}


def thumbprint(numbers: dict[str, str]) -> str:
    """The key's name by what it is (RFC 7638): required members only, sorted, without spaces."""
    canonical = json.dumps({name: numbers[name] for name in ("e", "kty", "n")}, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).decode().rstrip("=")


def _base64url(number: int) -> str:
    content = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
