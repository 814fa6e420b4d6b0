"""A throw-away certificate authority, so that clients that insist on TLS can reach the sandbox unchanged."""

import ipaddress
import ssl
from datetime import datetime, timedelta
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

BUNDLE_FILE = "ca-bundle.pem"
SERVER_FILE = "tls-server.pem"

_LIVES = timedelta(days=30)


def make_authority(state_dir: Path, *, now: datetime) -> Path:
    """Write the bundle to trust and the server's key with its certificate; return the server's file.

    The authority's own key is forgotten at once: nothing else can ever be signed with it.
    """
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = _name("Sandbox authority")
    authority = (
        _builder(authority_name, authority_name, authority_key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    server_key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
    issuer_key_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    server = (
        _builder(_name("127.0.0.1"), authority_name, server_key.public_key(), now)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        # Python 3.13 refuses a certificate without it.
        .add_extension(issuer_key_id, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    public = authority.public_bytes(Encoding.PEM).decode()
    (state_dir / BUNDLE_FILE).write_text(_system_roots() + "\n" + public, encoding="utf-8")
    path = state_dir / SERVER_FILE
    path.touch(mode=0o600)
    private = server_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + server.public_bytes(Encoding.PEM))
    return path


def _system_roots() -> str:
    """What this machine trusts anyway: the bundle replaces that for whoever is pointed to it."""
    known = ssl.get_default_verify_paths().cafile or certifi.where()
    return Path(known).read_text(encoding="utf-8")


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _LIVES)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
