"""The shapes of the audit log's API."""

from datetime import date, datetime
from typing import Literal

from pydantic import ConfigDict, Field

from functions.web.portal_models import Model
from shared.domain.audit import AuditEntry


class AuditQuery(Model):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    first: date | None = Field(default=None, alias="from", description="The first day (UTC), included")
    last: date | None = Field(default=None, alias="to", description="The last day (UTC), included")
    person: str = Field(default="", description="An object id, or part of a name or address")
    action: str = Field(default="", description="What was done, as `did` has it")
    environment: str = Field(default="", description="The id of an environment")
    before: str = Field(default="", description="`older` of the page before")


class AuditLineOut(Model):
    day: date
    number: int
    at: datetime
    who: str
    name: str = Field(description="Empty for somebody whom the portal has not met")
    did: str
    to: str
    result: Literal["done", "refused", "failed"]
    facts: dict[str, str] = Field(description="Ids, counts, and values before and after (`old -> new`)")


class AuditOut(Model):
    entries: list[AuditLineOut]
    older: str


class AuditEntryOut(Model):
    at: datetime
    who: str
    did: str
    to: str
    facts: dict[str, str]


class AuditDayOut(Model):
    entries: list[AuditEntryOut]
    whole: bool


def audit_entry(one: AuditEntry) -> AuditEntryOut:
    return AuditEntryOut(at=one.at, who=one.who, did=one.did, to=one.to, facts=one.facts)
