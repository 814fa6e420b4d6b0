"""Approvers are told when something waits for them and again when it waits too long; the mail gives nothing away."""

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from shared.domain.approval import REMINDED_AT_MOST, late_at
from shared.domain.due import Due
from shared.domain.environment import Environment, Stage
from shared.domain.errors import NotAllowed, TurnedDown
from shared.domain.portal_session import Colleague
from shared.domain.tenant import Person
from shared.flows.configure_environment import Configuring
from shared.flows.replan_texts import Planning
from shared.flows.tell_approvers import (
    Reminding,
    Telling,
    asked,
    remind_approvers,
    remind_now,
    tell_approvers,
)
from tests.fakes.hospital import AVERY, ENVIRONMENT, FHIR, HOME, NOW, PRIYA, TENANT, connection, environment
from tests.fakes.outside import FakeMail
from tests.fakes.storage import FakeStamp

NEW_YORK = "America/New_York"


class Office:
    """One environment that waits, its approvers' mailboxes, and the clock's work."""

    def __init__(self, *approvers: str) -> None:
        self.stamp = FakeStamp()
        self.mail = FakeMail()
        self.approvals = self.stamp.plans.approvals
        self.telling = Telling(self.mail, self.stamp.people(TENANT), self.stamp.audit_log(TENANT), HOME)
        made = environment()
        named = replace(connection(), approvers=approvers or (PRIYA.object_id,))
        self.put(replace(made, newest=replace(made.newest, stage=Stage.WAITING, connection=named)))

    def put(self, one: Environment) -> None:
        self.waiting = one
        self.stamp.environment_rows.put(one, TENANT, one.id)

    async def know(self) -> None:
        await self.stamp.people(TENANT).put(Colleague(PRIYA.object_id, PRIYA.name, PRIYA.address))

    async def ask(self) -> None:
        await asked(self.waiting, by=AVERY.object_id, given=self.telling, approvals=self.approvals, now=NOW)

    async def tick(self, at: datetime) -> int:
        async def reminding(_due: Due) -> Reminding:
            return Reminding(self.stamp.environments(TENANT), self.telling)

        return await remind_approvers(approvals=self.approvals, reminding_of=reminding, now=at)

    async def audited(self) -> list[str]:
        days = [NOW + timedelta(days=day) for day in range(30)]
        return [one.did for day in days for one in await self.telling.audit.entries(day)]


async def test_an_approver_who_is_known_is_told_with_a_link_and_nothing_else() -> None:
    office = Office()
    await office.know()

    await office.ask()

    [sent] = office.mail.sent
    assert sent.to == PRIYA.address
    assert sent.subject == "Waiting for your approval: Lamna Healthcare (production)"
    assert f"{HOME}/approvals/{ENVIRONMENT}" in sent.text
    live = connection()
    secrets = [FHIR, live.token_url, live.authorize_url, *live.clients.values()]
    assert not [one for one in secrets if one in sent.text]
    assert await office.audited() == ["told an approver by e-mail"]


async def test_a_typed_address_is_told_and_stays_out_of_the_audit_chain() -> None:
    office = Office("new.analyst@lamna.example")

    await office.ask()

    assert [one.to for one in office.mail.sent] == ["new.analyst@lamna.example"]
    [entry] = await office.telling.audit.entries(NOW)
    assert "new.analyst" not in repr(entry)


async def test_somebody_whose_address_nobody_knows_is_passed_over() -> None:
    office = Office()

    await office.ask()

    assert not office.mail.sent


async def test_without_a_mailbox_nothing_is_sent() -> None:
    office = Office()
    await office.know()

    assert await tell_approvers(office.waiting, given=replace(office.telling, mail=None), now=NOW) == 0


async def test_a_mail_that_is_refused_is_audited_and_stops_nobody() -> None:
    office = Office("one@lamna.example", "two@lamna.example")
    office.mail.fail(TurnedDown("no", code="ErrorAccessDenied"))

    await office.ask()

    assert [one.to for one in office.mail.sent] == ["two@lamna.example"]
    assert await office.audited() == ["could not tell an approver by e-mail", "told an approver by e-mail"]


async def test_an_approver_is_reminded_after_two_working_days_and_not_before() -> None:
    office = Office()
    await office.know()
    await office.ask()
    late = late_at(NOW, zone=NEW_YORK)

    await office.tick(late - timedelta(minutes=1))
    assert len(office.mail.sent) == 1

    assert await office.tick(late) == 1
    assert office.mail.sent[1].subject.startswith("Reminder: ")


async def test_reminders_come_again_and_end() -> None:
    office = Office()
    await office.know()
    await office.ask()

    at = NOW
    for _ in range(REMINDED_AT_MOST + 3):
        at = late_at(at, zone=NEW_YORK)
        await office.tick(at)

    assert len(office.mail.sent) == 1 + REMINDED_AT_MOST
    assert not office.stamp.approvals_due.rows


@pytest.mark.parametrize("stage", [Stage.APPROVED, Stage.REJECTED, Stage.WITHDRAWN, Stage.DRAFT])
async def test_nobody_is_reminded_of_what_no_longer_waits(stage: Stage) -> None:
    office = Office()
    await office.know()
    await office.ask()
    office.put(replace(office.waiting, newest=replace(office.waiting.newest, stage=stage)))

    await office.tick(NOW + timedelta(days=9))

    assert len(office.mail.sent) == 1
    assert not office.stamp.approvals_due.rows


async def test_a_newer_version_has_reminders_of_its_own() -> None:
    office = Office()
    await office.know()
    await office.ask()
    office.put(replace(office.waiting, newest=replace(office.waiting.newest, number=2)))

    await office.tick(NOW + timedelta(days=9))

    assert len(office.mail.sent) == 1


async def test_what_was_taken_back_and_sent_again_waits_its_own_two_working_days() -> None:
    office = Office()
    await office.know()
    await office.ask()
    again = NOW + timedelta(days=2, hours=20)  # on the day of the first reminder, before its time
    newest = office.waiting.newest
    office.put(replace(office.waiting, newest=replace(newest, saved_at=again)))
    await asked(
        office.waiting, by=AVERY.object_id, given=office.telling, approvals=office.approvals, now=again
    )

    await office.tick(late_at(NOW, zone=NEW_YORK))
    early = len(office.mail.sent)
    await office.tick(late_at(again, zone=NEW_YORK))

    assert (early, len(office.mail.sent)) == (2, 3)


async def test_only_an_administrator_has_approvers_reminded() -> None:
    office = Office()
    await office.know()

    def configuring(person: Person) -> Configuring:
        base = Configuring(
            person=AVERY,
            tenants=office.stamp.tenants(TENANT),
            environments=office.stamp.environments(TENANT),
            audit=office.telling.audit,
            addresses=office.stamp.addresses,
            planning_of=lambda environment: Planning(
                office.stamp.appointments_by_day(TENANT, environment), office.stamp.reminders_due
            ),
            organizations={TENANT: "Lamna Healthcare"},
        )
        return replace(base, person=person)

    assert (
        await remind_now(office.waiting, configuring=configuring(AVERY), given=office.telling, now=NOW) == 1
    )
    with pytest.raises(NotAllowed):
        await remind_now(office.waiting, configuring=configuring(PRIYA), given=office.telling, now=NOW)


@pytest.mark.parametrize(
    ("asked_on", "late_on"),
    [
        ("2030-06-03", "2030-06-05"),
        ("2030-06-06", "2030-06-10"),
        ("2030-06-07", "2030-06-11"),
        ("2030-06-08", "2030-06-11"),
    ],
    ids=["Monday: Wednesday", "Thursday: Monday", "Friday: Tuesday", "Saturday: Tuesday"],
)
def test_weekends_are_no_working_days(asked_on: str, late_on: str) -> None:
    at = datetime.fromisoformat(f"{asked_on}T10:00").replace(tzinfo=ZoneInfo(NEW_YORK))

    assert late_at(at, zone=NEW_YORK) == datetime.fromisoformat(f"{late_on}T10:00").replace(
        tzinfo=ZoneInfo(NEW_YORK)
    )
