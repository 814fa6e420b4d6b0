"""Uploading a certificate: the right one is shown, a wrong one is explained, and a private key is never kept."""

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from shared.domain.errors import Refused
from shared.hl7v2.signature import check_certificate
from tests.hl7v2.cms import NOW, certificate_for, make_key, signer

PEM = signer().pem.encode()
NOT_BASE64 = (
    "The file must be a Base64 encoded certificate (.cer). Export it again and choose Base-64 encoded X.509."
)
PRIVATE = (
    "This file contains a private key. Do not upload private keys. Delete this file and create a new key."
)


def problem(content: bytes) -> str:
    with pytest.raises(Refused) as refused:
        check_certificate(content, now=NOW)
    return refused.value.problems["certificate"]


@pytest.mark.parametrize("kind", ["rsa-2048", "rsa-4096", "p-256", "p-384"])
def test_a_good_certificate_is_described(kind: str) -> None:
    by = signer(kind)
    found = check_certificate(by.pem.encode(), now=NOW)

    assert found.pem == by.pem
    assert found.fingerprint == by.certificate.fingerprint(hashes.SHA256()).hex()
    assert found.subject == "CN=Epic Interface"
    assert (found.valid_from, found.valid_until) == (NOW - timedelta(days=30), NOW + timedelta(days=335))


def test_what_exports_put_around_a_certificate_is_left_out() -> None:
    around = b"Bag Attributes\r\n  friendlyName: x\r\n" + PEM.replace(b"\n", b"\r\n") + b"\r\n\r\n"
    assert check_certificate(around, now=NOW).pem == signer().pem


@pytest.mark.parametrize("content", [b"", b" \r\n"])
def test_no_file_is_asked_for(content: bytes) -> None:
    assert problem(content) == "Select a certificate file"


def test_a_large_file_is_refused() -> None:
    assert problem(PEM + b"#" * 16 * 1024) == "The file must be smaller than 16 kB"


@pytest.mark.parametrize(
    "content",
    [
        b"hello",
        b"\xff\xfe\x00",
        signer().certificate.public_bytes(serialization.Encoding.DER),
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        PEM[:-200],
        signer()
        .key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
    ],
    ids=["text", "binary", "DER", "damaged", "cut off", "public key"],
)
def test_what_is_no_base64_certificate_is_refused(content: bytes) -> None:
    assert problem(content) == NOT_BASE64


@pytest.mark.parametrize(
    "form", [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL], ids=str
)
@pytest.mark.parametrize("encoding", [serialization.Encoding.PEM, serialization.Encoding.DER], ids=str)
@pytest.mark.parametrize("kind", ["rsa-2048", "p-256"])
def test_a_private_key_is_refused_in_every_form(
    kind: str, encoding: serialization.Encoding, form: serialization.PrivateFormat
) -> None:
    key = signer(kind).key.private_bytes(encoding, form, serialization.NoEncryption())
    assert problem(key) == PRIVATE
    if encoding is serialization.Encoding.PEM:
        assert problem(PEM + key) == PRIVATE
        assert problem(key + PEM) == PRIVATE


def test_an_encrypted_private_key_is_refused_too() -> None:
    key = signer().key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    assert problem(key) == PRIVATE


def test_a_pfx_file_is_refused_as_a_private_key() -> None:
    by = signer()
    packed = pkcs12.serialize_key_and_certificates(
        b"x", by.key, by.certificate, None, serialization.BestAvailableEncryption(b"secret")
    )
    assert problem(packed) == PRIVATE


def test_certificates_out_of_date_are_refused_with_the_day() -> None:
    key = make_key("p-256")
    expired = certificate_for(key, valid_until=NOW - timedelta(days=1))
    early = certificate_for(key, valid_from=NOW + timedelta(days=2))

    assert (
        problem(expired.public_bytes(serialization.Encoding.PEM)) == "This certificate expired on 31 May 2030"
    )
    assert (
        problem(early.public_bytes(serialization.Encoding.PEM))
        == "This certificate is not valid until 3 June 2030"
    )


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("rsa-1024", "The key is too short. Use RSA 2048 bits or more."),
        ("p-224", "The key is too short. Use RSA 2048 bits or more."),
        ("ed25519", "Keys of this kind are not supported. Use RSA 2048 bits or more."),
        ("dsa", "Keys of this kind are not supported. Use RSA 2048 bits or more."),
    ],
)
def test_weak_and_unusual_keys_are_refused(kind: str, expected: str) -> None:
    weak = certificate_for(make_key(kind)).public_bytes(serialization.Encoding.PEM)
    assert problem(weak) == expected


def test_a_chain_is_refused_because_only_one_key_signs() -> None:
    assert problem(PEM + signer("p-256").pem.encode()) == (
        "The file holds more than one certificate. Upload only the one that Epic signs with."
    )
