"""What the two forms that name Epic's server and its approvers have in common: rows, and a look at the address."""

from collections.abc import Sequence
from dataclasses import replace

from functions.web.connection_sections import FHIR, approvers_of, fhir_url
from functions.web.forms import Form
from shared.domain.configuration import problems_of_connection
from shared.domain.environment import Connection
from shared.domain.fhir_check import AddressCheck
from shared.domain.words import said
from shared.wiring import Services

APPROVERS = "connection.approvers"
_MOST_ROWS = 10


def rows_changed(form: Form) -> bool:
    """Whether the button only adds or removes the row of an approver: nothing is saved then."""
    return form.action == "add-approver" or form.action.startswith("remove-approver-")


def approver_rows(form: Form | None, known: Sequence[str]) -> list[str]:
    """The rows of approvers that a page shows: what was typed after the pressed button did its work."""
    rows = list(form.all(APPROVERS)) if form and form.has(APPROVERS) else list(known)
    action = form.action if form else ""
    if action.startswith("remove-approver-"):
        number = action.removeprefix("remove-approver-")
        if number.isascii() and number.isdecimal() and len(number) < 3 and int(number) < len(rows):
            del rows[int(number)]
    if action == "add-approver" and len(rows) < _MOST_ROWS:
        rows.append("")
    return rows or [""]


def typed_twice(form: Form) -> dict[str, str]:
    """The problem of an approver who was typed twice, if there is one."""
    seen: set[str] = set()
    for one in approvers_of(form):
        if "@" in one and one.lower() in seen:
            return {APPROVERS: said("%(email)s is already in the list", email=one)}
        seen.add(one.lower())
    return {}


async def looked_at(services: Services, form: Form) -> tuple[Form, AddressCheck]:
    """The form with the address that is meant, and what is found there."""
    if form.action == "use":
        form = replace(form, values={**form.values, FHIR.name: [form.text("suggested")]})
    return form, await services.address_checker.check(fhir_url(form))


def problems_of(services: Services, connection: Connection) -> dict[str, str]:
    """What is wrong with a connection, by field."""
    return problems_of_connection(connection, private_hosts=services.settings.private_fhir_hosts)
