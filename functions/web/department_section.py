"""The part of an environment that lists departments: one row each, with what differs from the organization."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from functions.web.section_parts import Section, Typed
from shared.domain.environment import Department, Environment, Operation
from shared.domain.errors import Refused
from shared.domain.words import said

MOST_DEPARTMENTS = 200
_PARTS = ("id", "name", "phone", "zone", "emergency")


def department_rows(form: Typed) -> list[dict[str, str]]:
    """The typed rows, empty ones left out, each with the number it has on the page."""
    rows = []
    for number in _row_numbers(form):
        typed = {part: form.text(f"department.{number}.{part}") for part in _PARTS}
        if any(typed.values()):
            rows.append({"number": str(number), **typed})
    return rows


def _row_numbers(form: Typed) -> Iterator[int]:
    for number in range(1, MOST_DEPARTMENTS + 1):
        if form.has(f"department.{number}.id"):
            yield number


def _read_departments(form: Typed, operation: Operation) -> Operation:
    problems: dict[str, str] = {}
    found: dict[str, Department] = {}
    for row in department_rows(form):
        field = f"department.{row['number']}.id"
        if not row["id"]:
            problems[field] = said("Enter the department's id in Epic")
        elif row["id"] in found:
            problems[field] = said("%(id)s is already in the list", id=row["id"])
        found[row["id"]] = replace(
            operation.departments.get(row["id"], Department()),
            name=row["name"],
            phone=row["phone"],
            zone=row["zone"],
            emergency=row["emergency"],
        )
    if problems:
        raise Refused(problems)
    return replace(operation, departments=found)


def _show_departments(one: Environment) -> dict[str, str]:
    shown: dict[str, str] = {}
    for number, (id, about) in enumerate(one.operation.departments.items(), start=1):
        shown |= {
            f"department.{number}.id": id,
            f"department.{number}.name": about.name,
            f"department.{number}.phone": about.phone,
            f"department.{number}.zone": about.zone,
            f"department.{number}.emergency": about.emergency,
        }
    return shown


DEPARTMENTS = Section(
    "departments",
    said("Departments"),
    said(
        "Departments with a name, phone number, time zone or emergency line of their own. What is empty is as for the"
        " organization."
    ),
    "operation",
    (),
    _show_departments,
    read_operation=_read_departments,
)


def row_names(row: Mapping[str, str]) -> list[str]:
    return [f"department.{row['number']}.{part}" for part in _PARTS]
