"""Microsoft Graph, as far as a request and its answer go."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from shared.clients.graph import Graph
from tests.fakes.clock import FixedClock

Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


@dataclass
class GraphDouble:
    """Gives its answers in turn, the last one for ever, and remembers what it was asked."""

    answers: list[Answer]
    clock: FixedClock = field(default_factory=FixedClock)
    requests: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer(request)

    @property
    def asked(self) -> list[tuple[str, str]]:
        return [(one.method, one.url.raw_path.decode()) for one in self.requests]

    def body(self, number: int = -1) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.requests[number].content)
        return content

    @asynccontextmanager
    async def graph(self, base_url: str = "https://graph.microsoft.com") -> AsyncIterator[Graph]:
        graph = Graph(base_url=base_url, now=self.clock, transport=httpx.MockTransport(self))
        try:
            yield graph
        finally:
            await graph.close()


def refusal(status: int, code: str = "Forbidden", message: str = "", **headers: str) -> httpx.Response:
    """An error as Graph words it."""
    error = {"code": code, "message": message, "innerError": {"request-id": "r-1"}}
    return httpx.Response(
        status,
        json={"error": error},
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )
