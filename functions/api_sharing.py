"""The API of sharing: one FHIR base URL for two organizations, asked for by one and allowed by the other."""

from http import HTTPStatus
from typing import Any

import azure.functions as func

from functions.web import sharing_models as models
from functions.web.api import Api, Call
from shared.domain.address_use import ShareStage
from shared.domain.environment import EnvironmentId
from shared.domain.errors import Refused
from shared.domain.tenant import TenantId
from shared.domain.words import said
from shared.flows import share_address as sharing
from shared.wiring import Services

_CONFLICT = HTTPStatus.CONFLICT
_TAGS = ("Sharing",)


def api_sharing(services: Services) -> func.Blueprint:
    """The endpoints, speaking to `services`."""
    api = Api(services)

    def both_sides(call: Call[Any]) -> sharing.Sharing:
        return sharing.Sharing(call.configuring(), services.audit_log)

    async def shown(call: Call[Any]) -> models.SharingOut:
        return models.SharingOut(
            shares=[
                models.ShareOut(
                    address=one.address,
                    fhir_base_url=one.fhir_base_url,
                    tenant=one.tenant,
                    organization=one.organization,
                    theirs=one.theirs,
                    stage=one.stage,
                    at=one.at,
                    live=one.live,
                )
                for one in await sharing.requests(call.configuring())
            ]
        )

    @api.endpoint("api_sharing", "GET", "sharing", gives=models.SharingOut, tags=_TAGS)
    async def list_all(call: Call[None]) -> models.SharingOut:
        """The FHIR base URLs that are shared with other organizations, or asked for."""
        return await shown(call)

    @api.endpoint(
        "api_ask_to_share",
        "POST",
        "sharing/requests",
        takes=models.ShareIn,
        gives=models.SharingOut,
        refuses=(_CONFLICT,),
        tags=_TAGS,
    )
    async def ask(call: Call[models.ShareIn]) -> models.SharingOut:
        """Ask the organization that uses an environment's FHIR base URL to share it."""
        wanted = EnvironmentId(call.body.environment)
        if not wanted:
            raise Refused({"environment": said("Choose an environment")})
        await sharing.ask_to_share(wanted, sharing=both_sides(call), now=services.now())
        return await shown(call)

    @api.endpoint(
        "api_answer_share",
        "POST",
        "sharing/answers",
        takes=models.ShareAnswerIn,
        gives=models.SharingOut,
        refuses=(_CONFLICT,),
        tags=_TAGS,
    )
    async def answer(call: Call[models.ShareAnswerIn]) -> models.SharingOut:
        """Allow or refuse what another organization asks, or withdraw."""
        await sharing.answer_share(
            call.body.address,
            TenantId(call.body.tenant),
            ShareStage(call.body.answer),
            sharing=both_sides(call),
            now=services.now(),
        )
        return await shown(call)

    return api.blueprint
