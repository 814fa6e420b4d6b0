"""What the pages and the API of approvals hand to their flows, and the way back from Epic's sign-in."""

from urllib.parse import urlencode

import azure.functions as func

from functions.web.cookies import LAUNCH, read_cookie
from functions.web.portal import Portal, Visitor
from functions.web.replies import see_other
from shared.domain.approval import ApprovalFailed, ApprovalFailure
from shared.domain.errors import DomainError
from shared.domain.launch import Launch
from shared.domain.tenant import TenantId
from shared.flows.approve_connection import Approver, Approving, Returned, finish_epic_sign_in
from shared.flows.ask_approvers import Asking
from shared.flows.check_address import Looking
from shared.flows.configure_environment import Configuring
from shared.flows.tell_approvers import Telling
from shared.wiring import Services


def callback_url(services: Services) -> str:
    """Where Epic's sign-in returns to, as it is registered there: one address for launches and approvals."""
    return f"{services.settings.public_base_url}/launch/callback"


def telling(services: Services, tenant: TenantId) -> Telling:
    return Telling(
        mail=services.mail(tenant) if services.mail_on else None,
        people=services.people(tenant),
        audit=services.audit_log(tenant),
        public_base_url=services.settings.public_base_url,
    )


def looking(services: Services) -> Looking:
    return Looking(services.address_checker, services.preflight, callback_url(services))


def asking(services: Services, configuring: Configuring) -> Asking:
    return Asking(
        configuring=configuring,
        looking=looking(services),
        checks=services.last_checks(configuring.person.tenant),
        smart=services.smart,
        telling=telling(services, configuring.person.tenant),
        approvals=services.plans.approvals,
    )


def approving(services: Services, tenant: TenantId) -> Approving:
    return Approving(
        environments=services.environments_of(tenant),
        audit=services.audit_log(tenant),
        epic=services.epic_sign_in,
        launches=services.launches,
    )


def approver_of(visitor: Visitor) -> Approver:
    return Approver(visitor.person, visitor.names, visitor.session.id_hash)


async def back_from_epic(
    req: func.HttpRequest, launch: Launch, *, services: Services, portal: Portal
) -> func.HttpResponse:
    """Keep what the sign-in proves in the session it began in, and lead back to the page it began on."""
    page = f"/approvals/{launch.environment}"
    try:
        visitor = await portal.signed_in(req)
    except DomainError:
        # Signed out, or taken off meanwhile: the page it leads to says which.
        return _failed(page, ApprovalFailed(ApprovalFailure.OTHER_SESSION))
    returned = Returned(
        code=req.params.get("code", ""),
        error=req.params.get("error", ""),
        issuer=req.params.get("iss", ""),
        cookie=read_cookie(req, LAUNCH),
    )
    try:
        proof = await finish_epic_sign_in(
            launch,
            returned,
            approver=approver_of(visitor),
            given=approving(services, visitor.person.tenant),
            now=services.now(),
        )
    except ApprovalFailed as failed:
        return _failed(page, failed)
    await services.portal_sessions.change(visitor.session.id_hash, lambda one: one.proven(proof))
    return see_other(f"{page}?done=epic")


def _failed(page: str, failed: ApprovalFailed) -> func.HttpResponse:
    asked = {"failed": failed.cause.value, **({"code": failed.code} if failed.code else {})}
    return see_other(f"{page}?{urlencode(asked)}")
