"""The portal's pages of approvals: what waits, exactly what would be approved, Epic's sign-in, and the decision."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

import azure.functions as func

from functions.web.approving import approver_of, approving, asking, callback_url, telling
from functions.web.colleagues import spoken_names
from functions.web.cookies import LAUNCH, cookie
from functions.web.door import door
from functions.web.environment_found import find_environment
from functions.web.forms import Form
from functions.web.portal import Portal, Visitor
from functions.web.replies import found, see_other
from functions.web.setup_tasks import setup_steps
from shared.domain.approval import ApprovalFailure, check_proof, sentence
from shared.domain.difference import Difference, differences
from shared.domain.environment import Environment, Stage
from shared.domain.errors import OutOfStep, Refused
from shared.domain.launch import LAUNCH_LIVES
from shared.domain.portal_session import PROOF_LIVES, Colleague
from shared.domain.words import Said, said
from shared.flows.approve_connection import begin_epic_sign_in, waiting_for
from shared.flows.ask_approvers import ask_approvers, look_first
from shared.flows.check_address import Looked, NotReady
from shared.flows.configure_environment import decide, withdraw
from shared.flows.tell_approvers import remind_now
from shared.wiring import Services

LIST = "/approvals"
_NAV = "approvals"
_UNPROCESSABLE = HTTPStatus.UNPROCESSABLE_ENTITY


@dataclass(frozen=True, slots=True)
class Row:
    """One value that is approved. `before` is what was approved last, when it `changed`."""

    field: str
    label: Said
    value: str
    changed: bool
    before: str


def approval_pages(services: Services) -> func.Blueprint:
    """The pages below /approvals, speaking to `services`."""
    endpoints = func.Blueprint()
    portal = Portal(services)
    pages = _Pages(services, portal)

    @endpoints.function_name("approvals_page")
    @endpoints.route("approvals", methods=["GET"])
    @door(portal.signed_in, worded=portal.worded)
    async def show_list(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """What waits for the visitor, and for an administrator what waits for others."""
        return await pages.listing(req, visitor)

    @endpoints.function_name("approval_page")
    @endpoints.route("approvals/{environment}", methods=["GET"])
    @door(portal.signed_in, worded=portal.worded)
    async def show_one(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """Exactly what would be approved, and the steps to do so."""
        one = await pages.find(req, visitor)
        return await pages.one(req, visitor, one, form=await portal.held(req, visitor))

    @endpoints.function_name("approval_epic_sign_in")
    @endpoints.route("approvals/{environment}/epic", methods=["GET"])
    @door(portal.signed_in, worded=portal.worded)
    async def to_epic(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """Send the approver to the sign-in of the very Epic that they are asked about."""
        one = await pages.find(req, visitor)
        begun = await begin_epic_sign_in(
            one.id,
            approver=approver_of(visitor),
            given=approving(services, visitor.person.tenant),
            redirect_uri=callback_url(services),
            now=services.now(),
        )
        tied = cookie(
            LAUNCH,
            begun.cookie,
            path="/launch/callback",
            lives=int(LAUNCH_LIVES.total_seconds()),
            public_base_url=services.settings.public_base_url,
        )
        return found(begun.authorize_url, cookies=(tied,))

    @endpoints.function_name("approval_act")
    @endpoints.route("approvals/{environment}", methods=["POST"])
    @door(portal.signed_in, worded=portal.worded)
    async def act(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """Approve or reject; or, for an administrator, take it back or have the approvers told again."""
        form = await portal.form(req, visitor)
        one = await pages.find(req, visitor)
        try:
            return see_other(await pages.act(visitor, one, form))
        except Refused as refused:
            problems, status = refused.problems, _UNPROCESSABLE
        except OutOfStep as changed:
            problems, status = {"": changed.args[0]}, HTTPStatus.CONFLICT
        newest = await pages.find(req, visitor)
        if status is HTTPStatus.CONFLICT and (done := _decided_so(visitor, newest, form)):
            return see_other(done)
        return await pages.one(req, visitor, newest, form=form, problems=problems, status=status)

    @endpoints.function_name("approval_ask_page")
    @endpoints.route("approvals/{environment}/ask", methods=["GET"])
    @door(portal.administrator, worded=portal.worded)
    async def show_ask(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """Who would be asked, and a button that looks at Epic first."""
        return await pages.ask(req, visitor, await pages.find(req, visitor))

    @endpoints.function_name("approval_ask")
    @endpoints.route("approvals/{environment}/ask", methods=["POST"])
    @door(portal.administrator, worded=portal.worded)
    async def ask(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """Look at Epic, and ask the approvers when everything is ready or the administrator insists."""
        form = await portal.form(req, visitor)
        one = await pages.find(req, visitor)
        given = asking(services, portal.configuring(visitor))
        looked: Looked | None = None
        problems: Mapping[str, str] = {}
        status = HTTPStatus.OK
        try:
            if form.action == "check":
                looked = await look_first(one.id, given=given, now=services.now())
            else:
                await ask_approvers(one.id, anyway=form.has("anyway"), given=given, now=services.now())
                return see_other(f"{LIST}/{one.id}?done=asked")
        except NotReady as missing:
            looked, problems, status = missing.looked, missing.problems, _UNPROCESSABLE
        except Refused as refused:
            problems, status = refused.problems, _UNPROCESSABLE
        except OutOfStep as late:
            problems, status = {"": late.args[0]}, HTTPStatus.CONFLICT
            newest = (await pages.find(req, visitor)).newest
            if newest.stage is Stage.WAITING and newest.saved_by == visitor.person.object_id:
                return see_other(f"{LIST}/{one.id}?done=asked")  # the same button, pressed twice
        return await pages.ask(req, visitor, one, form=form, looked=looked, problems=problems, status=status)

    return endpoints


@dataclass(frozen=True, slots=True)
class _Pages:
    """What the handlers show and do."""

    services: Services
    portal: Portal

    async def find(self, req: func.HttpRequest, visitor: Visitor) -> Environment:
        """The environment in the path when the visitor may see it; NotFound otherwise."""
        return (await find_environment(self.portal, req, visitor)).value

    async def people(self, visitor: Visitor, every: Sequence[Environment]) -> dict[str, Colleague]:
        ids = {
            id
            for one in every
            for id in (*one.newest.connection.approvers, one.newest.saved_by, one.newest.decided_by)
            if id and "@" not in id
        }
        return await self.services.people(visitor.person.tenant).named(ids)

    async def listing(self, req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        every = visitor.environments
        mine = waiting_for(visitor.names, every)
        others = [
            one
            for one in every
            if visitor.person.roles and one.newest.stage is Stage.WAITING and one not in mine
        ]
        names = await self.people(visitor, [*mine, *others])
        return self.portal.page(
            req,
            visitor,
            "approvals.html",
            nav=_NAV,
            mine=mine,
            others=others,
            names=names,
            setup=setup_steps(
                [one for one in every if visitor.person.roles or one in mine], names=spoken_names(names)
            ),
        )

    async def one(
        self,
        req: func.HttpRequest,
        visitor: Visitor,
        one: Environment,
        *,
        form: Form | None = None,
        problems: Mapping[str, str] | None = None,
        status: int = HTTPStatus.OK,
    ) -> func.HttpResponse:
        names = await self.people(visitor, [one])
        content = one.newest.connection.content_hash()
        return self.portal.page(
            req,
            visitor,
            "approval.html",
            nav=_NAV,
            status=status,
            form=form,
            problems=problems,
            environment=one,
            names=names,
            setup=setup_steps([one], names=spoken_names(names)),
            rows=rows_of(one, names),
            content_hash=content,
            may_decide=one.newest.stage is Stage.WAITING and one.names_as_approver(visitor.names),
            proven_until=self.proven_until(visitor, one, content),
            failure=_failure(req),
            mail_on=self.services.mail_on,
            zone=one.operation.feed.zone or "UTC",
        )

    def proven_until(self, visitor: Visitor, one: Environment, content: str) -> datetime | None:
        """Until when the visitor's Epic sign-in lets them approve; None when they have to sign in."""
        proof = visitor.session.proof
        try:
            check_proof(proof, environment=one.id, content_hash=content, now=self.services.now())
        except (Refused, OutOfStep):
            return None
        return proof.at + PROOF_LIVES if proof else None

    async def act(self, visitor: Visitor, one: Environment, form: Form) -> str:
        """Do what the pressed button says, and return where to go then."""
        here, now = f"{LIST}/{one.id}", self.services.now()
        configuring = self.portal.configuring(visitor)
        if form.action == "withdraw":
            await withdraw(one.id, given=configuring, now=now)
            return f"{here}?done=withdrawn"
        if form.action == "remind":
            given = telling(self.services, visitor.person.tenant)
            sent = await remind_now(one, configuring=configuring, given=given, now=now)
            return f"{here}?done={'reminded' if sent else 'not-reminded'}"
        approve = self._decision(visitor, one, form)
        await decide(
            one.id,
            approve=approve,
            content_hash=form.text("content_hash"),
            reason=form.text("reason"),
            given=configuring,
            proof=visitor.session.proof,
            now=now,
        )
        return f"/records/{one.id}?done=approved" if approve else f"{here}?done=rejected"

    def _decision(self, visitor: Visitor, one: Environment, form: Form) -> bool:
        """Whether to approve, or raise Refused with everything that is missing, in the order of the page."""
        decision, reason = form.text("decision"), form.text("reason")
        problems: dict[str, str] = {}
        if decision == "approve":
            try:
                check_proof(
                    visitor.session.proof,
                    environment=one.id,
                    content_hash=form.text("content_hash"),
                    now=self.services.now(),
                )
            except Refused as refused:
                problems |= refused.problems
        elif decision == "reject":
            if not 5 <= len(reason) <= 500:
                problems["reason"] = said("Enter what needs to change")
        else:
            problems["decision"] = said("Select approve or reject")
        if problems:
            raise Refused(problems)
        return decision == "approve"

    async def ask(
        self,
        req: func.HttpRequest,
        visitor: Visitor,
        one: Environment,
        *,
        form: Form | None = None,
        looked: Looked | None = None,
        problems: Mapping[str, str] | None = None,
        status: int = HTTPStatus.OK,
    ) -> func.HttpResponse:
        names = await self.people(visitor, [one])
        return self.portal.page(
            req,
            visitor,
            "approval_ask.html",
            nav=_NAV,
            status=status,
            form=form,
            problems=problems,
            environment=one,
            names=names,
            setup=setup_steps([one], names=spoken_names(names)),
            looked=looked,
            callback=callback_url(self.services),
            mail_on=self.services.mail_on,
        )


def _decided_so(visitor: Visitor, one: Environment, form: Form) -> str:
    """Where to go when the visitor decided exactly this a moment ago: the same button, pressed twice."""
    newest = one.newest
    mine = newest.decided_by == visitor.person.object_id
    if not mine or newest.connection.content_hash() != form.text("content_hash"):
        return ""
    decided = (form.text("decision"), newest.stage)
    if decided == ("approve", Stage.APPROVED):
        return f"/records/{one.id}?done=approved"
    return f"{LIST}/{one.id}?done=rejected" if decided == ("reject", Stage.REJECTED) else ""


def rows_of(one: Environment, names: Mapping[str, Colleague]) -> list[Row]:
    """Every value of the newest connection, those that differ from the approved one marked; then what is gone."""
    newest, approved = one.newest.connection, one.live.connection if one.live else None
    changed: dict[str, Difference] = (
        {each.field: each for each in differences(approved, newest)} if approved else {}
    )
    rows = [
        Row(
            each.field,
            each.label,
            _shown(each.field, each.after, newest.approvers, names),
            changed=each.field in changed,
            before=_before(changed.get(each.field), approved.approvers if approved else (), names),
        )
        for each in differences(None, newest)
    ]
    there = {row.field for row in rows}
    gone = [each for each in changed.values() if each.field not in there]
    return rows + [Row(each.field, each.label, "", changed=True, before=each.before) for each in gone]


def _shown(field: str, text: str, approvers: Sequence[str], names: Mapping[str, Colleague]) -> str:
    """Approvers by name and address; everything else as it is."""
    if field != "connection.approvers":
        return text
    return ", ".join(_called(id, names) for id in approvers)


def _before(difference: Difference | None, approvers: Sequence[str], names: Mapping[str, Colleague]) -> str:
    return _shown(difference.field, difference.before, approvers, names) if difference else ""


def _called(id: str, names: Mapping[str, Colleague]) -> str:
    known = names.get(id)
    return (known.address or known.name or id) if known else id


def _failure(req: func.HttpRequest) -> Said | None:
    """What went wrong at Epic, from the address that its sign-in led back to; only known causes are said."""
    cause = req.params.get("failed", "")
    return (
        sentence(ApprovalFailure(cause), req.params.get("code", ""))
        if cause in set(ApprovalFailure)
        else None
    )
