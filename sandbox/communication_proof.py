"""Who may use Communication Services: whoever signs with the resource's key, or has a token for it."""

import base64
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.entra_tokens import COMMUNICATION, BadToken, EntraTokens
from sandbox.world import World

# The three headers that are signed, in the order in which they are signed.
_SIGNED = "x-ms-date;host;x-ms-content-sha256"
_SCHEME = "HMAC-SHA256 SignedHeaders="
_CLOCKS_DIFFER_BY = timedelta(minutes=5)

Answer = Callable[[Request], Awaitable[Response]]


class NotProven(Exception):
    """A request whose sender is not known. The text says why."""


class CommunicationRefused(Exception):
    """An error in the words of Communication Services."""

    def __init__(self, status: int, code: str, text: str, *, retry_after: str = "") -> None:
        super().__init__(text)
        self.status, self.code, self.retry_after = status, code, retry_after


class CommunicationDoor:
    """What comes before an answer, and the refusals."""

    def __init__(self, world: World, tokens: EntraTokens) -> None:
        self._world = world
        self._tokens = tokens

    def open(self, answer: Answer, *, version: str) -> Answer:
        """`answer` for requests that prove themselves and name the API version `version`."""

        async def handler(request: Request) -> Response:
            try:
                await self._check(request)
                given = request.query_params.get("api-version", "")
                if given != version:
                    raise CommunicationRefused(
                        400, "BadRequest", f"The api-version '{given}' is not known here."
                    )
                return await answer(request)
            except NotProven as refusal:
                self._world.refuse("communication", str(refusal), path=request.url.path)
                error = {"code": "Denied", "message": "Denied by the resource provider."}
                return JSONResponse(
                    {"error": error}, status_code=401, headers={"WWW-Authenticate": "HMAC-SHA256"}
                )
            except CommunicationRefused as refusal:
                self._world.refuse(
                    "communication", str(refusal), path=request.url.path, status=refusal.status
                )
                headers = {"x-ms-error-code": refusal.code}
                if refusal.retry_after:
                    headers["Retry-After"] = refusal.retry_after
                error = {"code": refusal.code, "message": str(refusal)}
                return JSONResponse({"error": error}, status_code=refusal.status, headers=headers)

        return handler

    async def _check(self, request: Request) -> None:
        authorization = request.headers.get("authorization", "")
        if authorization.lower().startswith("bearer "):
            try:
                self._tokens.check(authorization, audiences=[COMMUNICATION, f"{COMMUNICATION}/"])
            except BadToken as refusal:
                raise NotProven(str(refusal)) from refusal
            return
        self._check_signature(request, authorization, await request.body())

    def _check_signature(self, request: Request, authorization: str, body: bytes) -> None:
        signed, _, signature = authorization.removeprefix(_SCHEME).partition("&Signature=")
        if not authorization.startswith(_SCHEME) or signed.lower() != _SIGNED:
            raise NotProven(f"the request must be signed over {_SIGNED}")
        content_hash = base64.b64encode(hashlib.sha256(body).digest()).decode()
        if not hmac.compare_digest(request.headers.get("x-ms-content-sha256", ""), content_hash):
            raise NotProven("x-ms-content-sha256 does not fit the body")
        date = request.headers.get("x-ms-date", "")
        if abs(self._world.now() - _moment(date)) > _CLOCKS_DIFFER_BY:
            raise NotProven("x-ms-date is too far from now")
        address = request.scope["raw_path"].decode("ascii")
        if request.scope["query_string"]:
            address += "?" + request.scope["query_string"].decode("ascii")
        text = f"{request.method}\n{address}\n{date};{request.headers.get('host', '')};{content_hash}"
        key = base64.b64decode(self._world.communication_key)
        expected = base64.b64encode(hmac.new(key, text.encode(), hashlib.sha256).digest()).decode()
        if not hmac.compare_digest(signature.encode(), expected.encode()):
            raise NotProven("the signature does not fit the request")


def _moment(date: str) -> datetime:
    try:
        found = parsedate_to_datetime(date)
    except ValueError as unreadable:
        raise NotProven("x-ms-date cannot be read") from unreadable
    if found.tzinfo is None:
        raise NotProven("x-ms-date has no time zone")
    return found
