"""Sandbox Key Vault answers errors in the words that clients act on, and keeps secrets when it is told to."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from sandbox.contract_check import read_contract
from sandbox.entra_tokens import GRAPH
from sandbox.world import TENANT
from tests.sandbox.m365_stage import Stage, T, stage

CONTRACT = read_contract("key_vault")


@pytest_asyncio.fixture
async def m365(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as one:
        yield one


async def ask(
    m365: Stage, method: str, path: str, body: object = None, *, query: str = "api-version=2026-04-01"
) -> httpx.Response:
    tokens = m365.sandbox.tokens
    token = tokens.for_app(tenant=TENANT, resource=tokens.vault_resource, roles=())
    headers = {"Authorization": f"Bearer {token}"}
    return await m365.behind_tls.request(method, f"{path}?{query}", json=body, headers=headers)


async def test_whoever_has_no_token_is_told_where_to_get_one(m365: Stage) -> None:
    answer = await m365.behind_tls.get("/secrets/x?api-version=2026-04-01")
    headers = {
        "Authorization": f"Bearer {m365.sandbox.tokens.for_app(tenant=TENANT, resource=GRAPH, roles=())}"
    }
    other = await m365.behind_tls.get("/secrets/x?api-version=2026-04-01", headers=headers)

    assert (answer.status_code, other.status_code) == (401, 401)
    assert answer.headers["WWW-Authenticate"] == (
        f'Bearer authorization="{T}/{TENANT}", resource="https://0.0.1:7443"'
    )


async def test_answers_fit_the_contract(m365: Stage) -> None:
    made = (await ask(m365, "PUT", "/secrets/a", {"value": "1", "contentType": "text/plain"})).json()
    read = (await ask(m365, "GET", "/secrets/a/")).json()
    listed = (await ask(m365, "GET", "/secrets")).json()
    deleted = (await ask(m365, "DELETE", "/secrets/a")).json()

    assert made == read
    assert CONTRACT.problems("secret", read) == []
    assert CONTRACT.problems("list", listed) == []
    assert CONTRACT.problems("deletedSecretItem", deleted) == []
    assert [one["id"].rpartition("/")[2] for one in listed["value"]] == [
        "a",
        "communication-key",
        "entra-client-secret",
    ]


@pytest.mark.parametrize(
    ("method", "path", "body", "query", "status", "code"),
    [
        ("GET", "/secrets/none", None, "api-version=2026-04-01", 404, "SecretNotFound"),
        ("GET", "/secrets/a", None, "", 400, "BadParameter"),
        ("GET", "/secrets/a_b", None, "api-version=2026-04-01", 400, "BadParameter"),
        ("PUT", "/secrets/a", {"value": 1}, "api-version=2026-04-01", 400, "BadParameter"),
        ("PUT", "/secrets/a", {"value": "1", "x": 1}, "api-version=2026-04-01", 400, "BadParameter"),
        ("GET", "/deletedsecrets/a", None, "api-version=2026-04-01", 404, "SecretNotFound"),
    ],
    ids=["not there", "no version of the API", "name", "not text", "unknown", "not deleted"],
)
async def test_a_refusal_has_the_code_that_clients_act_on(
    m365: Stage, method: str, path: str, body: object, query: str, status: int, code: str
) -> None:
    await ask(m365, "PUT", "/secrets/a", {"value": "1"})

    answer = await ask(m365, method, path, body, query=query)

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_a_disabled_version_and_a_deleted_name_are_forbidden(m365: Stage) -> None:
    await ask(m365, "PUT", "/secrets/a", {"value": "1", "attributes": {"enabled": False}})
    disabled = (await ask(m365, "GET", "/secrets/a")).json()["error"]
    await ask(m365, "DELETE", "/secrets/a")
    deleted = (await ask(m365, "PUT", "/secrets/a", {"value": "2"})).json()["error"]

    assert (disabled["code"], disabled["innererror"]["code"]) == ("Forbidden", "SecretDisabled")
    assert (deleted["code"], deleted["innererror"]["code"]) == ("Conflict", "ObjectIsDeletedButRecoverable")


async def test_secrets_are_kept_for_the_next_run_when_asked(tmp_path: Path) -> None:
    async with stage(tmp_path, keep=True) as first:
        await ask(first, "PUT", "/secrets/data-key", {"value": "1"})
    async with stage(tmp_path, keep=True) as second:
        kept = (await ask(second, "GET", "/secrets/data-key")).json()
        versions = (await ask(second, "GET", "/secrets/entra-client-secret/versions")).json()
    async with stage(tmp_path) as third:
        forgotten = await ask(third, "GET", "/secrets/data-key")

    assert kept["value"] == "1"
    assert len(versions["value"]) == 1
    assert forgotten.status_code == 404
