"""The API of the tenant: where its data lives, confirmed once by an administrator."""

from http import HTTPStatus

import azure.functions as func

from functions.web import portal_answers as answers
from functions.web import portal_models as models
from functions.web.api import Api, Call
from shared.domain.tenant import Tenant
from shared.flows.admit_tenant import pin_tenant
from shared.wiring import Services


def api_tenant(services: Services) -> func.Blueprint:
    """The endpoints, speaking to `services`."""
    api = Api(services)

    @api.endpoint(
        "api_pin_tenant",
        "POST",
        "tenant",
        takes=models.TenantIn,
        gives=answers.TenantOut,
        status=HTTPStatus.CREATED,
        tags=("Tenant",),
    )
    async def pin(call: Call[models.TenantIn]) -> answers.TenantOut:
        """Pin the caller's tenant to this stamp's geography, which the body repeats as a confirmation."""
        tenant = call.person.tenant
        pinned = await pin_tenant(
            call.person,
            confirmed=call.body.geography,
            geography=services.settings.geography,
            name=services.settings.tenants[tenant].name,
            tenants=services.tenants(tenant),
            audit=services.audit_log(tenant),
            now=services.now(),
        )
        return _tenant(pinned)

    @api.endpoint("api_show_tenant", "GET", "tenant", gives=answers.TenantOut, tags=("Tenant",))
    async def show_tenant(call: Call[None]) -> answers.TenantOut:
        """Where the caller's tenant lives."""
        return _tenant(await services.tenants(call.person.tenant).get())

    return api.blueprint


def _tenant(tenant: Tenant) -> answers.TenantOut:
    return answers.TenantOut(id=tenant.id, name=tenant.name, geography=tenant.geography)
