"""The analyst approves as a person does: signs in with Microsoft, then with Epic, reads, and sends the form."""

from html.parser import HTMLParser

import httpx

from sandbox.story.observing import NotObserved
from sandbox.story.outside import Browser, Outside


class _Page(HTMLParser):
    """The links of a page, and the fields of its forms by the form's action."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__()
        self.answer = answer
        self.links: list[str] = []
        self.forms: dict[str, dict[str, str]] = {}
        self._form: dict[str, str] = {}
        self.feed(answer.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        elif tag == "form":
            # Several forms may lead to one address: the fields of all of them are what a page offers there.
            self._form = self.forms.setdefault(given.get("action", ""), {})
        elif tag == "input" and given.get("type") == "hidden":
            self._form[given.get("name", "")] = given.get("value", "")

    def link(self, *words: str) -> str:
        """The address of the first link that holds all of `words`."""
        for one in self.links:
            if all(word in one for word in words):
                return str(self.answer.url.join(one))
        raise NotObserved(
            f"{self.answer.url.path} ({self.answer.status_code}) has no link to {' '.join(words)}"
        )


async def approve(outside: Outside, environment: str, *, person: str = "priya") -> None:
    """Approve what waits in `environment` through the pages, in a browser of the person's own."""
    browser = Browser(outside.http, {})
    page = f"/approvals/{environment}"

    who = _Page(await browser.follow(await browser.get(outside.app + page)))
    reading = _Page(await browser.follow(await browser.get(who.link(f"person={person}"))))
    epic = _Page(await browser.follow(await browser.get(reading.link(f"{page}/epic"))))
    back = await browser.follow(await browser.get(epic.link("/oauth2/sign-in", f"person={person}")))
    deciding = _Page(back)
    if page not in deciding.forms or "done=epic" not in str(back.url):
        raise NotObserved(f"{person} was not brought back from Epic: {back.url.path} {back.status_code}")

    answer = await browser.post(
        outside.app + page, form={**deciding.forms[page], "decision": "approve", "do": "save"}
    )
    if answer.status_code != 303 or "done=approved" not in answer.headers["location"]:
        raise NotObserved(f"{person} could not approve: {answer.status_code}")
