"""Sandbox Epic is one part of the sandbox's world: its log, its clock, its troubles, and what it keeps."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox import control_room, epic
from sandbox.epic.in_world import epic_of
from sandbox.world import USERS, World
from tests.sandbox.epic_stage import S


class Teams:
    """The sandbox's Teams and phone as far as the control room uses them: their JSON addresses."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, str]]] = []

    def routes(self) -> list[Route]:
        return [
            Route("/api/texts", self.texts),
            Route("/api/meetings", self.meetings),
            Route("/api/teams/{meeting}/{act}", self.act, methods=["POST"]),
        ]

    async def texts(self, request: Request) -> Response:
        return JSONResponse(
            [{"id": "1", "to": "+12065550142", "from": "+1", "body": "Hola", "at": "", "state": "sent"}]
        )

    async def meetings(self, request: Request) -> Response:
        return JSONResponse(
            [
                {
                    "id": "m-1",
                    "external_id": "x",
                    "organizer": "visits@lamna.example",
                    "subject": "Video visit",
                    "lobby": "invited",
                    "co_organizers": [],
                    "participants": [],
                }
            ]
        )

    async def act(self, request: Request) -> Response:
        self.told.append((request.url.path, await request.json()))
        if request.path_params["act"] == "admit":
            return JSONResponse({"error": "nobody waits"}, status_code=404)
        return JSONResponse({"participant": "p-1"})


@asynccontextmanager
async def world_in(
    state_dir: Path, *, keep: bool = False
) -> AsyncIterator[tuple[World, httpx.AsyncClient, Teams]]:
    world = World(
        http=S,
        tls="https://127.0.0.1:7443",
        state_dir=state_dir,
        storage="",
        keep=keep,
        clock=lambda: datetime(2027, 1, 15, 17, 0, tzinfo=UTC),
    )
    await world.client.aclose()
    teams = Teams()
    app = Starlette(routes=[*epic.routes(world), *control_room.routes(world), *teams.routes()])
    world.client = httpx.AsyncClient(transport=httpx.ASGITransport(app))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=S) as browser:
        yield world, browser, teams
    await epic.close(world)
    await world.client.aclose()


async def test_one_epic_stands_behind_its_addresses_and_the_control_room(tmp_path: Path) -> None:
    async with world_in(tmp_path) as (_, browser, _teams):
        booked = (await browser.post("/api/epic/book", json={"patient": "mei"})).json()

        page = (await browser.get("/")).text

    assert booked["csn"] in page
    assert "Hola" in page
    assert "Video visit" in page


async def test_people_join_teams_as_guests_or_as_themselves(tmp_path: Path) -> None:
    async with world_in(tmp_path) as (_, browser, teams):
        for who in ("guest:Elena Ruiz", f"user:{USERS['susan'].oid}"):
            answer = await browser.post(
                "/control-room/teams", data={"meeting": "m-1", "act": "join", "who": who}
            )
            assert answer.status_code == 303
        refused = await browser.post(
            "/control-room/teams", data={"meeting": "m-1", "act": "admit", "participant": "9"}
        )

    assert teams.told[:2] == [
        ("/api/teams/m-1/join", {"name": "Elena Ruiz", "as": "guest"}),
        ("/api/teams/m-1/join", {"name": "Susan Carter", "as": "user", "oid": USERS["susan"].oid}),
    ]
    assert refused.status_code == 400
    assert "nobody waits" in refused.text


async def test_refusals_are_listed_with_the_other_broken_contracts(tmp_path: Path) -> None:
    async with world_in(tmp_path) as (world, browser, _):
        await browser.get("/epic/test/oauth2/authorize", params={"client_id": "unknown"})
        await browser.get("/epic/test/api/FHIR/R4/metadata")

    assert [(one["service"], one["why"]) for one in world.refusals] == [("epic", "authorize refused")]
    assert [one["what"] for one in world.events] == ["refused: authorize refused", "metadata read"]


async def test_trouble_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    async with world_in(tmp_path) as (world, browser, _):
        form = {"service": "graph", "kind": "delay", "times": "2", "seconds": "3"}
        await browser.post("/control-room/trouble", data=form)
        refused = await browser.post("/control-room/trouble", data={**form, "kind": "explode"})
        page = (await browser.get("/")).text

    assert refused.status_code == 400
    assert [(one.service, one.kind, one.times) for one in world.troubles.waiting] == [("graph", "delay", 2)]
    assert "Graph: delay" in page


async def test_a_sandbox_that_keeps_never_gives_a_number_twice(tmp_path: Path) -> None:
    async with world_in(tmp_path, keep=True) as (_, browser, _teams):
        first = (await browser.post("/api/epic/book", json={"patient": "mei", "kind": "in-person"})).json()
        moved = (
            await browser.post(
                "/api/epic/reschedule", json={"csn": first["csn"], "start": "2027-02-01T18:00:00Z"}
            )
        ).json()

    async with world_in(tmp_path, keep=True) as (world, browser, _teams):
        (visit,) = (await browser.get("/api/visits")).json()
        second = (await browser.post("/api/epic/book", json={})).json()
        booking = epic_of(world).instances["test"].schedule.find(first["csn"])

    assert (visit["csn"], visit["kind"], visit["start"]) == (
        moved["csn"],
        "in-person",
        "2027-02-01T18:00:00+00:00",
    )
    assert booking.patient.key == "mei"
    assert second["csn"] not in (first["csn"], moved["csn"])
    assert second["control_id"] != moved["control_id"]


async def test_a_sandbox_that_does_not_keep_starts_anew(tmp_path: Path) -> None:
    async with world_in(tmp_path) as (_, browser, _teams):
        await browser.post("/api/epic/book", json={})
    async with world_in(tmp_path) as (_, browser, _teams):
        assert (await browser.get("/api/visits")).json() == []
