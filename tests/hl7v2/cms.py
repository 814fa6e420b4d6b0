"""Signs as other software does, well and badly, so that a receiver can be tried with all of it."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from asn1crypto import algos, cms, core
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa
from cryptography.x509.oid import NameOID

NOW = datetime(2030, 6, 1, 12, 0, tzinfo=UTC)

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
AnyKey = PrivateKey | ed25519.Ed25519PrivateKey | dsa.DSAPrivateKey

_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha1": hashes.SHA1(),  # noqa: S303 - must be refused
    "sha224": hashes.SHA224(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


@dataclass(frozen=True, slots=True)
class Signer:
    key: PrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()


@cache
def signer(kind: str = "rsa-2048", name: str = "Epic Interface") -> Signer:
    key = make_key(kind)
    assert isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey))
    return Signer(key, certificate_for(key, name=name))


def make_key(kind: str) -> AnyKey:
    family, _, size = kind.partition("-")
    match family:
        case "rsa":
            return rsa.generate_private_key(public_exponent=65537, key_size=int(size))
        case "p":
            curves = {
                "224": ec.SECP224R1(),
                "256": ec.SECP256R1(),
                "384": ec.SECP384R1(),
                "521": ec.SECP521R1(),
            }
            return ec.generate_private_key(curves[size])
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
    return dsa.generate_private_key(key_size=2048)


def certificate_for(
    key: AnyKey,
    *,
    name: str = "Epic Interface",
    valid_from: datetime = NOW - timedelta(days=30),
    valid_until: datetime = NOW + timedelta(days=335),
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid_from)
        .not_valid_after(valid_until)
        .sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    )


@dataclass(frozen=True, slots=True)
class How:
    """The ways in which one signature can differ from another. The defaults are a good one."""

    digest: str = "sha256"
    signature: str = "usual"  # usual, plain (rsaEncryption) or pss
    attributes: tuple[str, ...] = ("content_type", "message_digest", "signing_time")
    attached: bool = False
    content_type: str = "data"
    certificates: bool = True
    key_id: bool = False


def header(body: bytes, by: Sequence[Signer] = (), how: How = How(), *, word: str = "SHA256withRSA") -> str:
    """The HL7-Signature header over `body`."""
    return f"{word} {base64.b64encode(der(body, by, how)).decode()}"


def der(body: bytes, by: Sequence[Signer] = (), how: How = How()) -> bytes:
    """The CMS SignedData in DER."""
    signers = list(by) or [signer()]
    embedded = [asn1_x509.Certificate.load(_certificate_der(one)) for one in signers]
    content: dict[str, object] = {"content_type": how.content_type}
    if how.attached:
        content["content"] = core.OctetString(body)
    signed = cms.SignedData(
        {
            "version": "v1",
            "digest_algorithms": [{"algorithm": how.digest}],
            "encap_content_info": content,
            "certificates": embedded if how.certificates else [],
            "signer_infos": [_signer_info(body, one, how) for one in signers],
        }
    )
    return bytes(cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump())


def _signer_info(body: bytes, by: Signer, how: How) -> cms.SignerInfo:
    attributes = _attributes(body, how)
    covered = attributes.dump() if attributes is not None else body
    certificate = asn1_x509.Certificate.load(_certificate_der(by))
    identified: cms.SignerIdentifier = (
        cms.SignerIdentifier(
            "subject_key_identifier",
            hashlib.sha1(certificate.public_key.dump()).digest(),  # noqa: S324
        )
        if how.key_id
        else cms.SignerIdentifier(
            "issuer_and_serial_number",
            {"issuer": certificate.issuer, "serial_number": certificate.serial_number},
        )
    )
    algorithm, signature = _signed(covered, by.key, how)
    info: dict[str, object] = {
        "version": "v1",
        "sid": identified,
        "digest_algorithm": {"algorithm": how.digest},
        "signature_algorithm": algorithm,
        "signature": signature,
    }
    if attributes is not None:
        info["signed_attrs"] = attributes
    return cms.SignerInfo(info)


def _attributes(body: bytes, how: How) -> cms.CMSAttributes | None:
    values = {
        "content_type": "data",
        "message_digest": hashlib.new(how.digest, body).digest(),
        "signing_time": cms.Time({"utc_time": core.UTCTime(NOW)}),
    }
    if not how.attributes:
        return None
    return cms.CMSAttributes([{"type": name, "values": [values[name]]} for name in how.attributes])


def _signed(covered: bytes, key: PrivateKey, how: How) -> tuple[algos.SignedDigestAlgorithm, bytes]:
    algorithm = _HASHES[how.digest]
    if isinstance(key, ec.EllipticCurvePrivateKey):
        name = {"algorithm": f"{how.digest}_ecdsa"}
        return algos.SignedDigestAlgorithm(name), key.sign(covered, ec.ECDSA(algorithm))
    if how.signature == "pss":
        salted = padding.PSS(padding.MGF1(algorithm), padding.PSS.DIGEST_LENGTH)
        parameters = {"hash_algorithm": {"algorithm": how.digest}, "salt_length": 32}
        return (
            algos.SignedDigestAlgorithm({"algorithm": "rsassa_pss", "parameters": parameters}),
            key.sign(covered, salted, algorithm),
        )
    name = {"algorithm": "rsassa_pkcs1v15" if how.signature == "plain" else f"{how.digest}_rsa"}
    return algos.SignedDigestAlgorithm(name), key.sign(covered, padding.PKCS1v15(), algorithm)


def _certificate_der(one: Signer) -> bytes:
    return one.certificate.public_bytes(serialization.Encoding.DER)


def with_indefinite_lengths(encoded: bytes, *, depth: int = 20) -> bytes:
    """DER as BER whose outer `depth` layers have indefinite lengths, as BouncyCastle streams a signature."""
    tag, content, rest = _split(encoded)
    if not depth or not tag & 0x20:
        return encoded[: len(encoded) - len(rest)]
    inner = b""
    while content:
        _, _, after = _split(content)
        inner += with_indefinite_lengths(content[: len(content) - len(after)], depth=depth - 1)
        content = after
    return bytes([tag, 0x80]) + inner + b"\x00\x00"


def _split(encoded: bytes) -> tuple[int, bytes, bytes]:
    """The first tag, its content, and what follows it."""
    size, start = encoded[1], 2
    if size & 0x80:
        start += size & 0x7F
        size = int.from_bytes(encoded[2:start], "big")
    return encoded[0], encoded[start : start + size], encoded[start + size :]
