"""A web server on this machine behind TLS, for Azure's clients, which refuse anything else."""

import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web
from azure.core.credentials import AccessToken
from azure.core.pipeline.transport import AioHttpTransport
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.clients.signing import rsa_key

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Served:
    """Where the server listens, and how to make a transport that trusts it."""

    url: str
    port: int
    certificate: str

    def transport(self) -> AioHttpTransport:
        return AioHttpTransport(connection_verify=self.certificate)


@asynccontextmanager
async def serving(handler: Handler, folder: Path, *, tls: bool = True) -> AsyncIterator[Served]:
    """Answer every request with `handler` until the block ends."""
    certificate, context = _certificate(folder) if tls else ("", None)
    # A handler that never answers is not waited for.
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.01)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield Served(f"{'https' if tls else 'http'}://127.0.0.1:{port}", port, certificate)
    finally:
        await runner.cleanup()


def _certificate(folder: Path) -> tuple[str, ssl.SSLContext]:
    key = rsa_key("tls")
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test server")])
    # TLS itself looks at the computer's clock.
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("ehr.example")]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public, both = folder / "server.pem", folder / "server-key.pem"
    public.write_bytes(certificate.public_bytes(Encoding.PEM))
    both.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return str(public), context


class FakeCredential:
    """A credential that always has a token."""

    def __init__(self) -> None:
        self.token = "a-token"
        self.scopes: list[str] = []

    async def get_token(self, *scopes: str, **_options: object) -> AccessToken:
        self.scopes.extend(scopes)
        return AccessToken(self.token, 4_000_000_000)

    async def close(self) -> None:
        """Nothing is open."""

    async def __aenter__(self) -> "FakeCredential":
        return self

    async def __aexit__(self, *_problem: object) -> None:
        """Nothing is open."""
