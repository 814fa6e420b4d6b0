"""Who the data belongs to, and the people who act for them in the portal."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

from shared.domain.errors import NotAllowed
from shared.domain.geography import Geography

TenantId = NewType("TenantId", str)


class Role(StrEnum):
    ADMINISTRATOR = "Administrator"
    REPORT_READER = "ReportReader"
    AUDITOR = "Auditor"


@dataclass(frozen=True, slots=True)
class Person:
    """A signed-in person, acting for exactly one tenant.

    `object_id` is Microsoft Entra's id of the person: the only thing that decides what they may do.
    `address` can change hands and is only shown.
    """

    tenant: TenantId
    object_id: str
    name: str
    address: str
    roles: frozenset[Role]

    def must_be(self, role: Role) -> None:
        """Raise NotAllowed when the person does not hold `role`."""
        if role not in self.roles:
            raise NotAllowed(f"this needs the role {role}")


@dataclass(frozen=True, slots=True)
class Tenant:
    """One Microsoft Entra tenant, pinned to a geography for good."""

    id: TenantId
    name: str
    geography: Geography
    pinned_at: datetime
    pinned_by: str


@dataclass(frozen=True, slots=True)
class AllowedTenant:
    """A line of the deployment's list: which tenants get in, and where each one lives."""

    id: TenantId
    name: str
    home: str
