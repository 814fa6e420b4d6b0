"""Online meetings in Graph: create or get, change, read, delete, as strictly as the documents say."""

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.graph import ROOT, Caller, GraphDoor, GraphRefused, body_of, moment, written
from sandbox.teams import Teams
from sandbox.teams_meeting import Meeting
from sandbox.world import Row, User, user_by_oid

READ = ("OnlineMeetings.Read.All", "OnlineMeetings.ReadWrite.All")
WRITE = ("OnlineMeetings.ReadWrite.All",)
_APPOINTMENTS = ("VirtualAppointment.Read.All", "VirtualAppointment.ReadWrite.All")
_LIST = f"{ROOT}/users/{{user}}/onlineMeetings"
ONE = f"{_LIST}/{{meeting}}"
_BY_JOIN_URL = re.compile(r"joinweburl eq '((?:[^']|'')*)'", re.IGNORECASE)
_USUAL_LENGTH = timedelta(hours=1)

# What a meeting has when nobody said anything.
_DEFAULTS: Row = {
    "allowAttendeeToEnableCamera": True,
    "allowAttendeeToEnableMic": True,
    "allowMeetingChat": "enabled",
    "allowParticipantsToChangeName": False,
    "allowTeamworkReactions": True,
    "allowedLobbyAdmitters": "organizerAndCoOrganizersAndPresenters",
    "allowedPresenters": "everyone",
    "isEntryExitAnnounced": False,
    "recordAutomatically": False,
    "shareMeetingChatHistoryDefault": "none",
}


@dataclass(frozen=True, slots=True)
class GraphMeetings:
    """The handlers, keeping meetings in `teams`."""

    door: GraphDoor
    teams: Teams

    def routes(self) -> list[Route]:
        door = self.door.open
        return [
            Route(_LIST, door(self._create, roles=WRITE), methods=["POST"]),
            Route(_LIST, door(self._list, roles=READ)),
            Route(f"{_LIST}/createOrGet", door(self._create_or_get, roles=WRITE), methods=["POST"]),
            Route(ONE, door(self._change, roles=WRITE), methods=["PATCH"]),
            Route(ONE, door(self._delete, roles=WRITE), methods=["DELETE"]),
            Route(ONE, door(self._get, roles=READ)),
            Route(f"{ONE}/getVirtualAppointmentJoinWebUrl()", door(self._guest_url, roles=_APPOINTMENTS)),
        ]

    async def _create_or_get(self, request: Request, caller: Caller) -> Response:
        """Made once for an organizer and external id; found again unchanged, whatever else the request says."""
        organizer = self.door.organizer(request, caller)
        body = await body_of(request, "createOrGetRequest")
        starts_at, ends_at = self._times(body)
        known = self.teams.by_external_id(organizer, body["externalId"])
        if known is not None and known.expires_at > self.door.world.now():
            return self._answer(request, known)
        return self._answer(request, self._make(organizer, body, starts_at, ends_at), status=201)

    async def _create(self, request: Request, caller: Caller) -> Response:
        organizer = self.door.organizer(request, caller)
        body = await body_of(request, "meetingPost")
        starts_at, ends_at = self._times(body)
        _check_presenters(body)
        return self._answer(request, self._make(organizer, body, starts_at, ends_at), status=201)

    def _make(self, organizer: User, body: Row, starts_at: datetime, ends_at: datetime) -> Meeting:
        attendees = _attendees(body)
        meeting = self.teams.create(
            organizer,
            subject=body.get("subject") or "",
            starts_at=starts_at,
            ends_at=ends_at,
            external_id=body.get("externalId"),
        )
        meeting.attendees = attendees
        own = ("subject", "startDateTime", "endDateTime", "participants", "externalId", "chatInfo")
        passcode = {
            "isPasscodeRequired": True,
            "joinMeetingId": f"2{secrets.randbelow(10**11):011d}",
            "passcode": secrets.token_urlsafe(6),
        }
        chosen = {name: value for name, value in body.items() if name not in own}
        meeting.settings = {**_DEFAULTS, "joinMeetingIdSettings": passcode, **chosen}
        return meeting

    def _times(self, body: Row) -> tuple[datetime, datetime]:
        """Graph's rules for what is left out, or raise GraphRefused."""
        start, end = body.get("startDateTime"), body.get("endDateTime")
        if end and not start:
            raise GraphRefused(400, "BadRequest", "An end time needs a start time.")
        starts_at = moment(start) if start else self.door.world.now()
        ends_at = moment(end) if end else starts_at + _USUAL_LENGTH
        if ends_at < starts_at:
            raise GraphRefused(400, "BadRequest", "The meeting ends before it starts.")
        return starts_at, ends_at

    async def _list(self, request: Request, caller: Caller) -> Response:
        organizer = self.door.organizer(request, caller)
        wanted = _BY_JOIN_URL.fullmatch(request.query_params.get("$filter", "").strip())
        if wanted is None:
            raise GraphRefused(400, "BadRequest", "Only a filter by JoinWebUrl is supported.")
        found = self.teams.by_join_url(wanted[1].replace("''", "'"))
        rows = [self._row(found)] if found and found.organizer == organizer else []
        return JSONResponse({"value": rows})

    async def _get(self, request: Request, caller: Caller) -> Response:
        return self._answer(request, self.find(request, caller))

    async def _change(self, request: Request, caller: Caller) -> Response:
        meeting = self.find(request, caller)
        body = await body_of(request, "meetingPatch")
        _check_presenters(body)
        attendees = _attendees(body) if "participants" in body else meeting.attendees
        if ("startDateTime" in body) != ("endDateTime" in body):
            raise GraphRefused(400, "BadRequest", "Start and end can only be changed together.")
        if "startDateTime" in body:
            meeting.starts_at, meeting.ends_at = self._times(body)
        meeting.attendees = attendees
        meeting.subject = body.get("subject", meeting.subject) or ""
        own = ("subject", "startDateTime", "endDateTime", "participants")
        meeting.settings |= {name: value for name, value in body.items() if name not in own}
        self.teams.extend(meeting)
        return self._answer(request, meeting)

    async def _delete(self, request: Request, caller: Caller) -> Response:
        self.teams.delete(self.find(request, caller))
        return Response(status_code=204)

    async def _guest_url(self, request: Request, caller: Caller) -> Response:
        self.door.organizer(request, caller)
        if not self.door.switches.guest_url:
            # Graph's pages contradict each other; the current ones say that apps may not. An app can only try.
            text = "Application permissions are not supported for this method."
            raise GraphRefused(403, "Forbidden", text, fair=True)
        if request.path_params["meeting"] not in self.teams.meetings:
            raise GraphRefused(404, "NotFound", "The meeting was not found.", fair=True)
        meeting = self.find(request, caller)
        return JSONResponse({"value": self.teams.guest_url(meeting)})

    def find(self, request: Request, caller: Caller) -> Meeting:
        """The meeting of the path, which has to be one of the user of the path, or raise GraphRefused."""
        organizer = self.door.organizer(request, caller)
        meeting = self.teams.meetings.get(request.path_params["meeting"])
        if meeting is None or meeting.organizer != organizer:
            raise GraphRefused(404, "NotFound", "The meeting was not found.")
        return meeting

    def _answer(self, request: Request, meeting: Meeting, *, status: int = 200) -> Response:
        base = f"{self.door.world.http}/graph/{request.path_params['version']}"
        context = f"{base}/$metadata#users('{meeting.organizer.oid}')/onlineMeetings/$entity"
        return JSONResponse({"@odata.context": context, **self._row(meeting)}, status_code=status)

    def _row(self, meeting: Meeting) -> Row:
        organizer = meeting.organizer
        identity = {"user": {"id": organizer.oid, "displayName": None, "tenantId": organizer.tenant}}
        return {
            **_DEFAULTS,
            "lobbyBypassSettings": {"scope": meeting.lobby, "isDialInBypassEnabled": False},
            **meeting.settings,
            "id": meeting.id,
            "creationDateTime": written(meeting.created_at),
            "startDateTime": written(meeting.starts_at),
            "endDateTime": written(meeting.ends_at),
            "expiryDateTime": written(meeting.expires_at),
            "externalId": meeting.external_id,
            "isBroadcast": False,
            "joinWebUrl": meeting.join_url,
            "joinInformation": {
                "content": f"data:text/html,{quote(meeting.join_url)}",
                "contentType": "html",
            },
            "meetingType": "scheduled",
            "subject": meeting.subject,
            "chatInfo": {"threadId": meeting.thread, "messageId": "0", "replyChainMessageId": None},
            "participants": {
                "organizer": {"upn": organizer.address, "role": "presenter", "identity": identity},
                "attendees": meeting.attendees,
            },
        }


def _attendees(body: Row) -> list[Row]:
    """The people of a request; only those in Entra can be more than attendees."""
    participants = body.get("participants") or {}
    if participants.get("organizer"):
        raise GraphRefused(400, "BadRequest", "The organizer is the user in the path and cannot be named.")
    attendees: list[Row] = participants.get("attendees", [])
    for one in attendees:
        oid = str(((one.get("identity") or {}).get("user") or {}).get("id") or "")
        if one.get("role") not in (None, "attendee") and user_by_oid(oid) is None:
            raise GraphRefused(400, "BadRequest", f"Only users of the tenant can be {one['role']}.")
    return attendees


def _check_presenters(body: Row) -> None:
    if body.get("allowedPresenters") != "roleIsPresenter":
        return
    if not any(one.get("role") == "presenter" for one in _attendees(body)):
        raise GraphRefused(
            400, "BadRequest", "roleIsPresenter needs the attendees with a presenter among them."
        )
