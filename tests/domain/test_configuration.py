"""What an administrator may save, what an approver may decide, and the settings an app starts with."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import time, timedelta

import pytest

from shared.domain.audit import FIRST_LINK, AuditEntry, link
from shared.domain.configuration import (
    check,
    problems_of_connection,
    problems_of_operation,
    problems_of_submission,
)
from shared.domain.environment import (
    Connection,
    Department,
    Environment,
    EpicClient,
    Feed,
    Meetings,
    Operation,
    Stage,
    Texts,
    WriteBackTarget,
    live,
)
from shared.domain.errors import NotAllowed, OutOfStep, Refused
from shared.domain.geography import REGIONS, Geography, WrongGeography, check_pin, check_region
from shared.settings import DOCUMENTED, BadSettings, read_settings
from tests.fakes.hospital import AVERY, DANA, NOW, PRIYA, SETTINGS, connection, environment, operation

FHIR, TEXTS = "connection.fhir_base_url", operation().texts


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "Enter the FHIR base URL"),
        ("https://epic.example/" + "x" * 500 + "/R4", "FHIR base URL must be 500 characters or fewer"),
        ("https://epic.example/R4?a=1", "FHIR base URL must not include a question mark or #"),
        ("https://epic.example/R4#", "FHIR base URL must not include a question mark or #"),
        ("http://epic.example/R4", "FHIR base URL must start with https://"),
        ("epic.example/R4", "FHIR base URL must start with https://"),
        ("https://[epic.example/R4", "FHIR base URL must start with https://"),
        ("https://user@epic.example/R4", "FHIR base URL must start with https://"),
        ("https://epic.example/DSTU2/", "FHIR base URL must end with /R4. You entered a DSTU2 address."),
        ("https://epic.example/STU3", "FHIR base URL must end with /R4"),
        ("https://192.0.2.7/R4", "FHIR base URL must be a public internet address"),
        ("https://[::1]/R4", "FHIR base URL must be a public internet address"),
        ("https://epic/R4", "FHIR base URL must be a public internet address"),
    ],
)
def test_a_wrong_fhir_address_is_said_in_one_sentence(url: str, problem: str) -> None:
    found = problems_of_connection(replace(connection(), fhir_base_url=url), private_hosts=frozenset())

    assert found == {FHIR: problem}


def test_the_sandbox_may_be_plain_http_and_only_where_the_settings_say() -> None:
    local = replace(connection(), fhir_base_url="http://127.0.0.1:7080/R4")

    assert problems_of_connection(local, private_hosts=frozenset({"127.0.0.1:7080"})) == {}
    assert FHIR in problems_of_connection(local, private_hosts=frozenset({"127.0.0.1:9"}))


@pytest.mark.parametrize(
    ("wrong", "problems"),
    [
        (replace(connection(), approvers=()), {"connection.approvers": "Enter at least one approver"}),
        (
            replace(connection(), approvers=tuple("abcdefghijk")),
            {"connection.approvers": "Enter 10 approvers or fewer"},
        ),
        (
            replace(connection(), approvers=("priya@lamna",)),
            {
                "connection.approvers": (
                    "Enter an email address in the correct format, like priya@lamna.example"
                )
            },
        ),
        (
            replace(connection(), approvers=("priya@lamna.example", "Priya@Lamna.example")),
            {"connection.approvers": "Priya@Lamna.example is already in the list"},
        ),
        (
            replace(connection(), write_back=WriteBackTarget("http://epic.example/s")),
            {"connection.write_back.url": "The status service's address must start with https://"},
        ),
        (
            replace(connection(), write_back=WriteBackTarget("https://[epic.example/s")),
            {"connection.write_back.url": "The status service's address must start with https://"},
        ),
    ],
    ids=[
        "no approver",
        "too many",
        "no address",
        "the same twice",
        "write-back in the clear",
        "write-back to what is no address",
    ],
)
def test_what_a_connection_needs(wrong: Connection, problems: dict[str, str]) -> None:
    assert problems_of_connection(wrong, private_hosts=frozenset()) == problems


def test_a_draft_may_lack_client_ids_but_nobody_is_asked_to_approve_without_them() -> None:
    early = replace(connection(), clients={EpicClient.PATIENT: "c", EpicClient.BACKEND: " "})

    assert problems_of_connection(early, private_hosts=frozenset()) == {}
    assert problems_of_submission(early) == {
        "connection.clients.provider": "Enter the client id for providers",
        "connection.clients.backend": "Enter the client id for the backend system",
    }
    assert problems_of_submission(connection()) == {}


@pytest.mark.parametrize(
    ("changes", "field", "problem"),
    [
        ({"organization": " "}, "organization", "Enter the organization name"),
        ({"organization": "x" * 41}, "organization", "Organization name must be 40 characters or fewer"),
        ({"organization": "<b>"}, "organization", "Organization name must not include < or >"),
        ({"phone": ""}, "phone", "Enter the phone number that patients may call"),
        (
            {"feed": Feed(zone="Mars/Base")},
            "feed.zone",
            "Enter the time zone of the feed, like America/New_York",
        ),
        ({"feed": Feed(zone="")}, "feed.zone", "Enter the time zone of the feed, like America/New_York"),
        (
            {"departments": {"D1": Department(zone="Nowhere")}},
            "departments.D1.zone",
            "Enter a time zone like America/New_York",
        ),
        (
            {"meetings": Meetings(opens_before=timedelta(days=2))},
            "meetings.opens_before_minutes",
            "Links open at most a day before the visit",
        ),
        (
            {"meetings": Meetings(closes_after=timedelta(days=31))},
            "meetings.closes_after_minutes",
            "Links close at most 30 days after the visit",
        ),
        (
            {"texts": replace(TEXTS, reminders=(timedelta(minutes=14),))},
            "texts.reminders",
            "Reminder must be between 15 minutes and 14 days before the visit",
        ),
        (
            {"texts": replace(TEXTS, reminders=tuple(timedelta(hours=n) for n in range(1, 5)))},
            "texts.reminders",
            "Choose three reminders or fewer",
        ),
        (
            {"texts": replace(TEXTS, reminders=(timedelta(hours=1),) * 2)},
            "texts.reminders",
            "You already have a reminder at that time",
        ),
        (
            {"texts": replace(TEXTS, only_numbers=("555",))},
            "texts.only_numbers",
            "Enter numbers like +12065550142",
        ),
        (
            {"texts": replace(TEXTS, only_numbers=("+1２０６５５５０１４２",))},
            "texts.only_numbers",
            "Enter numbers like +12065550142",
        ),
        (
            {"texts": replace(TEXTS, consents=())},
            "texts.consents",
            "Select both boxes to turn on text messages",
        ),
        (
            {"texts": replace(TEXTS, sender="")},
            "texts.sender",
            "Link a phone number before you turn on messages",
        ),
        (
            {"texts": replace(TEXTS, booked=False, changed=False, cancelled=False, reminders=())},
            "texts.on",
            "Select at least one type of message, or turn SMS off",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_an_operation_needs(changes: dict[str, object], field: str, problem: str) -> None:
    wrong: Operation = replace(operation(), **changes)  # type: ignore[arg-type]

    assert problems_of_operation(wrong) == {f"operation.{field}": problem}


def test_texts_that_are_off_need_nothing() -> None:
    assert problems_of_operation(operation(texts=Texts(quiet_from=time(0), quiet_until=time(0)))) == {}
    check({})
    with pytest.raises(Refused) as refused:
        check({"a": "Enter a.", "b": "Enter b."})
    assert str(refused.value) == "Enter a. Enter b."


class TestApproval:
    draft = environment(approved=False)
    waiting = draft.submitted(by=AVERY, at=NOW, connection=draft.newest.connection)
    content = waiting.newest.connection.content_hash()

    def test_what_was_looked_at_goes_live(self) -> None:
        approved = self.waiting.approved(by=PRIYA, at=NOW, content_hash=self.content)

        assert approved.newest.stage is Stage.APPROVED
        assert live(approved).connection == self.draft.newest.connection
        assert (approved.newest.decided_by, approved.newest.saved_by) == (PRIYA.object_id, AVERY.object_id)

    def test_nothing_is_live_before(self) -> None:
        with pytest.raises(Refused):
            live(self.waiting)

    @pytest.mark.parametrize(
        ("decide", "refusal"),
        [
            (lambda t: t.waiting.approved(by=DANA, at=NOW, content_hash=t.content), NotAllowed),
            (lambda t: t.waiting.approved(by=AVERY, at=NOW, content_hash=t.content), NotAllowed),
            (lambda t: t.waiting.approved(by=PRIYA, at=NOW, content_hash="0"), OutOfStep),
            (lambda t: t.draft.approved(by=PRIYA, at=NOW, content_hash=t.content), OutOfStep),
            (lambda t: t.waiting.rejected(by=PRIYA, at=NOW, content_hash=t.content, reason="no"), Refused),
            (
                lambda t: t.waiting.rejected(by=DANA, at=NOW, content_hash=t.content, reason="not good"),
                NotAllowed,
            ),
            (lambda t: t.waiting.submitted(by=AVERY, at=NOW, connection=connection()), OutOfStep),
        ],
        ids=["stranger", "administrator", "other content", "draft", "no reason", "stranger rejects", "twice"],
    )
    def test_what_is_refused(
        self, decide: Callable[["TestApproval"], Environment], refusal: type[Exception]
    ) -> None:
        with pytest.raises(refusal):
            decide(self)

    def test_the_approved_version_stays_live_while_a_newer_one_waits_or_is_rejected(self) -> None:
        approved = self.waiting.approved(by=PRIYA, at=NOW, content_hash=self.content)
        other = replace(connection(), authorize_url="https://epic.lamna.example/other")
        redrafted = approved.redrafted(other, by=AVERY, at=NOW).submitted(by=AVERY, at=NOW, connection=other)
        rejected = redrafted.rejected(
            by=PRIYA, at=NOW, content_hash=other.content_hash(), reason="Wrong address"
        )

        assert live(redrafted).connection == live(rejected).connection == self.draft.newest.connection
        assert (rejected.newest.stage, rejected.newest.number) == (Stage.REJECTED, 2)

    def test_any_change_of_content_changes_the_hash(self) -> None:
        base = connection()
        changed = [
            replace(base, approvers=("x",)),
            replace(base, certificates=()),
            replace(base, token_url="x"),
            replace(base, write_back=None),
            replace(base, clients={}),
        ]

        assert len({one.content_hash() for one in (base, *changed)}) == 6
        assert connection().content_hash() == base.content_hash()


def test_the_audit_chain_shows_any_change() -> None:
    entry = AuditEntry(NOW, "oid", "approved", "environment/1", {"n": "1"})
    changed = [
        replace(entry, who="x"),
        replace(entry, did="x"),
        replace(entry, to="x"),
        replace(entry, facts={}),
    ]

    assert len({link(FIRST_LINK, one) for one in (entry, *changed)}) == 5
    assert link(FIRST_LINK, entry) != link(link(FIRST_LINK, entry), entry)
    assert len(link(FIRST_LINK, entry)) == 64


def test_regions_belong_to_one_geography_and_a_pin_never_moves() -> None:
    assert sum(map(len, REGIONS.values())) == len(frozenset().union(*REGIONS.values()))
    check_region(Geography.EMEA, "uksouth")
    check_pin(Geography.APAC, configured=Geography.APAC)
    with pytest.raises(WrongGeography):
        check_region(Geography.APAC, "uksouth")
    with pytest.raises(WrongGeography):
        check_pin(Geography.APAC, configured=Geography.EMEA)


class TestSettings:
    def test_everything_that_is_missing_is_named_in_one_message(self) -> None:
        with pytest.raises(BadSettings) as refused:
            read_settings({})

        message = str(refused.value)
        optional = {"ENTRA_CREDENTIAL", "AZURE_AUTHORITY_HOST", "GRAPH_BASE_URL", "CALL_EVENTS_VERSION"}
        optional |= {"COMMUNICATION_CREDENTIAL", "PRIVATE_FHIR_HOSTS", "AzureWebJobsStorage__clientId"}
        optional |= {"MAIL_FROM", "AZURE_RESOURCE_MANAGER"}
        assert [name for name in DOCUMENTED if name not in message] == [
            n for n in DOCUMENTED if n in optional
        ]

    @pytest.mark.parametrize(
        ("name", "value", "says"),
        [
            ("GEOGRAPHY", "mars", "GEOGRAPHY must be one of americas, emea, apac"),
            (
                "REGION",
                "uksouth",
                "REGION does not fit: region uksouth is not one of the regions of americas",
            ),
            ("ENTRA_CREDENTIAL", "password", "ENTRA_CREDENTIAL must be one of federated, secret"),
            ("CALL_EVENTS_VERSION", "v2", "CALL_EVENTS_VERSION must be one of v1.0, beta"),
            ("COMMUNICATION_CREDENTIAL", "x", "COMMUNICATION_CREDENTIAL must be one of identity, key"),
            (
                "PUBLIC_BASE_URL",
                "http://lamna.example",
                "PUBLIC_BASE_URL must be an https address without a query",
            ),
            (
                "KEY_VAULT_URL",
                "https://x.example?a",
                "KEY_VAULT_URL must be an https address without a query",
            ),
            (
                "GRAPH_BASE_URL",
                "https://u@g.example",
                "GRAPH_BASE_URL must be an https address without a query",
            ),
            (
                "COMMUNICATION_ENDPOINT",
                "x",
                "COMMUNICATION_ENDPOINT must be an https address without a query",
            ),
            ("TENANTS", "none", "TENANTS must be JSON like"),
            ("TENANTS", "[]", "TENANTS must be JSON like"),
            ("TENANTS", json.dumps({"t": {"name": "n"}}), "TENANTS must be JSON like"),
        ],
    )
    def test_each_wrong_value_is_named(self, name: str, value: str, says: str) -> None:
        with pytest.raises(BadSettings) as refused:
            read_settings({**SETTINGS, name: value})

        assert says in str(refused.value)

    def test_missing_and_wrong_are_said_together(self) -> None:
        with pytest.raises(BadSettings) as refused:
            read_settings({**SETTINGS, "REGION": "", "GEOGRAPHY": "mars"})

        assert "REGION is missing" in str(refused.value)
        assert "GEOGRAPHY must be" in str(refused.value)

    def test_good_settings_are_read_whole(self) -> None:
        settings = read_settings(
            {
                **SETTINGS,
                "PUBLIC_BASE_URL": "http://127.0.0.1:7071/",
                "PRIVATE_FHIR_HOSTS": "127.0.0.1:7080, ",
            }
        )

        assert settings.public_base_url == "http://127.0.0.1:7071"
        assert settings.private_fhir_hosts == {"127.0.0.1:7080"}
        assert settings.authority == "https://login.microsoftonline.com"
        assert (
            read_settings({**SETTINGS, "AZURE_AUTHORITY_HOST": "login.example/"}).authority
            == "https://login.example"
        )

    def test_storage_by_identity_needs_both_addresses(self) -> None:
        tables = "AzureWebJobsStorage__tableServiceUri"
        without = {**SETTINGS, "AzureWebJobsStorage": "", tables: "https://t.example"}

        with pytest.raises(BadSettings):
            read_settings(without)
        read_settings({**without, "AzureWebJobsStorage__queueServiceUri": "https://q.example"})
