"""Graph's directory in the sandbox: people by address, licences, permissions, mail, and where Azure runs it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.entra_tokens import GRAPH_ROLES, RESOURCE_MANAGER
from sandbox.graph_directory import GRAPH_APP
from sandbox.world import ENTRA_CLIENT_ID, TENANT, USERS
from tests.sandbox.m365_stage import Stage, stage

PRIYA = USERS["priya"]
SITE = "/arm/subscriptions/s-1/resourceGroups/g/providers/Microsoft.Web/sites/visits"
MAIL = {
    "message": {
        "subject": "Waiting for you",
        "body": {"contentType": "text", "content": "Please look."},
        "toRecipients": [{"emailAddress": {"address": PRIYA.address}}],
    },
    "saveToSentItems": False,
}


@pytest.fixture
async def m365(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as made:
        yield made


async def switch(m365: Stage, **changes: object) -> None:
    answer = await m365.browser.post("/api/switches", json=changes)
    assert answer.status_code == 200, answer.text


async def test_a_person_is_found_by_the_address_they_sign_in_with(m365: Stage) -> None:
    answer = await m365.graph("GET", f"/users/{PRIYA.address}?$select=id,displayName")

    assert answer.json() == {"id": PRIYA.oid, "displayName": "Priya Nair"}


@pytest.mark.parametrize("named", ["priya", "nobody@lamna.example", "kim@elsewhere.example"])
async def test_nobody_is_found_by_a_nickname_or_in_another_tenant(m365: Stage, named: str) -> None:
    assert (await m365.graph("GET", f"/users/{named}")).status_code == 404


@pytest.mark.parametrize(
    "condition",
    [
        f"mail eq '{PRIYA.address}'",
        "otherMails/any(one:one eq 'p.nair@lamna.example')",
        "mail eq 'x@y.example' or proxyAddresses/any(p:p eq 'smtp:p.nair@lamna.example')",
    ],
)
async def test_a_filter_finds_people_by_any_address(m365: Stage, condition: str) -> None:
    answer = await m365.graph("GET", f"/users?$filter={condition}&$select=id")

    assert answer.json() == {"value": [{"id": PRIYA.oid}]}


async def test_other_addresses_are_for_apps_that_may_read_whole_profiles(m365: Stage) -> None:
    basic = m365.graph_token(("User.ReadBasic.All",))
    condition = "otherMails/any(one:one eq 'p.nair@lamna.example')"

    assert (await m365.graph("GET", f"/users?$filter={condition}", token=basic)).status_code == 403
    assert (
        await m365.graph("GET", f"/users/{PRIYA.oid}?$select=assignedPlans", token=basic)
    ).status_code == 403
    assert (await m365.graph("GET", f"/users/{PRIYA.oid}/licenseDetails", token=basic)).status_code == 403


@pytest.mark.parametrize("query", ["", "?$filter=startswith(displayName,'P')", "?$filter=mail eq 'a'&$top=x"])
async def test_other_questions_to_the_directory_are_refused(m365: Stage, query: str) -> None:
    assert (await m365.graph("GET", f"/users{query}")).status_code == 400


async def test_a_licence_holds_teams_until_it_is_taken_away(m365: Stage) -> None:
    path = f"/users/{PRIYA.oid}/licenseDetails"
    before = (await m365.graph("GET", path)).json()["value"][0]["servicePlans"]
    await switch(m365, unlicensed=[PRIYA.oid])
    after = (await m365.graph("GET", path)).json()["value"][0]["servicePlans"]

    assert "TEAMS1" in {one["servicePlanName"] for one in before}
    assert "TEAMS1" not in {one["servicePlanName"] for one in after}


async def test_where_graph_shows_no_licences_to_apps_the_plans_of_the_person_still_tell(m365: Stage) -> None:
    await switch(m365, license_details=False)
    path = f"/users/{PRIYA.oid}"
    plans = (await m365.graph("GET", f"{path}?$select=assignedPlans")).json()["assignedPlans"]

    assert (await m365.graph("GET", f"{path}/licenseDetails")).status_code == 403
    assert "TeamspaceAPI" in {one["service"] for one in plans}


async def test_what_was_consented_to_is_in_the_assignments_and_in_the_tokens(m365: Stage) -> None:
    await switch(m365, permissions=["OnlineMeetings.ReadWrite.All"])
    graph = (await m365.graph("GET", f"/servicePrincipals(appId='{GRAPH_APP}')?$select=id,appRoles")).json()
    own = (await m365.graph("GET", f"/servicePrincipals(appId='{ENTRA_CLIENT_ID}')")).json()
    rows = (await m365.graph("GET", f"/servicePrincipals/{own['id']}/appRoleAssignments")).json()["value"]

    names = {one["id"]: one["value"] for one in graph["appRoles"]}
    assert [names[one["appRoleId"]] for one in rows] == ["OnlineMeetings.ReadWrite.All"]
    assert {one["resourceId"] for one in rows} == {graph["id"]}


async def test_only_known_permissions_can_be_granted(m365: Stage) -> None:
    assert (await m365.browser.post("/api/switches", json={"permissions": ["Root"]})).status_code == 400


async def test_the_assignments_of_other_apps_are_not_shown(m365: Stage) -> None:
    assert (await m365.graph("GET", "/servicePrincipals(appId='x')")).status_code == 404
    assert (await m365.graph("GET", "/servicePrincipals/x/appRoleAssignments")).status_code == 404


async def test_a_mail_from_the_mailbox_that_was_set_aside_is_shown(m365: Stage) -> None:
    answer = await m365.graph("POST", "/users/visits@lamna.example/sendMail", MAIL)
    (sent,) = (await m365.browser.get("/api/mail")).json()

    assert (answer.status_code, answer.content) == (202, b"")
    assert (sent["from"], sent["to"], sent["body"], sent["kept_copy"]) == (
        "visits@lamna.example",
        [PRIYA.address],
        "Please look.",
        False,
    )


@pytest.mark.parametrize(
    ("mailbox", "body", "status"),
    [
        ("avery@lamna.example", MAIL, 403),
        ("nobody@lamna.example", MAIL, 404),
        ("visits@lamna.example", {"message": {**MAIL["message"], "toRecipients": []}}, 400),  # type: ignore[dict-item]
        ("visits@lamna.example", {**MAIL, "copies": 2}, 400),
        ("visits@lamna.example", {"message": {"text": "x"}}, 400),
    ],
    ids=["another mailbox", "no mailbox", "to nobody", "unknown property", "unknown message property"],
)
async def test_other_mail_is_refused(m365: Stage, mailbox: str, body: object, status: int) -> None:
    assert (await m365.graph("POST", f"/users/{mailbox}/sendMail", body)).status_code == status
    assert (await m365.browser.get("/api/mail")).json() == []


async def test_a_permission_for_all_mailboxes_needs_no_scope(m365: Stage) -> None:
    token = m365.graph_token((*GRAPH_ROLES, "Mail.Send"))
    answer = await m365.graph("POST", f"/users/{USERS['avery'].address}/sendMail", MAIL, token=token)

    assert answer.status_code == 202


async def test_azure_says_where_the_app_runs_to_whoever_may_ask(m365: Stage) -> None:
    token = m365.sandbox.tokens.for_app(tenant=TENANT, resource=RESOURCE_MANAGER, roles=())
    signed = {"Authorization": f"Bearer {token}"}
    answer = await m365.browser.get(f"{SITE}?api-version=2023-12-01", headers=signed)

    assert answer.json()["location"] == "East US 2"
    assert (await m365.browser.get(f"{SITE}?api-version=2023-12-01")).status_code == 401
    assert (await m365.browser.get(SITE, headers=signed)).status_code == 400
