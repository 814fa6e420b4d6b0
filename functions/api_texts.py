"""The API about text messages: look into a certificate file before it is used, and see texts before they are sent."""

from http import HTTPStatus

import azure.functions as func

from functions.web import text_models as models
from functions.web.api import Api, Call
from functions.web.environment_found import administered_environment
from functions.web.portal_models import CertificateIn
from functions.web.text_previews import previews
from shared.domain.certificates import exchanged
from shared.hl7v2.signature import check_certificate
from shared.wiring import Services


def api_texts(services: Services) -> func.Blueprint:
    """The endpoints, speaking to `services`."""
    api = Api(services)

    @api.endpoint(
        "api_inspect_certificate",
        "POST",
        "environments/{environment}/certificates/inspection",
        takes=CertificateIn,
        gives=models.InspectedOut,
        refuses=(HTTPStatus.UNPROCESSABLE_ENTITY,),
        tags=("Environments",),
    )
    async def inspect(call: Call[CertificateIn]) -> models.InspectedOut:
        """What is in a certificate file, checked as when it is added; nothing is kept."""
        one, now = (await administered_environment(call)).value, services.now()
        inside = check_certificate(call.body.pem.encode(), now=now)
        return models.inspected(inside, takes_over=len(exchanged(one, inside, now=now)) > 1)

    @api.endpoint(
        "api_preview_texts",
        "GET",
        "environments/{environment}/texts/preview",
        gives=models.PreviewsOut,
        tags=("Environments",),
    )
    async def preview(call: Call[None]) -> models.PreviewsOut:
        """How each text to patients reads in each language, with the number of messages it is billed as."""
        one = (await administered_environment(call)).value
        found = previews(
            one.operation,
            wording=services.wording,
            public_base_url=services.settings.public_base_url,
            now=services.now(),
        )
        return models.previewed(found, reviewed=one.operation.texts.languages)

    return api.blueprint
