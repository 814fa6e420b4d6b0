"""What is wrong with the address of a hospital's FHIR server, in words, and what the right address may be."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from ipaddress import ip_address
from types import MappingProxyType
from urllib.parse import urlsplit, urlunsplit

from shared.domain.words import Said, said


class CheckCode(StrEnum):
    """What a check found. Each is a stable code that the documentation explains."""

    MISSING = "address-missing"
    TOO_LONG = "address-too-long"
    NOT_HTTPS = "not-https"
    EXTRA_PARTS = "address-has-extra-parts"
    DSTU2 = "dstu2"
    STU3 = "stu3"
    NOT_R4_ADDRESS = "not-r4-address"
    PRIVATE = "private-address"
    UNREACHABLE = "unreachable"
    REDIRECTED = "redirected"
    SERVER_ERROR = "server-error"
    NOT_FHIR = "not-fhir"
    FHIR_FOUND = "fhir-found"
    NO_SIGN_IN = "no-sign-in"
    BAD_SIGN_IN = "bad-sign-in-address"
    WRONG_ISSUER = "wrong-issuer"
    SIGN_IN_ELSEWHERE = "sign-in-elsewhere"
    SIGN_IN_FOUND = "sign-in-found"
    EPIC_TOO_OLD = "epic-too-old"
    EPIC_NOT_TOLD = "epic-version-not-told"
    EPIC_NEW_ENOUGH = "epic-new-enough"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `warns` marks what somebody should read although the check passes."""

    code: CheckCode
    said: Said
    ok: bool = False
    warns: bool = False


@dataclass(frozen=True, slots=True)
class Software:
    """What the server says about itself (CapabilityStatement.software); empty where it says nothing."""

    name: str = ""
    version: str = ""
    released: str = ""  # a FHIR date, as sent


@dataclass(frozen=True, slots=True)
class AddressCheck:
    """The result of a check. `endpoints` are the four sign-in addresses that a submission pins."""

    findings: tuple[Finding, ...]
    suggested_url: str = ""
    fhir_version: str = ""
    software: Software = Software()
    endpoints: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def ok(self) -> bool:
        """Whether nothing that was found stands in the way."""
        return bool(self.findings) and all(one.ok for one in self.findings)

    @property
    def problem(self) -> Said | None:
        """The first sentence that says what to do, when there is something to do."""
        return next((one.said for one in self.findings if not one.ok), None)


_LONGEST = 500
# Where Epic's own pages and other tools end an address that was copied from them.
_TAILS = re.compile(r"(?:/metadata|/\.well-known(?:/[\w.-]*)?)/?$", re.IGNORECASE)
_OTHER_VERSION = re.compile(r"/(dstu2|stu3|r4b?|r5)(?=/|$)", re.IGNORECASE)
_AFTER_R4 = re.compile(r"(/r4)/.*$", re.IGNORECASE)
_ENDS_API_FHIR = re.compile(r"/api/fhir/?$", re.IGNORECASE)
_ENDS_API = re.compile(r"/api/?$", re.IGNORECASE)


def written(url: str, *, private_hosts: Collection[str] = ()) -> tuple[Finding, ...]:
    """What can be seen wrong in an address before anything is called; nothing when it may be tried.

    `private_hosts` (`host:port`) may be private and plain http: a laptop's sandbox, or a hospital's own network.
    """
    if not url.strip():
        return (Finding(CheckCode.MISSING, said("Enter the FHIR base URL")),)
    if len(url) > _LONGEST:
        return (
            Finding(
                CheckCode.TOO_LONG, said("FHIR base URL must be %(most)s characters or fewer", most=_LONGEST)
            ),
        )
    return tuple(_wrong_parts(url.strip(), private_hosts))


def _wrong_parts(url: str, private_hosts: Collection[str]) -> Iterator[Finding]:
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        host = ""
    if not host:
        yield Finding(CheckCode.NOT_HTTPS, said("FHIR base URL must start with https://"))
        return
    permitted = parts.netloc.lower() in private_hosts
    if parts.username is not None or not (parts.scheme == "https" or (parts.scheme == "http" and permitted)):
        yield Finding(CheckCode.NOT_HTTPS, said("FHIR base URL must start with https://"))
    if "?" in url or "#" in url:
        yield Finding(CheckCode.EXTRA_PARTS, said("FHIR base URL must not include a question mark or #"))
    if not permitted and _is_address(host):
        yield Finding(CheckCode.PRIVATE, said("FHIR base URL must be a public internet address"))
    version = _OTHER_VERSION.search(parts.path)
    if version and version[1].upper() == "DSTU2":
        yield Finding(CheckCode.DSTU2, said("FHIR base URL must end with /R4. You entered a DSTU2 address."))
    elif version and version[1].upper() == "STU3":
        yield Finding(CheckCode.STU3, said("FHIR base URL must end with /R4. You entered an STU3 address."))
    elif not parts.path.endswith("/R4"):
        yield Finding(CheckCode.NOT_R4_ADDRESS, said("FHIR base URL must end with /R4"))


def _is_address(host: str) -> bool:
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def corrections(url: str, *, private_hosts: Collection[str] = ()) -> tuple[str, ...]:
    """Addresses that were probably meant, likeliest first. Each must be tried before it is offered."""
    text = url.strip().strip("<>\"'")
    if "://" not in text and text:
        text = f"https://{text}"
    try:
        parts = urlsplit(text)
        netloc = parts.netloc.rpartition("@")[2].lower()
        _ = parts.port
    except ValueError:
        return ()
    if not netloc or len(text) > _LONGEST:
        return ()
    scheme = parts.scheme if parts.scheme == "http" and netloc in private_hosts else "https"
    # Port 80 speaks no TLS: whoever pasted it meant the name.
    netloc = netloc.removesuffix(":80") if scheme == "https" else netloc
    found = (urlunsplit((scheme, netloc, path, "", "")) for path in _paths(parts.path))
    return tuple(dict.fromkeys(one for one in found if one != url.strip()))


def _paths(path: str) -> Iterator[str]:
    path = _TAILS.sub("", re.sub(r"/{2,}", "/", path)).rstrip("/")
    version = _OTHER_VERSION.search(path)
    if version:
        # DSTU2 to R4, r4 to R4, and whatever was pasted behind it is left out.
        swapped = _OTHER_VERSION.sub("/R4", path, count=1)
        yield _AFTER_R4.sub("/R4", swapped)
        if "/api/fhir" not in path.lower():
            yield "/api/FHIR/R4"
    elif _ENDS_API_FHIR.search(path):
        yield f"{path}/R4"
    elif _ENDS_API.search(path):
        yield f"{path}/FHIR/R4"
    else:
        yield f"{path}/api/FHIR/R4"
        yield f"{path}/R4"


# --- what the server says about itself ---------------------------------------------------------------------

# FHIR release 4 is 4.0.x (R4) and 4.3.x (R4B); Epic's /R4 is 4.0.1.
_RELEASES = {"0.": CheckCode.DSTU2, "1.": CheckCode.DSTU2, "3.": CheckCode.STU3}


def version_finding(fhir_version: str) -> Finding:
    """Whether a server that answers with `fhir_version` is one we can talk to."""
    if fhir_version.startswith("4.0"):
        return Finding(CheckCode.FHIR_FOUND, said("FHIR R4 server found."), ok=True)
    code = _RELEASES.get(fhir_version[:2], CheckCode.NOT_FHIR)
    if code is CheckCode.NOT_FHIR:
        return not_fhir()
    name = "DSTU2" if code is CheckCode.DSTU2 else "STU3"
    return Finding(
        code,
        said("This address answered as FHIR %(release)s. Visit Connector needs FHIR R4.", release=name),
    )


def not_fhir() -> Finding:
    return Finding(CheckCode.NOT_FHIR, said("This address answered, but it is not a FHIR R4 server."))


def unreachable() -> Finding:
    return Finding(
        CheckCode.UNREACHABLE,
        said(
            "We could not reach this address. Check the spelling, or ask your Epic technical specialist if the"
            " server allows traffic from the internet."
        ),
    )


def private() -> Finding:
    return Finding(CheckCode.PRIVATE, said("FHIR base URL must be a public internet address"))


def server_error(status: int) -> Finding:
    return Finding(
        CheckCode.SERVER_ERROR,
        said("The server answered with an error (%(status)s). Try again later.", status=status),
    )


def redirected(host: str) -> Finding:
    """`host` is where the server wanted to send us, empty when it stays on its own host."""
    if not host:
        return Finding(
            CheckCode.REDIRECTED,
            said("This address only forwards to another one. Enter the address that it forwards to."),
        )
    return Finding(
        CheckCode.REDIRECTED,
        said(
            "This address forwards to another server (%(host)s). Enter the address of that server if it is"
            " yours.",
            host=host,
        ),
    )


def no_sign_in() -> Finding:
    return Finding(
        CheckCode.NO_SIGN_IN,
        said("No sign-in address was found. Ask your Epic technical specialist to finish the OAuth setup."),
    )


def sign_in_findings(base: str, endpoints: Mapping[str, str]) -> tuple[Finding, ...]:
    """What is to be said about the sign-in addresses that the server at `base` names."""
    ours = urlsplit(base).netloc.lower()
    hosts = {name: urlsplit(url).netloc.lower() for name, url in endpoints.items()}
    if hosts["issuer"] != hosts["token_url"]:
        return (wrong_issuer(),)
    found = [Finding(CheckCode.SIGN_IN_FOUND, said("Sign-in endpoints found."), ok=True)]
    elsewhere = sorted(set(hosts.values()) - {ours})
    if elsewhere:
        found.append(
            Finding(
                CheckCode.SIGN_IN_ELSEWHERE,
                said(
                    "Sign-in happens on another host than the FHIR server: %(hosts)s. Make sure that it belongs"
                    " to your organization.",
                    hosts=", ".join(elsewhere),
                ),
                ok=True,
                warns=True,
            )
        )
    return tuple(found)


def wrong_issuer() -> Finding:
    return Finding(
        CheckCode.WRONG_ISSUER,
        said(
            "The server's sign-in names another server as its issuer. Ask your Epic technical specialist to"
            " check the OAuth setup."
        ),
    )


def bad_sign_in() -> Finding:
    return Finding(
        CheckCode.BAD_SIGN_IN,
        said(
            "The server names a sign-in address that does not start with https://. Ask your Epic technical"
            " specialist to check the OAuth setup."
        ),
    )


# --- how old Epic may be -----------------------------------------------------------------------------------

# Sign-in by SMART with the four parts we need came with this version.
EPIC_FLOOR = date(2018, 11, 1)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH_YEAR = re.compile(r"\b([A-Z][a-z]{2,8})\.? (\d{4})\b")


def epic_finding(software: Software) -> Finding:
    """Whether the Epic behind the server is new enough, as far as the server says."""
    told = _epic_date(software)
    if told is None:
        return Finding(
            CheckCode.EPIC_NOT_TOLD,
            said(
                "The Epic version could not be told. Ask your Epic technical specialist if it is November 2018"
                " or later."
            ),
            ok=True,
            warns=True,
        )
    if told < EPIC_FLOOR:
        return Finding(
            CheckCode.EPIC_TOO_OLD, said("This Epic version is too old. It must be November 2018 or later.")
        )
    return Finding(CheckCode.EPIC_NEW_ENOUGH, said("The Epic version is November 2018 or later."), ok=True)


def _epic_date(software: Software) -> date | None:
    if "epic" not in software.name.lower():
        return None
    named = _MONTH_YEAR.search(software.version)
    if named and named[1][:3].lower() in _MONTHS:
        return date(int(named[2]), _MONTHS.index(named[1][:3].lower()) + 1, 1)
    try:
        return date.fromisoformat(software.released[:10])
    except ValueError:
        return None
