"""The portal's API: what each role may do, and that nothing is overwritten, lost or shown to the wrong people."""

import json
from collections import Counter
from typing import Any
from urllib.parse import parse_qs, urlsplit

import azure.functions as func
import pytest

from shared.domain.environment import EnvironmentKind
from shared.domain.errors import TryAgain, TurnedDown
from shared.domain.launch import EpicUser
from shared.domain.tenant import Person
from tests.fakes.hospital import (
    AVERY,
    DANA,
    ENVIRONMENT,
    FHIR,
    HOME,
    JORDAN,
    LENA,
    NOBODY,
    PRIYA,
    RILEY,
    TENANT,
    Hospital,
)
from tests.hl7v2 import cms
from tests.hl7v2.siu import text

# Another Epic server than that of the environment the hospital has already.
SECOND = FHIR.replace("epic.", "epic-test.")
WANTED: dict[str, Any] = {
    "kind": "test",
    "connection": {
        "fhir_base_url": SECOND,
        "clients": {"provider": "c1", "patient": "c2", "backend": "c3"},
        "approvers": [PRIYA.object_id],
    },
    "operation": {"organization": "Lamna", "phone": "+12065550100", "feed": {"zone": "America/New_York"}},
}
PATH = f"/api/v1/environments/{ENVIRONMENT}"


async def ask(
    hospital: Hospital, who: Person, method: str, path: str, body: object = None
) -> func.HttpResponse:
    content = b"" if body is None else json.dumps(body).encode()
    return await hospital.app.ask(method, path, content, {"Authorization": f"Bearer {who.object_id}"})


async def decide(hospital: Hospital, environment: str, decision: dict[str, str]) -> func.HttpResponse:
    """Priya signs in to Epic from the portal, and decides over the API in that session."""
    hospital.smart.users["code"] = EpicUser("Practitioner", "pr-1", SECOND)
    browser = hospital.browser(PRIYA)
    away = await browser.get(f"/approvals/{environment}/epic")
    state = parse_qs(urlsplit(str(away.headers["Location"])).query)["state"][0]
    await browser.get(f"/launch/callback?state={state}&code=code")
    return await hospital.app.ask(
        "POST",
        f"/api/v1/environments/{environment}/decision",
        json.dumps(decision).encode(),
        {
            "Cookie": f"__Host-session={browser.cookies['__Host-session']}",
            "X-CSRF-Token": await browser.csrf(),
            "Content-Type": "application/json",
        },
    )


def content(answer: func.HttpResponse) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.get_body())
    return found


class TestWhoMayEnter:
    @pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic abc", "Bearer made-up"])
    async def test_without_a_good_token_nobody_gets_in(self, header: str) -> None:
        answer = await Hospital().app.get("/api/v1/environments", {"Authorization": header} if header else {})

        assert answer.status_code == 401
        assert content(answer)["code"] == "not-signed-in"

    async def test_a_tenant_of_another_stamp_is_shown_its_home(self) -> None:
        answer = await ask(Hospital(), LENA, "GET", "/api/v1/environments")

        assert answer.status_code == 421
        assert answer.headers["X-Home"] == "https://visits-emea.lamna.example"

    async def test_a_tenant_that_is_not_on_the_list_is_refused(self) -> None:
        assert (await ask(Hospital(), NOBODY, "GET", "/api/v1/environments")).status_code == 403

    @pytest.mark.parametrize(
        ("who", "method", "path", "status"),
        [
            (AVERY, "GET", "", 200),
            (RILEY, "GET", "", 200),
            (PRIYA, "GET", "", 200),
            (DANA, "GET", "", 403),
            (AVERY, "GET", "/messages", 200),
            (DANA, "GET", "/messages", 403),
            (RILEY, "POST", "/submission", 403),
            (PRIYA, "POST", "/submission", 403),
            (DANA, "GET", "/appointments/360001", 403),
        ],
        ids=lambda value: value.object_id if isinstance(value, Person) else str(value),
    )
    async def test_each_role_on_an_environment(
        self, who: Person, method: str, path: str, status: int
    ) -> None:
        assert (await ask(Hospital(), who, method, f"{PATH}{path}")).status_code == status

    @pytest.mark.parametrize("who", [RILEY, PRIYA, DANA, JORDAN], ids=lambda who: who.object_id)
    async def test_only_an_administrator_changes_anything(self, who: Person) -> None:
        hospital = Hospital()
        before = hospital.writes()

        answers = [
            await ask(hospital, who, "POST", "/api/v1/tenant", {"geography": "americas"}),
            await ask(hospital, who, "POST", "/api/v1/environments", WANTED),
            await ask(hospital, who, "PUT", f"{PATH}/connection", {"connection": WANTED["connection"]}),
            await ask(hospital, who, "PUT", f"{PATH}/operation", {"operation": WANTED["operation"]}),
        ]

        assert {answer.status_code for answer in answers} == {403}
        # Nothing is written but the refusals themselves, each once, by the way that was tried.
        assert hospital.writes() - before == Counter({"audit_log.write": 4})
        entries = await hospital.services.audit_log(TENANT).entries(hospital.clock())
        assert {(one.who, one.did) for one in entries} == {(who.object_id, "was refused")}
        assert [(one.to, one.facts["attempt"]) for one in entries] == [
            ("portal", "POST /api/v1/tenant"),
            ("portal", "POST /api/v1/environments"),
            (f"environment/{ENVIRONMENT}", "PUT /api/v1/environments/{environment}/connection"),
            (f"environment/{ENVIRONMENT}", "PUT /api/v1/environments/{environment}/operation"),
        ]

    @pytest.mark.parametrize(("who", "status"), [(AVERY, 200), (JORDAN, 200), (RILEY, 403), (DANA, 403)])
    async def test_the_audit_chain_is_for_administrators_and_auditors(self, who: Person, status: int) -> None:
        assert (await ask(Hospital(), who, "GET", "/api/v1/audit/2030-06-01")).status_code == status


class TestSettingUp:
    async def test_from_pinning_to_approval(self) -> None:
        hospital = Hospital()
        hospital.stamp.tenant_rows.rows.clear()
        assert (await ask(hospital, AVERY, "POST", "/api/v1/environments", WANTED)).status_code == 404

        pinned = await ask(hospital, AVERY, "POST", "/api/v1/tenant", {"geography": "americas"})
        made = await ask(hospital, AVERY, "POST", "/api/v1/environments", WANTED)
        path = f"/api/v1/environments/{content(made)['id']}"
        certified = await ask(hospital, AVERY, "POST", f"{path}/certificates", {"pem": cms.signer().pem})
        waiting = content(await ask(hospital, AVERY, "POST", f"{path}/submission"))
        approval = {"decision": "approve", "content_hash": waiting["content_hash"]}
        decided = await decide(hospital, content(made)["id"], approval)

        assert (pinned.status_code, made.status_code, certified.status_code) == (201, 201, 201)
        assert waiting["stage"] == "waiting"
        assert content(decided)["stage"] == "approved"
        assert content(decided)["live"] is True
        posted = await hospital.app.post(
            f"/hl7v2/{content(made)['id']}", text("S12"), {"HL7-Signature": cms.header(text("S12").encode())}
        )
        assert b"|AA|" in posted.get_body()
        audit = content(await ask(hospital, AVERY, "GET", "/api/v1/audit/2030-06-01"))
        assert [one["did"] for one in audit["entries"]] == [
            "pinned the tenant",
            "created the environment",
            "added a certificate",
            "asked for approval",
            "signed in to Epic",
            "approved the connection",
        ]
        assert audit["whole"] is True

    async def test_pinning_to_another_geography_is_refused(self) -> None:
        hospital = Hospital()
        hospital.stamp.tenant_rows.rows.clear()

        answer = await ask(hospital, AVERY, "POST", "/api/v1/tenant", {"geography": "emea"})

        assert answer.status_code == 422
        assert content(answer)["errors"] == {"geography": "Confirm that the data will live in americas"}

    async def test_pinning_again_changes_nothing(self) -> None:
        hospital = Hospital()
        await ask(hospital, AVERY, "POST", "/api/v1/tenant", {"geography": "americas"})

        assert hospital.writes().total() == 0

    async def test_nobody_approves_what_they_did_not_see(self) -> None:
        hospital = Hospital()
        await ask(hospital, AVERY, "PUT", f"{PATH}/connection", {"connection": WANTED["connection"]})
        await ask(hospital, AVERY, "POST", f"{PATH}/submission")

        answer = await ask(
            hospital, PRIYA, "POST", f"{PATH}/decision", {"decision": "approve", "content_hash": "0"}
        )

        assert answer.status_code == 409

    async def test_only_the_named_approver_decides(self) -> None:
        hospital = Hospital()
        await ask(hospital, AVERY, "PUT", f"{PATH}/connection", {"connection": WANTED["connection"]})
        waiting = content(await ask(hospital, AVERY, "POST", f"{PATH}/submission"))
        approval = {"decision": "approve", "content_hash": waiting["content_hash"]}

        assert (await ask(hospital, AVERY, "POST", f"{PATH}/decision", approval)).status_code == 403

    async def test_a_new_draft_leaves_what_was_approved_live(self) -> None:
        hospital = Hospital()

        await ask(hospital, AVERY, "PUT", f"{PATH}/connection", {"connection": WANTED["connection"]})

        assert b"|AA|" in (await hospital.post(text("S12"))).get_body()

    @pytest.mark.parametrize("problem", [TryAgain("away"), TurnedDown("html")], ids=["away", "not FHIR"])
    async def test_an_address_that_is_not_epics_is_said_at_its_field(self, problem: Exception) -> None:
        hospital = Hospital()
        await ask(hospital, AVERY, "PUT", f"{PATH}/connection", {"connection": WANTED["connection"]})
        hospital.smart.fail(problem)

        answer = await ask(hospital, AVERY, "POST", f"{PATH}/submission")

        assert answer.status_code == 422
        assert set(content(answer)["errors"]) == {"connection.fhir_base_url"}


class TestChanging:
    async def test_a_stale_version_is_refused_and_nothing_is_overwritten(self) -> None:
        hospital = Hospital()
        version = content(await ask(hospital, AVERY, "GET", PATH))["version"]
        change = {"operation": WANTED["operation"], "version": version}

        first = await ask(hospital, AVERY, "PUT", f"{PATH}/operation", change)
        change["operation"] = {**WANTED["operation"], "organization": "Overwritten"}
        second = await ask(hospital, AVERY, "PUT", f"{PATH}/operation", change)

        assert (first.status_code, second.status_code) == (200, 409)
        assert content(second)["code"] == "changed-meanwhile"
        assert hospital.environment.operation.organization == "Lamna"

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({**WANTED, "colour": "blue"}, "colour"),
            ({**WANTED, "operation": {**WANTED["operation"], "reminder": [5]}}, "operation.reminder"),
            ({**WANTED, "kind": "staging"}, "kind"),
            (
                {**WANTED, "connection": {**WANTED["connection"], "fhir_base_url": "http://x/R4"}},
                "connection.fhir_base_url",
            ),
            ({**WANTED, "operation": {**WANTED["operation"], "organization": " "}}, "operation.organization"),
            ({"kind": "test"}, "connection"),
            ([], ""),
        ],
        ids=[
            "unknown field",
            "misspelt field",
            "wrong choice",
            "a rule",
            "blank",
            "missing",
            "not an object",
        ],
    )
    async def test_what_cannot_be_saved_is_said_at_its_field(self, body: object, field: str) -> None:
        hospital = Hospital()

        answer = await ask(hospital, AVERY, "POST", "/api/v1/environments", body)

        assert answer.status_code == 422
        assert field in content(answer)["errors"]
        assert len(hospital.stamp.environment_rows.rows) == 1

    @pytest.mark.parametrize(
        ("body", "kind", "status", "code"),
        [
            (b"not json", "application/json", 422, "not-accepted"),
            (b"\xff", "application/json", 422, "not-accepted"),
            (b"{" * 9000, "application/json", 422, "not-accepted"),
            (b" " * (256 * 1024 + 1), "application/json", 413, "too-large"),
            (b"kind=test", "application/x-www-form-urlencoded", 415, "not-json"),
        ],
        ids=["words", "no text", "too deep", "too large", "a form"],
    )
    async def test_what_is_not_json_or_too_large_is_refused(
        self, body: bytes, kind: str, status: int, code: str
    ) -> None:
        headers = {"Authorization": f"Bearer {AVERY.object_id}", "Content-Type": kind}

        answer = await Hospital().app.post("/api/v1/environments", body, headers)

        assert answer.status_code == status
        assert content(answer)["code"] == code

    async def test_a_private_key_is_not_taken_for_a_certificate(self) -> None:
        answer = await ask(
            Hospital(), AVERY, "POST", f"{PATH}/certificates", {"pem": "-----BEGIN PRIVATE KEY-----"}
        )

        assert answer.status_code == 422


class TestLooking:
    async def test_where_an_appointment_stands_is_shown_without_the_patient(self) -> None:
        hospital = Hospital()
        await hospital.feed(text("S12"))
        await hospital.work_off()

        answer = await ask(hospital, AVERY, "GET", f"{PATH}/appointments/360001")

        shown = content(answer)
        assert [(one["slot"], one["state"]) for one in shown["texts"]] == [("booked-1", "accepted")]
        assert shown["link"] == f"{HOME}{await hospital.link()}"
        assert b"5550142" not in answer.get_body()
        assert b"EXAMPLE" not in answer.get_body()

    @pytest.mark.parametrize("who", [PRIYA, RILEY], ids=["approver", "report reader"])
    async def test_only_administrators_are_given_the_patients_link(self, who: Person) -> None:
        hospital = Hospital()
        await hospital.feed(text("S12"))
        await hospital.work_off()

        shown = content(await ask(hospital, who, "GET", f"{PATH}/appointments/360001"))

        assert shown["state"] == "booked"
        assert shown["link"] is None

    async def test_messages_show_their_fate_and_what_is_parked(self) -> None:
        hospital = Hospital()
        await hospital.feed(text("S12"))
        await hospital.feed(
            text("S12", MSH={10: "1002"}, SCH={1: "", 2: "", 11: "^^30^notatime"}, PV1={19: ""})
        )

        shown = content(await ask(hospital, AVERY, "GET", f"{PATH}/messages"))

        assert [(one["control_id"], one["fate"]) for one in shown["messages"]] == [("1001", "applied")]
        [parked] = shown["parked"]
        assert parked["reason"]
        assert set(parked) == {"id", "queue", "reason", "parked_at"}

    async def test_an_unknown_environment_or_appointment_is_404(self) -> None:
        hospital = Hospital()

        assert (await ask(hospital, AVERY, "GET", "/api/v1/environments/env-9")).status_code == 404
        assert (await ask(hospital, AVERY, "GET", f"{PATH}/appointments/1")).status_code == 404

    async def test_where_the_tenant_lives(self) -> None:
        shown = content(await ask(Hospital(), DANA, "GET", "/api/v1/tenant"))

        assert shown == {"id": TENANT, "name": "Lamna Healthcare", "geography": "americas"}

    async def test_kinds_are_the_domains(self) -> None:
        made = content(await ask(Hospital(), AVERY, "POST", "/api/v1/environments", WANTED))

        assert EnvironmentKind(made["kind"]) is EnvironmentKind.TEST
        assert made["stage"] == "draft"
        assert made["live"] is False
