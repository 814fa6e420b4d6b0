"""What every page of the portal stands on: who is signed in, the forms they send, and how refusals are worded."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import azure.functions as func

from functions.web.callers import Callers, Forged
from functions.web.compression import compressed
from functions.web.configuring import configuring
from functions.web.forms import Form, packed, read_form, unpacked
from functions.web.pages import language_of, page
from functions.web.refused_attempts import note_refusal
from functions.web.replies import see_other
from shared.domain.environment import Environment
from shared.domain.errors import (
    DomainError,
    Misdirected,
    NotAllowed,
    NotFound,
    NotSignedIn,
    OutsideError,
    Refused,
)
from shared.domain.portal_session import Colleague, HeldForm, PortalSession
from shared.domain.tenant import Person, Role
from shared.domain.words import said
from shared.flows.configuring import Configuring
from shared.flows.know_person import approver_names
from shared.flows.launch_visit import hashed
from shared.wiring import Services

_DONE = re.compile(r"[a-z0-9-]{1,40}")

# A path of ours: one slash, then printable ASCII without a backslash, which browsers read as a slash.
_OURS = re.compile(r"/(?:[!-.0-\[\]-~][!-\[\]-~]*)?")


class NotPinned(NotAllowed):
    """The person's organization has not confirmed yet where its data will live."""


class NoAccess(NotAllowed):
    """The person is signed in, holds no role, and is named as approver nowhere."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody signed in. `names` is what an environment may call them as approver, `csrf` goes into forms.

    `environments` are those that they may see, as the guard has just read them: all for those with a role, else
    the ones that name them. Whoever changes one reads it again, for its version.
    """

    person: Person
    session: PortalSession
    csrf: str
    language: str
    names: frozenset[str]
    environments: tuple[Environment, ...] = ()

    @property
    def is_administrator(self) -> bool:
        return Role.ADMINISTRATOR in self.person.roles


def same_site(to: str) -> str:
    """`to` when it is a path of ours to come back to, else the front page: never another site."""
    path = to.partition("?")[0]
    own = len(to) <= 2000 and _OURS.fullmatch(to) is not None and path not in ("/sign-out", "/sign-in")
    return to if own and not path.startswith("/sign-in/") else "/"


@dataclass(frozen=True, slots=True)
class Portal:
    """The portal's guards and answers, speaking to `services`. Each blueprint of pages builds one."""

    services: Services
    callers: Callers = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "callers", Callers(self.services))

    # --- who enters ---

    async def signing_up(self, req: func.HttpRequest) -> Visitor:
        """A guard: signed in, whether or not the tenant is pinned and the person may do anything."""
        await self.services.ready()
        session = await self.callers.session(req)
        person = await self.callers.person(session)
        return Visitor(
            person, session, await self.callers.csrf(req), language_of(req), frozenset((person.object_id,))
        )

    async def signed_in(self, req: func.HttpRequest) -> Visitor:
        """A guard: of a pinned tenant, with a role or named as approver of an environment."""
        visitor = await self.signing_up(req)
        person = visitor.person
        try:
            await self.services.tenants(person.tenant).get()
        except NotFound:
            raise NotPinned(said("Your organization has not been set up here yet.")) from None
        environments = await self.services.environments_of(person.tenant).all()
        names = await approver_names(person, self.services.people(person.tenant), environments)
        seen = tuple(one for one in environments if person.roles or one.names_as_approver(names))
        if not person.roles and not seen:
            raise NoAccess(said("You do not have access to this portal."))
        return replace(visitor, names=names, environments=seen)

    async def administrator(self, req: func.HttpRequest) -> Visitor:
        """A guard: an administrator of a pinned tenant."""
        visitor = await self.signed_in(req)
        if not visitor.is_administrator:
            raise NotAllowed(said("Only an administrator can open this page."))
        return visitor

    # --- what was sent ---

    async def form(self, req: func.HttpRequest, visitor: Visitor) -> Form:
        """The form that was sent from a page of ours in this session. Raises NotAllowed, TooLarge or Refused."""
        form = read_form(req)
        await self.callers.check_same_page(req, form.text("csrf"))
        return form

    async def held(self, req: func.HttpRequest, visitor: Visitor) -> Form | None:
        """What this person typed before their session ended (`?held=`), once; None when there is nothing."""
        wanted = req.params.get("held", "")
        if not wanted:
            return None
        person = visitor.person
        try:
            form = await self.services.held_forms.take(
                hashed(wanted), tenant=person.tenant, object_id=person.object_id
            )
        except NotFound:
            return None
        return None if form.expired(self.services.now()) else unpacked(form.content)

    # --- what is answered ---

    def page(
        self,
        req: func.HttpRequest,
        visitor: Visitor | None,
        template: str,
        *,
        nav: str = "",
        status: int = 200,
        form: Form | None = None,
        problems: Mapping[str, str] | None = None,
        **facts: Any,
    ) -> func.HttpResponse:
        """A page of the portal. `problems` are sentences by field; with them `form` is what was typed."""
        done = req.params.get("done", "")
        tenants = self.services.settings.tenants
        given: dict[str, Any] = {
            "nav": nav,
            "visitor": visitor,
            "csrf_token": visitor.csrf if visitor else "",
            "organization": tenants[visitor.person.tenant].name if visitor else "",
            "path": _path(req),
            "done": done if _DONE.fullmatch(done) else "",
            "form": form,
            "problems": dict(problems or {}),
            "now": self.services.now(),
            **facts,
        }
        language = visitor.language if visitor else language_of(req)
        return compressed(req, page(template, language=language, status=status, **given))

    def configuring(self, visitor: Visitor) -> Configuring:
        """What the flows that configure need besides the change."""
        return configuring(self.services, visitor.person, visitor.names)

    async def helpers(self, person: Person) -> list[Colleague]:
        """The administrators of the person's tenant whom the portal has met: who can help."""
        return await self.services.people(person.tenant).administrators()

    # --- how a refusal is worded ---

    async def worded(
        self, req: func.HttpRequest, status: HTTPStatus, code: str, refusal: Exception, reference: str
    ) -> func.HttpResponse:
        """The answer to a refusal: a way to sign in, whom to ask, or what went wrong."""
        if isinstance(refusal, NotSignedIn):
            return await self._to_sign_in(req)
        if isinstance(refusal, NotPinned):
            return see_other("/welcome")
        if isinstance(refusal, Misdirected):
            return self.page(req, None, "other_stamp.html", status=status, home=refusal.home, nav="sign-in")
        visitor = await self._visitor(req, refusal)
        if visitor:
            await note_refusal(self.services, req, visitor.person, refusal)
        if isinstance(refusal, NotAllowed) and visitor and not isinstance(refusal, Forged):
            return self.page(
                req,
                visitor,
                "no_access.html",
                status=status,
                nothing=isinstance(refusal, NoAccess),
                why=refusal.args[0],
                people=await self.helpers(visitor.person),
            )
        return self.page(
            req,
            visitor,
            "portal_problem.html",
            status=status,
            code=code,
            why=_sentence(refusal),
            sentences=list(refusal.problems.values()) if isinstance(refusal, Refused) else [],
            reference=reference,
        )

    async def _visitor(self, req: func.HttpRequest, refusal: Exception) -> Visitor | None:
        if isinstance(refusal, OutsideError):
            return None  # what is away need not be asked again to say so
        try:
            return await self.signing_up(req)
        except (DomainError, OutsideError):
            return None

    async def _to_sign_in(self, req: func.HttpRequest) -> func.HttpResponse:
        to = _path_and_query(req)
        if req.method.upper() in ("GET", "HEAD"):
            return see_other(f"/sign-in?{urlencode({'to': same_site(to)})}")
        # A form may not lead to another site, so the way to Microsoft is a link on a page of ours.
        held = await self._hold(req)
        asked = {"to": same_site(to), "ended": "1", **({"held": held} if held else {})}
        return see_other(f"/sign-in?{urlencode(asked)}")

    async def _hold(self, req: func.HttpRequest) -> str:
        """Keep what was typed for the person whose session ended; the id to get it back by, or empty.

        The token proves that the form is of that session's own pages; nothing is kept for strangers.
        """
        session = await self.callers.any_session(req)
        if session is None:
            return ""
        try:
            form = read_form(req)
            await self.callers.check_same_page(req, form.text("csrf"))
        except DomainError:
            return ""
        id = secrets.token_urlsafe(32)
        content = packed(form)
        await self.services.held_forms.insert(
            HeldForm(hashed(id), session.tenant, session.object_id, content, self.services.now())
        )
        return id


def _sentence(refusal: Exception) -> str:
    if isinstance(refusal, DomainError) and refusal.args:
        return str(refusal.args[0]) if not isinstance(refusal.args[0], str) else refusal.args[0]
    return ""


def _path(req: func.HttpRequest) -> str:
    return quote(urlsplit(req.url).path or "/", safe="/%-._~!$&'()*+,;=:@")


def _path_and_query(req: func.HttpRequest) -> str:
    parts = urlsplit(req.url)
    return f"{_path(req)}?{parts.query}" if parts.query else _path(req)
