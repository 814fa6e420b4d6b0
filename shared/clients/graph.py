"""The road to Microsoft Graph: addresses and sign-in from Microsoft's SDK, answers read by ourselves.

The SDK turns an answer into objects by loading some 1270 modules, two seconds on a small machine. A launch
cannot wait for that, so its builders give the address, its adapter signs in and sends, and the JSON is ours.
"""

import asyncio
import json
import logging
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
from azure.core.credentials_async import AsyncTokenCredential

from shared.clients.web_call import LARGEST_ANSWER, failure
from shared.domain.errors import TryAgain, TurnedDown

if TYPE_CHECKING:
    from kiota_abstractions.base_request_builder import BaseRequestBuilder
    from msgraph.graph_service_client import GraphServiceClient

logger = logging.getLogger(__name__)

_SECONDS = 15.0
GRAPH_SCOPE = "https://graph.microsoft.com/.default"

# What an error answer says in words, and the code the app gives it. An access policy that is missing can be
# told from other refusals only by its text (Microsoft Graph, "application access policy").
_REFUSALS = ((403, "application access policy", "no-access-policy"),)
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")

Build = Callable[["GraphServiceClient"], "BaseRequestBuilder"]


class GraphRefused(TurnedDown):
    """Graph will not do it. `status` tells apart refusals that share a code."""

    def __init__(self, message: str, *, code: str, status: int) -> None:
        super().__init__(message, code=code)
        self.status = status


class Graph:
    """One connection pool for all tenants; each call names the credential of one tenant."""

    def __init__(
        self,
        *,
        base_url: str,
        now: Callable[[], datetime],
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._now = now
        self._transport = transport
        self._http: httpx.AsyncClient | None = None
        self._clients: dict[tuple[int, str], tuple[AsyncTokenCredential, GraphServiceClient]] = {}

    async def close(self) -> None:
        self._clients.clear()
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    async def call(
        self,
        build: Build,
        method: str,
        *,
        credential: AsyncTokenCredential,
        version: str = "v1.0",
        body: dict[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Send one request and return the JSON of its answer. Raise TryAgain, or TurnedDown as GraphRefused.

        `query` holds OData options such as `$select`, of those that the builder knows.
        There is no retry in here: whoever called decides how long a person or a queue can wait.
        """
        response = await self._send(build, method, credential, version, body, query or {})
        if not response.is_success:
            code = _code(response)
            logger.info("graph answered %s (%s) to %s", response.status_code, code or "no code", method)
            problem = failure("Graph", response.status_code, response.headers, now=self._now(), code=code)
            if isinstance(problem, TurnedDown):
                raise GraphRefused(str(problem), code=problem.code, status=response.status_code)
            raise problem
        if not response.content:
            return {}
        try:
            content = response.json()
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise TurnedDown("Graph did not answer with a JSON object", code="not-readable")
        return content

    async def _send(
        self,
        build: Build,
        method: str,
        credential: AsyncTokenCredential,
        version: str,
        body: dict[str, Any] | None,
        query: Mapping[str, str],
    ) -> httpx.Response:
        # Imported at first use: msgraph and what it needs take half a second of a cold start.
        from kiota_abstractions.method import Method  # noqa: PLC0415
        from kiota_abstractions.native_response_handler import NativeResponseHandler  # noqa: PLC0415
        from kiota_abstractions.request_information import RequestInformation  # noqa: PLC0415
        from kiota_http.middleware.options import ResponseHandlerOption  # noqa: PLC0415

        with _own_deprecations_unheard():
            client = self._client(credential, version)
            builder = build(client)
        request = RequestInformation(Method[method], builder.url_template, dict(builder.path_parameters))
        # The SDK's address templates hold the options with their dollar sign encoded.
        request.query_parameters = {name.replace("$", "%24"): value for name, value in query.items()}
        request.headers.try_add("Accept", "application/json")
        if body is not None:
            request.set_stream_content(json.dumps(body).encode(), "application/json")
        request.add_request_options([ResponseHandlerOption(NativeResponseHandler())])
        try:
            async with asyncio.timeout(_SECONDS):
                response: Any = await client.request_adapter.send_primitive_async(request, "bytes", {})
        except TimeoutError:
            raise TryAgain("Graph did not answer in time") from None
        except httpx.TransportError as away:
            raise TryAgain(f"Graph could not be reached: {type(away).__name__}") from None
        if not isinstance(response, httpx.Response) or len(response.content) > LARGEST_ANSWER:
            raise TurnedDown("Graph sent more than is ever needed", code="too-large")
        return response

    def _client(self, credential: AsyncTokenCredential, version: str) -> "GraphServiceClient":
        known = self._clients.get((id(credential), version))
        if known is not None and known[0] is credential:
            return known[1]
        # Imported at first use: msgraph and what it needs take half a second of a cold start.
        from kiota_authentication_azure.azure_identity_authentication_provider import (  # noqa: PLC0415
            AzureIdentityAuthenticationProvider,
        )
        from msgraph.graph_request_adapter import GraphRequestAdapter  # noqa: PLC0415
        from msgraph.graph_service_client import GraphServiceClient  # noqa: PLC0415

        host = urlsplit(self._base_url).hostname or ""
        sign_in = AzureIdentityAuthenticationProvider(
            # Without `allowed_hosts` the token would go wherever a request is pointed.
            credential,
            scopes=[GRAPH_SCOPE],
            allowed_hosts=[host],
        )
        adapter = GraphRequestAdapter(sign_in, client=self._pool())
        adapter.base_url = f"{self._base_url}/{version}"
        client = GraphServiceClient(request_adapter=adapter)
        self._clients[id(credential), version] = (credential, client)
        return client

    def _pool(self) -> httpx.AsyncClient:
        if self._http is not None:
            return self._http
        # Imported at first use: msgraph and what it needs take half a second of a cold start.
        from kiota_abstractions.request_option import RequestOption  # noqa: PLC0415
        from kiota_http.kiota_client_factory import KiotaClientFactory  # noqa: PLC0415
        from kiota_http.middleware.options import RedirectHandlerOption, RetryHandlerOption  # noqa: PLC0415

        http = httpx.AsyncClient(
            transport=self._transport, timeout=httpx.Timeout(_SECONDS, connect=5.0), follow_redirects=False
        )
        settled: dict[str, RequestOption] = {
            # The SDK would sleep as long as Graph asks, up to three minutes, and cannot read `2.128`.
            RetryHandlerOption.get_key(): RetryHandlerOption(delay=0, max_retries=0, should_retry=False),
            RedirectHandlerOption.get_key(): RedirectHandlerOption(should_redirect=False),
        }
        self._http = KiotaClientFactory.create_with_default_middleware(client=http, options=settled)
        return self._http


@contextmanager
def _own_deprecations_unheard() -> Iterator[None]:
    """The SDK's generated modules use classes that the SDK calls deprecated, and warn when they are loaded."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*deprecated.*")
        yield


def _code(response: httpx.Response) -> str:
    """Graph's own word for the reason, or ours; never a sentence of Graph's, which may name people."""
    try:
        error = response.json().get("error", {})
        said, code = str(error.get("message", "")).casefold(), str(error.get("code", ""))
    except (ValueError, AttributeError):
        return ""
    for status, words, ours in _REFUSALS:
        if response.status_code == status and words in said:
            return ours
    return code if _CODE.fullmatch(code) else ""
