"""All parts in which an environment is set up, in order, and how two people's answers to one part differ."""

from collections.abc import Mapping, Sequence

from functions.web.connection_sections import CLIENTS, CONNECTION, WRITE_BACK
from functions.web.department_section import DEPARTMENTS, department_rows, row_names
from functions.web.meeting_section import MEETINGS
from functions.web.operation_sections import FEED, ORGANIZATION
from functions.web.section_parts import Section, Typed
from shared.domain.environment import Environment
from shared.domain.words import Said, said

SECTIONS: Mapping[str, Section] = {
    one.id: one for one in (ORGANIZATION, CONNECTION, CLIENTS, FEED, DEPARTMENTS, MEETINGS, WRITE_BACK)
}


def changed_meanwhile(
    section: Section, environment: Environment, form: Typed
) -> Sequence[tuple[Said | str, str, str]]:
    """What somebody else saved and what was typed here, field by field where the two differ."""
    newest = section.show(environment)
    labels: dict[str, Said] = {field.name: field.label for field in section.fields}
    labels["connection.approvers"] = said("Approvers")
    names = list(dict.fromkeys([*newest, *labels]))
    if section.id == "departments":
        names = list(dict.fromkeys([*newest, *(n for row in department_rows(form) for n in row_names(row))]))
    found = []
    for name in names:
        if not (form.has(name) or name in newest):
            continue
        typed = "\n".join(form.all(name)) if name == "connection.approvers" else form.text(name)
        was = newest.get(name, "")
        if typed.splitlines() != was.splitlines():
            found.append((labels.get(name, name), was, typed))
    return found
