"""Epic's appointment feed arrives here as HL7v2 over HTTP."""

import gzip
import io
import logging
import zlib
from http import HTTPStatus

import azure.functions as func

from functions.web.door import as_problem, door
from functions.web.replies import text_reply
from shared.domain.environment import EnvironmentId, LiveEnvironment
from shared.domain.errors import NotFound, Refused, TryAgain
from shared.flows.accept_hl7_message import Posted, accept_hl7_message
from shared.flows.admit_tenant import admitted
from shared.hl7v2.header import NotHl7
from shared.hl7v2.signature import BadSignature
from shared.wiring import Services

logger = logging.getLogger(__name__)

# Scheduling messages are a few kilobytes; this leaves room for long notes and keeps one sender from filling
# memory. The same limit holds before and after decompression.
MOST_BYTES = 1024 * 1024

# The specification of HL7 over HTTP, its example and its best known implementation name three types.
_TYPES = frozenset({"x-application/hl7-v2+er7", "application/hl7-v2+er7", "application/hl7-v2", "text/plain"})


def hl7_intake(services: Services) -> func.Blueprint:
    """The intake of appointment messages, speaking to `services`."""
    endpoints = func.Blueprint()

    async def known_environment(req: func.HttpRequest) -> LiveEnvironment:
        """The environment in the path, of a tenant that lives in this stamp."""
        await services.ready()
        environment = await services.environments.find(EnvironmentId(req.route_params["environment"]))
        admitted(
            environment.tenant, allowed=services.settings.tenants, here=services.settings.public_base_url
        )
        return environment

    @endpoints.function_name("hl7_intake")
    @endpoints.route("hl7v2/{environment}", methods=["POST"])
    @door(known_environment, worded=_worded)
    async def accept(req: func.HttpRequest, environment: LiveEnvironment) -> func.HttpResponse:
        """Acknowledge one signed message once it is durable."""
        content_type, charset = _content_type(req)
        if content_type not in _TYPES:
            return text_reply(
                "Send HL7v2 as application/hl7-v2 with a charset.", HTTPStatus.UNSUPPORTED_MEDIA_TYPE
            )
        raw = req.get_body()
        if len(raw) > MOST_BYTES:
            return _too_large()
        body = _decompressed(raw, req.headers.get("content-encoding", ""))
        if body is None:
            return _too_large()
        try:
            answer = await accept_hl7_message(
                Posted(raw, body, charset, req.headers.get("hl7-signature", "")),
                environment=environment,
                named=environment.id,
                seals=services.seals,
                queues=services.queues,
                control_id=services.new_id(),
                now=services.now(),
            )
        except BadSignature:
            logger.warning("a message without a valid signature was refused for %s", environment.id)
            return text_reply(
                "The message is not signed by a certificate of this environment. Check the HL7-Signature "
                "header and the certificate that was uploaded in the portal.",
                HTTPStatus.UNAUTHORIZED,
            )
        except NotHl7 as problem:
            return text_reply(str(problem), HTTPStatus.BAD_REQUEST)
        return func.HttpResponse(
            answer,
            status_code=HTTPStatus.OK,
            headers={
                "Content-Type": f"{content_type}; charset={charset or 'utf-8'}",
                "Cache-Control": "no-store",
            },
        )

    return endpoints


def _worded(
    req: func.HttpRequest, status: HTTPStatus, code: str, refusal: Exception, reference: str
) -> func.HttpResponse:
    """Errors in plain text: a body that is not HL7 tells an interface engine that nothing was accepted."""
    if isinstance(refusal, (NotFound, Refused)):
        return text_reply(
            "There is no approved environment at this address. Check the address in the SMS configuration "
            f"record. Reference {reference}.",
            HTTPStatus.NOT_FOUND,
        )
    if isinstance(refusal, TryAgain):
        return text_reply(f"Try again in a minute. Reference {reference}.", status)
    return as_problem(req, status, code, refusal, reference)


def _too_large() -> func.HttpResponse:
    return text_reply(f"The message is larger than {MOST_BYTES} bytes.", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def _content_type(req: func.HttpRequest) -> tuple[str, str | None]:
    kind, *parameters = (part.strip() for part in req.headers.get("content-type", "").split(";"))
    named = dict(one.split("=", 1) for one in parameters if "=" in one)
    charset = {name.strip().lower(): value for name, value in named.items()}.get("charset")
    return kind.lower() or "application/hl7-v2", charset.strip().strip('"') if charset else None


def _decompressed(raw: bytes, encoding: str) -> bytes | None:
    """The body without its content coding, or None when it grows past the limit."""
    if encoding.lower() not in ("gzip", "x-gzip"):
        return raw
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(raw)) as unpacked:
            body = unpacked.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error):
        return b""  # not gzip after all: refused below as "not HL7"
    return body if len(body) <= MOST_BYTES else None
