"""Reads the stamp's data keys from the sandbox's Key Vault, as the auditor of a real stamp would with its rights."""

import base64
import re
import ssl
from typing import Any

import httpx


async def data_keys(facts: dict[str, Any]) -> dict[str, bytes]:
    """All versions of the data key, by version."""
    trust = ssl.create_default_context(cafile=facts["ca_bundle"])
    async with httpx.AsyncClient(base_url=facts["tls"], verify=trust, trust_env=False, timeout=10) as vault:
        # The vault's challenge names what a token has to be for, as clients of the real one read it.
        asked = await vault.get("/secrets/data-key", params={"api-version": "7.5"})
        resource = re.search(r'resource="([^"]+)"', asked.headers["www-authenticate"])
        answer = await vault.post(
            f"/{facts['tenant']}/oauth2/v2.0/token",
            data={
                "grant_type": "client_credentials",
                "client_id": facts["entra_client_id"],
                "client_secret": facts["entra_client_secret"],
                "scope": f"{resource[1] if resource else ''}/.default",
            },
        )
        answer.raise_for_status()
        vault.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        listed = await vault.get("/secrets/data-key/versions", params={"api-version": "7.5"})
        listed.raise_for_status()
        keys = {}
        for one in listed.json()["value"]:
            version = one["id"].rsplit("/", 1)[1]
            secret = await vault.get(f"/secrets/data-key/{version}", params={"api-version": "7.5"})
            secret.raise_for_status()
            keys[version] = base64.b64decode(secret.json()["value"])
        return keys
