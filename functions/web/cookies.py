"""The cookies the app sets: two tie a launch or a sign-in to its browser, two stand for a visit or a session."""

from urllib.parse import urlsplit

import azure.functions as func

LAUNCH = "launch"
VISIT = "visit"
SESSION = "session"
SIGNING_IN = "signing-in"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def cookie(name: str, value: str, *, path: str, lives: int, public_base_url: str) -> str:
    """A whole Set-Cookie value. `lives` is in seconds.

    Epic may show us inside its own pages, where only `SameSite=None; Secure; Partitioned` is kept. On the
    plain http of a local run no browser accepts that, and there Lax is right.
    """
    rules = "SameSite=Lax" if _is_local(public_base_url) else "SameSite=None; Secure; Partitioned"
    return f"{name}={value}; Path={path}; Max-Age={lives}; HttpOnly; {rules}"


def host_cookie(name: str, value: str, *, lives: int, public_base_url: str) -> str:
    """A whole Set-Cookie value for the portal, which nobody shows inside other pages. `lives` is in seconds.

    Browsers take a `__Host-` cookie only from this very host, over https, for all paths: no neighbour can plant it.
    """
    secure = "" if _is_local(public_base_url) else "; Secure"
    own = host_name(name, public_base_url)
    return f"{own}={value}; Path=/; Max-Age={lives}; HttpOnly; SameSite=Lax{secure}"


def host_name(name: str, public_base_url: str) -> str:
    """What a portal cookie is called here: browsers refuse the prefix on the plain http of a local run."""
    return name if _is_local(public_base_url) else f"__Host-{name}"


def _is_local(public_base_url: str) -> bool:
    parts = urlsplit(public_base_url)
    return parts.scheme == "http" and parts.hostname in _LOOPBACK


def read_cookie(req: func.HttpRequest, name: str) -> str:
    """The value of the cookie, or empty.

    Ours are never quoted. The standard library takes a second to unquote what a stranger may send as one
    (CVE-2024-7592), and drops every cookie when another page's is malformed.
    """
    found = ""
    for pair in req.headers.get("cookie", "").split(";"):
        key, sign, value = pair.partition("=")
        if sign and key.strip() == name:
            found = value.strip()
    return found
