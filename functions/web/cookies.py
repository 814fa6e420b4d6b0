"""The two cookies the app sets: one ties a launch to its browser, one stands for a provider's visit."""

from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

import azure.functions as func

LAUNCH = "launch"
VISIT = "visit"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def cookie(name: str, value: str, *, path: str, lives: int, public_base_url: str) -> str:
    """A whole Set-Cookie value. `lives` is in seconds.

    Epic may show us inside its own pages, where only `SameSite=None; Secure; Partitioned` is kept. On the
    plain http of a local run no browser accepts that, and there Lax is right.
    """
    parts = urlsplit(public_base_url)
    if parts.scheme == "http" and parts.hostname in _LOOPBACK:
        rules = "SameSite=Lax"
    else:
        rules = "SameSite=None; Secure; Partitioned"
    return f"{name}={value}; Path={path}; Max-Age={lives}; HttpOnly; {rules}"


def read_cookie(req: func.HttpRequest, name: str) -> str:
    """The value of the cookie, or empty."""
    jar = SimpleCookie()
    try:
        jar.load(req.headers.get("cookie", ""))
    except CookieError:
        return ""
    return jar[name].value if name in jar else ""
