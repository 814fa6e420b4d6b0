"""Every thing a hospital needs is looked at alone: what is missing is named, and nothing hides anything else."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.environment import Certificate, Environment, Meetings, Texts
from shared.domain.errors import TryAgain, TurnedDown
from shared.domain.fhir_check import AddressCheck, CheckCode, Finding
from shared.domain.geography import Geography
from shared.domain.readiness import Area, Check, LinkedNumber, Observer, State, worst
from shared.domain.words import said
from shared.flows.check_readiness import Readiness, check_readiness
from shared.flows.probe_readiness import Deployment
from tests.fakes.clock import FixedClock
from tests.fakes.hospital import CARTER, FHIR, NOW, REYES, SCHEDULING, environment, operation
from tests.fakes.observers import EVERYTHING, Watchers

CLIENT = "0c0ffee0-0000-4000-8000-00000000ec01"
DEPLOYMENT = Deployment(
    client_id=CLIENT,
    mailbox="visits@lamna.example",
    geography=Geography.AMERICAS,
    region="eastus2",
    given_secrets=("entra-client-secret",),
)


@pytest.fixture
def watchers() -> Watchers:
    seeing = Watchers(FixedClock(NOW))
    seeing.messages["env-1"] = NOW - timedelta(minutes=5)
    seeing.launches["env-1"] = NOW - timedelta(days=3)
    return seeing


async def look(
    watchers: Watchers,
    *,
    of: Environment | None = None,
    deployment: Deployment = DEPLOYMENT,
    seconds: float = 10,
    names: dict[str, str] | None = None,
    asks_azure: bool = True,
) -> dict[str, Check]:
    found: Readiness = await check_readiness(
        [of or environment()],
        observers=watchers.observers(asks_azure=asks_azure),
        deployment=deployment,
        now=FixedClock(NOW),
        names=names,
        seconds=seconds,
    )
    assert found.at == NOW
    return {one.id: one for one in found.checks}


async def test_a_hospital_that_has_everything_is_ready(watchers: Watchers) -> None:
    checks = await look(watchers)

    assert {id for id, one in checks.items() if one.state is not State.OK} == {"sender-verification-env-1"}
    assert checks["sender-verification-env-1"].state is State.CONFIGURED
    assert {one.area for one in checks.values()} == set(Area)


async def test_a_look_that_never_ends_hides_no_other(watchers: Watchers) -> None:
    class Silent(type(watchers.addresses)):  # type: ignore[misc]
        async def check(self, url: str, client_id: str = "") -> AddressCheck:
            await asyncio.Event().wait()
            raise AssertionError

    watchers.addresses = Silent()
    checks = await look(watchers, seconds=0.05)

    assert checks["epic-address-env-1"].state is State.UNKNOWN
    assert checks["graph-permissions"].state is State.OK


@pytest.mark.parametrize(
    "trouble",
    [TryAgain("busy"), TurnedDown("no", code="403"), RuntimeError("a mistake")],
    ids=["throttled", "refused", "broken"],
)
async def test_a_look_that_fails_says_so_and_hides_no_other(watchers: Watchers, trouble: Exception) -> None:
    watchers.secrets.fail(trouble)
    watchers.numbers.fail(trouble, times=2)
    checks = await look(watchers)

    assert checks["key-vault"].state is State.UNKNOWN
    assert checks["sender-env-1"].state is State.UNKNOWN
    assert (checks["graph-clock"].state, checks["geography"].state) == (State.OK, State.OK)


async def test_a_tenant_without_consent_is_told_so_with_entras_own_number(watchers: Watchers) -> None:
    watchers.microsoft.no_token = "AADSTS700016"
    checks = await look(watchers)

    assert checks["admin-consent"].state is State.PROBLEM
    assert "AADSTS700016" in checks["admin-consent"].what_was_seen
    assert checks["graph-permissions"].state is State.UNKNOWN
    assert checks["teams-licenses"].state is State.UNKNOWN


async def test_a_permission_without_which_nothing_works_is_a_problem_and_a_wish_is_a_warning(
    watchers: Watchers,
) -> None:
    watchers.microsoft.granted = EVERYTHING - {"OnlineMeetings.ReadWrite.All"}
    needed = (await look(watchers))["graph-permissions"]
    watchers.microsoft.granted = EVERYTHING - {"VirtualAppointment.Read.All"}
    wished = (await look(watchers))["graph-permissions"]

    assert (needed.state, wished.state) == (State.PROBLEM, State.WARNING)
    assert "OnlineMeetings.ReadWrite.All" in needed.what_to_do[0]
    assert "VirtualAppointment.Read.All" in wished.what_to_do[0]
    assert needed.commands == (f"az ad app permission admin-consent --id {CLIENT}",)


async def test_an_app_that_may_not_read_its_permissions_says_that_and_guesses_nothing(
    watchers: Watchers,
) -> None:
    watchers.microsoft.granted = EVERYTHING - {"Application.Read.All"}

    assert (await look(watchers))["graph-permissions"].state is State.UNKNOWN


async def test_a_missing_access_policy_comes_with_the_lines_to_paste(watchers: Watchers) -> None:
    watchers.microsoft.without_policy = {SCHEDULING}
    found = (await look(watchers, names={SCHEDULING: "Lamna Video Visits"}))["teams-access-policy"]

    assert found.state is State.PROBLEM
    assert "Lamna Video Visits" in found.what_was_seen
    assert found.commands == (
        "Connect-MicrosoftTeams",
        f'New-CsApplicationAccessPolicy -Identity "Visit-Connector" -AppIds "{CLIENT}"',
        f'Grant-CsApplicationAccessPolicy -PolicyName "Visit-Connector" -Identity "{SCHEDULING}"',
    )


async def test_scheduling_accounts_and_mapped_providers_are_looked_at(watchers: Watchers) -> None:
    await look(watchers)

    assert set(watchers.microsoft.asked) == {SCHEDULING, CARTER, REYES}


async def test_one_person_who_left_leaves_the_others_seen(watchers: Watchers) -> None:
    watchers.microsoft.unknown_people = {REYES}
    checks = await look(watchers, names={REYES: "Omar Reyes"})

    assert checks["teams-licenses"].state is State.UNKNOWN
    assert "Omar Reyes" in checks["teams-licenses"].what_was_seen
    assert CARTER not in checks["teams-licenses"].what_was_seen


async def test_an_account_without_teams_is_named(watchers: Watchers) -> None:
    watchers.microsoft.without_teams = {CARTER}
    watchers.microsoft.unknown_people = {REYES}
    found = (await look(watchers))["teams-licenses"]

    assert (found.state, CARTER in found.what_was_seen) == (State.PROBLEM, True)


async def test_an_environment_without_organizers_is_told_so(watchers: Watchers) -> None:
    nobody = environment(operates=operation(meetings=Meetings()))
    checks = await look(watchers, of=nobody)

    assert {checks[id].state for id in ("teams-access-policy", "teams-licenses", "guest-addresses")} == {
        State.WARNING
    }


async def test_patients_without_browser_addresses_are_a_warning_in_those_words(watchers: Watchers) -> None:
    watchers.microsoft.guest_addresses = False
    found = (await look(watchers))["guest-addresses"]

    assert found.state is State.WARNING
    assert "not guaranteed to open in the browser" in found.what_was_seen


async def test_mail_that_exchange_refuses_comes_with_the_lines_that_scope_it(watchers: Watchers) -> None:
    watchers.mail.allowed = False
    found = (await look(watchers))["mail"]

    assert found.state is State.PROBLEM
    assert any("Application Mail.Send" in line and CLIENT in line for line in found.commands)
    assert any("visits@lamna.example" in line for line in found.commands)


async def test_mail_from_every_mailbox_is_more_than_is_needed(watchers: Watchers) -> None:
    watchers.microsoft.granted = EVERYTHING | {"Mail.Send"}

    assert (await look(watchers))["mail"].state is State.WARNING


async def test_mail_that_is_off_is_configured_and_not_observed(watchers: Watchers) -> None:
    found = (await look(watchers, deployment=replace(DEPLOYMENT, mailbox="")))["mail"]

    assert (found.state, found.observed_by) == (State.CONFIGURED, Observer.SETTING)


async def test_a_mailbox_that_does_not_exist_is_a_problem(watchers: Watchers) -> None:
    watchers.mail.fail(TurnedDown("no", code="ErrorInvalidUser"))

    assert (await look(watchers))["mail"].state is State.PROBLEM


async def test_what_is_wrong_with_the_epic_address_is_said(watchers: Watchers) -> None:
    watchers.addresses.found[FHIR] = AddressCheck(
        (Finding(CheckCode.UNREACHABLE, said("We could not reach this server.")),)
    )
    found = (await look(watchers))["epic-address-env-1"]

    assert (found.state, found.what_to_do) == (State.PROBLEM, ("We could not reach this server.",))


@pytest.mark.parametrize(
    ("left", "state"),
    [
        (timedelta(days=61), State.OK),
        (timedelta(days=60), State.WARNING),
        (timedelta(days=30), State.WARNING),
        (timedelta(days=7), State.PROBLEM),
        (timedelta(seconds=-1), State.PROBLEM),
    ],
    ids=["more than 60 days", "60 days", "30 days", "a week", "over"],
)
async def test_a_certificate_is_announced_before_it_ends(
    watchers: Watchers, left: timedelta, state: State
) -> None:
    one = environment()
    assert one.live is not None
    held = Certificate("pem", "f" * 64, "Epic Interface", NOW - timedelta(days=300), NOW + left)
    with_it = replace(
        one, live=replace(one.live, connection=replace(one.live.connection, certificates=(held,)))
    )

    assert (await look(watchers, of=with_it))["certificate-env-1"].state is state


async def test_the_certificate_that_lasts_longest_counts(watchers: Watchers) -> None:
    one = environment()
    assert one.live is not None
    ending = Certificate("pem", "e" * 64, "Old", NOW - timedelta(days=300), NOW + timedelta(days=1))
    both = (ending, *one.live.connection.certificates)
    with_both = replace(
        one, live=replace(one.live, connection=replace(one.live.connection, certificates=both))
    )

    assert (await look(watchers, of=with_both))["certificate-env-1"].state is State.OK


async def test_a_certificate_that_another_took_over_from_does_not_hide_its_end(watchers: Watchers) -> None:
    one = environment()
    assert one.live is not None
    (fine,) = one.live.connection.certificates
    retired = replace(fine, fingerprint="e" * 64, replaced=True, retires_at=NOW - timedelta(days=1))
    states = []
    for left in (timedelta(days=5), timedelta(days=-1)):
        ending = replace(fine, valid_from=NOW - timedelta(days=300), valid_until=NOW + left)
        content = replace(one.live.connection, certificates=(retired, ending))
        found = await look(watchers, of=replace(one, live=replace(one.live, connection=content)))
        states.append(found["certificate-env-1"].state)

    assert states == [State.PROBLEM, State.PROBLEM]


async def test_an_epic_that_was_never_heard_is_a_warning(watchers: Watchers) -> None:
    watchers.messages.clear()
    watchers.launches.clear()
    checks = await look(watchers)

    assert checks["last-launch-env-1"].what_was_seen == "No launch from Epic yet."
    assert checks["last-message-env-1"].state is State.WARNING


async def test_an_epic_that_fell_silent_is_a_warning(watchers: Watchers) -> None:
    watchers.messages["env-1"] = NOW - timedelta(days=8)
    found = (await look(watchers))["last-message-env-1"]

    assert (found.state, found.what_was_seen) == (State.WARNING, "The last HL7v2 message came 8 d ago.")


@pytest.mark.parametrize(
    "number", [None, LinkedNumber("tollFree", sends=False)], ids=["not linked", "may not send"]
)
async def test_a_number_that_cannot_send_is_a_problem(
    watchers: Watchers, number: LinkedNumber | None
) -> None:
    watchers.numbers.linked = {"+12065550111": number} if number else {}

    assert (await look(watchers))["sender-env-1"].state is State.PROBLEM


async def test_a_number_is_looked_up_only_where_texts_are_on(watchers: Watchers) -> None:
    checks = await look(watchers, of=environment(operates=operation(texts=Texts(on=False))))

    assert not [id for id in checks if id.startswith("sender")]


@pytest.mark.parametrize(
    ("ahead", "state"),
    [
        (timedelta(seconds=60), State.OK),
        (timedelta(seconds=61), State.WARNING),
        (timedelta(minutes=-5), State.WARNING),
        (timedelta(minutes=5, seconds=1), State.PROBLEM),
    ],
    ids=["a minute", "more than a minute", "five minutes behind", "more than five minutes"],
)
async def test_clocks_that_differ_are_noticed(watchers: Watchers, ahead: timedelta, state: State) -> None:
    watchers.graph_clock.ahead = ahead
    checks = await look(watchers)

    assert (checks["graph-clock"].state, checks["key-vault-clock"].state) == (state, State.OK)


@pytest.mark.parametrize(
    ("name", "made", "state"),
    [
        ("entra-client-secret", None, State.PROBLEM),
        ("data-key", None, State.WARNING),
        ("entra-client-secret", NOW - timedelta(days=400), State.WARNING),
        ("data-key", NOW - timedelta(days=400), State.OK),
    ],
    ids=["lost", "not made yet", "old", "old but not to be changed"],
)
async def test_secrets_are_there_and_fresh(watchers: Watchers, name: str, made: object, state: State) -> None:
    watchers.secrets.made[name] = made  # type: ignore[assignment]

    assert (await look(watchers))["key-vault"].state is state


async def test_storage_of_another_geography_is_a_problem(watchers: Watchers) -> None:
    watchers.pinned_to = Geography.EMEA

    assert (await look(watchers))["geography"].state is State.PROBLEM


async def test_the_region_is_azures_word_where_azure_is_asked_and_only_configured_else(
    watchers: Watchers,
) -> None:
    watchers.own_resource.where = "westeurope"
    asked = (await look(watchers))["region"]
    unasked = (await look(watchers, asks_azure=False))["region"]

    assert (asked.state, asked.observed_by) == (State.PROBLEM, Observer.AZURE)
    assert (unasked.state, unasked.observed_by) == (State.CONFIGURED, Observer.SETTING)


async def test_the_worst_of_many_is_what_counts(watchers: Watchers) -> None:
    watchers.microsoft.guest_addresses = False
    warned = worst((await look(watchers)).values())
    watchers.pinned_to = Geography.EMEA

    assert (warned, worst((await look(watchers)).values())) == (State.WARNING, State.PROBLEM)
    assert worst(()) is State.OK
