"""Calls to addresses that people type in, such as a FHIR server's: never to anything inside our own network.

A host name is resolved once, every address it has is checked, and the checked address is the one connected to,
so a name that changes its answer between check and call (DNS rebinding) gains nothing.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Collection
from ssl import SSLContext

import httpx

from shared.domain.errors import TurnedDown

Resolve = Callable[[str, int], Awaitable[list[str]]]
Open = Callable[[], httpx.AsyncBaseTransport]

# Azure's platform address (DNS, health probes, the agent's secrets): public by its number, private by its nature.
_AZURE_PLATFORM = ipaddress.ip_address("168.63.129.16")
# RFC 6052: an IPv4 address inside an IPv6 one, which a translator would connect to.
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
_PORTS = {"https": 443, "http": 80}


def is_public(address: str) -> bool:
    """Whether `address` (text, IPv4 or IPv6) is one that anybody on the internet could mean."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inside = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
        if ip in _TRANSLATED:
            inside.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        # ::a.b.c.d, long deprecated, is still understood by some systems.
        if int(ip) >> 32 == 0:
            inside.append(ipaddress.IPv4Address(int(ip)))
        if not all(is_public(str(one)) for one in inside if one is not None):
            return False
        if ip.ipv4_mapped is not None or ip in _TRANSLATED:
            return True  # the address inside is the one that counts
        if ip.is_site_local:
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved and ip != _AZURE_PLATFORM


async def _system_resolver(host: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class GuardedTransport(httpx.AsyncBaseTransport):
    """Connects to public addresses only, and to the few `allowed` ones (`host:port`), which may be plain http.

    Each host has a pool of its own: requests go to an address, so one shared pool could send a request for
    one name over a connection that was proven to belong to another.
    """

    def __init__(
        self, *, allowed: Collection[str], resolve: Resolve = _system_resolver, opening: Open | None = None
    ) -> None:
        self._allowed = frozenset(one.strip().lower() for one in allowed if one.strip())
        self._resolve = resolve
        self._opening = opening or self._open
        self._pools: dict[str, httpx.AsyncBaseTransport] = {}
        self._trust: SSLContext | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raise TurnedDown with code `address-refused` instead of connecting to where we should not."""
        url = request.url
        name, port = url.host.lower().rstrip("."), url.port or _PORTS.get(url.scheme, 0)
        permitted = f"{name}:{port}" in self._allowed
        if url.userinfo or not name or (url.scheme != "https" and not permitted) or not port:
            raise _refused()
        address = await self._checked_address(name, port, permitted=permitted)
        pool = self._pools.get(name)
        if pool is None:
            pool = self._pools[name] = self._opening()
        return await pool.handle_async_request(
            httpx.Request(
                request.method,
                url.copy_with(host=address),
                headers=request.headers,  # Host still says the name
                stream=request.stream,
                # The certificate is checked against the name (and TLS asks for it), not against the address.
                extensions={**request.extensions, "sni_hostname": name},
            )
        )

    async def _checked_address(self, name: str, port: int, *, permitted: bool) -> str:
        try:
            addresses = await self._resolve(name, port)
        except (OSError, UnicodeError) as unknown:
            raise httpx.ConnectError(f"name not resolved: {type(unknown).__name__}") from None
        if not addresses:
            raise httpx.ConnectError("name not resolved")
        # All of them: with one good and one bad address, the next answer could lead with the bad one.
        if not permitted and not all(is_public(address) for address in addresses):
            raise _refused()
        return addresses[0]

    def _open(self) -> httpx.AsyncBaseTransport:
        if self._trust is None:
            self._trust = httpx.create_ssl_context()
        limits = httpx.Limits(max_connections=20, max_keepalive_connections=5, keepalive_expiry=15)
        return httpx.AsyncHTTPTransport(verify=self._trust, limits=limits)

    async def aclose(self) -> None:
        for pool in self._pools.values():
            await pool.aclose()
        self._pools.clear()


def _refused() -> TurnedDown:
    return TurnedDown("the address is not one that may be called", code="address-refused")


def guarded_client(*, allowed: Collection[str], seconds: float = 8.0) -> httpx.AsyncClient:
    """A client for addresses that people typed in. `allowed` are `host:port` that may be private or plain http.

    `trust_env` is off because a proxy from the environment would be connected to instead of the checked
    address.
    """
    return httpx.AsyncClient(
        transport=GuardedTransport(allowed=allowed), timeout=seconds, follow_redirects=False, trust_env=False
    )
