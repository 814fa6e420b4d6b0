"""How the app proves itself to Microsoft: as itself in its own subscription, and as an app in each hospital's tenant.

azure.identity costs half a second of a cold start, so both credentials are built when a token is first needed.
"""

import re
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

from azure.core.credentials import AccessToken
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError, ServiceResponseError

from shared.domain.errors import OutsideError, TryAgain, TurnedDown
from shared.domain.tenant import TenantId

# Entra swaps a token for this audience for one of the app registration (workload identity federation).
_EXCHANGE = "api://AzureADTokenExchange/.default"
# Entra's own error numbers, which administrators look up: AADSTS700016 means no consent in that tenant.
_ENTRA_CODE = re.compile(r"AADSTS\d{4,8}")


class OwnCredential(AsyncTokenCredential):
    """The app's own identity: managed identity in Azure, environment variables on a laptop.

    For Key Vault, storage and Communication Services. Raises TryAgain or TurnedDown instead of Azure's errors.
    """

    def __init__(self, build: Callable[[], AsyncTokenCredential] | None = None) -> None:
        self._build = build or _from_surroundings
        self._inner: AsyncTokenCredential | None = None

    async def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,
        **kwargs: Any,
    ) -> AccessToken:
        if self._inner is None:
            self._inner = self._build()
        try:
            return await self._inner.get_token(
                *scopes, claims=claims, tenant_id=tenant_id, enable_cae=enable_cae, **kwargs
            )
        except AzureError as problem:
            raise _failure(problem) from None

    async def close(self) -> None:
        if self._inner is not None:
            await self._inner.close()
            self._inner = None

    async def __aenter__(self) -> "OwnCredential":
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.close()


def _from_surroundings() -> AsyncTokenCredential:
    from azure.identity.aio import (  # noqa: PLC0415 - imported at first use: 0.5 s of cold start
        DefaultAzureCredential,
    )

    return DefaultAzureCredential()


class TenantCredential(AsyncTokenCredential):
    """The app registration, acting in one tenant without a user: what Graph is called with.

    Proven by a secret (`secret` reads it from Key Vault, so that a new one is used without a restart), or,
    without any secret, by a token of the app's own `identity` (federated credential).
    """

    def __init__(
        self,
        *,
        tenant: TenantId,
        client_id: str,
        authority: str,
        secret: Callable[[], Awaitable[str]] | None = None,
        identity: AsyncTokenCredential | None = None,
        transport: Callable[[], Any] | None = None,
    ) -> None:
        if (secret is None) == (identity is None):
            raise ValueError("give either a secret or an identity")
        self._tenant = tenant
        self._client_id = client_id
        self._authority = authority
        self._transport = transport
        self._secret = secret
        self._identity = identity
        self._proof = ""
        self._inner: AsyncTokenCredential | None = None

    async def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,
        **kwargs: Any,
    ) -> AccessToken:
        """The tenant is fixed: `tenant_id`, which a challenge may ask for, is not followed."""
        inner = await self._credential()
        try:
            return await inner.get_token(*scopes, claims=claims, enable_cae=enable_cae, **kwargs)
        except AzureError as problem:
            raise _failure(problem) from None

    async def _credential(self) -> AsyncTokenCredential:
        if self._identity is not None:
            # Fetched here because the library asks for the proof in a plain function, which cannot await.
            self._proof = (await self._identity.get_token(_EXCHANGE)).token
            if self._inner is None:
                self._inner = self._federated()
            return self._inner
        secret = await self._secret() if self._secret is not None else ""
        if self._inner is None or secret != self._proof:
            await self._close_inner()
            self._inner, self._proof = self._with_secret(secret), secret
        return self._inner

    def _federated(self) -> AsyncTokenCredential:
        from azure.identity.aio import (  # noqa: PLC0415 - imported at first use: 0.5 s of cold start
            ClientAssertionCredential,
        )

        return ClientAssertionCredential(
            self._tenant, self._client_id, lambda: self._proof, **self._options()
        )

    def _with_secret(self, secret: str) -> AsyncTokenCredential:
        from azure.identity.aio import (  # noqa: PLC0415 - imported at first use: 0.5 s of cold start
            ClientSecretCredential,
        )

        return ClientSecretCredential(self._tenant, self._client_id, secret, **self._options())

    def _options(self) -> dict[str, Any]:
        return {"authority": self._authority, **({"transport": self._transport()} if self._transport else {})}

    async def close(self) -> None:
        await self._close_inner()

    async def _close_inner(self) -> None:
        inner, self._inner = self._inner, None
        if inner is not None:
            await inner.close()

    async def __aenter__(self) -> "TenantCredential":
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.close()


def _failure(problem: AzureError) -> OutsideError:
    """Entra answers with words; only its error number goes on."""
    if isinstance(problem, (ServiceRequestError, ServiceResponseError)):
        return TryAgain("Entra could not be reached")
    status = problem.status_code if isinstance(problem, HttpResponseError) else None
    if status is not None and (status == 429 or status >= 500):
        return TryAgain(f"Entra answered {status}")
    found = _ENTRA_CODE.search(str(problem))
    return TurnedDown("Entra gave no token to the app", code=found[0] if found else "no-credential")
