"""The API of approvals: check an address, look at Epic, ask the approvers, see what waits, decide, take back."""

from http import HTTPStatus

from functions.web import approval_models as models
from functions.web import portal_answers as answers
from functions.web.api import Api, ApiBlueprint, Call
from functions.web.approving import asking, telling
from functions.web.environment_found import administered_environment
from shared.domain.tenant import Role
from shared.flows.approve_connection import waiting_for
from shared.flows.ask_approvers import ask_approvers, look_first
from shared.flows.check_address import asks_unlooked
from shared.flows.check_again import check_again
from shared.flows.configure_environment import decide, withdraw
from shared.flows.tell_approvers import remind_now
from shared.wiring import Services

_TAGS = ("Approval",)
_CONFLICT = HTTPStatus.CONFLICT


def api_approvals(services: Services) -> ApiBlueprint:
    """The endpoints, speaking to `services`."""
    api = Api(services)

    @api.endpoint(
        "api_check_address",
        "POST",
        "address-check",
        takes=models.AddressIn,
        gives=models.AddressCheckOut,
        tags=_TAGS,
    )
    async def check_address(call: Call[models.AddressIn]) -> models.AddressCheckOut:
        """Say what is wrong with an address of Epic, and offer the right one where it answers; for administrators."""
        call.person.must_be(Role.ADMINISTRATOR)
        body = call.body
        return models.address_out(await services.address_checker.check(body.fhir_base_url, body.client_id))

    @api.endpoint(
        "api_last_check",
        "GET",
        "environments/{environment}/address-check",
        gives=models.LastCheckOut,
        tags=_TAGS,
    )
    async def last_check(call: Call[None]) -> models.LastCheckOut:
        """The last look at the newest address of an environment, for an administrator. Nothing is called."""
        one = (await administered_environment(call)).value
        kept = (await services.last_checks(one.tenant).all()).get(one.id)
        return models.last_check_out(kept if kept is not None and kept.is_of(one) else None)

    @api.endpoint(
        "api_check_again",
        "POST",
        "environments/{environment}/address-check",
        gives=models.LastCheckOut,
        tags=_TAGS,
    )
    async def look_again(call: Call[None]) -> models.LastCheckOut:
        """Look at the newest address of an environment now, for an administrator."""
        made = await check_again(
            call.environment,
            checker=services.address_checker,
            checks=services.last_checks(call.person.tenant),
            given=call.configuring(),
            now=services.now(),
        )
        return models.last_check_out(made)

    @api.endpoint(
        "api_preflight",
        "POST",
        "environments/{environment}/preflight",
        gives=models.PreflightOut,
        tags=_TAGS,
    )
    async def preflight(call: Call[None]) -> models.PreflightOut:
        """Check the address and try the three client ids at Epic, for an administrator. Nobody is asked."""
        given = asking(services, call.configuring())
        return models.preflight_out(await look_first(call.environment, given=given, now=services.now()))

    @api.endpoint(
        "api_submit",
        "POST",
        "environments/{environment}/submission",
        takes=models.SubmissionIn,
        gives=answers.EnvironmentOut,
        refuses=(_CONFLICT,),
        tags=_TAGS,
    )
    async def submit(call: Call[models.SubmissionIn]) -> answers.EnvironmentOut:
        """Ask for approval of the newest connection: Epic is looked at first, and the approvers are told.

        A production environment is refused with `not-accepted` while something is not ready, unless `anyway` is
        set; the preflight says what it is.
        """
        configuring = call.configuring()
        found = (await configuring.environments.get(call.environment)).value
        waiting, _ = await ask_approvers(
            call.environment,
            anyway=call.body.anyway or asks_unlooked(found),
            given=asking(services, configuring),
            now=services.now(),
        )
        return answers.shown(waiting)

    @api.endpoint(
        "api_remind",
        "POST",
        "environments/{environment}/reminder",
        gives=models.RemindedOut,
        tags=_TAGS,
    )
    async def remind(call: Call[None]) -> models.RemindedOut:
        """Have the approvers of what waits told again by e-mail, for an administrator."""
        sent = await remind_now(
            (await administered_environment(call)).value,
            configuring=call.configuring(),
            given=telling(services, call.person.tenant),
            now=services.now(),
        )
        return models.RemindedOut(mails=sent)

    @api.endpoint("api_approvals", "GET", "approvals", gives=models.ApprovalsOut, tags=_TAGS)
    async def waiting(call: Call[None]) -> models.ApprovalsOut:
        """What waits for the caller to decide, the oldest first, with what differs from the approved version."""
        every = await call.configuring().environments.all()
        return models.ApprovalsOut(
            waiting=[models.approval_out(one) for one in waiting_for(call.names, every)]
        )

    @api.endpoint(
        "api_decide",
        "POST",
        "environments/{environment}/decision",
        takes=models.DecisionIn,
        gives=answers.EnvironmentOut,
        refuses=(_CONFLICT,),
        tags=_TAGS,
    )
    async def decision(call: Call[models.DecisionIn]) -> answers.EnvironmentOut:
        """The named approver approves or rejects what they saw.

        To approve, they must have signed in to that Epic in this portal session during the last 15 minutes, from
        the page `/approvals/{environment}`. An access token holds no such proof: with one, only a rejection is
        possible.
        """
        body = call.body
        decided = await decide(
            call.environment,
            approve=body.decision == "approve",
            content_hash=body.content_hash,
            reason=body.reason,
            proof=call.caller.proof,
            given=call.configuring(),
            now=services.now(),
        )
        return answers.shown(decided)

    @api.endpoint(
        "api_withdraw",
        "POST",
        "environments/{environment}/withdrawal",
        takes=models.VersionIn,
        gives=answers.EnvironmentOut,
        refuses=(_CONFLICT,),
        tags=_TAGS,
    )
    async def take_back(call: Call[models.VersionIn]) -> answers.EnvironmentOut:
        """Take back what waits for approval."""
        withdrawn = await withdraw(
            call.environment, seen=call.body.version, given=call.configuring(), now=services.now()
        )
        return answers.shown(withdrawn, whole=True)

    return api.blueprint
