"""Microsoft Graph tells about calls here; what it tells is stored before it is answered."""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

import azure.functions as func

from functions.web.door import door
from functions.web.replies import empty_reply, text_reply
from functions.work import environment_here, observing
from shared.domain.due import Due
from shared.domain.errors import NotFound, NotSignedIn
from shared.flows.observe_call import observe_call
from shared.flows.prepare_due_visits import RENEW
from shared.wiring import Services

logger = logging.getLogger(__name__)

# Graph's own limit for a notification is far below this.
_MOST_BYTES = 1024 * 1024
_TOKEN_AT_MOST = 4096

# Opaque name of the visit, the item as received, and the tokens of the whole delivery.
Items = list[tuple[str, Mapping[str, object], list[object]]]


def call_events(services: Services) -> func.Blueprint:
    """The webhook for call events and the worker behind it, speaking to `services`."""
    endpoints = func.Blueprint()

    async def graph(req: func.HttpRequest) -> Items:
        """The items whose client state is ours, each with the opaque name of its visit.

        Everything else is dropped and counted: Graph must get its 202 whatever it sent, or it stops.
        """
        await services.ready()
        body = req.get_body()
        try:
            content = json.loads(body) if len(body) <= _MOST_BYTES else {}
            items = content.get("value", []) if isinstance(content, dict) else []
            tokens = content.get("validationTokens", []) if isinstance(content, dict) else []
        except (ValueError, RecursionError):
            raise NotSignedIn("not a notification") from None
        ours = []
        for item in items if isinstance(items, list) else []:
            state = item.get("clientState") if isinstance(item, dict) else None
            visit = await services.visit_of_client_state(str(state or ""))
            if visit is not None:
                ours.append((visit, item, tokens if isinstance(tokens, list) else []))
        dropped = len(items) - len(ours) if isinstance(items, list) else 1
        if dropped:
            logger.warning("%s notifications without our client state were dropped", dropped)
        return ours

    def accepted(
        _req: func.HttpRequest, status: HTTPStatus, code: str, refusal: Exception, reference: str
    ) -> func.HttpResponse:
        """What cannot be believed is dropped with a 202; what could not be stored is asked for again."""
        if status is HTTPStatus.SERVICE_UNAVAILABLE:
            return empty_reply(status)
        return empty_reply(HTTPStatus.ACCEPTED)

    @endpoints.function_name("call_events")
    @endpoints.route("graph/notifications", methods=["POST"])
    @door(_handshake_or(graph), worded=accepted)
    async def notified(req: func.HttpRequest, ours: Items | str) -> func.HttpResponse:
        """Store what Graph sent, as ciphertext, and answer within its three seconds."""
        if isinstance(ours, str):
            return text_reply(ours, HTTPStatus.OK)
        for visit, item, tokens in ours:
            await services.queues.observe(
                json.dumps(
                    {
                        "visit": visit,
                        "value": item,
                        "validationTokens": tokens,
                        # Tokens live for an hour or so, and a message may wait longer.
                        "receivedAt": services.now().isoformat(),
                    }
                )
            )
        return empty_reply(HTTPStatus.ACCEPTED)

    @endpoints.function_name("call_event_lifecycle")
    @endpoints.route("graph/lifecycle", methods=["POST"])
    @door(_handshake_or(graph), worded=accepted)
    async def lifecycle(req: func.HttpRequest, ours: Items | str) -> func.HttpResponse:
        """Graph wants a subscription renewed or reports it gone: plan that for the next tick."""
        if isinstance(ours, str):
            return text_reply(ours, HTTPStatus.OK)
        for visit, _item, _tokens in ours:
            try:
                ref = await services.visit_index.find(visit)
            except NotFound:
                continue
            now = services.now()
            await services.plans.visits.add([Due(ref.tenant, ref.environment, ref.key, RENEW, now)], now=now)
        return empty_reply(HTTPStatus.ACCEPTED)

    @endpoints.function_name("observe_call")
    @endpoints.queue_trigger("message", queue_name="call-events", connection="AzureWebJobsStorage")
    async def observe(message: func.QueueMessage) -> None:
        """Open one notification and bring the visit up to date."""
        await services.ready()
        queued = message.get_body().decode()
        text = await services.work.observed(queued)
        if text is None:
            return
        try:
            ref = await services.visit_index.find(str(json.loads(text)["visit"]))
        except NotFound:
            logger.warning("a notification about a visit that is not known was dropped")
            return
        environment = await environment_here(services, ref.tenant, ref.environment)
        if environment is None:
            return
        believed = await observe_call(text, ref, given=observing(services, environment), now=services.now())
        await services.work.observed_for_good(queued)
        logger.info("a call notification was %s", "observed" if believed else "dropped")

    return endpoints


def _handshake_or(
    guard: Callable[[func.HttpRequest], Awaitable[Items]],
) -> Callable[[func.HttpRequest], Awaitable[Items | str]]:
    """Answer Graph's handshake (a `validationToken` in the query) before asking `guard`."""

    async def graph(req: func.HttpRequest) -> Items | str:
        token = req.params.get("validationToken")
        if token:
            if len(token) > _TOKEN_AT_MOST:
                raise NotSignedIn("not a handshake")
            return str(token)
        return await guard(req)

    return graph
