"""The portal's pages about text messages: consents, the number of each environment, and which texts go out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

import azure.functions as func

from functions.web.door import door
from functions.web.environment_found import find_environment
from functions.web.forms import Form
from functions.web.portal import Portal, Visitor
from functions.web.replies import see_other
from functions.web.setup_tasks import setup_steps
from functions.web.stopping import (
    KEEP,
    Change,
    answer_in,
    question,
    spoken_number,
)
from functions.web.text_previews import previews
from functions.web.texts_form import (
    REMINDER_ROWS,
    e164,
    is_e164,
    numbers_in_use,
    read_texts,
    reminder_rows,
    texts_shown,
)
from shared.domain.attested import REVIEWED_FIRST, given_in, review_of
from shared.domain.certificates import expiry
from shared.domain.configuration import CONSENTS
from shared.domain.environment import Attestation, Environment, Texts
from shared.domain.errors import OutOfStep, Refused
from shared.domain.portal_session import Colleague
from shared.domain.versioned import Versioned
from shared.domain.words import said
from shared.flows import configure_environment as configure
from shared.wiring import Services

LIST = "/setup/sms"


def sms_pages(services: Services) -> func.Blueprint:
    """The pages, speaking to `services`."""
    endpoints = func.Blueprint()
    portal = Portal(services)
    pages = _Pages(services, portal)

    @endpoints.function_name("sms_page")
    @endpoints.route("setup/sms", methods=["GET"])
    @door(portal.administrator, worded=portal.worded)
    async def show(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """The consents, and the number of each environment."""
        return await pages.overview(req, visitor, form=await portal.held(req, visitor))

    @endpoints.function_name("sms_save")
    @endpoints.route("setup/sms", methods=["POST"])
    @door(portal.administrator, worded=portal.worded)
    async def save(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """Save consents and numbers, or decide to do without texts; what stops texts is asked first."""
        form = await portal.form(req, visitor)
        if answer_in(form) == KEEP:
            return see_other(f"{LIST}?done=kept")
        found = await pages.environments(visitor)
        try:
            wanted = _without_texts(found) if form.action == "skip" else _linked(form, found)
        except Refused as refused:
            return await pages.overview(
                req, visitor, form=form, problems=refused.problems, status=HTTPStatus.UNPROCESSABLE_ENTITY
            )
        return await pages.save(req, visitor, form, found, wanted, back=LIST)

    @endpoints.function_name("sms_environment_page")
    @endpoints.route("setup/sms/{environment}", methods=["GET"])
    @door(portal.administrator, worded=portal.worded)
    async def show_one(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """Which texts patients of one environment get, with previews."""
        found = await find_environment(portal, req, visitor)
        return await pages.setup(req, visitor, found, form=await portal.held(req, visitor))

    @endpoints.function_name("sms_environment_save")
    @endpoints.route("setup/sms/{environment}", methods=["POST"])
    @door(portal.administrator, worded=portal.worded)
    async def save_one(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """Save which texts go out; what stops some of them is asked first."""
        form = await portal.form(req, visitor)
        found = await find_environment(portal, req, visitor)
        page = f"{LIST}/{found.value.id}"
        if answer_in(form) == KEEP:
            return see_other(f"{page}?done=kept")
        every = visitor.environments
        try:
            texts = read_texts(form, found.value, given=_given(every))
        except Refused as refused:
            return await pages.setup(
                req,
                visitor,
                found,
                form=form,
                problems=refused.problems,
                status=HTTPStatus.UNPROCESSABLE_ENTITY,
            )
        return await pages.save(req, visitor, form, [found], {found.value.id: texts}, back=page)

    return endpoints


def _given(every: Sequence[Environment]) -> dict[str, Attestation]:
    """The consents and reviews that the organization has given."""
    return given_in(every)


def _without_texts(found: Sequence[Versioned[Environment]]) -> dict[str, Texts]:
    return {one.value.id: replace(one.value.operation.texts, on=False, skipped=True) for one in found}


def _linked(form: Form, found: Sequence[Versioned[Environment]]) -> dict[str, Texts]:
    """The texts of every environment with the consents and numbers of the form, or raise Refused."""
    given = _given([one.value for one in found])
    agreed = [version for version in CONSENTS if version in form.all("consents")]
    withdrawn = all(version in given for version in CONSENTS) and len(agreed) < len(CONSENTS)
    problems: dict[str, str] = {}
    numbers = {one.value.id: e164(form.text(f"sender.{one.value.id}")) for one in found}
    if len(agreed) < len(CONSENTS) and (agreed or any(numbers.values())) and not withdrawn:
        first = next(place for place, version in enumerate(CONSENTS, 1) if version not in agreed)
        problems[f"consents.{first}"] = said("Select both boxes to turn on text messages")
    for id, number in numbers.items():
        if number and not is_e164(number):
            problems[f"sender.{id}"] = said("Enter a phone number like +1 (833) 555-0142")
    if problems:
        raise Refused(problems)
    return {
        one.value.id: _texts(one.value.operation.texts, agreed, numbers[one.value.id], given) for one in found
    }


def _texts(before: Texts, agreed: Sequence[str], number: str, given: Mapping[str, Attestation]) -> Texts:
    both = len(agreed) == len(CONSENTS)
    return replace(
        before,
        consents=tuple(agreed),
        attested=tuple(given.values()),
        sender=number,
        on=before.on and both and bool(number),
        skipped=before.skipped and not both,
    )


@dataclass(frozen=True, slots=True)
class _Pages:
    """What the handlers show and save."""

    services: Services
    portal: Portal

    async def environments(self, visitor: Visitor) -> list[Versioned[Environment]]:
        given = self.portal.configuring(visitor)
        return [await given.environments.get(one.id) for one in visitor.environments]

    async def save(
        self,
        req: func.HttpRequest,
        visitor: Visitor,
        form: Form,
        found: Sequence[Versioned[Environment]],
        wanted: Mapping[str, Texts],
        *,
        back: str,
    ) -> func.HttpResponse:
        """Save the texts that differ, after a question when the change stops some; else the form again."""
        person, now = visitor.person, self.services.now()
        changes = []
        for one in found:
            operation = replace(one.value.operation, texts=wanted[one.value.id])
            changes.append(Change(one.value, one.value.operated(operation, by=person, at=now)))
        changes = [one for one in changes if one.after.operation != one.before.operation]
        changed = {one.before.id for one in changes}
        stale = [one for one in found if one.value.id in changed and _stale(form, one)]
        if stale:
            return await self._newest(req, visitor, form, stale)
        asked = await question(req, changes, portal=self.portal, visitor=visitor, form=form, action=back)
        if asked is not None:
            return asked
        versions = {one.value.id: one.version for one in found}
        for change in changes:
            try:
                await configure.change_operation(
                    change.before.id,
                    change.after.operation,
                    seen=versions[change.before.id],
                    given=self.portal.configuring(visitor),
                    now=now,
                )
            except OutOfStep:
                newest = await self.portal.configuring(visitor).environments.get(change.before.id)
                return await self._newest(req, visitor, form, [newest])
        done = "skipped" if form.action == "skip" else "saved"
        return see_other(f"{back}?done={done}")

    async def _newest(
        self, req: func.HttpRequest, visitor: Visitor, form: Form, stale: Sequence[Versioned[Environment]]
    ) -> func.HttpResponse:
        """The form again, with what somebody else saved meanwhile; sending it again replaces that."""
        if "environment" in req.route_params:
            return await self.setup(req, visitor, stale[0], form=form, status=HTTPStatus.CONFLICT)
        return await self.overview(
            req, visitor, form=form, conflicts=[one.value for one in stale], status=HTTPStatus.CONFLICT
        )

    async def overview(
        self,
        req: func.HttpRequest,
        visitor: Visitor,
        *,
        form: Form | None = None,
        problems: Mapping[str, str] | None = None,
        conflicts: Sequence[Environment] = (),
        status: int = HTTPStatus.OK,
    ) -> func.HttpResponse:
        found = await self.environments(visitor)
        every = [one.value for one in found]
        given = _given(every)
        now = self.services.now()
        return self.portal.page(
            req,
            visitor,
            "sms.html",
            nav="sms",
            status=status,
            form=form,
            problems=problems,
            environments=every,
            versions={one.value.id: _version(form, one, conflicts) for one in found},
            conflicts=conflicts,
            consents=[(version, sentence, given.get(version)) for version, sentence in CONSENTS.items()],
            agreed=form.all("consents") if form else [version for version in CONSENTS if version in given],
            numbers=[(number, spoken_number(number)) for number in numbers_in_use(every)],
            expiries={one.id: expiry(one.newest.connection.certificates, now=now) for one in every},
            skipped=bool(every) and all(one.operation.texts.skipped for one in every),
            names=await self._names(visitor, every),
            setup=setup_steps(every, names={}),
            spoken_number=spoken_number,
            zone=_zone(every),
        )

    async def setup(
        self,
        req: func.HttpRequest,
        visitor: Visitor,
        found: Versioned[Environment],
        *,
        form: Form | None = None,
        problems: Mapping[str, str] | None = None,
        status: int = HTTPStatus.OK,
    ) -> func.HttpResponse:
        one, now = found.value, self.services.now()
        every = visitor.environments
        given = _given(every)
        conflict = status == HTTPStatus.CONFLICT
        facts: dict[str, Any] = {
            "environment": one,
            "version": form.text("version") if form and not conflict else found.version,
            "conflict": conflict,
            "shown": texts_shown(one.operation.texts),
            "rows": reminder_rows(one.operation.texts),
            "row_numbers": REMINDER_ROWS,
            "missing_consents": [version for version in CONSENTS if version not in given],
            "sender": spoken_number(one.operation.texts.sender),
            "previews": previews(
                one.operation,
                wording=self.services.wording,
                public_base_url=self.services.settings.public_base_url,
                now=now,
            ),
            "reviews": {code: given.get(review_of(code)) for code in REVIEWED_FIRST},
            "expiry": expiry(one.newest.connection.certificates, now=now),
            "names": await self._names(visitor, every),
            "zone": one.operation.feed.zone or "UTC",
        }
        return self.portal.page(
            req,
            visitor,
            "sms_environment.html",
            nav="sms",
            status=status,
            form=form,
            problems=problems,
            **facts,
        )

    async def _names(self, visitor: Visitor, every: Sequence[Environment]) -> Mapping[str, Colleague]:
        """Who gave a consent, confirmed a review or changed something, by object id."""
        ids = {one.by for one in _given(every).values()} | {one.changed_by for one in every}
        return await self.services.people(visitor.person.tenant).named(ids)


def _stale(form: Form, one: Versioned[Environment]) -> bool:
    """Whether somebody saved `one` after the person who sends `form` had looked."""
    seen = form.text(f"version.{one.value.id}") or form.text("version")
    return bool(seen) and seen != one.version


def _version(form: Form | None, one: Versioned[Environment], conflicts: Sequence[Environment]) -> str:
    """What the form says was seen, until the newest has been shown."""
    if form is None or one.value in conflicts:
        return one.version
    return form.text(f"version.{one.value.id}") or one.version


def _zone(every: Sequence[Environment]) -> str:
    return next((one.operation.feed.zone for one in every if one.operation.feed.zone), "UTC")
