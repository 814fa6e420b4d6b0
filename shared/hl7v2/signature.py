"""Proves that a message was sent by the hospital's own Epic: the HL7-Signature header and its certificates."""

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from shared.domain.environment import Certificate
from shared.domain.errors import DomainError, Refused
from shared.domain.words import Said, said
from shared.hl7v2.signed_data import SignedData, read_signed_data

# A signature with the signer's chain in it is some 8 kB.
_LONGEST_HEADER = 64 * 1024
_LARGEST_FILE = 16 * 1024

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


class BadSignature(DomainError):
    """Not signed by a certificate of this environment. Deliberately says no more."""

    def __init__(self) -> None:
        super().__init__("the message is not signed by a certificate of this environment")


_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


def verify(header_value: str, body: bytes, certificates: Sequence[str]) -> None:
    """Return when `body` was signed by the holder of one of `certificates` (PEM); raise BadSignature otherwise.

    The header is `{algorithm} {base64}`, the base64 a detached CMS SignedData (RFC 5652) over the body exactly
    as transmitted (HL7 over HTTP, HAPI's signature profile). The algorithm word counts for nothing. Only the
    given keys count: certificates that come with the signature, chains and dates are not consulted.
    Required: exactly one signer, signed attributes, SHA-256, SHA-384 or SHA-512, RSA PKCS #1 v1.5 or ECDSA.
    """
    _, _, encoded = header_value.strip().partition(" ")
    if not encoded or len(encoded) > _LONGEST_HEADER:
        raise BadSignature
    try:
        signed = read_signed_data(base64.b64decode(encoded.strip(), validate=True))
    except ValueError as problem:
        raise BadSignature from problem
    if not hmac.compare_digest(hashlib.new(signed.digest_hash, body).digest(), signed.digest):
        raise BadSignature
    if not any(_fits(signed, _key_of(pem)) for pem in certificates):
        raise BadSignature


def check_certificate(pem_or_der: bytes, *, now: datetime) -> Certificate:
    """The uploaded certificate, or raise Refused with what to do about the file."""
    content = pem_or_der.strip()
    if not content:
        raise _refused(said("Select a certificate file"))
    if len(content) > _LARGEST_FILE:
        raise _refused(said("The file must be smaller than 16 kB"))
    if _holds_private_key(content):
        raise _refused(
            said(
                "This file contains a private key. Do not upload private keys. "
                "Delete this file and create a new key."
            )
        )
    certificate = _certificate_in(content)
    _must_be_in_date(certificate, now)
    _must_be_strong(certificate)
    return Certificate(
        pem=certificate.public_bytes(Encoding.PEM).decode("ascii"),
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        subject=certificate.subject.rfc4514_string(),
        valid_from=certificate.not_valid_before_utc,
        valid_until=certificate.not_valid_after_utc,
        issuer=certificate.issuer.rfc4514_string(),
        serial=f"{certificate.serial_number:X}",
    )


# --- the signature -------------------------------------------------------------------------------------------


def _fits(signed: SignedData, key: PublicKey | None) -> bool:
    algorithm = _HASHES[signed.signature_hash]
    try:
        if isinstance(key, rsa.RSAPublicKey) and signed.kind == "rsa":
            key.verify(signed.signature, signed.attributes, padding.PKCS1v15(), algorithm)
            return True
        if isinstance(key, ec.EllipticCurvePublicKey) and signed.kind == "ecdsa":
            key.verify(signed.signature, signed.attributes, ec.ECDSA(algorithm))
            return True
    except (InvalidSignature, ValueError, UnsupportedAlgorithm):
        return False
    return False


# Two certificates per environment during an overlap; a key is read from PEM once per process.
@lru_cache(maxsize=1024)
def _key_of(pem: str) -> PublicKey | None:
    try:
        key = x509.load_pem_x509_certificate(pem.encode()).public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey)) else None


# --- the certificate file ------------------------------------------------------------------------------------

_NOT_A_CERTIFICATE = said(
    "The file must be a Base64 encoded certificate (.cer). Export it again and choose Base-64 encoded X.509."
)
_BEGIN_PRIVATE = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY")
# The beginnings of DER files that hold keys: a version number right after the length. PKCS #12 (.pfx) is
# version 3 and then a SEQUENCE; PKCS #8 version 0 and then a SEQUENCE; PKCS #1 version 0 and then the modulus;
# SEC 1 version 1 and then the key as an OCTET STRING.
_DER_KEY = re.compile(
    rb"\x30(?:[\x00-\x7f]|\x81.|\x82..)\x02\x01(?:\x03\x30|\x00\x30|\x00\x02|\x01\x04)", re.DOTALL
)


def _holds_private_key(content: bytes) -> bool:
    return bool(_BEGIN_PRIVATE.search(content) or _DER_KEY.match(content))


def _certificate_in(content: bytes) -> x509.Certificate:
    try:
        found = x509.load_pem_x509_certificates(content)
    except ValueError as problem:
        raise _refused(_NOT_A_CERTIFICATE) from problem
    if len(found) != 1:
        raise _refused(
            said("The file holds more than one certificate. Upload only the one that Epic signs with.")
        )
    return found[0]


def _must_be_in_date(certificate: x509.Certificate, now: datetime) -> None:
    if now > certificate.not_valid_after_utc:
        ended = _spoken(certificate.not_valid_after_utc)
        raise _refused(said("This certificate expired on %(date)s", date=ended))
    if now < certificate.not_valid_before_utc:
        begins = _spoken(certificate.not_valid_before_utc)
        raise _refused(said("This certificate is not valid until %(date)s", date=begins))


def _must_be_strong(certificate: x509.Certificate) -> None:
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as problem:
        raise _refused(_NOT_A_CERTIFICATE) from problem
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048:
        return
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in (
        "secp256r1",
        "secp384r1",
        "secp521r1",
    ):
        return
    if isinstance(key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey)):
        raise _refused(said("The key is too short. Use RSA 2048 bits or more."))
    raise _refused(said("Keys of this kind are not supported. Use RSA 2048 bits or more."))


def _refused(problem: Said) -> Refused:
    return Refused({"certificate": problem})


_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def _spoken(moment: datetime) -> str:
    day = moment.astimezone(UTC)
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"
