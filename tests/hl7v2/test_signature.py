"""A message is taken only when the hospital's own certificate signed exactly these bytes."""

import base64
import random
from datetime import timedelta

import pytest

from shared.hl7v2.signature import BadSignature, verify
from tests.hl7v2.cms import NOW, How, Signer, certificate_for, der, header, signer, with_indefinite_lengths
from tests.hl7v2.siu import text

BODY = text().encode()


def accepted(value: str, body: bytes = BODY, certificates: list[str] | None = None) -> bool:
    try:
        verify(value, body, [signer().pem] if certificates is None else certificates)
    except BadSignature:
        return False
    return True


def in_header(encoded: bytes) -> str:
    return f"SHA256withRSA {base64.b64encode(encoded).decode()}"


# --- what is accepted ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["rsa-2048", "rsa-4096", "p-256", "p-384", "p-521"])
@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
def test_a_good_signature_of_every_accepted_kind_is_accepted(kind: str, digest: str) -> None:
    by = signer(kind)
    assert accepted(header(BODY, [by], How(digest=digest)), certificates=[by.pem])


@pytest.mark.parametrize(
    "how",
    [
        How(signature="plain"),
        How(certificates=False),
        How(key_id=True),
        How(attributes=("content_type", "message_digest")),
    ],
    ids=["rsaEncryption", "no certificates", "key id", "no signing time"],
)
def test_what_senders_do_differently_makes_no_difference(how: How) -> None:
    assert accepted(header(BODY, how=how))


@pytest.mark.parametrize("kind", ["rsa-2048", "p-256"])
@pytest.mark.parametrize("depth", [1, 3, 5, 8, 20])
def test_indefinite_lengths_as_bouncy_castle_writes_them_are_read(kind: str, depth: int) -> None:
    by = signer(kind)
    streamed = with_indefinite_lengths(der(BODY, [by]), depth=depth)

    assert streamed[:2] == b"\x30\x80"
    assert accepted(in_header(streamed), certificates=[by.pem])
    assert not accepted(in_header(streamed), BODY + b"x", certificates=[by.pem])


@pytest.mark.parametrize("word", ["SHA512withRSA", "anything", "SHA1withRSA"])
def test_the_algorithm_word_counts_for_nothing(word: str) -> None:
    assert accepted(header(BODY, word=word))


def test_either_certificate_of_an_overlap_is_enough() -> None:
    old, new = signer("rsa-2048", "old"), signer("p-256", "new")
    both = [old.pem, new.pem]

    assert accepted(header(BODY, [old]), certificates=both)
    assert accepted(header(BODY, [new]), certificates=both)


def test_the_raw_bytes_are_what_is_signed() -> None:
    packed = b"\x1f\x8b\x08 not text at all \x00\xff"
    assert accepted(header(packed), packed)


# --- what is refused -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [BODY + b"\r", BODY[:-1], BODY.replace(b"36", b"37"), b""],
    ids=["longer", "shorter", "changed", "none"],
)
def test_a_body_that_was_changed_is_refused(body: bytes) -> None:
    assert not accepted(header(BODY), body)


def test_another_key_is_refused_even_with_its_certificate_inside() -> None:
    stranger = signer("rsa-2048", "a stranger")
    assert not accepted(header(BODY, [stranger]))
    assert not accepted(header(BODY, [signer("p-256")]))


def test_without_any_certificate_nothing_is_accepted() -> None:
    assert not accepted(header(BODY), certificates=[])


def test_a_stored_certificate_that_cannot_be_read_stops_only_itself() -> None:
    assert not accepted(header(BODY), certificates=["-----BEGIN CERTIFICATE-----\nx\n"])
    assert accepted(header(BODY), certificates=["no certificate", signer().pem])


@pytest.mark.parametrize(
    "how",
    [
        How(attached=True),
        How(attributes=()),
        How(attributes=("content_type", "signing_time")),
        How(attributes=("message_digest", "signing_time")),
        How(attributes=("content_type", "message_digest", "message_digest")),
        How(content_type="enveloped_data"),
        How(signature="pss"),
        How(digest="sha1"),
        How(digest="sha224"),
    ],
    ids=[
        "attached content",
        "no signed attributes",
        "no message digest",
        "no content type",
        "message digest twice",
        "other content",
        "PSS",
        "SHA-1",
        "SHA-224",
    ],
)
def test_a_signature_of_another_kind_is_refused(how: How) -> None:
    assert not accepted(header(BODY, how=how))


def test_two_signers_are_refused_even_when_both_are_known() -> None:
    both = [signer("rsa-2048", "one"), signer("rsa-2048", "two")]
    assert not accepted(header(BODY, both), certificates=[one.pem for one in both])


def test_signed_attributes_cannot_be_passed_off_as_a_message() -> None:
    # A signature over attributes covers their bytes too: sent as a body, they must not count as signed.
    from asn1crypto import cms  # noqa: PLC0415 - needed here only

    info = cms.ContentInfo.load(der(BODY))
    attributes = info["content"]["signer_infos"][0]["signed_attrs"].untag().dump(force=True)
    del info["content"]["signer_infos"][0]["signed_attrs"]

    assert not accepted(in_header(info.dump(force=True)), attributes)


def test_bytes_after_the_signature_are_refused() -> None:
    assert not accepted(in_header(der(BODY) + b"\x00"))
    assert not accepted(in_header(with_indefinite_lengths(der(BODY)) + b"\x05\x00"))


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "SHA256withRSA",
        "SHA256withRSA ",
        "SHA256withRSA !!!!",
        "SHA256withRSA é",
        "SHA256withRSA AAAA",
        "SHA256withRSA MIAA",
        "SHA256withRSA MAA=",
        "SHA256withRSA " + base64.b64encode(b"\x30\x80" * 2000).decode(),
        "SHA256withRSA " + "A" * 70_000,
    ],
)
def test_junk_in_the_header_is_refused(value: str) -> None:
    assert not accepted(value)


def test_a_signature_without_its_algorithm_word_is_refused() -> None:
    assert not accepted(header(BODY).split(" ")[1])


@pytest.mark.parametrize("form", ["DER", "BER"])
@pytest.mark.parametrize("kind", ["rsa-2048", "p-256"])
def test_two_thousand_damaged_signatures_are_refused_in_the_same_way(kind: str, form: str) -> None:
    by, dice = signer(kind), random.Random(2030)  # noqa: S311 - dice for a test
    whole = der(BODY, [by], How(certificates=False))
    whole = with_indefinite_lengths(whole) if form == "BER" else whole
    passed = set()
    for _ in range(500):
        damaged = bytearray(whole)
        for _ in range(dice.randint(1, 3)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        if accepted(in_header(bytes(damaged)), certificates=[by.pem]):
            passed.add(bytes(damaged))

    # What still passes differs only in what a signature does not cover: who it says signed, and versions.
    assert all(_covered(one) == _covered(whole) for one in passed)


def _covered(encoded: bytes) -> tuple[bytes, bytes]:
    from asn1crypto import cms  # noqa: PLC0415 - needed here only

    info = cms.ContentInfo.load(encoded)["content"]["signer_infos"][0]
    return info["signed_attrs"].untag().dump(force=True), info["signature"].native


def test_a_refusal_says_nothing_about_why() -> None:
    with pytest.raises(BadSignature) as tampered:
        verify(header(BODY), BODY + b"x", [signer().pem])
    with pytest.raises(BadSignature) as junk:
        verify("SHA256withRSA AAAA", BODY, [signer().pem])
    assert str(tampered.value) == str(junk.value)


def test_an_expired_certificate_is_no_reason_to_refuse_a_signature() -> None:
    # Whether a certificate may still be used is decided where it is configured, not at each message.
    by = signer()
    expired = Signer(by.key, certificate_for(by.key, valid_until=NOW - timedelta(days=1)))
    assert accepted(header(BODY, [expired]), certificates=[expired.pem])
