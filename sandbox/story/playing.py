"""The story itself: one video visit from the booking in Epic to the last write-back, then what must be forgotten."""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from sandbox.story.observing import NotObserved, Teller, until
from sandbox.story.outside import Browser, Outside
from sandbox.story.preparing import operation, prepare, soon
from sandbox.story.searching import search
from sandbox.story.stamp_keys import data_keys

# How long the app may take for what a queue or a timer does, on a busy two-core machine.
_PATIENCE = 30.0


@dataclass(slots=True)
class Story:
    """The steps, and what later steps need to know of earlier ones."""

    outside: Outside
    state: Path
    storage: str
    troubles: frozenset[str]
    teller: Teller = field(default_factory=Teller)
    prepared: dict[str, Any] = field(default_factory=dict)
    csn: str = ""
    number: str = ""
    link: str = ""
    meeting: str = ""
    provider_page: str = ""
    provider: Browser | None = None
    starts_at: datetime = datetime.min.replace(tzinfo=UTC)
    texts_before: int = 0

    async def play(self) -> bool:
        """Play every step; a step that later ones need and that fails ends the story. True when all were seen."""
        steps = (
            ("0", "An environment is set up and approved", self.set_up),
            ("1", "Epic books, signed; the app acknowledges what is durable", self.book),
            ("2", "The patient gets a confirmation", self.confirmation),
            ("3", "Epic moves the visit and adds a comment", self.move),
            ("4", "The reminder arrives, once", self.reminder),
            ("5", "The patient opens the link and joins", self.patient_joins),
            ("6", "The provider launches from Hyperspace", self.provider_launches),
            ("7", "Who comes and goes is shown live and told to Epic", self.call),
            ("8", "The visit was held, and the patient's number is forgotten", self.forgotten),
            ("9", "A second visit is cancelled", self.cancelled),
        )
        for number, title, step in steps:
            if not await self.teller.step(number, title, step):
                return False
        return not self.teller.failed

    async def set_up(self) -> str:
        self.prepared = await prepare(self.outside, self.state)
        return f"test environment {self.prepared['environment']} in {self.prepared['zone']}"

    async def book(self) -> str:
        self.texts_before = len(await self._texts())
        self.starts_at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=3)
        booked = await self.outside.sandbox_post(
            "/api/epic/book",
            {
                "patient": "elena",
                "start": self.starts_at.isoformat(),
                "minutes": 30,
                "zone": self.prepared["zone"],
                "language": "en",
            },
        )
        self.csn = booked["csn"]
        answer = await self._acknowledged(booked["control_id"])
        return f"SIU^S12 answered {answer['code']} with HTTP {answer['http_status']}"

    async def confirmation(self) -> str:
        text = await self._next_text("the confirmation")
        self.number = text["to"]
        self.link = _link(text["body"], self.outside.app)
        people = await self.outside.sandbox_get("/api/epic")
        names = {one["name"] for kind in ("patients", "providers", "departments") for one in people[kind]}
        told = [part for name in names for part in name.split() if len(part) > 3 and part in text["body"]]
        told = [part for part in told if part not in "Lamna Healthcare"]
        if told or self.csn in text["body"]:
            raise NotObserved("the text tells who is concerned")
        await self._appointment(self.csn)
        return f'"{text["body"]}"'

    async def move(self) -> str:
        if "throttle" in self.troubles:
            for service in ("graph", "communication"):
                await self._trouble(service=service, kind="throttle", times=2, retry_after="1.5")
        self.starts_at = soon(datetime.now(UTC), seconds=14)
        moved = await self.outside.sandbox_post(
            "/api/epic/reschedule", {"csn": self.csn, "start": self.starts_at.isoformat()}
        )
        old, self.csn = self.csn, moved["csn"]
        await self._acknowledged(moved["control_id"])
        text = await self._next_text("the text about the new time")
        if _link(text["body"], self.outside.app) != self.link:
            raise NotObserved("the moved visit got another link")
        page = await self.outside.http.get(self.link)
        if page.status_code != 200 or "<form" not in page.text:
            raise NotObserved("the old link does not lead to the new time")
        comment = await self.outside.sandbox_post(
            "/api/epic/comment", {"csn": self.csn, "comment": "Bring the list of medicines."}
        )
        await self._acknowledged(comment["control_id"])
        before = len(await self._texts())
        await self._applied(comment["control_id"])
        if len(await self._texts()) != before:
            raise NotObserved("a comment sent a text")
        return f"CSN {old} became {self.csn}, one text, the same link; the comment sent none"

    async def reminder(self) -> str:
        due_at = self.starts_at - timedelta(minutes=15)
        before = self.texts_before
        wait = max(0.0, (due_at - datetime.now(UTC)).total_seconds())
        text = await self._next_text("the reminder", seconds=wait + _PATIENCE)
        if datetime.now(UTC) < due_at:
            raise NotObserved("the reminder came early")
        late = (datetime.fromisoformat(text["at"]) - due_at).total_seconds()
        # Two more ticks of the timer: a reminder that is sent twice would come now.
        await asyncio.sleep(4.5)
        if len(await self._texts()) != before + 1:
            raise NotObserved("the reminder came more than once")
        return f"{late:.1f} s after it was due"

    async def patient_joins(self) -> str:
        browser = Browser(self.outside.http, {})
        before = await self._appointment(self.csn)
        page = await browser.get(self.link)
        if page.status_code != 200 or await self._appointment(self.csn) != before:
            raise NotObserved("opening the link changed something")
        if page.headers.get_list("set-cookie"):
            raise NotObserved("the patient's page sets a cookie")
        joined = await browser.post(self.link.partition("?")[0] + "/join")
        if joined.status_code != 303:
            raise NotObserved(f"joining answered {joined.status_code}")

        async def leads_to_teams() -> str | None:
            waiting = await browser.follow(joined)
            return _address_in(waiting.text, self.outside.sandbox + "/teams/")

        address = await until(
            leads_to_teams, what="the way to the lobby", seconds=_PATIENCE, where="the app's log"
        )
        lobby = await self.outside.http.get(address, follow_redirects=True)
        if lobby.status_code != 200:
            raise NotObserved(f"the meeting's page answered {lobby.status_code}")
        meeting = await until(self._my_meeting, what="the meeting", seconds=_PATIENCE, where="/api/meetings")
        self.meeting = meeting["id"]
        arrived = await self._teams("join", {"name": "E.", "as": "guest"})
        if arrived.get("state") not in ("lobby", "waiting"):
            raise NotObserved("the guest did not have to wait in the lobby")
        return f"waits in the lobby of {urlsplit(address).path[:32]}…"

    async def provider_launches(self) -> str:
        self.provider = Browser(self.outside.http, {})
        opened = await self.outside.sandbox_get("/api/epic/launch-url", csn=self.csn, role="provider")
        begun = await self.provider.get(opened["url"])
        asked = httpx.URL(begun.headers.get("location", "http://nowhere.example"))
        if asked.params.get("code_challenge_method") != "S256" or not asked.params.get("aud"):
            raise NotObserved("the launch has no PKCE S256 or no audience")
        stranger = Browser(self.outside.http, {})
        page = await self.provider.follow(begun)
        if page.status_code != 200 or not page.url.path.startswith("/visit/"):
            raise NotObserved(f"the launch ended on {page.url.path} with {page.status_code}")
        self.provider_page = str(page.url)
        refused = await stranger.get(self.provider_page)
        if refused.status_code != 401:
            raise NotObserved("another browser sees the provider's page")
        live = await until(
            self._shows({"patient": "waiting"}),
            what="the waiting patient",
            seconds=_PATIENCE,
            where="app.log",
        )
        meetings = [one for one in await self.outside.sandbox_get("/api/meetings") if self._mine(one)]
        if len(meetings) != 1 or live["meeting"] != meetings[0]["join_url"]:
            raise NotObserved("there is not exactly one meeting for both")
        if meetings[0]["lobby"] not in ("invited", "organizer"):
            raise NotObserved(f"the lobby lets in {meetings[0]['lobby']}")
        return "one meeting for both; the patient is shown waiting"

    async def call(self) -> str:
        if "throttle" in self.troubles:
            await self._trouble(service="notifications", kind="drop", times=1)
        users = self.outside.facts["users"]
        provider = await self._teams(
            "join", {"name": "Susan Carter", "as": "user", "oid": users["susan"]["oid"]}
        )
        guest = next(
            one for one in (await self._my_meeting() or {})["participants"] if one["role"] != "provider"
        )
        await self._teams("admit", {"participant": guest["id"]})
        await until(
            self._shows({"patient": "connected", "provider": "connected"}),
            what="both connected",
            seconds=_PATIENCE,
            where="the provider's page",
        )
        await self._teams("leave", {"participant": guest["id"]})
        await self._teams("leave", {"participant": provider["participant"]})
        facts = await until(
            self._facts, what="four facts at Epic", seconds=_PATIENCE * 2, where="/api/write-backs"
        )
        told = [(one["who"], one["status_meaning"]) for one in facts]
        if sorted(told) != sorted(
            [
                ("patient", "connected"),
                ("provider", "connected"),
                ("patient", "disconnected"),
                ("provider", "disconnected"),
            ]
        ):
            raise NotObserved(f"Epic was told {told}")
        for who in ("patient", "provider"):
            if [what for one, what in told if one == who] != ["connected", "disconnected"]:
                raise NotObserved(f"the facts about the {who} came out of order")
        return ", ".join(f"{who} {what}" for who, what in told)

    async def forgotten(self) -> str:
        async def held() -> dict[str, Any] | None:
            found = await self._appointment(self.csn)
            visit = found["visit"]
            return found if visit and visit["outcome"] == "held" and found["forgotten_at"] else None

        found = await until(held, what="a held and forgotten visit", seconds=_PATIENCE, where="app.log")

        # The list of numbers that a test environment may text is an administrator's own setting. It holds this
        # very number, sealed, so it is emptied before the search and filled again after it.
        await self._only_text([])
        keys = await data_keys(self.outside.facts)
        tenant = str(self.outside.facts["tenant"])
        looked = await search(storage=self.storage, keys=keys, tenant=tenant, e164=self.number)
        if looked.found:
            raise NotObserved(f"the number is still in {', '.join(sorted(set(looked.found)))}")
        await self._only_text(None)
        day = f"{datetime.now(UTC):%Y-%m-%d}"
        audit = await self.outside.portal("GET", f"/audit/{day}")
        erased = [one for one in audit["entries"] if one["did"] == "erased"]
        if not erased or not audit["whole"]:
            raise NotObserved("the audit chain does not say what was erased")
        return (
            f"outcome {found['visit']['outcome']}; {looked.rows} rows and {looked.messages} messages searched, "
            f"{looked.opened} sealed values opened, the number is nowhere; audit: {json.dumps(erased[-1]['facts'])}"
        )

    async def cancelled(self) -> str:
        # What is live of an environment may be remembered for five seconds.
        await asyncio.sleep(5.5)
        self.texts_before = len(await self._texts())
        starts_at = soon(datetime.now(UTC), seconds=12)
        booked = await self.outside.sandbox_post(
            "/api/epic/book",
            {
                "patient": "elena",
                "start": starts_at.isoformat(),
                "minutes": 30,
                "zone": self.prepared["zone"],
            },
        )
        await self._acknowledged(booked["control_id"])
        confirmed = await self._next_text("the second confirmation")
        link = _link(confirmed["body"], self.outside.app)
        ended = await self.outside.sandbox_post("/api/epic/cancel", {"csn": booked["csn"]})
        await self._acknowledged(ended["control_id"])
        text = await self._next_text("the cancellation")
        if "/v/" in text["body"]:
            raise NotObserved("the cancellation still asks the patient to join")
        page = await self.outside.http.get(link)
        if "<form" in page.text or "cancelled" not in page.text.lower():
            raise NotObserved("the link does not say that the visit was cancelled")
        before = len(await self._texts())
        due_at = starts_at - timedelta(minutes=15)
        # Past the reminder's time and two more ticks: nothing may come.
        await asyncio.sleep(max(0.0, (due_at - datetime.now(UTC)).total_seconds()) + 4.5)
        if len(await self._texts()) != before:
            raise NotObserved("a reminder of the cancelled visit was sent")
        return "one cancellation text, the link says so, no reminder"

    async def _only_text(self, numbers: list[str] | None) -> None:
        wanted = await operation(self.outside, self.prepared["zone"], only_numbers=numbers)
        path = f"/environments/{self.prepared['environment']}/operation"
        await self.outside.portal("PUT", path, {"operation": wanted})

    # --- looking ---------------------------------------------------------------------------------------------

    async def _texts(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self.outside.sandbox_get("/api/texts")
        return found

    async def _next_text(self, what: str, *, seconds: float = _PATIENCE) -> dict[str, Any]:
        async def newer() -> dict[str, Any] | None:
            texts = await self._texts()
            return texts[self.texts_before] if len(texts) > self.texts_before else None

        text = await until(newer, what=what, seconds=seconds, where="/api/texts and the app's log")
        self.texts_before += 1
        return text

    async def _acknowledged(self, control_id: str) -> dict[str, Any]:
        async def answered() -> dict[str, Any] | None:
            rows = await self.outside.sandbox_get("/api/acknowledgements")
            return next(
                (one for one in rows if one["control_id"] == control_id and one["code"] == "AA"), None
            )

        return await until(
            answered, what=f"AA for {control_id}", seconds=_PATIENCE, where="/api/acknowledgements"
        )

    async def _applied(self, control_id: str) -> None:
        async def recorded() -> bool:
            rows = await self.outside.portal("GET", f"/environments/{self.prepared['environment']}/messages")
            return any(one["control_id"] == control_id for one in rows["messages"])

        await until(recorded, what=f"message {control_id} applied", seconds=_PATIENCE, where="app.log")

    async def _appointment(self, csn: str) -> dict[str, Any]:
        path = f"/environments/{self.prepared['environment']}/appointments/{csn}"
        found: dict[str, Any] = await self.outside.portal("GET", path)
        return found

    def _mine(self, meeting: dict[str, Any]) -> bool:
        return datetime.fromisoformat(meeting["start"]) == self.starts_at

    async def _my_meeting(self) -> dict[str, Any] | None:
        meetings = await self.outside.sandbox_get("/api/meetings")
        return next((one for one in meetings if self._mine(one)), None)

    async def _teams(self, what: str, body: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = await self.outside.sandbox_post(f"/api/teams/{self.meeting}/{what}", body)
        return answer

    def _shows(self, wanted: dict[str, str]) -> Any:
        async def live() -> dict[str, Any] | None:
            if self.provider is None:
                return None
            answer = await self.provider.get(f"{self.provider_page}/live")
            if answer.status_code != 200:
                raise NotObserved(f"the live page answered {answer.status_code}")
            shown: dict[str, Any] = answer.json()
            presence = {one["who"]: one["presence"] for one in shown["participants"]}
            return shown if all(presence.get(who) == state for who, state in wanted.items()) else None

        return live

    async def _facts(self) -> list[dict[str, Any]] | None:
        rows = await self.outside.sandbox_get("/api/write-backs")
        mine = [one for one in rows if one["conference_id"] == self.csn and one["accepted"]]
        return mine if len(mine) >= 4 else None

    async def _trouble(self, **asked: object) -> None:
        await self.outside.sandbox_post("/api/trouble", dict(asked))


def _link(body: str, app: str) -> str:
    for word in body.split():
        if word.startswith(f"{app}/v/"):
            return word.rstrip(".,")
    raise NotObserved("the text has no join link")


def _address_in(html: str, begins: str) -> str | None:
    """The first address in a page that begins so, as a browser would read it."""
    at = html.find(begins)
    if at < 0:
        return None
    end = min(i for i in (html.find(stop, at) for stop in ('"', "'", "<", " ")) if i > 0)
    return html[at:end].replace("&amp;", "&")
