"""Facts that Epic is owed about visits are told here, in order."""

import logging

import azure.functions as func

from functions.work import environment_here, telling
from shared.flows.tell_epic import tell_epic
from shared.wiring import Services

logger = logging.getLogger(__name__)


def write_backs(services: Services) -> func.Blueprint:
    """The teller, speaking to `services`."""
    triggers = func.Blueprint()

    @triggers.function_name("tell_epic")
    @triggers.queue_trigger("message", queue_name="write-backs", connection="AzureWebJobsStorage")
    async def tell(message: func.QueueMessage) -> None:
        """Tell Epic what it is owed about one visit."""
        ref = services.work.visit_ref(message.get_body().decode())
        environment = await environment_here(services, ref.tenant, ref.environment)
        if environment is None:
            return
        told = await tell_epic(ref, given=telling(services, environment), now=services.now())
        logger.info("%s facts told to Epic for environment %s", told, ref.environment)

    return triggers
