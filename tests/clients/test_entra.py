"""Only Entra's own tokens for this app, for a tenant on the list and in time, say who somebody is."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from shared.clients.entra import EntraTokens
from shared.clients.published_keys import PublishedKeys
from shared.domain.errors import NotSignedIn, TryAgain, TurnedDown
from shared.domain.tenant import Role, TenantId
from tests.clients.signing import key_set, signed
from tests.fakes.clock import FixedClock

AUTHORITY = "https://login.example"
CLIENT = "0c0ffee0-0000-4000-8000-00000000ec01"
TENANT = TenantId("11111111-aaaa-4aaa-8aaa-000000000001")
OTHER = "99999999-aaaa-4aaa-8aaa-000000000009"
GRAPH = "0bf30f3b-4a52-48df-9a82-234910c4a086"
CLOCK = FixedClock()

AVERY: dict[str, Any] = {
    "iss": f"{AUTHORITY}/{TENANT}/v2.0",
    "aud": CLIENT,
    "tid": TENANT,
    "oid": "22222222-aaaa-4aaa-8aaa-000000000001",
    "name": "Avery Howard",
    "preferred_username": "avery@lamna.example",
    "roles": ["Administrator", "Dancer"],
}
NOTIFICATION: dict[str, Any] = {"iss": f"https://sts.windows.net/{TENANT}/", "aud": CLIENT, "appid": GRAPH}


def entra(
    *, v1: tuple[str, ...] = ("key-1",), v2: tuple[str, ...] = ("key-1",), status: int = 200
) -> EntraTokens:
    def publish(request: httpx.Request) -> httpx.Response:
        names = v2 if "/v2.0/" in request.url.path else v1
        return httpx.Response(status, json=key_set(*names))

    http = httpx.AsyncClient(transport=httpx.MockTransport(publish))
    keys = PublishedKeys(http, now=CLOCK)
    return EntraTokens(keys=keys, authority=AUTHORITY, client_id=CLIENT, tenants=[TENANT], now=CLOCK)


async def test_a_good_token_says_who_it_is() -> None:
    person = await entra().person(signed(AVERY, at=CLOCK()))

    assert person.tenant == TENANT
    assert person.object_id == AVERY["oid"]
    assert (person.name, person.address) == ("Avery Howard", "avery@lamna.example")
    assert person.roles == {Role.ADMINISTRATOR}


@pytest.mark.parametrize(
    ("claims", "roles"),
    [
        ({"roles": ["Auditor", "ReportReader"]}, {Role.AUDITOR, Role.REPORT_READER}),
        ({"roles": None}, set()),
        ({"roles": "Administrator"}, set()),
        ({"roles": None, "wids": ["62e90394-69f5-4237-9190-012177145e10"]}, {Role.ADMINISTRATOR}),
        ({"roles": None, "wids": ["69091246-20e8-4a56-aa4d-066075b2a7a8"]}, {Role.ADMINISTRATOR}),
        ({"roles": None, "wids": ["b79fbf4d-3ef9-4689-8143-76b194e85509"]}, set()),
    ],
    ids=["app roles", "none", "not a list", "global administrator", "teams administrator", "another role"],
)
async def test_roles_come_from_the_app_or_from_administering_the_directory(
    claims: dict[str, Any], roles: set[Role]
) -> None:
    assert (await entra().person(signed({**AVERY, **claims}, at=CLOCK()))).roles == roles


_HOUR = int(timedelta(hours=1).total_seconds())
_NOW = int(CLOCK().timestamp())


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": f"{AUTHORITY}/{OTHER}/v2.0"},
        {"tid": OTHER},
        {"tid": OTHER, "iss": f"{AUTHORITY}/{OTHER}/v2.0"},
        {"iss": f"https://elsewhere.example/{TENANT}/v2.0"},
        {"iss": f"https://sts.windows.net/{TENANT}/"},
        {"iss": None},
        {"aud": "another-app"},
        {"aud": [CLIENT]},
        {"aud": None},
        {"tid": None},
        {"tid": ["x"]},
        {"oid": None},
        {"oid": ""},
        {"exp": _NOW - 61},
        {"exp": None},
        {"exp": "tomorrow"},
        {"iat": None},
        {"iat": _NOW + 61},
        {"nbf": _NOW + 61},
        {"nbf": True},
    ],
    ids=str,
)
async def test_one_wrong_claim_is_enough_to_be_nobody(claims: dict[str, Any]) -> None:
    with pytest.raises(NotSignedIn):
        await entra().person(signed({**AVERY, **claims}, at=CLOCK()))


async def test_clocks_may_differ_by_a_minute() -> None:
    late = {**AVERY, "exp": _NOW - 59, "nbf": _NOW - _HOUR}

    assert (await entra().person(signed(late, at=CLOCK()))).object_id


@pytest.mark.parametrize(
    "token",
    [
        signed(AVERY, at=CLOCK(), key="key-2", kid="key-1"),
        signed(AVERY, at=CLOCK(), key="key-2"),
        signed(AVERY, at=CLOCK(), algorithm="HS256"),
        signed(AVERY, at=CLOCK(), algorithm="RS512"),
        signed(AVERY, at=CLOCK()).rpartition(".")[0] + ".",
        "not.a.token",
        "",
    ],
    ids=["another key", "unknown key", "shared secret", "another algorithm", "no signature", "junk", "empty"],
)
async def test_a_token_that_entra_did_not_sign_is_nobodys(token: str) -> None:
    with pytest.raises(NotSignedIn):
        await entra().person(token)


async def test_a_sign_in_that_was_begun_elsewhere_does_not_count() -> None:
    ours = signed({**AVERY, "nonce": "n-1"}, at=CLOCK())

    assert (await entra().person(ours, nonce="n-1")).object_id
    with pytest.raises(NotSignedIn):
        await entra().person(ours, nonce="n-2")
    with pytest.raises(NotSignedIn):
        await entra().person(signed(AVERY, at=CLOCK()), nonce="n-2")


async def test_nobody_is_refused_because_entra_is_away() -> None:
    with pytest.raises(TryAgain):
        await entra(status=503).person(signed(AVERY, at=CLOCK()))


async def test_a_notification_of_graph_proves_itself_with_either_kind_of_token() -> None:
    newer = {"iss": f"{AUTHORITY}/{TENANT}/v2.0", "aud": CLIENT, "azp": GRAPH}

    for claims in (NOTIFICATION, newer):
        await entra().check_notification(signed(claims, at=CLOCK()), tenant=TENANT, received_at=CLOCK())


async def test_keys_that_only_the_newer_address_publishes_are_found() -> None:
    token = signed(NOTIFICATION, at=CLOCK(), key="key-3")

    await entra(v1=("key-1",), v2=("key-3",)).check_notification(token, tenant=TENANT, received_at=CLOCK())


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": f"https://sts.windows.net/{OTHER}/"},
        {"aud": "another-app"},
        {"appid": CLIENT},
        {"appid": None},
        {"appid": None, "azp": CLIENT},
        {"azp": CLIENT},
        {"exp": _NOW - 61},
        {"nbf": _NOW + 61},
    ],
    ids=str,
)
async def test_a_notification_with_one_wrong_claim_is_not_from_graph(claims: dict[str, Any]) -> None:
    token = signed({**NOTIFICATION, **claims}, at=CLOCK())

    with pytest.raises(TurnedDown) as refused:
        await entra().check_notification(token, tenant=TENANT, received_at=CLOCK())

    assert refused.value.code == "bad-token"


async def test_a_notification_that_waited_on_a_queue_is_judged_by_when_it_was_received() -> None:
    received = CLOCK() - timedelta(hours=5)
    token = signed(NOTIFICATION, at=received)

    await entra().check_notification(token, tenant=TENANT, received_at=received)


async def test_a_notification_signed_by_someone_else_is_not_from_graph() -> None:
    with pytest.raises(TurnedDown):
        await entra().check_notification(
            signed(NOTIFICATION, at=CLOCK(), key="key-2", kid="key-1"), tenant=TENANT, received_at=CLOCK()
        )
