"""An Epic server and an environment that is connected to it, as far as requests and answers go."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import httpx

from shared.clients.key_material import SmartKey
from shared.domain.environment import (
    Connection,
    EnvironmentId,
    EnvironmentKind,
    EpicClient,
    Feed,
    LiveEnvironment,
    Operation,
    WriteBackTarget,
)
from shared.domain.tenant import TenantId
from tests.clients.signing import rsa_key

BASE = "https://ehr.example/api/FHIR/R4"
OAUTH = "https://ehr.example/oauth2"
CLIENTS = {one: f"client-{one}" for one in EpicClient}

Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


@dataclass
class EpicDouble:
    """Answers by path; anything else is not found."""

    answers: dict[str, Answer | list[Answer]] = field(default_factory=dict)
    requests: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.get(request.url.path, httpx.Response(404))
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer(request)

    def http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self))

    def form(self, number: int = -1) -> dict[str, str]:
        return dict(parse_qsl(self.requests[number].content.decode()))

    @property
    def paths(self) -> list[str]:
        return [one.url.path for one in self.requests]


async def smart_keys(environment: EnvironmentId, client: EpicClient) -> SmartKey:
    return SmartKey(f"key-{client}", rsa_key(f"smart {client}"))


def environment(write_back: WriteBackTarget | None = None, **connection: Any) -> LiveEnvironment:
    """An approved environment at the double."""
    return LiveEnvironment(
        id=EnvironmentId("env-1"),
        tenant=TenantId("11111111-aaaa-4aaa-8aaa-000000000001"),
        kind=EnvironmentKind.TEST,
        connection=Connection(
            **{
                "fhir_base_url": BASE,
                "clients": CLIENTS,
                "approvers": ("x",),
                "write_back": write_back,
                "authorize_url": f"{OAUTH}/authorize",
                "token_url": f"{OAUTH}/token",
                "issuer": OAUTH,
                "keys_url": f"{OAUTH}/jwks",
                **connection,
            }
        ),
        operation=Operation("Lamna Healthcare", "+12065550100", Feed("America/Chicago")),
        operation_version=1,
    )
