"""Look at the address that an administrator typed for Epic: is a FHIR R4 server there, and can people sign in?

Sources: FHIR R4 `capabilities` interaction (GET /metadata), SMART App Launch 2.0 (`.well-known/smart-configuration`),
OpenID Connect Discovery 1.0, 4.3 (the issuer that is named must be the one that was asked).
"""

import asyncio
from collections.abc import Collection
from dataclasses import replace
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit

import httpx

from shared.clients.web_call import Answer, call
from shared.domain.errors import OutsideError, TryAgain, TurnedDown
from shared.domain.fhir_check import (
    AddressCheck,
    CheckCode,
    Finding,
    Software,
    bad_sign_in,
    corrections,
    epic_finding,
    no_sign_in,
    not_fhir,
    private,
    redirected,
    server_error,
    sign_in_findings,
    unreachable,
    version_finding,
    written,
    wrong_issuer,
)

_EPIC = "Epic"
_SECONDS = 8.0
_LONGEST_WORD = 80


class Discovery(Protocol):
    """The sign-in addresses of a FHIR server."""

    async def discover(self, fhir_base_url: str, *, client_id: str) -> dict[str, str]: ...


class AddressChecker:
    """Checks addresses of FHIR servers. `http` must be a guarded client.

    `private_hosts` are the `host:port` that may be private and plain http.
    """

    def __init__(
        self, http: httpx.AsyncClient, *, smart: Discovery, private_hosts: Collection[str] = ()
    ) -> None:
        self._http = http
        self._smart = smart
        self._private = frozenset(private_hosts)

    async def check(self, url: str, client_id: str = "") -> AddressCheck:
        """Everything that was found, with the right address where another one answers as it should.

        Raises nothing: whatever the server does is a finding. `client_id` is told to Epic, which may name other
        sign-in addresses for other clients.
        """
        url = url.strip()
        # The form takes a final slash away on save; here it is no mistake either.
        url = url.rstrip("/") if len(url.rstrip("/")) >= len("https://x") else url
        wrong = written(url, private_hosts=self._private)
        if wrong:
            return AddressCheck(wrong, suggested_url=await self._meant(url))
        found = await self._look(url, client_id=client_id)
        if found.ok or found.suggested_url or found.findings[0].code is CheckCode.PRIVATE:
            return found
        if found.fhir_version.startswith("4.0"):
            return found  # the right server; something about its set-up is missing
        return replace(found, suggested_url=await self._meant(url))

    async def _meant(self, url: str) -> str:
        """The first of the addresses that may have been meant at which a FHIR R4 server answers."""
        tried = [
            one
            for one in corrections(url, private_hosts=self._private)
            if not written(one, private_hosts=self._private)
        ]
        for one in tried[:3]:
            found, version, _ = await self._metadata(one, client_id="")
            if found is None and version_finding(version).ok:
                return one
        return ""

    async def _look(self, url: str, *, client_id: str) -> AddressCheck:
        trouble, version, software = await self._metadata(url, client_id=client_id)
        if trouble is not None:
            moved = version  # where it forwards to, when it does
            return AddressCheck((trouble,), suggested_url=await self._forwarded(moved) if moved else "")
        first = version_finding(version)
        if not first.ok:
            return AddressCheck((first,), fhir_version=version, software=software)
        signs, endpoints = await self._sign_in(url, client_id=client_id)
        return AddressCheck(
            (first, *signs, epic_finding(software)),
            fhir_version=version,
            software=software,
            endpoints=endpoints,
        )

    async def _forwarded(self, to: str) -> str:
        """The address that the server forwards to on its own host, when it is a good one."""
        base = to.partition("?")[0].removesuffix("/metadata").rstrip("/")
        if written(base, private_hosts=self._private):
            return ""
        trouble, version, _ = await self._metadata(base, client_id="")
        return base if trouble is None and version_finding(version).ok else ""

    async def _metadata(self, url: str, *, client_id: str) -> tuple[Finding | None, str, Software]:
        """What is wrong, the FHIR version, and the software; with a forwarding, where to instead of a version."""
        headers = {"Accept": "application/fhir+json", **({"Epic-Client-ID": client_id} if client_id else {})}
        try:
            answer = await call(
                self._http, "GET", f"{url}/metadata", service=_EPIC, headers=headers, seconds=_SECONDS
            )
        except TurnedDown as refused:
            wrong = {"address-refused": private(), "bad-address": unreachable()}.get(refused.code, not_fhir())
            return wrong, "", Software()
        except TryAgain:
            return unreachable(), "", Software()
        if 300 <= answer.status < 400:
            return _forwarding(url, answer)
        if answer.status >= 500 or answer.status in (401, 403, 429):
            return server_error(answer.status), "", Software()
        try:
            content = answer.json() if answer.good else {}
        except TurnedDown:
            content = {}
        # Before STU3 the same thing was called Conformance.
        if content.get("resourceType") not in ("CapabilityStatement", "Conformance"):
            return not_fhir(), "", Software()
        return None, _word(content.get("fhirVersion")), _software(content.get("software"))

    async def _sign_in(self, url: str, *, client_id: str) -> tuple[tuple[Finding, ...], dict[str, str]]:
        try:
            async with asyncio.timeout(2 * _SECONDS):
                endpoints = await self._smart.discover(url, client_id=client_id)
        except TurnedDown as refused:
            wrong = {"bad-address": bad_sign_in(), "address-refused": private()}
            return (wrong.get(refused.code, no_sign_in()),), {}
        except (TryAgain, TimeoutError):
            return (no_sign_in(),), {}
        findings = sign_in_findings(url, endpoints)
        if all(one.ok for one in findings) and await self._denied(endpoints["issuer"]):
            return (wrong_issuer(),), {}
        return findings, endpoints

    async def _denied(self, issuer: str) -> bool:
        """Whether the issuer itself says that it is another one. One that says nothing is no contradiction."""
        try:
            answer = await call(
                self._http,
                "GET",
                f"{issuer.rstrip('/')}/.well-known/openid-configuration",
                service=_EPIC,
                headers={"Accept": "application/json"},
                seconds=_SECONDS,
            )
            named = answer.json().get("issuer") if answer.good else issuer
        except OutsideError:
            return False
        return named != issuer


def _forwarding(url: str, answer: Answer) -> tuple[Finding, str, Software]:
    try:
        to = urljoin(f"{url}/metadata", answer.headers.get("location", ""))
        there, here = urlsplit(to), urlsplit(url)
        host = there.hostname or ""
    except ValueError:
        return not_fhir(), "", Software()
    if (there.scheme, there.netloc) == (here.scheme, here.netloc):
        return redirected(""), to, Software()
    return redirected(host[:_LONGEST_WORD]), "", Software()


def _software(told: Any) -> Software:
    if not isinstance(told, dict):
        return Software()
    return Software(_word(told.get("name")), _word(told.get("version")), _word(told.get("releaseDate")))


def _word(value: Any) -> str:
    """One line of what a server says about itself, short and printable: it is shown on a page."""
    text = value if isinstance(value, str) else ""
    return "".join(sign for sign in text if sign.isprintable())[:_LONGEST_WORD].strip()
