"""Encrypts what Graph tells to the certificate of whoever subscribed, exactly as Graph does."""

import base64
import hashlib
import hmac
import json
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from sandbox.world import Row


def read_certificate(encoded: str) -> x509.Certificate:
    """The certificate in base64 of its DER form, with an RSA key of 2048 to 4096 bits, or raise ValueError."""
    certificate = x509.load_der_x509_certificate(base64.b64decode(encoded, validate=True))
    key = certificate.public_key()
    if not isinstance(key, RSAPublicKey) or not 2048 <= key.key_size <= 4096:
        raise ValueError("an RSA key of 2048 to 4096 bits is needed")
    return certificate


def encrypted_content(content: Row, *, certificate: x509.Certificate, certificate_id: str) -> Row:
    """`content` under a key of its own, that key wrapped for the certificate, and a signature made with it."""
    public = certificate.public_key()
    if not isinstance(public, RSAPublicKey):
        raise TypeError("an RSA certificate was checked at subscription")
    key = os.urandom(32)
    padder = PKCS7(128).padder()
    padded = padder.update(json.dumps(content, ensure_ascii=False).encode()) + padder.finalize()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    data = encryptor.update(padded) + encryptor.finalize()
    # SHA-1 is Graph's choice; OAEP does not lean on what is weak in it.
    oaep = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)  # noqa: S303
    return {
        "data": base64.b64encode(data).decode(),
        "dataKey": base64.b64encode(public.encrypt(key, oaep)).decode(),
        "dataSignature": base64.b64encode(hmac.new(key, data, hashlib.sha256).digest()).decode(),
        "encryptionCertificateId": certificate_id,
        "encryptionCertificateThumbprint": certificate.fingerprint(hashes.SHA1()).hex().upper(),  # noqa: S303
    }
