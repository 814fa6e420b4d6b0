"""The portal's page where the certificate that proves Epic's appointment messages is uploaded and looked at."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus

import azure.functions as func

from functions.web.door import TooLarge, door
from functions.web.environment_found import find_environment
from functions.web.forms import Form
from functions.web.portal import Portal, Visitor
from functions.web.replies import see_other
from functions.web.stopping import KEEP, Change, answer_in, question
from shared.domain.certificates import accepted, exchanged, expiry, without
from shared.domain.environment import Certificate, Environment
from shared.domain.errors import OutOfStep, Refused
from shared.domain.versioned import Versioned
from shared.domain.words import said
from shared.flows import configure_environment as configure
from shared.hl7v2.signature import check_certificate
from shared.wiring import Services

FIELD = "certificate"


def certificate_pages(services: Services) -> func.Blueprint:
    """The page, speaking to `services`."""
    endpoints = func.Blueprint()
    portal = Portal(services)
    pages = _Pages(services, portal)

    @endpoints.function_name("certificate_page")
    @endpoints.route("setup/sms/{environment}/certificate", methods=["GET"])
    @door(portal.administrator, worded=portal.worded)
    async def show(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """The certificates that count today and those that wait for approval, and the form for a file."""
        return pages.shown(req, visitor, await find_environment(portal, req, visitor))

    @endpoints.function_name("certificate_act")
    @endpoints.route("setup/sms/{environment}/certificate", methods=["POST"])
    @door(portal.administrator, worded=portal.worded)
    async def act(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """Look into a file, use the certificate that was in it, or remove one."""
        found = await find_environment(portal, req, visitor)
        try:
            form = await portal.form(req, visitor)
        except TooLarge:
            problem = {FIELD: said("The file must be smaller than 16 kB")}
            return pages.shown(req, visitor, found, problems=problem)
        try:
            if form.action == "remove":
                return await pages.remove(req, visitor, form, found)
            if form.action == "use":
                return await pages.use(visitor, form, found)
            inside = check_certificate(form.file(FIELD) or b"", now=services.now())
        except Refused as refused:
            problems = {name if name == FIELD else "": words for name, words in refused.problems.items()}
            return pages.shown(req, visitor, found, problems=problems)
        except OutOfStep as changed:
            return pages.shown(
                req,
                visitor,
                await find_environment(portal, req, visitor),
                problems={"": changed.args[0]},
                status=HTTPStatus.CONFLICT,
            )
        return pages.shown(req, visitor, found, inside=inside)

    return endpoints


@dataclass(frozen=True, slots=True)
class _Pages:
    """What the handlers show and save."""

    services: Services
    portal: Portal

    def shown(
        self,
        req: func.HttpRequest,
        visitor: Visitor,
        found: Versioned[Environment],
        *,
        inside: Certificate | None = None,
        problems: Mapping[str, str] | None = None,
        status: int = HTTPStatus.UNPROCESSABLE_ENTITY,
    ) -> func.HttpResponse:
        """The page; with `problems` in the given status. What was in a refused file is not part of it."""
        one, now = found.value, self.services.now()
        live = one.live.connection.certificates if one.live else ()
        newest = one.newest.connection.certificates
        return self.portal.page(
            req,
            visitor,
            "certificate.html",
            nav="sms",
            status=status if problems else HTTPStatus.OK,
            problems=problems,
            environment=one,
            version=found.version,
            inside=inside,
            takes_over=inside is not None and len(exchanged(one, inside, now=now)) > 1,
            live=live,
            counting={each.fingerprint for each in accepted(live, now=now)},
            waiting=[each for each in newest if not _among(each, live)],
            leaving={each.fingerprint for each in live if not _among(each, newest)},
            removable={each.fingerprint for each in newest},
            expiry=expiry(newest, now=now),
            spoken_fingerprint=spoken_fingerprint,
            zone=one.operation.feed.zone or "UTC",
        )

    async def use(self, visitor: Visitor, form: Form, found: Versioned[Environment]) -> func.HttpResponse:
        """Take the certificate that was looked at into a draft. It is checked again: the form is not trusted."""
        certificate = check_certificate(form.text("pem").encode(), now=self.services.now())
        await configure.add_certificate(
            found.value.id, certificate, given=self.portal.configuring(visitor), now=self.services.now()
        )
        return see_other(f"{_address(found.value)}?done=used")

    async def remove(
        self, req: func.HttpRequest, visitor: Visitor, form: Form, found: Versioned[Environment]
    ) -> func.HttpResponse:
        """Leave a certificate out of the next draft; leaving out the only one is asked first."""
        if answer_in(form) == KEEP:
            return see_other(f"{_address(found.value)}?done=kept")
        one, now, fingerprint = found.value, self.services.now(), form.text("fingerprint")
        newest = one.newest.connection
        left = replace(newest, certificates=without(newest.certificates, fingerprint))
        change = Change(one, one.redrafted(left, by=visitor.person, at=now))
        asked = await question(
            req, [change], portal=self.portal, visitor=visitor, form=form, action=_address(one)
        )
        if asked is not None:
            return asked
        await configure.remove_certificate(
            one.id, fingerprint, seen=form.text("version"), given=self.portal.configuring(visitor), now=now
        )
        return see_other(f"{_address(one)}?done=removed")


def _address(one: Environment) -> str:
    return f"/setup/sms/{one.id}/certificate"


def _among(one: Certificate, others: tuple[Certificate, ...]) -> bool:
    return any(one.fingerprint == other.fingerprint for other in others)


def spoken_fingerprint(fingerprint: str) -> str:
    """A fingerprint in pairs, as certificate viewers show it."""
    return ":".join(fingerprint[place : place + 2].upper() for place in range(0, len(fingerprint), 2))
