"""Epic's telehealth status service: the connector says who is in a video visit, and the schedule shows it.

SetExternalConnectionStatus is known only from outside, so what is not public here is the site's configuration
(`StatusRules`): the values of ConnectionStatus, the types of ids, and whether POST is allowed.
"""

import base64
import binascii
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.epic.fhir import FhirRefusal, bearer
from sandbox.epic.people import PROVIDERS
from sandbox.epic.records import external_id
from sandbox.epic.schedule import Booking, Standing
from sandbox.epic.state import ClientKind, EpicState, Instance, StatusRules, WriteBack

PARAMETERS = ("ConferenceID", "ExternalID", "ExternalIDType", "VendorName", "ConnectionStatus")


@dataclass(eq=False)
class StatusRefused(Exception):
    """A refusal. A 403 without text has no body, as when the client is not entitled to the API."""

    status: int
    text: str = ""
    authenticate: str = ""


@dataclass(frozen=True, slots=True)
class _Told:
    """What a good call said: whose side of which visits."""

    who: str
    bookings: tuple[Booking, ...]


def set_external_connection_status(
    state: EpicState,
    instance: Instance,
    *,
    method: str,
    sent: list[tuple[str, str]],
    headers: Mapping[str, str],
) -> None:
    """Take the status into the schedule, or raise StatusRefused. Either way the call is listed."""
    given = dict(sent)
    rules = instance.rules
    meaning = rules.statuses.get(given.get("ConnectionStatus", ""))
    who, refusal = "", None
    try:
        _authenticate(state, instance, headers)
        told = _check(instance, method=method, sent=sent)
        who = told.who
        for booking in told.bookings:
            status = rules.statuses[given["ConnectionStatus"]]
            if who == "provider":
                booking.provider_connection = status
            else:
                booking.patient_connection = status
        state.changed()
    except StatusRefused as refused:
        refusal = refused
    state.write_backs.append(
        WriteBack(
            at=state.clock(),
            instance=instance.name,
            method=method,
            conference_id=given.get("ConferenceID", ""),
            external_id=given.get("ExternalID", ""),
            external_id_type=given.get("ExternalIDType", ""),
            vendor=given.get("VendorName", ""),
            status=given.get("ConnectionStatus", ""),
            status_meaning=meaning.value if meaning else "",
            who=who,
            http_status=refusal.status if refusal else 200,
            reason=(refusal.text or "not entitled") if refusal else "",
        )
    )
    if refusal is not None:
        raise refusal


def _authenticate(state: EpicState, instance: Instance, headers: Mapping[str, str]) -> None:
    authorization = headers.get("authorization", "")
    scheme = authorization.partition(" ")[0].lower()
    if scheme == "bearer":
        try:
            token = bearer(instance, authorization, now=state.clock())
        except FhirRefusal as unknown:
            raise StatusRefused(
                401, "The access token is missing, unknown or expired.", 'Bearer error="invalid_token"'
            ) from unknown
        if token.kind is not ClientKind.BACKEND:
            raise StatusRefused(403, authenticate='Bearer error="insufficient_scope"')
    elif scheme == "basic":
        if headers.get("epic-client-id", "") != instance.client_of(ClientKind.BACKEND).id:
            raise StatusRefused(401, "Epic-Client-ID is missing or not known here.")
        if not _is_user(instance, authorization):
            raise StatusRefused(401, "The user or password is wrong.", "Basic")
    else:
        raise StatusRefused(401, "Authentication is required.", "Bearer")
    if not instance.rules.entitled:
        raise StatusRefused(403)


def _is_user(instance: Instance, authorization: str) -> bool:
    expected = f"emp${instance.rules.basic_user}:{instance.rules.basic_password}"
    try:
        given = base64.b64decode(authorization.partition(" ")[2].strip(), validate=True)
    except binascii.Error:
        return False
    return hmac.compare_digest(given, expected.encode())


def _check(instance: Instance, *, method: str, sent: list[tuple[str, str]]) -> _Told:
    rules, given = instance.rules, dict(sent)
    if method != "GET" and not rules.post_allowed:
        raise StatusRefused(405, "Use GET.")
    if len(given) != len(sent):
        raise StatusRefused(400, "A parameter was sent twice.")
    unknown = [name for name in given if name not in PARAMETERS]
    if unknown:
        raise StatusRefused(400, f"Unknown parameter: {', '.join(sorted(unknown))}.")
    optional = () if rules.id_type_needed else ("ExternalIDType",)
    missing = [name for name in PARAMETERS if not given.get(name) and name not in optional]
    if missing:
        raise StatusRefused(400, f"Missing parameter: {', '.join(missing)}.")
    if given["ConnectionStatus"] not in rules.statuses:
        raise StatusRefused(400, "ConnectionStatus is not a known value.")
    bookings = instance.schedule.of_conference(given["ConferenceID"])
    if not bookings:
        raise StatusRefused(400, "ConferenceID was not found.")
    who, known = _person(rules, bookings, given["ExternalID"], given.get("ExternalIDType", ""))
    if all(one.standing is Standing.CANCELED for one in known):
        raise StatusRefused(400, "The appointment was canceled.")
    return _Told(who, known)


def _person(
    rules: StatusRules, bookings: list[Booking], external: str, id_type: str
) -> tuple[str, tuple[Booking, ...]]:
    """Whose side of which bookings an external id speaks for. Without a type, both sides are looked through."""
    if id_type and id_type not in rules.id_types:
        raise StatusRefused(400, "ExternalIDType is not a known value.")
    for who in (rules.id_types[id_type],) if id_type else ("patient", "provider"):
        known = tuple(one for one in bookings if external in _known_as(one, who))
        if known:
            return who, known
    raise StatusRefused(400, "ExternalID was not found for this visit.")


def _known_as(booking: Booking, who: str) -> frozenset[str]:
    """The external ids that may speak for one side of a visit: the clinician's, the patient's or a proxy's."""
    if who == "provider":
        # Any clinician may step in for another.
        return frozenset(one.employee for one in PROVIDERS.values())
    people = (booking.patient, *((booking.proxy,) if booking.proxy else ()))
    return frozenset(external_id(one)[0] for one in people)
