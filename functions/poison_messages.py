"""What a queue gave up on is parked, sealed, with its reason, where a person sees it and can replay it."""

import hashlib
import json
import logging

import azure.functions as func

from shared.domain.environment import EnvironmentId
from shared.domain.inbound import Parked
from shared.domain.tenant import TenantId
from shared.wiring import Services

logger = logging.getLogger(__name__)

# Also the folder of what belongs to no known tenant: it can be found, and holds no key to open anything.
NOBODY = TenantId("00000000-0000-0000-0000-000000000000")


def poison_messages(services: Services) -> func.Blueprint:
    """The parking of poison messages, speaking to `services`."""
    triggers = func.Blueprint()

    async def park(queue: str, message: func.QueueMessage) -> None:
        await services.ready()
        body = message.get_body()
        tenant, environment = await _owner(services, queue, body)
        sealed = await services.seals.seal(body, purpose="parked", tenant=tenant)
        parked = Parked(
            id=hashlib.sha256(queue.encode() + body).hexdigest()[:32],
            tenant=tenant,
            environment=environment,
            queue=queue,
            reason="it failed every time it was tried",
            parked_at=services.now(),
            sealed=sealed,
        )
        await services.parked(tenant).park(parked)
        logger.error("a message of queue %s was parked as %s", queue, parked.id)

    @triggers.function_name("park_appointment_message")
    @triggers.queue_trigger("message", queue_name="hl7v2-messages-poison", connection="AzureWebJobsStorage")
    async def appointment_message(message: func.QueueMessage) -> None:
        await park("hl7v2-messages", message)

    @triggers.function_name("park_text")
    @triggers.queue_trigger("message", queue_name="texts-poison", connection="AzureWebJobsStorage")
    async def text(message: func.QueueMessage) -> None:
        await park("texts", message)

    @triggers.function_name("park_delivery_report")
    @triggers.queue_trigger("message", queue_name="delivery-reports-poison", connection="AzureWebJobsStorage")
    async def report(message: func.QueueMessage) -> None:
        await park("delivery-reports", message)

    @triggers.function_name("park_call_event")
    @triggers.queue_trigger("message", queue_name="call-events-poison", connection="AzureWebJobsStorage")
    async def call_event(message: func.QueueMessage) -> None:
        await park("call-events", message)

    @triggers.function_name("park_write_back")
    @triggers.queue_trigger("message", queue_name="write-backs-poison", connection="AzureWebJobsStorage")
    async def write_back(message: func.QueueMessage) -> None:
        await park("write-backs", message)

    return triggers


async def _owner(services: Services, queue: str, body: bytes) -> tuple[TenantId, EnvironmentId]:
    """Whose message it is, as far as it says."""
    try:
        text = body.decode()
        if queue == "hl7v2-messages":
            accepted = await services.work.accepted(text)
            return accepted[0].tenant, accepted[0].environment
        if queue == "call-events":
            # A large notification is a pointer to where it rests.
            notification = await services.work.observed(text) or "{}"
            visit = await services.visit_index.find(str(json.loads(notification)["visit"]))
            return visit.tenant, visit.environment
        if queue == "texts":
            where = services.work.text_ref(text).appointment
            return where.tenant, where.environment
        if queue == "write-backs":
            ref = services.work.visit_ref(text)
            return ref.tenant, ref.environment
    except Exception:
        logger.exception("a poison message of queue %s does not say whose it is", queue)
    return NOBODY, EnvironmentId("")
