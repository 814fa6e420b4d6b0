"""Accepted HL7v2 messages are read from their queue and become appointments."""

import logging

import azure.functions as func

from functions.work import environment_here, noting, recording
from shared.domain.inbound import SealedMessage
from shared.domain.sign_of_life import SignKind
from shared.flows.note_sign import note
from shared.flows.record_appointment import record_appointment
from shared.wiring import Services

logger = logging.getLogger(__name__)


def appointment_messages(services: Services) -> func.Blueprint:
    """The reader of the intake queue, speaking to `services`."""
    triggers = func.Blueprint()

    @triggers.function_name("record_appointments")
    @triggers.queue_trigger("message", queue_name="hl7v2-messages", connection="AzureWebJobsStorage")
    async def record(message: func.QueueMessage) -> None:
        """Apply each message of one envelope alone: what was applied before is not applied again."""
        await services.ready()
        fates: list[str] = []
        failure: Exception | None = None
        accepted = await services.work.accepted(message.get_body().decode())
        for one in accepted:
            try:
                fates.append(await _record(services, one))
            except Exception as problem:  # noqa: BLE001 - the others of the envelope must still be read
                failure = problem
        logger.info("recorded %s of %s messages", len(fates), len(accepted))
        if failure is not None:
            raise failure  # the queue brings the envelope back; those recorded are recognised
        await services.work.finished(message.get_body().decode())

    return triggers


async def _record(services: Services, message: SealedMessage) -> str:
    environment = await environment_here(services, message.tenant, message.environment)
    if environment is None:
        return "dropped"
    await note(SignKind.MESSAGE, environment, given=noting(services), now=services.now())
    return await record_appointment(message, given=recording(services, environment), now=services.now())
