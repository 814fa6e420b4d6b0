"""The sandbox's own JSON addresses for Microsoft's half: texts, meetings, people, trouble, switches and the log."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.communication import Communication, Text
from sandbox.entra import Entra
from sandbox.entra_tokens import EXPIRES_IN, GRAPH_ROLE_IDS
from sandbox.graph import Switches
from sandbox.graph_notifications import GraphNotifications
from sandbox.phone_numbers import PhoneNumbers
from sandbox.resource_manager import ResourceManager
from sandbox.teams import Teams
from sandbox.teams_meeting import CannotJoin, Meeting, Participant
from sandbox.trouble import NotATrouble
from sandbox.world import Row, World, user_by_oid, user_named


class CannotDo(ValueError):
    """What was asked cannot be done. The text says why."""


Answer = Callable[[Request, Row], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class OpenApi:
    """The handlers. No sign-in: the sandbox listens on this machine only, and everyone in it is invented."""

    world: World
    entra: Entra
    teams: Teams
    notifications: GraphNotifications
    communication: Communication
    phone_numbers: PhoneNumbers
    switches: Switches
    manager: ResourceManager

    def routes(self) -> list[Route]:
        def get(path: str, answer: Answer) -> Route:
            return Route(path, _json(answer))

        def post(path: str, answer: Answer) -> Route:
            return Route(path, _json(answer), methods=["POST"])

        return [
            get("/api/texts", self._texts),
            post("/api/texts/reply", self._reply),
            post("/api/phone-numbers", self._register_number),
            get("/api/mail", self._mail),
            get("/api/meetings", self._meetings),
            post("/api/teams/{meeting}/join", self._join),
            post("/api/teams/{meeting}/admit", self._admit),
            post("/api/teams/{meeting}/leave", self._leave),
            post("/api/teams/{meeting}/end", self._end),
            get("/api/subscriptions", self._subscriptions),
            post("/api/subscriptions/{subscription}/reauthorize", self._ask_to_reauthorize),
            get("/api/trouble", self._troubles),
            post("/api/trouble", self._make_trouble),
            post("/api/trouble/clear", self._clear_trouble),
            get("/api/switches", self._show_switches),
            post("/api/switches", self._set_switches),
            Route("/api/admin-token", _json(self._token), methods=["GET", "POST"]),
            get("/api/event-log", self._events),
            get("/api/contract-refusals", self._refusals),
        ]

    async def _texts(self, _request: Request, _body: Row) -> list[Row]:
        return self.text_rows()

    def text_rows(self) -> list[Row]:
        """All texts, newest last."""
        return [_text_row(one) for one in self.communication.texts]

    async def _mail(self, _request: Request, _body: Row) -> list[Row]:
        return self.mail_rows()

    def mail_rows(self) -> list[Row]:
        """All mails that were sent, newest last."""
        return [*self.world.mails]

    async def _reply(self, _request: Request, body: Row) -> Row:
        sender, to, message = (_text(body, name) for name in ("from", "to", "message"))
        return _text_row(self.communication.reply(sender=sender, to=to, body=message))

    async def _register_number(self, _request: Request, body: Row) -> list[str]:
        self.phone_numbers.register(_text(body, "number"))
        return sorted(self.communication.owned)

    async def _meetings(self, _request: Request, _body: Row) -> list[Row]:
        return self.meeting_rows()

    def meeting_rows(self) -> list[Row]:
        """All meetings with everyone who is or was in them, newest last."""
        return [_meeting_row(one) for one in self.teams.meetings.values()]

    async def _join(self, request: Request, body: Row) -> Row:
        meeting = self.teams.find(request.path_params["meeting"])
        user = None
        if body.get("as", "guest") == "user":
            user = user_by_oid(str(body.get("oid"))) or user_named(str(body.get("name", "")))
            if user is None:
                raise CannotDo("a user of the tenant joins with an oid")
        person = self.teams.join(meeting, name=str(body.get("name", "")), user=user)
        return {"participant": person.id, "state": person.state.value}

    async def _admit(self, request: Request, body: Row) -> Row:
        meeting = self.teams.find(request.path_params["meeting"])
        return _person_row(self.teams.admit(meeting, _text(body, "participant")))

    async def _leave(self, request: Request, body: Row) -> Row:
        meeting = self.teams.find(request.path_params["meeting"])
        return _person_row(self.teams.leave(meeting, _text(body, "participant")))

    async def _end(self, request: Request, _body: Row) -> Row:
        meeting = self.teams.find(request.path_params["meeting"])
        self.teams.end(meeting)
        return _meeting_row(meeting)

    async def _subscriptions(self, _request: Request, _body: Row) -> list[Row]:
        return [
            {
                "id": one.id,
                "join_url": one.join_url,
                "expires_at": one.expires_at.isoformat(),
                "encrypted": one.certificate is not None,
                "certificate_id": one.certificate_id,
                "paused": one.paused,
            }
            for one in self.notifications.subscriptions.all.values()
        ]

    async def _ask_to_reauthorize(self, request: Request, body: Row) -> Row:
        found = self.notifications.subscriptions.all.get(request.path_params["subscription"])
        if found is None or not found.lifecycle_url:
            raise CannotDo("there is no such subscription with a lifecycle address")
        self.notifications.ask_to_reauthorize(found, pause=bool(body.get("pause", False)))
        return {"id": found.id, "paused": found.paused}

    async def _troubles(self, _request: Request, _body: Row) -> list[Row]:
        return self.world.troubles.rows()

    async def _make_trouble(self, _request: Request, body: Row) -> list[Row]:
        self.world.troubles.make(body)
        return self.world.troubles.rows()

    async def _clear_trouble(self, _request: Request, _body: Row) -> list[Row]:
        self.world.troubles.clear()
        return []

    async def _show_switches(self, _request: Request, _body: Row) -> Row:
        policy = self.switches.policy_for
        return {
            "access_policy": "global" if policy is None else sorted(policy),
            "guest_url": self.switches.guest_url,
            "call_events_in": list(self.switches.call_events_in),
            "consented": sorted(self.entra.consented),
            "permissions": list(self.entra.granted),
            "mail_from": sorted(self.switches.mail_from),
            "unlicensed": sorted(self.switches.unlicensed),
            "license_details": self.switches.license_details,
            "region": self.manager.region,
            "texts_per_minute": self.communication.per_minute,
            "unreachable": sorted(self.communication.unreachable),
        }

    async def _set_switches(self, request: Request, body: Row) -> Row:
        """Change what an administrator, Microsoft or a carrier decides; what is left out stays as it is."""
        known = await self._show_switches(request, body)
        if set(body) - set(known):
            raise CannotDo(f"switches are {', '.join(known)}")
        if "access_policy" in body:
            policy = body["access_policy"]
            self.switches.policy_for = None if policy == "global" else {str(one) for one in policy}
        self.switches.guest_url = bool(body.get("guest_url", self.switches.guest_url))
        self.switches.call_events_in = tuple(body.get("call_events_in", self.switches.call_events_in))
        self.entra.consented = set(body.get("consented", self.entra.consented))
        permissions = tuple(str(one) for one in body.get("permissions", self.entra.granted))
        if not set(permissions) <= set(GRAPH_ROLE_IDS):
            raise CannotDo(f"permissions can only be: {', '.join(GRAPH_ROLE_IDS)}")
        self.entra.granted = permissions
        self.switches.mail_from = {str(one) for one in body.get("mail_from", self.switches.mail_from)}
        self.switches.unlicensed = {str(one) for one in body.get("unlicensed", self.switches.unlicensed)}
        self.switches.license_details = bool(body.get("license_details", self.switches.license_details))
        self.manager.region = str(body.get("region", self.manager.region))
        self.communication.per_minute = int(body.get("texts_per_minute", self.communication.per_minute))
        self.communication.unreachable = set(body.get("unreachable", self.communication.unreachable))
        return await self._show_switches(request, body)

    async def _token(self, request: Request, _body: Row) -> Row:
        name = request.query_params.get("user", "avery")
        user = user_named(name)
        if user is None:
            raise CannotDo(f"nobody is called {name}")
        token = self.entra.tokens.for_person(user)
        return {"access_token": token, "token_type": "Bearer", "expires_in": EXPIRES_IN}

    async def _events(self, _request: Request, _body: Row) -> list[Row]:
        return list(self.world.events)

    async def _refusals(self, _request: Request, _body: Row) -> list[Row]:
        return list(self.world.refusals)


def _json(answer: Answer) -> Callable[[Request], Awaitable[Response]]:
    """A handler that reads JSON, if any came, and writes it; what cannot be done is a 400 that says why."""

    async def handler(request: Request) -> Response:
        raw = await request.body()
        try:
            body = json.loads(raw) if raw.strip() and request.method == "POST" else {}
            if not isinstance(body, dict):
                raise CannotDo("the body must be a JSON object")
            return JSONResponse(await answer(request, body))
        except (CannotJoin, NotATrouble, TypeError, ValueError) as refusal:
            return JSONResponse({"error": str(refusal)}, status_code=400)

    return handler


def _text(body: Row, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise CannotDo(f"{name} is needed, as text")
    return value


def _text_row(one: Text) -> Row:
    return {
        "id": one.id,
        "to": one.to,
        "from": one.sender,
        "body": one.body,
        "at": one.at.isoformat(),
        "state": one.state.value,
        "tag": one.tag,
        "details": one.details,
    }


def _meeting_row(one: Meeting) -> Row:
    people = [((who.get("identity") or {}).get("user") or {}).get("id") for who in _co_organizers(one)]
    found = [user_by_oid(str(oid)) for oid in people]
    return {
        "id": one.id,
        "short_id": one.short_id,
        "external_id": one.external_id,
        "organizer": one.organizer.address,
        "subject": one.subject,
        "start": one.starts_at.isoformat(),
        "end": one.ends_at.isoformat(),
        "lobby": one.lobby,
        "chat": one.settings.get("allowMeetingChat"),
        "co_organizers": [user.address for user in found if user],
        "join_url": one.join_url,
        "calls": [
            {
                "id": call.id,
                "start": call.started_at.isoformat(),
                "end": call.ended_at and call.ended_at.isoformat(),
            }
            for call in one.calls
        ],
        "participants": [_person_row(person) for person in one.participants],
    }


def _co_organizers(meeting: Meeting) -> list[Row]:
    return [one for one in meeting.attendees if one.get("role") == "coorganizer"]


def _person_row(one: Participant) -> Row:
    return {
        "id": one.id,
        "name": one.name,
        "role": one.role,
        "state": one.state.value,
        "at": one.at.isoformat(),
        "guest": one.user is None,
    }
