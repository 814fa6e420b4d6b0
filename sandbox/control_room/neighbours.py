"""The other services as the control room meets them: through the sandbox's JSON addresses, like everyone else."""

from collections.abc import Mapping
from typing import Any

import httpx

from sandbox.control_room.pages import CannotDo
from sandbox.control_room.view import Row, TroubleLine
from sandbox.trouble import NotATrouble
from sandbox.world import World, user_by_oid


class WorldNeighbours:
    """The phone, Teams and the troubles of one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def texts(self) -> list[Row]:
        return await self._list("/api/texts")

    async def meetings(self) -> list[Row]:
        return await self._list("/api/meetings")

    async def join(self, meeting: str, *, name: str, user: str) -> None:
        """Join as a guest called `name`, or as the person of the tenant whose object id is `user`."""
        person = user_by_oid(user)
        if user and person is None:
            raise CannotDo("Choose who joins.")
        who = {"name": person.name, "as": "user", "oid": user} if person else {"name": name, "as": "guest"}
        await self._tell(f"/api/teams/{meeting}/join", who)

    async def admit(self, meeting: str, participant: str) -> None:
        await self._tell(f"/api/teams/{meeting}/admit", {"participant": participant})

    async def leave(self, meeting: str, participant: str) -> None:
        await self._tell(f"/api/teams/{meeting}/leave", {"participant": participant})

    def troubles(self) -> list[TroubleLine]:
        return [_trouble_line(one) for one in self._world.troubles.rows()]

    def make_trouble(self, asked: Mapping[str, Any]) -> None:
        try:
            self._world.troubles.make(dict(asked))
        except NotATrouble as wrong:
            raise CannotDo(f"This trouble cannot be made: {wrong}.") from wrong

    def clear_trouble(self) -> None:
        self._world.troubles.clear()

    async def _list(self, path: str) -> list[Row]:
        """What an address lists; nothing while it cannot be reached, so that the page still shows the rest."""
        try:
            answer = await self._world.client.get(self._world.http + path)
            rows = answer.json() if answer.is_success else []
        except (httpx.HTTPError, ValueError):
            return []
        return rows if isinstance(rows, list) else []

    async def _tell(self, path: str, body: dict[str, str]) -> None:
        try:
            answer = await self._world.client.post(self._world.http + path, json=body)
        except httpx.HTTPError as away:
            raise CannotDo("Teams did not answer.") from away
        if answer.is_error:
            raise CannotDo(f"Teams refused this: {answer.text[:200]}")


def _trouble_line(row: Mapping[str, Any]) -> TroubleLine:
    details = {
        "throttle": f"Retry-After {row['retry_after']} s",
        "delay": f"{row['seconds']} s" if row["seconds"] else "",
    }
    said = [details.get(str(row["kind"]), ""), f"addresses with {row['match']}" if row["match"] else ""]
    return TroubleLine(
        title=f"{str(row['service']).replace('-', ' ').capitalize()}: {str(row['kind']).replace('-', ' ')}",
        detail=", ".join(one for one in said if one),
        left=f"{row['times']} left",
    )
