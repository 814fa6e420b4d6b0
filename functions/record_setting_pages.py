"""The portal's pages behind the records: a site's own fields, names and values, and the keys that Epic reads."""

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus

import azure.functions as func

from functions.record_pages import LIST, RecordPages
from functions.web.door import door
from functions.web.forms import Form
from functions.web.portal import Portal, Visitor
from functions.web.replies import see_other
from shared.domain.configuration import check
from shared.domain.difference import differences
from shared.domain.environment import EpicClient, RecordField, RecordSettings
from shared.domain.errors import Refused
from shared.domain.integration_record import TITLES, RecordBook
from shared.domain.record_rules import MOST_OWN_FIELDS, problems_of_records
from shared.domain.words import said
from shared.flows.configure_environment import change_operation
from shared.flows.configuring import ChangedMeanwhile
from shared.flows.renew_key import keys_of, renew_key
from shared.wiring import Services

_NAV = "records"


def record_setting_pages(services: Services) -> func.Blueprint:
    """The pages, speaking to `services`."""
    endpoints = func.Blueprint()
    portal = Portal(services)
    pages = RecordPages(services, portal)

    @endpoints.function_name("record_fields_page")
    @endpoints.route("records/{environment}/fields", methods=["GET"])
    @door(portal.administrator, worded=portal.worded)
    async def show_fields(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """Own fields, names of tokens, and names and values of single fields."""
        return await fields_page(req, visitor, form=await portal.held(req, visitor))

    @endpoints.function_name("record_fields_save")
    @endpoints.route("records/{environment}/fields", methods=["POST"])
    @door(portal.administrator, worded=portal.worded)
    async def save_fields(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """Save them; who saves on top of somebody else's change sees both."""
        form = await portal.form(req, visitor)
        one, _ = await pages.find(req, visitor)
        settings = _settings(form, services.record_book())
        try:
            check(problems_of_records(settings, book=services.record_book()))
            await change_operation(
                one.id,
                replace(one.operation, records=settings),
                seen=form.text("version"),
                given=portal.configuring(visitor),
                now=services.now(),
            )
        except Refused as refused:
            return await fields_page(req, visitor, form=form, problems=_on_page(refused.problems))
        except ChangedMeanwhile:
            return await fields_page(req, visitor, form=form, mine=settings)
        return see_other(f"{LIST}/{one.id}?done=saved")

    async def fields_page(
        req: func.HttpRequest,
        visitor: Visitor,
        *,
        form: Form | None = None,
        problems: Mapping[str, str] | None = None,
        mine: RecordSettings | None = None,
    ) -> func.HttpResponse:
        wanted, _ = await pages.find(req, visitor)
        found = await services.environments_of(visitor.person.tenant).get(wanted.id)
        one, book = found.value, services.record_book()
        theirs = one.operation
        status = HTTPStatus.OK
        if problems or mine:
            status = HTTPStatus.CONFLICT if mine else HTTPStatus.UNPROCESSABLE_ENTITY
        return portal.page(
            req,
            visitor,
            "record_fields.html",
            nav=_NAV,
            status=status,
            form=form,
            problems=problems,
            environment=one,
            version=form.text("version") if form and not mine else found.version,
            settings=theirs.records,
            book=book,
            titles=TITLES,
            most=MOST_OWN_FIELDS,
            differing=differences(theirs, replace(theirs, records=mine)) if mine else (),
        )

    @endpoints.function_name("record_keys_page")
    @endpoints.route("records/{environment}/keys", methods=["GET"])
    @door(portal.administrator, worded=portal.worded)
    async def show_keys(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """The keys that Epic reads, what each is for, and a button that makes a new one."""
        one, _ = await pages.find(req, visitor)
        return portal.page(
            req,
            visitor,
            "record_keys.html",
            nav=_NAV,
            environment=one,
            keys=await keys_of(one.id, rotation=services.rotation),
            home=services.settings.public_base_url,
            zone=one.operation.feed.zone or "UTC",
        )

    @endpoints.function_name("record_keys_renew")
    @endpoints.route("records/{environment}/keys", methods=["POST"])
    @door(portal.administrator, worded=portal.worded)
    async def renew(req: func.HttpRequest, visitor: Visitor) -> func.HttpResponse:
        """Make a new key for one client."""
        form = await portal.form(req, visitor)
        one, _ = await pages.find(req, visitor)
        if form.action not in set(EpicClient):
            raise Refused({"": said("Choose what to do")})
        made = await renew_key(
            one.id,
            EpicClient(form.action),
            rotation=services.rotation,
            given=portal.configuring(visitor),
            now=services.now(),
        )
        return see_other(f"{LIST}/{one.id}/keys?done={'made' if made else 'waiting'}")

    return endpoints


def _settings(form: Form, book: RecordBook) -> RecordSettings:
    """What was typed; rows and values that were left empty are none."""
    rows = [
        (form.text(f"records.own_fields.{place}.name"), form.text(f"records.own_fields.{place}.value"))
        for place in range(MOST_OWN_FIELDS)
    ]
    keys = [f"{record.kind}.{field.id}" for record in book.records for field in record.fields]
    fields = {
        key: RecordField(form.text(f"records.fields.{key}.name"), form.text(f"records.fields.{key}.value"))
        for key in keys
    }
    tokens = {word: form.text(f"records.tokens.{word}") for word in book.tokens}
    return RecordSettings(
        own_fields=tuple(row for row in rows if any(row)),
        tokens={word: name for word, name in tokens.items() if name and name != book.tokens[word]},
        fields={key: own for key, own in fields.items() if own != RecordField()},
    )


def _on_page(problems: Mapping[str, str]) -> dict[str, str]:
    """The problems, each at the input that shows it."""
    found: dict[str, str] = {}
    for name, words in problems.items():
        if name == "records.tokens":
            found["records.tokens.session"] = words
        elif name.startswith("records.fields."):
            found[f"{name}.value"] = words
        else:
            found[name] = words
    return found
