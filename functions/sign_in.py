"""Signing in and out of the portal, and the first visit of a hospital, which decides where its data lives."""

import re
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import azure.functions as func

from functions.web.callers import Callers
from functions.web.cookies import SESSION, SIGNING_IN, host_cookie, host_name, read_cookie
from functions.web.door import anyone, door
from functions.web.forms import read_form
from functions.web.portal import Portal, Visitor, same_site
from functions.web.replies import found, see_other
from shared.domain.errors import NotFound, Refused
from shared.domain.portal_session import SIGN_IN_LIVES
from shared.domain.tenant import Tenant
from shared.domain.words import said
from shared.flows.admit_tenant import pin_tenant
from shared.flows.sign_in_person import (
    SignInFailed,
    SigningIn,
    begin_sign_in,
    end_session,
    finish_sign_in,
)
from shared.wiring import Services

# Longer than any session: a cookie that outlives it still says whose form it was that came too late.
_COOKIE_LIVES = 24 * 60 * 60
# 32 random bytes in base64.
_RANDOM = re.compile(r"[A-Za-z0-9_-]{43}")


def sign_in(services: Services) -> func.Blueprint:
    """The ways in and out, speaking to `services`."""
    pages = func.Blueprint()
    portal, callers = Portal(services), Callers(services)
    base = services.settings.public_base_url
    signing_in = SigningIn(
        microsoft=services.microsoft,
        under_way=services.microsoft_sign_ins,
        sessions=services.portal_sessions,
        people=services.people,
        environments=services.environments_of,
        audit=services.audit_log,
        allowed=services.settings.tenants,
        here=base,
    )

    def browser_of(req: func.HttpRequest) -> str:
        value = read_cookie(req, host_name(SIGNING_IN, base))
        return value if _RANDOM.fullmatch(value) else ""

    @pages.function_name("sign_in")
    @pages.route("sign-in", methods=["GET"])
    @door(anyone, worded=portal.worded)
    async def begin(req: func.HttpRequest, _nobody: None) -> func.HttpResponse:
        """Send the browser to Microsoft; stop on a page first where a form ended or the person signed out."""
        await services.ready()
        to = same_site(req.params.get("to", "/"))
        held = req.params.get("held", "")
        if req.params.get("ended"):
            kept = _RANDOM.fullmatch(held) is not None
            if kept:
                to = same_site(f"{to}{'&' if '?' in to else '?'}{urlencode({'held': held})}")
            return _sign_in_page(portal, req, "ended", to=to, kept=kept)
        if req.params.get("done") == "signed-out":
            out = services.microsoft.sign_out_url(f"{base}/sign-in/callback")
            return _sign_in_page(portal, req, "signed-out", to="/", microsoft=out)
        begun = await begin_sign_in(
            to=to,
            choose=req.params.get("choose") == "1",
            browser=browser_of(req),
            redirect_uri=f"{base}/sign-in/callback",
            given=signing_in,
            now=services.now(),
        )
        lives = int(SIGN_IN_LIVES.total_seconds())
        cookie = host_cookie(SIGNING_IN, begun.cookie, lives=lives, public_base_url=base)
        return found(begun.authorize_url, cookies=(cookie,))

    @pages.function_name("sign_in_callback")
    @pages.route("sign-in/callback", methods=["GET"])
    @door(anyone, worded=portal.worded)
    async def finish(req: func.HttpRequest, _nobody: None) -> func.HttpResponse:
        """Take the person back from Microsoft into a new session."""
        await services.ready()
        answer = dict(req.params)
        if not answer.keys() & {"state", "code", "error"}:
            # Microsoft's own sign-out comes back here, because only registered addresses may be named to it.
            return see_other("/sign-in?done=signed-out")
        try:
            came = await finish_sign_in(answer, browser=browser_of(req), given=signing_in, now=services.now())
        except SignInFailed as failed:
            return _sign_in_page(portal, req, failed.cause.value, to="/", status=HTTPStatus.FORBIDDEN)
        before = await callers.any_session(req)
        if before is not None and not before.over(services.now()):
            now = services.now()
            await services.portal_sessions.change(before.id_hash, lambda one: one.ended(now))
        # The other cookie stays its ten minutes: a second tab may still be away at Microsoft.
        session = host_cookie(SESSION, came.session_id, lives=_COOKIE_LIVES, public_base_url=base)
        return see_other(came.to, cookies=(session,))

    @pages.function_name("sign_out")
    @pages.route("sign-out", methods=["POST"])
    @door(anyone, worded=portal.worded)
    async def leave(req: func.HttpRequest, _nobody: None) -> func.HttpResponse:
        """End the session of this browser."""
        await services.ready()
        session = await callers.any_session(req)
        if session is not None:
            await callers.check_same_page(req, read_form(req).text("csrf"))
            await end_session(
                session,
                sessions=services.portal_sessions,
                audit=services.audit_log(session.tenant),
                now=services.now(),
            )
        return see_other("/sign-in?done=signed-out", cookies=(_gone(SESSION, base),))

    async def pinned(visitor: Visitor) -> Tenant | None:
        try:
            return await services.tenants(visitor.person.tenant).get()
        except NotFound:
            return None

    async def welcome_page(req: func.HttpRequest, visitor: Visitor, **more: Any) -> func.HttpResponse:
        return portal.page(
            req,
            visitor,
            "welcome.html",
            geography=services.settings.geography.value,
            region=services.settings.region,
            people=await portal.helpers(visitor.person),
            **more,
        )

    @pages.function_name("welcome_page")
    @pages.route("welcome", methods=["GET"])
    @door(portal.signing_up, worded=portal.worded)
    async def welcome(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """Say where the data will live, once for each hospital."""
        if await pinned(visitor) is not None:
            return see_other("/")
        return await welcome_page(req, visitor, form=await portal.held(req, visitor))

    @pages.function_name("confirm_geography")
    @pages.route("welcome", methods=["POST"])
    @door(portal.signing_up, worded=portal.worded)
    async def confirm(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """Pin the hospital to this stamp's geography, for good."""
        form = await portal.form(req, visitor)
        tenant = visitor.person.tenant
        try:
            await pin_tenant(
                visitor.person,
                confirmed=form.text("geography"),
                geography=services.settings.geography,
                name=services.settings.tenants[tenant].name,
                tenants=services.tenants(tenant),
                audit=services.audit_log(tenant),
                now=services.now(),
            )
        except Refused:
            problems = {"geography": said("Confirm where the data will live.")}
            return await welcome_page(
                req, visitor, status=HTTPStatus.UNPROCESSABLE_ENTITY, form=form, problems=problems
            )
        return see_other("/?done=welcome")

    return pages


def _sign_in_page(
    portal: Portal,
    req: func.HttpRequest,
    what: str,
    *,
    to: str,
    kept: bool = False,
    microsoft: str = "",
    status: HTTPStatus = HTTPStatus.OK,
) -> func.HttpResponse:
    asked = {"to": to, **({} if what == "ended" else {"choose": "1"})}
    return portal.page(
        req,
        None,
        "sign_in.html",
        nav="sign-in",
        status=status,
        what=what,
        again=f"/sign-in?{urlencode(asked)}",
        kept=kept,
        microsoft=microsoft,
    )


def _gone(name: str, base: str) -> str:
    return host_cookie(name, "", lives=0, public_base_url=base)
