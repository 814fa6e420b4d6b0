"""The sandbox's JSON addresses for Epic: book, move and cancel, launch, connect, and read what happened."""

import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.epic.desk import Change, Desk, LaunchRole, Posting, desk_of
from sandbox.epic.hl7_sender import Acknowledgement
from sandbox.epic.hl7_signature import Signature
from sandbox.epic.people import DEPARTMENTS, LANGUAGES, PATIENTS, PROVIDERS, mobile_e164
from sandbox.epic.records import BadRecord
from sandbox.epic.schedule import Booking, Connection, NotBooked
from sandbox.epic.state import CLIENT_IDS, EpicState, Instance, WriteBack

Fields = dict[str, object]
Choice = TypeVar("Choice", bound=StrEnum)


class BadFields(Exception):
    """A request body that cannot be used. The text says which field."""


class DeskApi:
    """The handlers, speaking to one `state`."""

    def __init__(self, state: EpicState) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        return [
            Route("/api/visits", self.visits),
            Route("/api/write-backs", self.write_backs),
            Route("/api/acknowledgements", self.acknowledgements),
            Route("/api/epic", self.describe),
            Route("/api/epic/book", self._post(self._book), methods=["POST"]),
            Route("/api/epic/reschedule", self._post(self._reschedule), methods=["POST"]),
            Route("/api/epic/comment", self._post(self._comment), methods=["POST"]),
            Route("/api/epic/cancel", self._post(self._cancel), methods=["POST"]),
            Route("/api/epic/no-show", self._post(self._no_show), methods=["POST"]),
            Route("/api/epic/send", self._post(self._send), methods=["POST"]),
            Route("/api/epic/release", self._post(self._release), methods=["POST"]),
            Route("/api/epic/connect", self._post(self._connect), methods=["POST"]),
            Route("/api/epic/records", self._post(self._enter), methods=["POST"]),
            Route("/api/epic/rules", self._post(self._rules), methods=["POST"]),
            Route("/api/epic/launch-url", self._launch_url),
        ]

    async def visits(self, request: Request) -> Response:
        return JSONResponse(
            [
                visit_row(instance, booking)
                for instance in self._state.instances.values()
                for booking in instance.schedule.bookings
            ]
        )

    async def write_backs(self, request: Request) -> Response:
        return JSONResponse([write_back_row(one) for one in self._state.write_backs])

    async def acknowledgements(self, request: Request) -> Response:
        return JSONResponse(acknowledgement_rows(self._state))

    async def describe(self, request: Request) -> Response:
        """What there is to choose from, and how each instance is set up. The password is as invented as the people."""
        return JSONResponse(
            {
                "patients": [
                    {
                        "id": one.key,
                        "name": one.name,
                        "language": one.language,
                        "mobile": mobile_e164(one.mobile) if one.mobile else "",
                        "mrn": one.mrn,
                        "mychart": one.mychart,
                    }
                    for one in PATIENTS.values()
                ],
                "providers": [
                    {"id": one.key, "name": one.name, "employee": one.employee, "email": one.email}
                    for one in PROVIDERS.values()
                ],
                "departments": [
                    {"id": one.id, "name": one.name, "zone": one.zone} for one in DEPARTMENTS.values()
                ],
                "languages": list(LANGUAGES),
                "instances": {name: _setup(one) for name, one in self._state.instances.items()},
            }
        )

    async def _book(self, desk: Desk, fields: Fields) -> Fields:
        return _changed(
            desk.book(
                patient=_text(fields, "patient", "elena"),
                provider=_text(fields, "provider", "susan"),
                department=_text(fields, "department", "10501"),
                kind=_text(fields, "kind", "video"),
                start=moment(_text(fields, "start")) if fields.get("start") else None,
                minutes=_whole_number(fields, "minutes", 30),
                zone=_text(fields, "zone"),
                language=_text(fields, "language"),
                comment=_text(fields, "comment"),
                conference=_text(fields, "conference_id"),
                posting=_choice(fields, "posting", Posting.ONCE),
            )
        )

    async def _reschedule(self, desk: Desk, fields: Fields) -> Fields:
        start = moment(_text(fields, "start"))
        posting = _choice(fields, "posting", Posting.ONCE)
        return _changed(desk.reschedule(_text(fields, "csn"), start=start, posting=posting))

    async def _comment(self, desk: Desk, fields: Fields) -> Fields:
        posting = _choice(fields, "posting", Posting.ONCE)
        return _changed(desk.comment(_text(fields, "csn"), comment=_text(fields, "comment"), posting=posting))

    async def _cancel(self, desk: Desk, fields: Fields) -> Fields:
        return _changed(desk.cancel(_text(fields, "csn"), posting=_choice(fields, "posting", Posting.ONCE)))

    async def _no_show(self, desk: Desk, fields: Fields) -> Fields:
        return _changed(desk.no_show(_text(fields, "csn"), posting=_choice(fields, "posting", Posting.ONCE)))

    async def _send(self, desk: Desk, fields: Fields) -> Fields:
        control_id = desk.send(
            _text(fields, "message"),
            signature=_choice(fields, "signature", Signature.GOOD),
            times=_whole_number(fields, "times", 1),
            insist=fields.get("insist") is True,
        )
        return {"control_id": control_id}

    async def _release(self, desk: Desk, fields: Fields) -> Fields:
        return {"released": desk.instance.engine.release(newest_first=fields.get("newest_first") is True)}

    async def _connect(self, desk: Desk, fields: Fields) -> Fields:
        records = fields.get("records", {})
        redirect_uris = fields.get("redirect_uris")
        if not isinstance(records, dict):
            raise BadFields("records must be an object")
        if redirect_uris is not None and not isinstance(redirect_uris, list):
            raise BadFields("redirect_uris must be a list")
        desk.connect(
            environment=_needed(fields, "environment"),
            app=_needed(fields, "app"),
            hl7v2=_needed(fields, "hl7v2"),
            records=records,
            redirect_uris=[str(one) for one in redirect_uris] if redirect_uris else None,
            zone=_text(fields, "zone"),
        )
        return _setup(desk.instance)

    async def _enter(self, desk: Desk, fields: Fields) -> Fields:
        """Enter records as the connector's page copies them: kind to lines of `Name: value`."""
        records = fields.get("records")
        if not isinstance(records, dict) or not all(isinstance(one, str) for one in records.values()):
            raise BadFields("records must be an object of texts")
        desk.enter(records)
        return _setup(desk.instance)

    async def _rules(self, desk: Desk, fields: Fields) -> Fields:
        """Change how the status service and the sign-in of this site behave."""
        rules = desk.instance.rules
        _switch(rules, fields, "post_allowed", "entitled", "id_type_needed")
        _switch(desk.instance.signing_in, fields, "keys_synced", "other_epic")
        statuses, id_types = fields.get("statuses"), fields.get("id_types")
        try:
            if isinstance(statuses, dict):
                rules.statuses = {str(value): Connection(meaning) for value, meaning in statuses.items()}
        except ValueError as unknown:
            raise BadFields(f"statuses may mean {', '.join(Connection)}") from unknown
        if isinstance(id_types, dict):
            if not set(id_types.values()) <= {"provider", "patient"}:
                raise BadFields("id_types may mean provider or patient")
            rules.id_types = {str(value): str(who) for value, who in id_types.items()}
        return _setup(desk.instance)

    async def _launch_url(self, request: Request) -> Response:
        given = request.query_params
        try:
            desk = desk_of(self._state, given.get("instance", ""))
            role = _choice(dict(given), "role", LaunchRole.PROVIDER)
            url = desk.launch_url(given.get("csn", ""), role=role, person=given.get("person", ""))
        except (NotBooked, BadFields) as refusal:
            return JSONResponse({"error": str(refusal)}, status_code=400)
        return JSONResponse({"url": url})

    def _post(
        self, answer: Callable[[Desk, Fields], Awaitable[Fields]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """`answer` given the desk that the body names and the body's other fields."""

        async def handler(request: Request) -> Response:
            try:
                fields = await _body(request)
                desk = desk_of(self._state, str(fields.pop("instance", "")))
                return JSONResponse(await answer(desk, fields))
            except (NotBooked, BadRecord, BadFields) as refusal:
                return JSONResponse({"error": str(refusal)}, status_code=400)

        return handler


def visit_row(instance: Instance, booking: Booking) -> Fields:
    """One appointment as `/api/visits` shows it."""
    return {
        "csn": booking.csn,
        "patient": booking.patient.name,
        "provider": booking.provider.name,
        "start": booking.start.isoformat(),
        "status": booking.status,
        "department": booking.department.name,
        "conference_id": booking.conference_id,
        "instance": instance.name,
        "kind": booking.kind.value,
        "minutes": booking.minutes,
        "zone": booking.zone,
        "language": booking.language.tag,
        "comment": booking.comment,
        "standing": booking.standing.value,
        "previous_csns": list(booking.previous_csns),
        "patient_connection": booking.patient_connection.value,
        "provider_connection": booking.provider_connection.value,
    }


def write_back_row(one: WriteBack) -> Fields:
    """One call of the status service as `/api/write-backs` shows it."""
    return {
        "at": one.at.isoformat(),
        "conference_id": one.conference_id,
        "external_id": one.external_id,
        "external_id_type": one.external_id_type,
        "status": one.status,
        "status_meaning": one.status_meaning,
        "accepted": one.accepted,
        "who": one.who,
        "instance": one.instance,
        "method": one.method,
        "vendor": one.vendor,
        "http_status": one.http_status,
        "reason": one.reason,
    }


def acknowledgement_rows(state: EpicState) -> list[Fields]:
    """What came back for every attempt, of both instances, oldest first."""
    answers = [
        (instance.name, one)
        for instance in state.instances.values()
        for one in instance.engine.acknowledgements
    ]
    return [_acknowledgement_row(name, one) for name, one in sorted(answers, key=lambda pair: pair[1].at)]


def _acknowledgement_row(instance: str, one: Acknowledgement) -> Fields:
    return {
        "at": one.at.isoformat(),
        "control_id": one.control_id,
        "event": one.event,
        "http_status": one.http_status,
        "code": one.code,
        "text": one.text,
        "csn": one.csn,
        "attempt": one.attempt,
        "instance": instance,
        "message": one.message,
    }


def _setup(instance: Instance) -> Fields:
    connected = instance.connected
    return {
        "fhir_base_url": instance.fhir_base,
        "clients": {kind.value: id for kind, id in CLIENT_IDS[instance.name].items()},
        "connected": {
            "environment": connected.environment,
            "app": connected.app,
            "hl7v2": instance.engine.url,
            "records": connected.records,
        }
        if connected
        else None,
        "waiting": instance.engine.waiting,
        "held": len(instance.engine.held),
        "set_aside": len(instance.engine.set_aside),
        "rules": {
            "post_allowed": instance.rules.post_allowed,
            "entitled": instance.rules.entitled,
            "id_type_needed": instance.rules.id_type_needed,
            "basic_user": instance.rules.basic_user,
            "basic_password": instance.rules.basic_password,
            "statuses": {value: meaning.value for value, meaning in instance.rules.statuses.items()},
            "id_types": dict(instance.rules.id_types),
            "keys_synced": instance.signing_in.keys_synced,
            "other_epic": instance.signing_in.other_epic,
        },
    }


def _switch(rules: object, fields: Fields, *names: str) -> None:
    """Set those of `rules` that the body names."""
    for name in names:
        if name in fields:
            if not isinstance(fields[name], bool):
                raise BadFields(f"{name} must be true or false")
            setattr(rules, name, fields[name])


def _changed(change: Change) -> Fields:
    booking = change.booking
    return {
        "csn": booking.csn,
        "conference_id": booking.conference_id,
        "original_csn": booking.original_csn,
        "control_id": change.control_id,
        "start": booking.start.isoformat(),
    }


async def _body(request: Request) -> Fields:
    raw = await request.body()
    try:
        fields = json.loads(raw) if raw.strip() else {}
    except ValueError as unreadable:
        raise BadFields("the body must be JSON") from unreadable
    if not isinstance(fields, dict):
        raise BadFields("the body must be a JSON object")
    return fields


def moment(text: str) -> datetime:
    """An ISO time with its offset from UTC, or raise BadFields."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as unreadable:
        raise BadFields("start must be an ISO time such as 2027-01-15T14:30:00-08:00") from unreadable
    if found.tzinfo is None:
        raise BadFields("start needs an offset from UTC, such as Z or -08:00")
    return found


def _text(fields: Fields, name: str, otherwise: str = "") -> str:
    value = fields.get(name)
    if value is None:
        return otherwise
    if not isinstance(value, str):
        raise BadFields(f"{name} must be text")
    return value or otherwise


def _needed(fields: Fields, name: str) -> str:
    value = _text(fields, name)
    if not value:
        raise BadFields(f"{name} is needed")
    return value


def _whole_number(fields: Fields, name: str, otherwise: int) -> int:
    value = fields.get(name, otherwise)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise BadFields(f"{name} must be a whole number above zero")
    return value


def _choice(fields: Fields, name: str, otherwise: Choice) -> Choice:
    value = _text(fields, name, otherwise.value)
    try:
        return type(otherwise)(value)
    except ValueError as unknown:
        raise BadFields(f"{name} must be one of {', '.join(type(otherwise))}") from unknown
