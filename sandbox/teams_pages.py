"""Where a join link leads: a page on which a person types a name, waits in the lobby, and is in the call."""

from dataclasses import dataclass
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sandbox.pages import page
from sandbox.teams import Teams
from sandbox.teams_meeting import CannotJoin, Meeting, State
from sandbox.world import TENANT, USERS, user_by_oid

# Without a script the page asks again by itself; only this part of it changes.
_SECONDS_BETWEEN_LOOKS = 2


@dataclass(frozen=True, slots=True)
class TeamsPages:
    """The join link, its short form, and the page behind both."""

    teams: Teams

    def routes(self) -> list[Route]:
        return [
            Route("/teams/l/meetup-join/{thread}/{number}", self.join_link),
            Route("/teams/webrtc-svc/api/route", self.guest_link),
            Route("/teams/meet/{id}", self.show),
            Route("/teams/meet/{id}/join", self.join, methods=["POST"]),
            Route("/teams/meet/{id}/leave", self.leave, methods=["POST"]),
        ]

    async def join_link(self, request: Request) -> Response:
        """The long link: the thread in it, decoded once, names the meeting."""
        return self._lead(request.path_params["thread"])

    async def guest_link(self, request: Request) -> Response:
        return self._lead(request.query_params.get("convId", ""))

    def _lead(self, thread: str) -> Response:
        # Teams' links are not sensitive to case, and what encodes them may write %3a or %3A.
        for meeting in self.teams.meetings.values():
            if meeting.thread.lower() == thread.lower():
                return RedirectResponse(f"/teams/meet/{meeting.short_id}", status_code=302)
        return _missing()

    async def show(self, request: Request) -> Response:
        try:
            meeting = self.teams.find(request.path_params["id"])
        except CannotJoin:
            return _missing()
        known = request.query_params.get("participant", "")
        person = next((one for one in meeting.participants if one.id == known), None)
        here = sum(one.state is State.CONNECTED for one in meeting.participants)
        if person is None:
            return page(
                "teams_join.html",
                title="Join the meeting",
                meeting=meeting,
                users=[one for one in USERS.values() if one.tenant == TENANT],
            )
        return page(
            "teams_meeting.html",
            title={
                State.WAITING: "Someone will let you in soon",
                State.CONNECTED: "You are in the meeting",
                State.LEFT: "You left the meeting",
            }[person.state],
            meeting=meeting,
            person=person,
            here=here,
            refresh=0 if person.state is State.LEFT else _SECONDS_BETWEEN_LOOKS,
        )

    async def join(self, request: Request) -> Response:
        async with request.form() as form:
            name, oid = str(form.get("name", "")), str(form.get("oid", ""))
        try:
            meeting = self.teams.find(request.path_params["id"])
            person = self.teams.join(meeting, name=name[:80], user=user_by_oid(oid) if oid else None)
        except CannotJoin as refusal:
            return page(
                "message.html", status=400, title="You cannot join", text=f"{str(refusal).capitalize()}."
            )
        return _to(meeting, person.id)

    async def leave(self, request: Request) -> Response:
        async with request.form() as form:
            participant = str(form.get("participant", ""))
        try:
            meeting = self.teams.find(request.path_params["id"])
            self.teams.leave(meeting, participant)
        except CannotJoin as refusal:
            return page(
                "message.html", status=400, title="You cannot leave", text=f"{str(refusal).capitalize()}."
            )
        return _to(meeting, participant)


def _to(meeting: Meeting, participant: str) -> Response:
    return RedirectResponse(
        f"/teams/meet/{meeting.short_id}?participant={quote(participant)}", status_code=303
    )


def _missing() -> Response:
    text = "The meeting does not exist, or was deleted by its organizer."
    return page("message.html", status=404, title="Meeting not found", text=text)
