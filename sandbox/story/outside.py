"""The story's hands: the product's own addresses, and the sandbox's, over HTTP and nothing else."""

import re
from dataclasses import dataclass
from typing import Any

import httpx

from sandbox.story.observing import NotObserved


@dataclass(slots=True)
class Outside:
    """Two addresses and a client. `facts` is what the sandbox wrote to sandbox.json."""

    app: str
    sandbox: str
    facts: dict[str, Any]
    http: httpx.AsyncClient

    async def sandbox_get(self, path: str, **params: str) -> Any:
        answer = await self.http.get(self.sandbox + path, params=params)
        return _json(answer)

    async def sandbox_post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        return _json(await self.http.post(self.sandbox + path, json=body or {}))

    async def token(self, person: str) -> str:
        return str((await self.sandbox_get("/api/admin-token", user=person))["access_token"])

    async def portal(self, method: str, path: str, body: object = None, *, person: str = "avery") -> Any:
        """Call the portal's API as a person of the sandbox's tenant."""
        headers = {"Authorization": f"Bearer {await self.token(person)}"}
        answer = await self.http.request(
            method, f"{self.app}/api/v1{path}", json=body if body is not None else None, headers=headers
        )
        return _json(answer)


def _json(answer: httpx.Response) -> Any:
    if answer.is_error:
        raise NotObserved(
            f"{answer.request.method} {answer.request.url.path} answered {answer.status_code}: {answer.text[:300]}"
        )
    return answer.json()


@dataclass(slots=True)
class Browser:
    """As much of a browser as the story needs: it keeps cookies by path and follows redirects one by one."""

    http: httpx.AsyncClient
    cookies: dict[str, tuple[str, str]]

    async def get(self, url: str, **headers: str) -> httpx.Response:
        return await self._ask("GET", url, headers)

    async def post(self, url: str, *, form: dict[str, str] | None = None) -> httpx.Response:
        return await self._ask("POST", url, {}, form=form)

    async def follow(self, answer: httpx.Response, *, most: int = 10) -> httpx.Response:
        """Follow redirects to the page at their end."""
        for _ in range(most):
            if answer.status_code not in (302, 303, 307):
                return answer
            answer = await self.get(str(answer.url.join(answer.headers["location"])))
        raise NotObserved(f"more than {most} redirects")

    async def _ask(
        self, method: str, url: str, headers: dict[str, str], *, form: dict[str, str] | None = None
    ) -> httpx.Response:
        path = httpx.URL(url).path
        sent = "; ".join(
            f"{name}={value}" for name, (value, where) in self.cookies.items() if path.startswith(where)
        )
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if sent:
            given["Cookie"] = sent
        answer = await self.http.request(method, url, headers=given, data=form, follow_redirects=False)
        # The client is shared; each browser has a jar of its own.
        self.http.cookies.clear()
        for line in answer.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            where = re.search(r"path=([^;]+)", line, re.IGNORECASE)
            self.cookies[name.strip()] = (value.strip(), where[1] if where else "/")
        return answer
