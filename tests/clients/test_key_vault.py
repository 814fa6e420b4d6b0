"""Keys are made once, found again by everybody, kept for minutes, and never in two versions that disagree."""

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web
from cryptography import x509

from shared.clients.key_material import new_rsa_pem, random_key, thumbprint
from shared.clients.key_vault import KeyVault
from shared.domain.environment import EnvironmentId, EpicClient
from shared.domain.errors import NotFound, TryAgain, TurnedDown
from shared.domain.key_rotation import KeyState
from shared.domain.readiness import SecretAge
from tests.clients.tls_server import FakeCredential, Served, serving
from tests.fakes.clock import FixedClock

ENVIRONMENT = EnvironmentId("env-1")


@dataclass
class Version:
    value: str
    created: int
    enabled: bool = True


@dataclass
class Vault:
    """Answers as Key Vault does, and can be told to be away or to let somebody else write in between."""

    clock: FixedClock
    secrets: dict[str, dict[str, Version]] = field(default_factory=dict)
    down: bool = False
    asked: list[str] = field(default_factory=list)
    before_write: Callable[[str], None] | None = None
    port: int = 0

    def put(self, name: str, version: str, value: str, **more: Any) -> None:
        made = Version(value, int(self.clock().timestamp()), **more)
        self.secrets.setdefault(name, {})[version] = made

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        if "Authorization" not in request.headers:
            # The challenge that azure-keyvault-secrets accepts for an address instead of a name.
            challenge = (
                f'Bearer authorization="https://login.example/t", resource="https://0.0.1:{self.port}"'
            )
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        self.asked.append(f"{request.method} {request.path}")
        if self.down:
            return web.Response(status=503, headers={"Retry-After": "0"})
        _, _, name, *rest = request.path.rstrip("/").split("/")
        if request.method == "PUT":
            if self.before_write:
                self.before_write(name)
            version = f"{len(self.secrets.get(name, {})):032x}"
            self.put(name, version, json.loads(await request.text())["value"])
            return self._secret(name, version)
        if rest == ["versions"]:
            items = [self._bundle(name, version) for version in self.secrets.get(name, {})]
            for item in items:
                del item["value"]
            return web.json_response({"value": items, "nextLink": None})
        return self._secret(name, rest[0] if rest else "")

    def _secret(self, name: str, version: str) -> web.Response:
        versions = self.secrets.get(name, {})
        version = version or (list(versions) or [""])[-1]
        if version not in versions:
            return _error(404, "SecretNotFound")
        if not versions[version].enabled:
            return _error(403, "Forbidden", inner="SecretDisabled")
        return web.json_response(self._bundle(name, version))

    def _bundle(self, name: str, version: str) -> dict[str, Any]:
        found = self.secrets[name][version]
        return {
            "value": found.value,
            "id": f"https://127.0.0.1:{self.port}/secrets/{name}/{version}",
            "attributes": {"enabled": found.enabled, "created": found.created, "updated": found.created},
        }


def _error(status: int, code: str, *, inner: str = "") -> web.Response:
    error = {"code": code, "message": code, **({"innererror": {"code": inner}} if inner else {})}
    return web.json_response({"error": error}, status=status)


Open = Callable[..., KeyVault]


@asynccontextmanager
async def opened(tmp_path: Path) -> AsyncIterator[tuple[Vault, Open]]:
    vault = Vault(FixedClock())
    clients: list[KeyVault] = []

    async def settled(_seconds: float) -> None:
        """Nobody waits in a test."""

    async with serving(vault, tmp_path) as served:
        vault.port = served.port

        def open(settle: Callable[[float], Awaitable[None]] = settled) -> KeyVault:
            clients.append(_client(served, vault, settle))
            return clients[-1]

        try:
            yield vault, open
        finally:
            for client in clients:
                await client.close()


def _client(served: Served, vault: Vault, settle: Callable[[float], Awaitable[None]]) -> KeyVault:
    return KeyVault(
        url=served.url,
        credential=FakeCredential(),
        now=vault.clock,
        settle=settle,
        transport=served.transport(),
    )


async def test_a_missing_key_is_made_and_found_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, open):
        made = await open().link_key()

        assert len(made) == 32
        assert await open().link_key() == made


async def test_each_key_has_a_secret_of_its_own(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vault, open):
        keys = open()
        made = {
            await keys.link_key(),
            await keys.opt_out_key(),
            await keys.cookie_key(),
            (await keys.current())[1],
        }

        assert len(made) == 4
        assert set(vault.secrets) == {"link-key", "opt-out-key", "cookie-key", "data-key"}


@pytest.mark.parametrize("seconds_apart", [0, 1])
async def test_instances_that_start_at_once_use_one_key(tmp_path: Path, seconds_apart: int) -> None:
    async with opened(tmp_path) as (vault, open):
        both_looked, both_wrote = asyncio.Barrier(2), asyncio.Barrier(2)

        async def settled(_seconds: float) -> None:
            await both_wrote.wait()

        class Late(KeyVault):
            async def set(self, name: str, value: str) -> str:
                await both_looked.wait()
                vault.clock.advance(timedelta(seconds=seconds_apart))
                return await super().set(name, value)

        one, other = open(settled), open(settled)
        one.__class__ = other.__class__ = Late
        keys = await asyncio.gather(one.link_key(), other.link_key())

        assert len(vault.secrets["link-key"]) == 2
        assert keys[0] == keys[1] == await open().link_key()


async def test_many_requests_at_a_cold_start_make_one_key(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vault, open):
        keys = open()

        made = await asyncio.gather(*(keys.cookie_key() for _ in range(8)))

        assert len(set(made)) == 1
        assert len(vault.secrets["cookie-key"]) == 1


async def test_the_data_key_is_the_newest_and_older_ones_still_open(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vault, open):
        keys = open()
        old, old_key = await keys.current()
        vault.clock.advance(timedelta(minutes=6))
        vault.put("data-key", "ffff", random_key())

        new, new_key = await keys.current()

        assert (new, new_key) != (old, old_key)
        assert await keys.version(old) == old_key


async def test_a_data_key_that_was_switched_off_opens_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vault, open):
        keys = open()
        version, _ = await keys.current()
        vault.put("data-key", "ffff", random_key())
        vault.secrets["data-key"][version].enabled = False
        vault.clock.advance(timedelta(minutes=5))

        for gone in (version, "never-there", "../link-key"):
            with pytest.raises(NotFound):
                await keys.version(gone)


async def test_keys_that_were_all_switched_off_are_not_replaced_in_silence(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vault, open):
        vault.put("link-key", "1", random_key(), enabled=False)

        with pytest.raises(TurnedDown) as refused:
            await open().link_key()

        assert refused.value.code == "disabled"
        assert len(vault.secrets["link-key"]) == 1


async def test_a_key_that_is_not_32_bytes_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vault, open):
        for value in ("c2hvcnQ=", "not base64!"):
            vault.put("link-key", "1", value)
            with pytest.raises(TurnedDown) as refused:
                await open().link_key()

            assert refused.value.code == "unusable-key"
            assert value not in str(refused.value)


async def test_what_was_read_is_kept_for_five_minutes(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vault, open):
        vault.put("communication-key", "1", "first")
        keys = open()
        assert await keys.get("communication-key") == "first"
        vault.put("communication-key", "2", "second")
        vault.clock.advance(timedelta(minutes=4))
        assert await keys.get("communication-key") == "first"
        vault.clock.advance(timedelta(minutes=1))

        assert await keys.get("communication-key") == "second"


async def test_visits_go_on_while_the_vault_is_away(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with opened(tmp_path) as (vault, open):
        keys = open()
        key = await keys.link_key()
        vault.down = True
        vault.clock.advance(timedelta(hours=1))

        assert await keys.link_key() == key
        assert "away" in caplog.text
        with pytest.raises(TryAgain):
            await open().link_key()


async def test_a_vault_that_cannot_be_reached_is_worth_another_try(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, open):
        keys = open()
    with pytest.raises(TryAgain):
        await keys.get("link-key")
    await keys.close()


async def test_a_missing_secret_that_only_a_person_can_supply_is_not_found(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, open):
        with pytest.raises(NotFound):
            await open().get("entra-client-secret")


async def test_secrets_and_values_are_never_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with opened(tmp_path) as (vault, open):
        vault.put("communication-key", "1", "sesame")

        await open().get("communication-key")
        key = await open().smart_key(ENVIRONMENT, EpicClient.BACKEND)

    assert "sesame" not in caplog.text
    assert "PRIVATE" not in caplog.text + repr(key)


async def test_the_certificate_for_call_events_is_one_that_graph_takes(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vault, open):
        key = await open().call_events_key()

        assert key.id in vault.secrets["call-events-key"]
        certificate = x509.load_der_x509_certificate(base64.b64decode(key.certificate))
        assert certificate.public_key() == key.private_key.public_key()
        assert key.private_key.key_size == 2048
        assert certificate.not_valid_after_utc > vault.clock() + timedelta(days=700)
        assert (await open().call_events_key()).id == key.id


async def test_the_certificate_is_followed_by_another_and_the_old_one_still_opens(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vault, open):
        keys = open()
        old = await keys.call_events_key()
        vault.clock.set(datetime(2028, 2, 1, tzinfo=UTC))

        new = await keys.call_events_key()

        assert new.id != old.id
        assert (await keys.call_events_key()).id == new.id
        assert (await keys.call_events_key_named(old.id)).certificate == old.certificate


@pytest.mark.parametrize("id", ["unknown", "", "../data-key"])
async def test_a_certificate_that_nobody_made_is_not_found(tmp_path: Path, id: str) -> None:
    async with opened(tmp_path) as (_, open):
        with pytest.raises(NotFound):
            await open().call_events_key_named(id)


async def test_epic_can_check_what_a_client_signed_with_its_published_keys(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, open):
        published = await open().public_keys(ENVIRONMENT, EpicClient.PROVIDER)
        key = await open().smart_key(ENVIRONMENT, EpicClient.PROVIDER)
        token = jwt.encode({"sub": "x"}, key.private_key, algorithm="RS384", headers={"kid": key.id})

        assert [one["kid"] for one in published["keys"]] == [key.id]
        assert jwt.decode(token, jwt.PyJWK(published["keys"][0]), algorithms=["RS384"]) == {"sub": "x"}
        assert not {"d", "p", "q"} & set(published["keys"][0])


async def test_each_client_of_each_environment_has_its_own_key(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, open):
        keys = open()
        ids = {
            (await keys.smart_key(EnvironmentId(environment), client)).id
            for environment in ("env-1", "env-2")
            for client in (EpicClient.PROVIDER, EpicClient.PATIENT)
        }

        assert len(ids) == 4


async def test_a_new_client_key_is_published_a_day_before_it_signs(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vault, open):
        keys = open()
        old = await keys.smart_key(ENVIRONMENT, EpicClient.BACKEND)
        vault.clock.advance(timedelta(days=100))
        await keys.set("smart-env-1-backend", new_rsa_pem())

        assert len((await keys.public_keys(ENVIRONMENT, EpicClient.BACKEND))["keys"]) == 2
        assert (await keys.smart_key(ENVIRONMENT, EpicClient.BACKEND)).id == old.id
        vault.clock.advance(timedelta(days=1))

        assert (await keys.smart_key(ENVIRONMENT, EpicClient.BACKEND)).id != old.id


async def test_a_followed_client_key_is_published_for_a_week(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vault, open):
        keys = open()
        old = await keys.smart_key(ENVIRONMENT, EpicClient.BACKEND)
        vault.clock.advance(timedelta(days=100))
        assert await keys.renew_smart_key(ENVIRONMENT, EpicClient.BACKEND)
        assert [one.state for one in await keys.key_states(ENVIRONMENT, EpicClient.BACKEND)] == [
            KeyState.SIGNING,
            KeyState.WAITING,
        ]

        vault.clock.advance(timedelta(days=7) - timedelta(seconds=1))
        assert old.id in await published_ids(keys)
        vault.clock.advance(timedelta(seconds=1))

        assert await published_ids(keys) == [(await keys.smart_key(ENVIRONMENT, EpicClient.BACKEND)).id]


async def test_a_client_key_is_not_renewed_twice_in_a_day_whoever_asks(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vault, open):
        one, other = open(), open()
        await one.smart_key(ENVIRONMENT, EpicClient.BACKEND)
        assert len(await published_ids(other)) == 1  # the other instance remembers that there is one
        vault.clock.advance(timedelta(days=100))

        assert await one.renew_smart_key(ENVIRONMENT, EpicClient.BACKEND)
        assert not await other.renew_smart_key(ENVIRONMENT, EpicClient.BACKEND)
        assert not await one.renew_smart_key(ENVIRONMENT, EpicClient.BACKEND)

        assert len(await published_ids(other)) == 2


async def test_two_instances_that_renew_at_the_same_moment_sign_alike_a_day_later(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vault, open):
        one, other = open(), open()
        await one.smart_key(ENVIRONMENT, EpicClient.BACKEND)
        vault.clock.advance(timedelta(days=100))

        def also_there(name: str) -> None:
            # The other instance writes between this one's look and its own write.
            vault.before_write = None
            vault.put(name, "other", new_rsa_pem())

        vault.before_write = also_there
        assert await one.renew_smart_key(ENVIRONMENT, EpicClient.BACKEND)
        vault.clock.advance(timedelta(minutes=6))
        assert len(await published_ids(one)) == len(await published_ids(other)) == 3

        vault.clock.advance(timedelta(days=1))
        used = {(await keys.smart_key(ENVIRONMENT, EpicClient.BACKEND)).id for keys in (one, other)}
        assert len(used) == 1
        vault.clock.advance(timedelta(days=7))
        assert set(await published_ids(other)) == used


async def test_a_vault_that_is_away_while_a_key_is_made_leaves_the_old_key_signing(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vault, open):
        keys = open()
        old = await keys.smart_key(ENVIRONMENT, EpicClient.BACKEND)
        vault.clock.advance(timedelta(days=100))
        await keys.smart_key(ENVIRONMENT, EpicClient.BACKEND)

        vault.down = True
        with pytest.raises(TryAgain):
            await keys.renew_smart_key(ENVIRONMENT, EpicClient.BACKEND)
        vault.down = False

        assert (await keys.smart_key(ENVIRONMENT, EpicClient.BACKEND)).id == old.id
        assert await keys.renew_smart_key(ENVIRONMENT, EpicClient.BACKEND)


async def published_ids(keys: KeyVault) -> list[str]:
    return [one["kid"] for one in (await keys.public_keys(ENVIRONMENT, EpicClient.BACKEND))["keys"]]


def test_a_key_is_named_by_the_thumbprint_of_the_standard() -> None:
    # The example of RFC 7638, 3.1.
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3ok"
        "njhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu"
        "6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8a"
        "wapJzKnqDKgw"
    )

    named = thumbprint({"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"})

    assert named == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


async def test_the_age_of_a_secret_is_that_of_its_newest_enabled_version_and_asked_anew(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as (vault, open):
        keys, made_at = open(), vault.clock().replace(microsecond=0)
        vault.put("data-key", "v1", "old")
        vault.clock.advance(timedelta(days=3))
        vault.put("data-key", "v2", "new", enabled=False)
        first = await keys.ages(["data-key", "link-key"])
        vault.put("link-key", "v1", "x")
        later = await keys.ages(["link-key"])

        assert first == [SecretAge("data-key", made_at), SecretAge("link-key", None)]
        assert later[0].made_at is not None


async def test_the_age_of_secrets_is_not_remembered_while_the_vault_is_away(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vault, open):
        keys = open()
        await keys.link_key()
        vault.down = True

        with pytest.raises(TryAgain):
            await keys.ages(["link-key"])
