"""What Graph remembers of finished calls: attendance reports of a meeting, and call records of the tenant."""

from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.graph import ROOT, Caller, GraphDoor, GraphRefused, written
from sandbox.graph_meetings import ONE, GraphMeetings
from sandbox.teams import Teams
from sandbox.teams_meeting import Call, Meeting, Participant
from sandbox.world import Row

_ARTIFACTS = ("OnlineMeetingArtifact.Read.All",)
_RECORDS = ("CallRecords.Read.All",)
_ROLES = {"organizer": "Organizer", "coorganizer": "Presenter", "presenter": "Presenter"}


@dataclass(frozen=True, slots=True)
class GraphCalls:
    """The handlers. A report or a record exists once its call has ended."""

    door: GraphDoor
    teams: Teams
    meetings: GraphMeetings

    def routes(self) -> list[Route]:
        door = self.door.open
        records = f"{ROOT}/communications/callRecords"
        return [
            Route(f"{ONE}/attendanceReports", door(self._reports, roles=_ARTIFACTS)),
            Route(f"{ONE}/attendanceReports/{{report}}", door(self._report, roles=_ARTIFACTS)),
            Route(
                f"{ONE}/attendanceReports/{{report}}/attendanceRecords",
                door(self._attendance, roles=_ARTIFACTS),
            ),
            Route(records, door(self._call_records, roles=_RECORDS)),
            Route(f"{records}/{{call}}", door(self._call_record, roles=_RECORDS)),
            Route(f"{records}/{{call}}/participants_v2", door(self._call_participants, roles=_RECORDS)),
        ]

    async def _reports(self, request: Request, caller: Caller) -> Response:
        meeting = self.meetings.find(request, caller)
        return JSONResponse({"value": [_report(one) for one in _ended(meeting)]})

    async def _report(self, request: Request, caller: Caller) -> Response:
        call = self._call_of_report(request, caller)
        expanded = request.query_params.get("$expand") == "attendanceRecords"
        records = {"attendanceRecords": _records(call)} if expanded else {}
        return JSONResponse({**_report(call), **records})

    async def _attendance(self, request: Request, caller: Caller) -> Response:
        return JSONResponse({"value": _records(self._call_of_report(request, caller))})

    def _call_of_report(self, request: Request, caller: Caller) -> Call:
        meeting = self.meetings.find(request, caller)
        for call in _ended(meeting):
            if call.id == request.path_params["report"]:
                return call
        raise GraphRefused(404, "NotFound", "The attendance report was not found.")

    async def _call_records(self, request: Request, caller: Caller) -> Response:
        found = [(one, call) for one in self.teams.meetings.values() for call in _ended(one)]
        return JSONResponse({"value": [_call_record(one, call) for one, call in found]})

    async def _call_record(self, request: Request, caller: Caller) -> Response:
        meeting, call = self._find_call(request)
        row = _call_record(meeting, call)
        if "participants_v2" in request.query_params.get("$expand", ""):
            row["participants_v2"] = [_call_participant(one) for one in call.participants]
        return JSONResponse(row)

    async def _call_participants(self, request: Request, caller: Caller) -> Response:
        _, call = self._find_call(request)
        return JSONResponse({"value": [_call_participant(one) for one in call.participants]})

    def _find_call(self, request: Request) -> tuple[Meeting, Call]:
        for meeting in self.teams.meetings.values():
            for call in _ended(meeting):
                if call.id == request.path_params["call"]:
                    return meeting, call
        raise GraphRefused(404, "NotFound", "The call record was not found.")


def _ended(meeting: Meeting) -> list[Call]:
    return [one for one in meeting.calls if one.ended_at is not None]


def _report(call: Call) -> Row:
    return {
        "id": call.id,
        "meetingStartDateTime": written(call.started_at),
        "meetingEndDateTime": written(call.ended_at),
        "totalParticipantCount": len(_by_person(call)),
    }


def _by_person(call: Call) -> dict[str, list[Participant]]:
    """The stays of each person; a guest who came back cannot be told from another guest."""
    people: dict[str, list[Participant]] = {}
    for one in call.participants:
        people.setdefault(one.user.oid if one.user else one.id, []).append(one)
    return people


def _records(call: Call) -> list[Row]:
    return [_record(id, stays) for id, stays in _by_person(call).items()]


def _record(id: str, stays: list[Participant]) -> Row:
    first = stays[0]
    intervals = [
        _interval(one.connected_at, one.left_at) for one in stays if one.connected_at and one.left_at
    ]
    identity: Row = {"id": id, "displayName": first.name}
    if first.user is not None:
        identity["tenantId"] = first.user.tenant
    return {
        "id": id,
        "emailAddress": first.user.address if first.user else "",
        "role": _ROLES.get(first.role, "Attendee"),
        "identity": identity,
        "totalAttendanceInSeconds": sum(one["durationInSeconds"] for one in intervals),
        "attendanceIntervals": intervals,
    }


def _interval(joined_at: datetime, left_at: datetime) -> Row:
    return {
        "joinDateTime": written(joined_at),
        "leaveDateTime": written(left_at),
        "durationInSeconds": int((left_at - joined_at).total_seconds()),
    }


def _call_record(meeting: Meeting, call: Call) -> Row:
    organizer = meeting.organizer
    return {
        "id": call.id,
        "version": 1,
        "type": "groupCall",
        "modalities": ["audio", "video"],
        "startDateTime": written(call.started_at),
        "endDateTime": written(call.ended_at),
        "lastModifiedDateTime": written(call.ended_at),
        "joinWebUrl": meeting.join_url,
        "organizer": {
            "user": {"id": organizer.oid, "displayName": organizer.name, "tenantId": organizer.tenant}
        },
        "participants": [identity_set(one) for one in call.participants],
    }


def _call_participant(one: Participant) -> Row:
    return {"id": one.user.oid if one.user else one.id, "identity": identity_set(one)}


def identity_set(one: Participant) -> Row:
    """Who somebody is, in Graph's words: guests have a name that they typed, and an id that changes at every join."""
    user = one.user
    member = {"id": user.oid, "displayName": user.name, "tenantId": user.tenant} if user else None
    guest = None if user else {"id": one.id, "displayName": one.name}
    return {"user": member, "guest": guest, "phone": None, "application": None}
