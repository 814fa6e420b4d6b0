"""Texts that are ready to be decided and sent, and what the carrier reports of them."""

import json
import logging

import azure.functions as func

from functions.work import environment_here, sending
from shared.domain.environment import EnvironmentId
from shared.domain.tenant import TenantId
from shared.flows.note_carrier_event import note_carrier_event
from shared.flows.send_notification import Sending, send_notification
from shared.wiring import Services

logger = logging.getLogger(__name__)


def notifications(services: Services) -> func.Blueprint:
    """The sender of texts, speaking to `services`."""
    triggers = func.Blueprint()

    @triggers.function_name("send_text")
    @triggers.queue_trigger("message", queue_name="texts", connection="AzureWebJobsStorage")
    async def send(message: func.QueueMessage) -> None:
        """Decide about one text and send it."""
        ref = services.work.text_ref(message.get_body().decode())
        where = ref.appointment
        environment = await environment_here(services, where.tenant, where.environment)
        if environment is None:
            return
        state = await send_notification(ref, given=sending(services, environment), now=services.now())
        logger.info("text %s of environment %s is %s", ref.slot, where.environment, state)

    @triggers.function_name("note_delivery")
    @triggers.queue_trigger("message", queue_name="delivery-reports", connection="AzureWebJobsStorage")
    async def note(message: func.QueueMessage) -> None:
        """Note what the carrier says of a text that was sent (Event Grid, Communication Services events)."""
        await services.ready()
        event = json.loads(message.get_body())
        noted = await note_carrier_event(
            event,
            carrier_index=services.carrier_index,
            sending_of=lambda ref: _sending_of(services, ref.appointment.tenant, ref.appointment.environment),
            now=services.now(),
        )
        logger.info("carrier event: %s", noted)

    return triggers


async def _sending_of(services: Services, tenant: TenantId, environment: EnvironmentId) -> Sending | None:
    found = await environment_here(services, tenant, environment)
    return sending(services, found) if found else None
