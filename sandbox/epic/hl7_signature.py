"""Signs scheduling messages, so that the hospital's connector knows that its own Epic sent them.

The header is the HL7-Signature profile of HL7 over HTTP: a detached CMS SignedData over the raw bytes of the body.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

KEY_FILE = "hl7-signing-key.pem"
CERTIFICATE_FILE = "hl7-signing-certificate.pem"


class Signature(StrEnum):
    """How a message is signed: well, or in one of the ways a receiver must refuse."""

    GOOD = "good"
    NONE = "none"
    BAD = "bad"
    OTHER_KEY = "other-key"


@dataclass(frozen=True, slots=True)
class Signer:
    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    def header(self, body: bytes) -> str:
        """The value of the HL7-Signature header for `body`."""
        signed = (
            pkcs7.PKCS7SignatureBuilder()
            .set_data(body)
            .add_signer(self.certificate, self.key, hashes.SHA256())
            # Binary: the bytes are signed as they are, without turning line ends into those of e-mail.
            .sign(
                serialization.Encoding.DER,
                [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary],
            )
        )
        return f"SHA256withRSA {base64.b64encode(signed).decode()}"

    def certificate_pem(self) -> bytes:
        """What a receiver needs to know this signer: the certificate, without the key."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def make_signer(name: str, *, now: datetime) -> Signer:
    """A fresh key with a certificate that vouches for itself: receivers trust the key, not who issued it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
    return Signer(key, certificate)


def signer_in(state_dir: Path, *, now: datetime) -> Signer:
    """The signer whose PEM files are in `state_dir`; made and written when they are not there."""
    key_file, certificate_file = state_dir / KEY_FILE, state_dir / CERTIFICATE_FILE
    if key_file.exists() and certificate_file.exists():
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise ValueError(f"{KEY_FILE} must hold an RSA key")
        return Signer(key, x509.load_pem_x509_certificate(certificate_file.read_bytes()))
    signer = make_signer("Sandbox Epic interface engine", now=now)
    key_file.touch(mode=0o600)
    key_file.write_bytes(
        signer.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    certificate_file.write_bytes(signer.certificate_pem())
    return signer


def signature_header(
    how: Signature, body: bytes, *, signer: Signer, other: Callable[[], Signer]
) -> str | None:
    """The header for `body`, signed well or as badly as asked; None leaves it out."""
    match how:
        case Signature.NONE:
            return None
        case Signature.BAD:
            return signer.header(body + b"tampered")
        case Signature.OTHER_KEY:
            return other().header(body)
        case Signature.GOOD:
            return signer.header(body)
