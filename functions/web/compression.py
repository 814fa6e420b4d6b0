"""Pages and files are sent compressed to browsers that can read that, so that they come quickly on a slow line."""

import gzip
import re

import azure.functions as func

# Below this the header costs more than is saved.
_WORTHWHILE = 1024


def takes_gzip(req: func.HttpRequest) -> bool:
    """Whether the Accept-Encoding header allows gzip (RFC 9110, 12.5.3)."""
    for offer in req.headers.get("Accept-Encoding", "").split(","):
        coding, _, weight = offer.strip().partition(";")
        if coding.strip().lower() in ("gzip", "*"):
            return not re.fullmatch(r"\s*q=0(\.0*)?\s*", weight)
    return False


def compressed(req: func.HttpRequest, answer: func.HttpResponse) -> func.HttpResponse:
    """`answer` with its body compressed when the browser takes that and it is long enough to matter.

    A secret beside text that a visitor chose can be guessed from the length of a compressed page (BREACH), so
    only pages whose secrets differ each time they are sent may come through here.
    """
    body = answer.get_body()
    if len(body) < _WORTHWHILE or not takes_gzip(req):
        return answer
    smaller = func.HttpResponse(
        gzip.compress(body, 6, mtime=0),
        status_code=answer.status_code,
        mimetype=answer.mimetype,
        charset=answer.charset,
        headers=dict(answer.headers.items()),
    )
    smaller.headers["Content-Encoding"] = "gzip"
    smaller.headers["Vary"] = "Accept-Encoding"
    return smaller
