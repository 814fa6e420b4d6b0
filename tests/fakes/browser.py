"""A person's browser in front of the portal: it keeps cookies, fills in the CSRF field, and follows nothing by itself.

browser = hospital.browser(AVERY)
page = await browser.get("/setup/organizations")
answer = await browser.post("/setup/organizations/new", {"kind": "test"}, files={"export": b"{}"})
assert answer.status_code == 303 and answer.headers["Location"] == "/setup/organizations?done=saved"
"""

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from http.cookies import SimpleCookie
from typing import Protocol
from urllib.parse import parse_qs, urlencode, urlsplit

import azure.functions as func

from shared.domain.tenant import Person

Ask = Callable[[str, str, bytes, Mapping[str, str]], Awaitable[func.HttpResponse]]
BOUNDARY = "----a-boundary-7d9"


class CookieKey(Protocol):
    async def cookie_key(self) -> bytes: ...


class Browser:
    """`cookies` are by name; `headers` go with every request."""

    def __init__(self, ask: Ask, keys: CookieKey) -> None:
        self._ask, self._keys = ask, keys
        self.cookies: dict[str, str] = {}
        self.headers: dict[str, str] = {"Accept-Language": "en"}

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> func.HttpResponse:
        return await self._send("GET", path, b"", {"Sec-Fetch-Site": "same-origin", **(headers or {})})

    async def post(
        self,
        path: str,
        fields: Mapping[str, str | list[str]] | None = None,
        files: Mapping[str, bytes] | None = None,
        *,
        csrf: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> func.HttpResponse:
        """Send a form from a page of ours; `csrf` replaces the token that the page would hold."""
        token = await self.csrf() if csrf is None else csrf
        pairs = [("csrf", token)] if token else []
        for name, given in (fields or {}).items():
            pairs += [(name, one) for one in ([given] if isinstance(given, str) else given)]
        if files is None:
            kind, body = "application/x-www-form-urlencoded", urlencode(pairs).encode()
        else:
            kind, body = f"multipart/form-data; boundary={BOUNDARY}", multipart(pairs, files)
        sent = {"Content-Type": kind, "Sec-Fetch-Site": "same-origin", **(headers or {})}
        return await self._send("POST", path, body, sent)

    async def csrf(self) -> str:
        """The token in the forms of this session's pages, or empty when nobody is signed in."""
        session = self.cookies.get("__Host-session", "")
        if not session:
            return ""
        key = await self._keys.cookie_key()
        token = hmac.new(key, f"csrf|{session}".encode(), hashlib.sha256).hexdigest()
        return "0" * len(token) + token  # a mask of nothing

    async def begin_sign_in(self, to: str = "/") -> str:
        """Go to Microsoft; the state that it was given."""
        away = await self.get(f"/sign-in?{urlencode({'to': to})}")
        assert away.status_code == 302, away.get_body()
        asked = parse_qs(urlsplit(str(away.headers["Location"])).query)
        return asked["state"][0]

    async def come_back(self, person: Person, state: str) -> func.HttpResponse:
        """Return from Microsoft as `person`."""
        query = urlencode({"code": person.object_id, "state": state})
        return await self.get(f"/sign-in/callback?{query}", {"Sec-Fetch-Site": "cross-site"})

    async def sign_in(self, person: Person, to: str = "/") -> func.HttpResponse:
        """The whole way, without following where it leads."""
        return await self.come_back(person, await self.begin_sign_in(to))

    async def _send(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> func.HttpResponse:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = {**self.headers, **({"Cookie": cookies} if cookies else {}), **headers}
        answer = await self._ask(method, path, body, sent)
        for line in answer.headers.get_all("Set-Cookie"):
            # The library of Python 3.11 drops a whole cookie over this word.
            for name, morsel in SimpleCookie(line.replace("; Partitioned", "")).items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
        return answer


def multipart(pairs: list[tuple[str, str]], files: Mapping[str, bytes]) -> bytes:
    """The body that a browser makes of a form with files (RFC 7578)."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in pairs
    ]
    for name, content in files.items():
        filename = f"{name}.bin" if content else ""
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
        parts.append(head.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + content + b"\r\n")
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def text_of(answer: func.HttpResponse) -> str:
    return answer.get_body().decode()
