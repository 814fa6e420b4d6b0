"""Takes the sender's signature apart: a CMS SignedData (RFC 5652) that stands beside the message it signs.

Two readers with the same rules: a fast one for DER, which Microsoft's and OpenSSL's software writes, and a slow one
for BER, which BouncyCastle writes. What the fast one cannot read, the slow one tries.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from cryptography.hazmat import asn1
from cryptography.x509 import ObjectIdentifier


class NotSignedData(ValueError):
    """Not the kind of signature that is accepted."""


@dataclass(frozen=True, slots=True)
class SignedData:
    """What a signature with one signer claims. `kind` is `rsa` or `ecdsa`, hashes are as in hashlib."""

    digest_hash: str
    digest: bytes
    attributes: (
        bytes  # DER of the signed attributes as a SET: what the signature covers (RFC 5652 section 5.4)
    )
    kind: str
    signature_hash: str
    signature: bytes


def read_signed_data(encoded: bytes) -> SignedData:
    """The claims of a detached signature with exactly one signer and signed attributes, or raise NotSignedData.

    Accepted are SHA-256, SHA-384 and SHA-512 with RSA PKCS #1 v1.5 or ECDSA. Certificates inside are passed over.
    """
    try:
        content = asn1.decode_der(_ContentInfo, encoded)
    except ValueError:
        return _read_ber(encoded)
    return _read_der(content)


_SIGNED_DATA = "1.2.840.113549.1.7.2"
_DATA = "1.2.840.113549.1.7.1"
# The same as it stands in the content-type attribute: the value of an OBJECT IDENTIFIER, X.690 section 8.19.
_DATA_VALUE = bytes.fromhex("2a864886f70d010701")
_CONTENT_TYPE = "1.2.840.113549.1.9.3"
_MESSAGE_DIGEST = "1.2.840.113549.1.9.4"

_HASHES = {
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
# An empty hash means that of the digest: rsaEncryption does not name one (RFC 3370 section 3.2).
_ALGORITHMS = {
    "1.2.840.113549.1.1.1": ("rsa", ""),
    "1.2.840.113549.1.1.11": ("rsa", "sha256"),
    "1.2.840.113549.1.1.12": ("rsa", "sha384"),
    "1.2.840.113549.1.1.13": ("rsa", "sha512"),
    "1.2.840.10045.4.3.2": ("ecdsa", "sha256"),
    "1.2.840.10045.4.3.3": ("ecdsa", "sha384"),
    "1.2.840.10045.4.3.4": ("ecdsa", "sha512"),
}


def _claims(
    *, digest_oid: str, algorithm_oid: str, digest: bytes, attributes: bytes, signature: bytes
) -> SignedData:
    """The claims, once both readers have found the same six things."""
    digest_hash = _HASHES.get(digest_oid)
    algorithm = _ALGORITHMS.get(algorithm_oid)
    if digest_hash is None or algorithm is None:
        raise NotSignedData("an algorithm that is not accepted")
    kind, signature_hash = algorithm
    return SignedData(digest_hash, digest, attributes, kind, signature_hash or digest_hash, signature)


def _message_digest(attributes: Iterable[tuple[str, list[tuple[int, bytes]]]]) -> bytes:
    """The message digest among attributes (their OID, then tag and content of each value).

    RFC 5652 section 11: content type and message digest are there once, with one value, and the type is `data`.
    """
    values: dict[str, tuple[int, bytes]] = {}
    for oid, found in attributes:
        if oid in values or len(found) != 1:
            raise NotSignedData("a signed attribute more than once")
        values[oid] = found[0]
    if values.get(_CONTENT_TYPE) != (0x06, _DATA_VALUE):
        raise NotSignedData("signed attributes for another kind of content")
    tag, digest = values.get(_MESSAGE_DIGEST, (0, b""))
    if tag != 0x04:
        raise NotSignedData("no message digest")
    return digest


# --- DER -----------------------------------------------------------------------------------------------------

# RFC 5652 sections 3, 5.1 and 5.3, narrowed to what is accepted: content inside, revocation lists and parameters
# other than NULL do not fit, and are refused by the slow reader's own words.


@asn1.sequence
class _Algorithm:
    name: ObjectIdentifier
    parameters: asn1.Null | None


@asn1.sequence
class _Attribute:
    kind: ObjectIdentifier
    values: asn1.SetOf[asn1.TLV]


@asn1.sequence
class _Attributes:
    attributes: asn1.SetOf[_Attribute]


@asn1.sequence
class _Inside:
    kind: ObjectIdentifier


@asn1.sequence
class _SignerInfo:
    version: int
    who: asn1.TLV
    digest: _Algorithm
    attributes: Annotated[asn1.SetOf[_Attribute], asn1.Implicit(0)]
    algorithm: _Algorithm
    signature: bytes


@asn1.sequence
class _SignedData:
    version: int
    digests: asn1.SetOf[_Algorithm]
    inside: _Inside
    certificates: Annotated[asn1.SetOf[asn1.TLV] | None, asn1.Implicit(0)]
    signers: asn1.SetOf[_SignerInfo]


@asn1.sequence
class _ContentInfo:
    kind: ObjectIdentifier
    data: Annotated[_SignedData, asn1.Explicit(0)]


def _read_der(content: _ContentInfo) -> SignedData:
    signers = content.data.signers.as_list()
    if content.kind.dotted_string != _SIGNED_DATA or content.data.inside.kind.dotted_string != _DATA:
        raise NotSignedData("not signed data")
    if len(signers) != 1:
        raise NotSignedData("not exactly one signer")
    signer = signers[0]
    attributes = [
        (one.kind.dotted_string, [(value.tag_bytes[0], bytes(value.data)) for value in one.values.as_list()])
        for one in signer.attributes.as_list()
    ]
    return _claims(
        digest_oid=signer.digest.name.dotted_string,
        algorithm_oid=signer.algorithm.name.dotted_string,
        digest=_message_digest(attributes),
        attributes=_inside(asn1.encode_der(_Attributes(attributes=signer.attributes))),
        signature=signer.signature,
    )


def _inside(sequence: bytes) -> bytes:
    """The content of a SEQUENCE: the writer needs one around the SET that is wanted."""
    length = sequence[1]
    return sequence[2 + (length & 0x7F if length & 0x80 else 0) :]


# --- BER -----------------------------------------------------------------------------------------------------

# asn1crypto reads lazily and raises whatever the bytes lead it into.
_UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError)


def _read_ber(encoded: bytes) -> SignedData:
    try:
        return _taken_apart(encoded)
    except NotSignedData:
        raise
    except _UNREADABLE as problem:
        raise NotSignedData("not signed data") from problem


def _taken_apart(encoded: bytes) -> SignedData:
    # Not at the top: few senders need it, and no other cold start should wait for it.
    from asn1crypto import cms  # noqa: PLC0415

    content = cms.ContentInfo.load(encoded, strict=True)
    if content["content_type"].dotted != _SIGNED_DATA:
        raise NotSignedData("not signed data")
    data = content["content"]
    inside = data["encap_content_info"]
    # Attached content would be a second message beside the body, and only one of them would have been signed.
    if inside["content_type"].dotted != _DATA or inside["content"].native is not None:
        raise NotSignedData("not detached")
    if len(data["signer_infos"]) != 1:
        raise NotSignedData("not exactly one signer")
    signer = data["signer_infos"][0]
    attributes = [
        (one["type"].dotted, [(_tag(value), value.contents) for value in one["values"]])
        for one in signer["signed_attrs"]
    ]
    return _claims(
        digest_oid=signer["digest_algorithm"]["algorithm"].dotted,
        algorithm_oid=signer["signature_algorithm"]["algorithm"].dotted,
        digest=_message_digest(attributes),
        attributes=signer["signed_attrs"].untag().dump(force=True),
        signature=signer["signature"].native,
    )


def _tag(value: object) -> int:
    """The first byte of a value of asn1crypto; 0 for those that have no tag of their own, such as a choice."""
    tag = getattr(value, "tag", None)
    return tag if isinstance(tag, int) and getattr(value, "class_", None) == 0 else 0
