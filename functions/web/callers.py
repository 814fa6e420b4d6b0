"""Who asks: by the portal's session cookie, or by a Microsoft Entra access token, and under which names."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass

import azure.functions as func

from functions.web.cookies import SESSION, host_name, read_cookie
from shared.domain.errors import NotAllowed, NotFound, NotSignedIn
from shared.domain.portal_session import EpicProof, PortalSession
from shared.domain.tenant import Person
from shared.domain.words import said
from shared.flows.admit_tenant import admitted
from shared.flows.know_person import approver_names
from shared.flows.launch_visit import hashed
from shared.wiring import Services

_READS = frozenset({"GET", "HEAD"})


class Forged(NotAllowed):
    """A request that changes something did not come from a page of ours in the person's own session."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and the names by which an environment may know them as approver."""

    person: Person
    names: frozenset[str]
    proof: EpicProof | None = None  # of an Epic sign-in in this session; an access token holds none


@dataclass(frozen=True, slots=True)
class Callers:
    """Finds out who asks, speaking to `services`."""

    services: Services

    async def caller(self, req: func.HttpRequest) -> Caller:
        """By bearer token when there is one, by session cookie otherwise. Raises NotSignedIn or NotAllowed.

        A cookie is sent by the browser whoever wrote the page, so a change also needs the CSRF token in the
        header `X-CSRF-Token`, and has to come from a page of ours.
        """
        await self.services.ready()
        scheme, _, bearer = req.headers.get("authorization", "").partition(" ")
        if bearer:
            if scheme.lower() != "bearer":
                raise NotSignedIn(said("Sign in with your Microsoft 365 account."))
            person, proof = await self.services.person_of(bearer.strip()), None
            self.admit(person)
        else:
            session = await self.session(req)
            person, proof = await self.person(session), session.proof
            if req.method.upper() not in _READS:
                await self.check_same_page(req, req.headers.get("x-csrf-token", ""))
        return Caller(person, await self.names(person), proof)

    async def session(self, req: func.HttpRequest) -> PortalSession:
        """The portal session of this browser, noted as seen. Raises NotSignedIn, NotAllowed or Misdirected."""
        now = self.services.now()
        session = await self.any_session(req)
        if session is None or session.over(now):
            raise NotSignedIn(said("Sign in with your Microsoft 365 account."))
        settings = self.services.settings
        # Asked again on every request: a tenant may have been taken off the list since.
        admitted(session.tenant, allowed=settings.tenants, here=settings.public_base_url)
        if session.to_be_noted(now):
            session = await self.services.portal_sessions.change(session.id_hash, lambda one: one.seen(now))
            if session.over(now):  # signed out in another tab in this very moment
                raise NotSignedIn(said("Sign in with your Microsoft 365 account."))
        return session

    async def any_session(self, req: func.HttpRequest) -> PortalSession | None:
        """The session of this browser even when it is over, which proves who was here and nothing more."""
        value = self.session_id(req)
        if not value:
            return None
        try:
            return await self.services.portal_sessions.find(hashed(value))
        except NotFound:
            return None

    def session_id(self, req: func.HttpRequest) -> str:
        """The random id in the cookie, or empty."""
        return read_cookie(req, host_name(SESSION, self.services.settings.public_base_url))

    async def person(self, session: PortalSession) -> Person:
        """Whose session it is, with the roles of the sign-in."""
        known = await self.services.people(session.tenant).named([session.object_id])
        called = known.get(session.object_id)
        return Person(
            tenant=session.tenant,
            object_id=session.object_id,
            name=called.name if called else "",
            address=called.address if called else "",
            roles=session.roles,
        )

    async def names(self, person: Person) -> frozenset[str]:
        """The names by which an environment of their tenant may call them an approver."""
        environments = await self.services.environments_of(person.tenant).all()
        return await approver_names(person, self.services.people(person.tenant), environments)

    def admit(self, person: Person) -> None:
        settings = self.services.settings
        admitted(person.tenant, allowed=settings.tenants, here=settings.public_base_url)

    async def csrf(self, req: func.HttpRequest) -> str:
        """A CSRF token of this browser's session, written anew each time: a compressed page then hides it."""
        return _masked(await self._token(req))

    async def _token(self, req: func.HttpRequest) -> bytes:
        """Only who knows the cookie's value and our key can make it."""
        key = await self.services.keys.cookie_key()
        return hmac.new(key, f"csrf|{self.session_id(req)}".encode(), hashlib.sha256).digest()

    async def check_same_page(self, req: func.HttpRequest, token: str) -> None:
        """Raise Forged unless the request comes from a page of ours and brings this session's token."""
        # Browsers say where a request comes from and no page can change it (Fetch Metadata, W3C); old ones say
        # nothing, and for them the token decides alone.
        site = req.headers.get("sec-fetch-site", "same-origin")
        if site != "same-origin" or not self.session_id(req):
            raise Forged(said("This request did not come from a page of the portal."))
        if not secrets.compare_digest(_unmasked(token), await self._token(req)):
            raise Forged(said("This page is out of date. Reload it and try again."))


def _masked(token: bytes) -> str:
    """`token` under a fresh random mask, the mask before it, as hexadecimal digits."""
    mask = secrets.token_bytes(len(token))
    return (mask + _mixed(token, mask)).hex()


def _unmasked(text: str) -> bytes:
    """The token in `text`, or nothing when it is not of this form."""
    try:
        both = bytes.fromhex(text)
    except ValueError:
        return b""
    half = len(both) // 2
    return _mixed(both[half:], both[:half]) if len(both) % 2 == 0 else b""


def _mixed(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
