"""Signing in to the portal and out again, and everything somebody could try at that door."""

from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import azure.functions as func
import pytest

from functions.web.cookies import host_cookie
from functions.web.portal import same_site
from shared.domain.audit import AuditEntry
from shared.domain.environment import Environment
from shared.domain.errors import NotListed, TryAgain
from shared.domain.portal_session import IDLE, LIFE
from shared.domain.tenant import Person, Role, TenantId
from tests.fakes.browser import Browser, text_of
from tests.fakes.hospital import (
    AVERY,
    DANA,
    ELSEWHERE,
    ENVIRONMENT,
    HOME,
    LENA,
    NOBODY,
    PRIYA,
    RILEY,
    TENANT,
    Hospital,
)

PAGE = "/readiness"


@pytest.fixture
def hospital() -> Hospital:
    return Hospital()


@pytest.fixture
def browser(hospital: Hospital) -> Browser:
    return hospital.stranger()


def naming(hospital: Hospital, *approvers: str) -> Environment:
    """The hospital's environment with these approvers."""
    known = hospital.stamp.environment_rows.get(TENANT, ENVIRONMENT).value
    connection = replace(known.newest.connection, approvers=approvers)
    changed = replace(known, newest=replace(known.newest, connection=connection))
    hospital.put(changed)
    return changed


async def audit(hospital: Hospital, tenant: TenantId = TENANT) -> list[AuditEntry]:
    log = hospital.stamp.audit_log(tenant)
    assert await log.proven(hospital.clock())
    return await log.entries(hospital.clock())


def unpinned(hospital: Hospital) -> None:
    hospital.stamp.tenant_rows.rows.clear()


class TestTheWayIn:
    async def test_a_page_sends_a_stranger_to_microsoft_and_back_to_itself(
        self, hospital: Hospital, browser: Browser
    ) -> None:
        turned = await browser.get(f"{PAGE}?lang=es")
        away = await browser.get(turned.headers["Location"])
        asked = parse_qs(urlsplit(away.headers["Location"]).query)
        back = await browser.come_back(AVERY, asked["state"][0])

        assert (turned.status_code, away.status_code, back.status_code) == (303, 302, 303)
        assert asked["redirect_uri"] == [f"{HOME}/sign-in/callback"]
        assert back.headers["Location"] == f"{PAGE}?lang=es"
        assert (await browser.get(PAGE)).status_code == 200

    async def test_the_session_cookie_is_for_this_host_alone_and_no_script_reads_it(
        self, browser: Browser
    ) -> None:
        back = await browser.sign_in(AVERY)

        (cookie,) = [one for one in back.headers.get_all("Set-Cookie") if "-session=" in one]
        assert cookie.startswith("__Host-session=")
        assert {"Path=/", "HttpOnly", "SameSite=Lax", "Secure"} <= set(cookie.split("; "))
        assert "Domain" not in cookie

    async def test_only_the_hash_of_the_cookie_is_stored(self, hospital: Hospital, browser: Browser) -> None:
        await browser.sign_in(AVERY)

        (row,) = hospital.stamp.portal_sessions.table.rows.values()
        assert browser.cookies["__Host-session"] not in repr(row)
        assert len(browser.cookies["__Host-session"]) == 43  # 256 random bits

    async def test_every_sign_in_gives_a_new_session_and_ends_the_one_before(
        self, hospital: Hospital, browser: Browser
    ) -> None:
        await browser.sign_in(AVERY)
        first = dict(browser.cookies)
        await browser.sign_in(AVERY)
        second, browser.cookies = dict(browser.cookies), first

        assert first != second
        assert (await browser.get(PAGE)).status_code == 303
        browser.cookies = second
        assert (await browser.get(PAGE)).status_code == 200

    async def test_a_session_id_that_somebody_planted_is_never_taken_over(self, browser: Browser) -> None:
        browser.cookies["__Host-session"] = "planted"
        await browser.sign_in(AVERY)

        assert browser.cookies["__Host-session"] != "planted"

    async def test_two_tabs_can_sign_in_at_once(self, browser: Browser) -> None:
        one, other = await browser.begin_sign_in("/readiness"), await browser.begin_sign_in("/approvals")

        assert (await browser.come_back(AVERY, one)).headers["Location"] == "/readiness"
        assert (await browser.come_back(AVERY, other)).headers["Location"] == "/approvals"

    async def test_the_sign_in_is_in_the_audit_log_without_a_name(
        self, hospital: Hospital, browser: Browser
    ) -> None:
        await browser.sign_in(AVERY)

        (entry,) = await audit(hospital)
        assert (entry.who, entry.did, entry.to) == (AVERY.object_id, "signed in", "portal")
        assert entry.facts == {"roles": "Administrator"}
        assert AVERY.address not in repr(entry)
        assert AVERY.name not in repr(entry)

    async def test_while_microsoft_is_away_the_page_says_try_again(
        self, hospital: Hospital, browser: Browser
    ) -> None:
        hospital.microsoft.trouble.fail(TryAgain("away"))

        answer = await browser.get("/sign-in")

        assert answer.status_code == 503
        assert "Try again in a few minutes" in text_of(answer)


@pytest.mark.parametrize(
    ("base", "cookie"),
    [
        ("http://127.0.0.1:7071", "session=v; Path=/; Max-Age=9; HttpOnly; SameSite=Lax"),
        ("https://a.example", "__Host-session=v; Path=/; Max-Age=9; HttpOnly; SameSite=Lax; Secure"),
        ("http://a.example", "__Host-session=v; Path=/; Max-Age=9; HttpOnly; SameSite=Lax; Secure"),
    ],
    ids=["a local run", "https", "plain http elsewhere, where no browser takes it"],
)
def test_only_a_local_run_does_without_a_secure_cookie(base: str, cookie: str) -> None:
    assert host_cookie("session", "v", lives=9, public_base_url=base) == cookie


class TestHostileReturns:
    async def test_a_state_that_was_never_given_out_signs_nobody_in(self, browser: Browser) -> None:
        await browser.begin_sign_in()

        answer = await browser.come_back(AVERY, "forged")

        assert answer.status_code == 403
        assert "This sign-in is not valid any more" in text_of(answer)
        assert "__Host-session" not in browser.cookies

    async def test_another_browser_cannot_finish_a_sign_in(
        self, hospital: Hospital, browser: Browser
    ) -> None:
        state = await browser.begin_sign_in()
        victim = hospital.stranger()
        await victim.begin_sign_in()

        answer = await victim.come_back(AVERY, state)

        assert answer.status_code == 403
        assert "begun in another browser" in text_of(answer)
        assert "__Host-session" not in victim.cookies

    async def test_a_browser_that_kept_no_cookie_cannot_finish_a_sign_in(self, browser: Browser) -> None:
        state = await browser.begin_sign_in()
        browser.cookies.clear()

        assert (await browser.come_back(AVERY, state)).status_code == 403

    async def test_a_return_counts_once(self, hospital: Hospital, browser: Browser) -> None:
        state = await browser.begin_sign_in()
        cookies = dict(browser.cookies)
        await browser.come_back(AVERY, state)
        browser.cookies = cookies

        assert (await browser.come_back(AVERY, state)).status_code == 403

    async def test_a_return_after_ten_minutes_is_too_late(self, hospital: Hospital, browser: Browser) -> None:
        state = await browser.begin_sign_in()
        hospital.clock.advance(timedelta(minutes=10, seconds=1))

        answer = await browser.come_back(AVERY, state)

        assert answer.status_code == 403
        assert "longer than ten minutes" in text_of(answer)

    async def test_a_person_who_declines_at_microsoft_is_offered_another_try(self, browser: Browser) -> None:
        state = await browser.begin_sign_in()

        answer = await browser.get(
            f"/sign-in/callback?{urlencode({'error': 'access_denied', 'state': state})}"
        )

        assert answer.status_code == 403
        assert "Microsoft did not sign you in" in text_of(answer)
        assert "/sign-in?to=%2F&amp;choose=1" in text_of(answer)

    async def test_what_microsoft_says_is_never_shown_as_it_came(self, browser: Browser) -> None:
        state = await browser.begin_sign_in()
        words = "<script>alert(1)</script>"

        answer = await browser.get(
            "/sign-in/callback?"
            + urlencode({"error": "access_denied", "error_description": words, "state": state})
        )

        assert "alert(1)" not in text_of(answer)

    @pytest.mark.parametrize(
        "to",
        [
            "https://evil.example/",
            "//evil.example/",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "javascript:alert(1)",
            "/ok\r\nSet-Cookie: a=b",
            "/ü",
            "",
            "readiness",
            "/" + "a" * 2000,
            "/sign-out",
            "/sign-in/callback?state=x",
        ],
    )
    async def test_the_way_back_is_always_a_path_of_ours(self, browser: Browser, to: str) -> None:
        state = await browser.begin_sign_in(to)

        assert (await browser.come_back(AVERY, state)).headers["Location"] == "/"

    @pytest.mark.parametrize("to", ["/", "/?lang=es", "/setup/organizations/env-1?held=x", "/a/b#c"])
    def test_a_path_of_ours_is_kept(self, to: str) -> None:
        assert same_site(to) == to


class TestWhoGetsIn:
    async def test_an_organization_that_is_not_listed_is_refused_with_words(
        self, hospital: Hospital, browser: Browser
    ) -> None:
        state = await browser.begin_sign_in()
        hospital.microsoft.trouble.fail(NotListed("not on the list"))

        answer = await browser.come_back(NOBODY, state)

        assert answer.status_code == 403
        assert "Your organization is not on the list" in text_of(answer)
        assert "__Host-session" not in browser.cookies
        assert hospital.stamp.audit_chains == {}

    async def test_a_tenant_of_another_stamp_is_shown_its_home_and_nothing_of_it_is_stored(
        self, hospital: Hospital, browser: Browser
    ) -> None:
        answer = await browser.sign_in(LENA)

        assert answer.status_code == 421
        assert f'href="{ELSEWHERE}"' in text_of(answer)
        assert "__Host-session" not in browser.cookies
        assert hospital.stamp.people_rows.called.rows == {}
        assert hospital.stamp.audit_chains == {}

    async def test_a_tenant_that_is_taken_off_the_list_is_out_at_the_next_click(
        self, hospital: Hospital, browser: Browser
    ) -> None:
        await browser.sign_in(AVERY)
        del hospital.services.settings.tenants[TENANT]

        assert (await browser.get(PAGE)).status_code == 403

    async def test_somebody_without_a_role_sees_who_can_help(self, hospital: Hospital) -> None:
        hospital.browser(AVERY)
        browser = hospital.stranger()

        await browser.sign_in(DANA)
        answer = await browser.get(PAGE)

        assert answer.status_code == 403
        assert "You do not have access to this portal" in text_of(answer)
        assert "avery@lamna.example" in text_of(answer)
        (entry,) = await audit(hospital)
        assert (entry.who, entry.did, entry.facts) == (
            DANA.object_id,
            "was refused at sign-in",
            {"reason": "no-role"},
        )

    async def test_the_list_of_who_can_help_is_never_empty(self, browser: Browser) -> None:
        await browser.sign_in(DANA)

        assert "Whoever looks after Microsoft 365 at Lamna Healthcare" in text_of(await browser.get(PAGE))

    async def test_a_report_reader_learns_that_a_page_is_for_administrators(self, hospital: Hospital) -> None:
        answer = await hospital.browser(RILEY).get(PAGE)

        assert answer.status_code == 403
        assert "Only an administrator can open this page" in text_of(answer)

    async def test_a_named_approver_needs_no_role(self, hospital: Hospital, browser: Browser) -> None:
        naming(hospital, PRIYA.object_id)

        await browser.sign_in(PRIYA)

        assert (await audit(hospital))[0].did == "signed in"
        assert (await browser.get("/approvals")).status_code == 200

    async def test_roles_are_those_of_the_sign_in(self, hospital: Hospital, browser: Browser) -> None:
        hospital.entra.people[DANA.object_id] = replace(DANA, roles=frozenset({Role.ADMINISTRATOR}))
        await browser.sign_in(DANA)
        hospital.entra.people[DANA.object_id] = DANA

        assert (await browser.get(PAGE)).status_code == 200
        await browser.sign_in(DANA)
        assert (await browser.get(PAGE)).status_code == 403


class TestTypedApprovers:
    async def test_a_typed_address_becomes_the_persons_at_their_first_sign_in(
        self, hospital: Hospital, browser: Browser
    ) -> None:
        naming(hospital, "Priya@Lamna.example")

        await browser.sign_in(PRIYA)

        assert await hospital.stamp.people(TENANT).bound("priya@lamna.example") == PRIYA.object_id
        assert (await browser.get("/approvals")).status_code == 200

    async def test_somebody_who_gets_the_same_address_later_is_not_the_approver(
        self, hospital: Hospital, browser: Browser
    ) -> None:
        naming(hospital, "priya@lamna.example")
        await browser.sign_in(PRIYA)
        heir = Person(TENANT, "oid-another-priya", "Priya", "priya@lamna.example", frozenset())
        hospital.entra.people[heir.object_id] = heir
        other = hospital.stranger()

        await other.sign_in(heir)

        assert (await other.get("/approvals")).status_code == 403
        assert (await browser.get("/approvals")).status_code == 200

    async def test_the_approver_keeps_their_part_when_their_own_address_changes(
        self, hospital: Hospital, browser: Browser
    ) -> None:
        naming(hospital, "priya@lamna.example")
        await browser.sign_in(PRIYA)
        hospital.entra.people[PRIYA.object_id] = replace(PRIYA, address="priya.nair@lamna.example")

        await browser.sign_in(PRIYA)

        assert (await browser.get("/approvals")).status_code == 200

    async def test_a_guest_from_elsewhere_is_nobody_here(self, hospital: Hospital, browser: Browser) -> None:
        naming(hospital, "priya@lamna.example")
        guest = Person(TENANT, "oid-guest", "Priya", "priya_lamna.example#EXT#@lamna.example", frozenset())
        hospital.entra.people[guest.object_id] = guest

        await browser.sign_in(guest)

        assert (await browser.get("/approvals")).status_code == 403
        assert await hospital.stamp.people(TENANT).bound("priya@lamna.example") is None


class TestTheFirstVisit:
    async def test_the_administrator_sees_where_the_data_will_live_and_confirms_for_good(
        self, hospital: Hospital, browser: Browser
    ) -> None:
        unpinned(hospital)
        await browser.sign_in(AVERY)

        turned = await browser.get(PAGE)
        shown = text_of(await browser.get("/welcome"))
        answer = await browser.post("/welcome", {"geography": "americas"})

        assert turned.headers["Location"] == "/welcome"
        assert "the Americas" in shown
        assert "eastus2" in shown
        assert "checked" not in shown
        assert answer.headers["Location"] == "/?done=welcome"
        assert (await hospital.stamp.tenants(TENANT).get()).pinned_by == AVERY.object_id
        assert [one.did for one in await audit(hospital)] == ["signed in", "pinned the tenant"]
        assert (await browser.get(PAGE)).status_code == 200

    @pytest.mark.parametrize("given", [{}, {"geography": "emea"}], ids=["nothing", "another geography"])
    async def test_without_a_confirmation_nothing_is_pinned(
        self, hospital: Hospital, browser: Browser, given: dict[str, str | list[str]]
    ) -> None:
        unpinned(hospital)
        await browser.sign_in(AVERY)

        answer = await browser.post("/welcome", given)

        assert answer.status_code == 422
        assert "Confirm where the data will live" in text_of(answer)
        assert hospital.stamp.tenant_rows.rows == {}

    async def test_a_double_click_pins_once(self, hospital: Hospital, browser: Browser) -> None:
        unpinned(hospital)
        await browser.sign_in(AVERY)

        answers = [await browser.post("/welcome", {"geography": "americas"}) for _ in range(2)]

        assert [one.status_code for one in answers] == [303, 303]
        assert [one.did for one in await audit(hospital)].count("pinned the tenant") == 1

    async def test_nobody_but_an_administrator_pins(self, hospital: Hospital, browser: Browser) -> None:
        unpinned(hospital)
        await browser.sign_in(RILEY)

        shown = text_of(await browser.get("/welcome"))
        answer = await browser.post("/welcome", {"geography": "americas"})

        assert "An administrator has to sign in first" in shown
        assert "Whoever looks after Microsoft 365 at Lamna Healthcare" in shown
        assert answer.status_code == 403
        assert hospital.stamp.tenant_rows.rows == {}

    async def test_a_pinned_hospital_is_not_asked_again(self, browser: Browser) -> None:
        await browser.sign_in(AVERY)

        assert (await browser.get("/welcome")).headers["Location"] == "/"


class TestTheWayOut:
    async def test_signing_out_ends_the_session_for_whoever_kept_the_cookie(
        self, hospital: Hospital, browser: Browser
    ) -> None:
        await browser.sign_in(AVERY)
        kept = dict(browser.cookies)

        answer = await browser.post("/sign-out")
        shown = text_of(await browser.get(answer.headers["Location"]))

        assert "__Host-session" not in browser.cookies
        assert "You are signed out" in shown
        assert f"post_logout_redirect_uri={quote(f'{HOME}/sign-in/callback', safe='')}" in shown
        browser.cookies = kept
        assert (await browser.get(PAGE)).status_code == 303
        assert [one.did for one in await audit(hospital)] == ["signed in", "signed out"]

    async def test_another_site_cannot_sign_anybody_out(self, hospital: Hospital) -> None:
        browser = hospital.browser(AVERY)

        answers = [
            await browser.post("/sign-out", csrf="guessed"),
            await browser.post("/sign-out", csrf=""),
            await browser.post("/sign-out", headers={"Sec-Fetch-Site": "cross-site"}),
        ]

        assert [one.status_code for one in answers] == [403, 403, 403]
        assert (await browser.get(PAGE)).status_code == 200

    async def test_signing_out_twice_says_the_same(self, hospital: Hospital) -> None:
        browser = hospital.browser(AVERY)
        kept = dict(browser.cookies)
        await browser.post("/sign-out")
        browser.cookies = kept

        assert (await browser.post("/sign-out")).status_code == 303
        assert (await hospital.stranger().post("/sign-out")).status_code == 303
        assert [one.did for one in await audit(hospital)] == ["signed out"]

    async def test_microsofts_own_sign_out_comes_back_to_a_page(self, browser: Browser) -> None:
        assert (await browser.get("/sign-in/callback")).headers["Location"] == "/sign-in?done=signed-out"

    async def test_an_hour_without_a_click_ends_the_session(self, hospital: Hospital) -> None:
        browser = hospital.browser(AVERY)
        hospital.clock.advance(IDLE)

        assert (await browser.get(PAGE)).status_code == 303

    async def test_clicks_keep_a_session_and_no_click_keeps_it_beyond_eight_hours(
        self, hospital: Hospital
    ) -> None:
        browser = hospital.browser(AVERY)
        for _ in range(int(LIFE / timedelta(minutes=50))):
            hospital.clock.advance(timedelta(minutes=50))
            assert (await browser.get(PAGE)).status_code == 200
        hospital.clock.advance(timedelta(minutes=50))

        assert (await browser.get(PAGE)).status_code == 303

    async def test_ten_clicks_in_a_row_write_nothing(self, hospital: Hospital) -> None:
        browser = hospital.browser(AVERY)
        for _ in range(10):
            await browser.get("/welcome")

        assert hospital.calls["portal_sessions.change"] == 0


class TestTheApiTakesTheSameSession:
    async def test_a_page_of_ours_reads_with_the_cookie_alone(self, hospital: Hospital) -> None:
        assert (await hospital.browser(AVERY).get("/api/v1/tenant")).status_code == 200

    async def test_a_change_needs_the_token_in_a_header_and_a_page_of_ours(self, hospital: Hospital) -> None:
        browser = hospital.browser(AVERY)
        token = await browser.csrf()
        other = await hospital.browser(RILEY).csrf()

        async def pin(**headers: str) -> func.HttpResponse:
            given = {
                "Content-Type": "application/json",
                **{k.replace("_", "-"): v for k, v in headers.items()},
            }
            return await browser._send("POST", "/api/v1/tenant", b'{"geography": "americas"}', given)

        assert (await pin(X_CSRF_Token=token, Sec_Fetch_Site="same-origin")).status_code < 300
        refused = [
            await pin(Sec_Fetch_Site="same-origin"),
            await pin(X_CSRF_Token="", Sec_Fetch_Site="same-origin"),
            await pin(X_CSRF_Token=other, Sec_Fetch_Site="same-origin"),
            await pin(X_CSRF_Token=token, Sec_Fetch_Site="cross-site"),
            await pin(X_CSRF_Token=token, Sec_Fetch_Site="same-site"),
        ]
        assert [one.status_code for one in refused] == [403] * 5

    async def test_a_bearer_token_needs_neither(self, hospital: Hospital) -> None:
        answer = await hospital.app.get("/api/v1/tenant", {"Authorization": f"Bearer {AVERY.object_id}"})

        assert answer.status_code == 200

    async def test_without_either_nobody_gets_in(self, hospital: Hospital) -> None:
        assert (await hospital.app.get("/api/v1/tenant")).status_code == 401
        assert (await hospital.app.get("/api/v1/tenant", {"Authorization": "Basic eA=="})).status_code == 401
