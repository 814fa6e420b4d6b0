"""The front desk of the sandbox hospital: books, moves and cancels, opens visits, and sends what Epic would send."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import urlencode

from sandbox.epic.hl7_messages import Trigger, compose
from sandbox.epic.hl7_sender import Outgoing, describe
from sandbox.epic.hl7_signature import Signature
from sandbox.epic.people import PROVIDERS
from sandbox.epic.records import FEED, LAUNCHING, STANDARD, BadRecord, Sheet, read_records, read_sheet
from sandbox.epic.schedule import Booking, Kind, NotBooked
from sandbox.epic.state import INSTANCES, ClientKind, EpicState, Instance, Person, everyone


class Posting(StrEnum):
    """How a message leaves: as it should, or in a way that tries the receiver."""

    ONCE = "once"
    TWICE = "twice"
    OVERTAKEN = "overtaken"
    HELD = "held"
    NEVER = "never"


class LaunchRole(StrEnum):
    """The three launch addresses of the connector."""

    PROVIDER = "provider"
    PATIENT = "patient"
    DEVICE_TEST = "device-test"


@dataclass(frozen=True, slots=True)
class Change:
    """What was done to the schedule, and the message about it."""

    booking: Booking
    control_id: str


class Desk:
    """Everything a person can do in Epic here, for one of the two instances."""

    def __init__(self, state: EpicState, instance: Instance) -> None:
        self._state = state
        self.instance = instance

    def book(
        self,
        *,
        patient: str = "elena",
        provider: str = "susan",
        department: str = "10501",
        kind: str = "video",
        start: datetime | None = None,
        minutes: int = 30,
        zone: str = "",
        language: str = "",
        comment: str = "",
        conference: str = "",
        posting: Posting = Posting.ONCE,
    ) -> Change:
        """Book, and send an S12. Without a start the visit begins at the next full hour but one."""
        booking = self.instance.schedule.book(
            patient=patient,
            provider=provider,
            department=department,
            kind=kind,
            start=start or self._soon(),
            minutes=minutes,
            zone=zone,
            language=language,
            comment=comment,
            conference=conference,
        )
        return self._say(booking, Trigger.BOOKED, posting)

    def reschedule(self, csn: str, *, start: datetime, posting: Posting = Posting.ONCE) -> Change:
        return self._say(self.instance.schedule.reschedule(csn, start=start), Trigger.MOVED, posting)

    def comment(self, csn: str, *, comment: str, posting: Posting = Posting.ONCE) -> Change:
        return self._say(self.instance.schedule.comment(csn, comment=comment), Trigger.CHANGED, posting)

    def cancel(self, csn: str, *, posting: Posting = Posting.ONCE) -> Change:
        return self._say(self.instance.schedule.cancel(csn), Trigger.CANCELED, posting)

    def no_show(self, csn: str, *, posting: Posting = Posting.ONCE) -> Change:
        return self._say(self.instance.schedule.no_show(csn), Trigger.NO_SHOW, posting)

    def send(self, text: str, *, signature: Signature, times: int, insist: bool) -> str:
        """Send any text as it is, `times` times. Returns its control id, or nothing when it has none."""
        raw = text.encode("utf-8")
        control_id, event = describe(raw)
        message = Outgoing(raw=raw, control_id=control_id, event=event, signature=signature, insist=insist)
        self.instance.engine.enqueue(*[message] * times)
        return control_id

    def launch_url(self, csn: str, *, role: LaunchRole, person: str = "") -> str:
        """A fresh EHR launch address of the connector for someone of this visit; good once, for minutes.

        A provider launch is the visit's clinician unless `person` names another; a patient launch is the patient
        unless `person` names who acts for them.
        """
        connected = self.instance.connected
        if connected is None:
            raise NotBooked("no connector is connected to this Epic instance yet")
        booking = self.instance.schedule.find(csn)
        if booking.kind is not Kind.VIDEO:
            raise NotBooked("only a video visit can be launched")
        kind = ClientKind.PROVIDER if role is LaunchRole.PROVIDER else ClientKind.PATIENT
        record = _record(booking, role)
        token = self.instance.begin_launch(
            client=self.instance.client_of(kind),
            person=_launching(booking, role, person),
            booking=booking,
            record=record,
            now=self._state.clock(),
        )
        query = urlencode({"iss": self.instance.fhir_base, "launch": token})
        usual = f"{connected.app}/launch/{connected.environment}/{role}"
        return f"{connected.launch_urls.get(record) or usual}?{query}"

    def connect(
        self,
        *,
        environment: str,
        app: str,
        hl7v2: str,
        records: Mapping[str, object],
        redirect_uris: list[str] | None,
        zone: str = "",
    ) -> None:
        """Enter what the connector's integration records say. Raises BadRecord.

        `zone` is the time zone of this Epic's server, in which all its messages are then written.
        """
        app = app.rstrip("/")
        self.instance.connect(
            environment=environment,
            app=app,
            hl7v2=hl7v2,
            records=read_records(records, environment=environment),
            redirect_uris=frozenset(redirect_uris or [f"{app}/launch/callback"]),
        )
        self.instance.zone = zone

    def enter(self, sheets: Mapping[str, str]) -> None:
        """Enter the connector's records as its page shows them, each as lines of `Name: value`.

        Raises BadRecord for what Epic's editor would not take. Apps are registered and the server's zone is set
        before, by `connect`.
        """
        connected = self.instance.connected
        if connected is None:
            raise NotBooked("no connector is connected to this Epic instance yet")
        entered = {kind: read_sheet(kind, text) for kind, text in sheets.items()}
        records, launch_urls = dict(connected.records), dict(connected.launch_urls)
        for kind, sheet in entered.items():
            if kind not in LAUNCHING:
                continue
            records[kind], launch_urls[kind] = sheet.tokens(), sheet.value("Launch URL")
            self._register(kind, sheet)
        self.instance.connected = replace(connected, records=records, launch_urls=launch_urls)
        if FEED in entered:
            self.instance.engine.connect(entered[FEED].value("Destination URL"))

    def _register(self, kind: str, sheet: Sheet) -> None:
        client = self.instance.client_of(
            ClientKind.PROVIDER if kind.endswith("provider") else ClientKind.PATIENT
        )
        if sheet.value("Client ID") != client.id:
            # Epic knows its own apps: a record with another client id is refused at the launch.
            raise BadRecord(f"the {kind} record names a client id that this Epic did not give")
        client.redirect_uris = client.redirect_uris | {sheet.value("Redirect URI")}
        if address := sheet.values.get("Public key URL"):
            client.jwks_url, client.keys = address, {}

    def _say(self, booking: Booking, trigger: Trigger, posting: Posting) -> Change:
        control_id = self.instance.new_control_id()
        # A feed knows one zone, wherever its clinics are.
        zone = self.instance.zone or booking.zone
        text = compose(
            replace(booking, zone=zone),
            trigger,
            instance=self.instance.name,
            control_id=control_id,
            written_at=self._state.clock(),
        )
        message = Outgoing(
            raw=text.encode("utf-8"), control_id=control_id, event=trigger.value, csn=booking.csn
        )
        match posting:
            case Posting.ONCE:
                self.instance.engine.enqueue(message)
            case Posting.TWICE:
                self.instance.engine.enqueue(message, message)
            case Posting.OVERTAKEN:
                self.instance.engine.let_overtake(message)
            case Posting.HELD:
                self.instance.engine.hold(message)
            case Posting.NEVER:
                pass
        self._state.changed()
        return Change(booking, control_id)

    def _soon(self) -> datetime:
        now = self._state.clock()
        return now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)


def _record(booking: Booking, role: LaunchRole) -> str:
    name = f"group-{role}" if booking.conference and role is not LaunchRole.DEVICE_TEST else role.value
    return name if name in STANDARD else role.value


def _launching(booking: Booking, role: LaunchRole, person: str) -> Person:
    if role is LaunchRole.PROVIDER:
        if person and person not in PROVIDERS:
            raise NotBooked(f"unknown provider; known are {', '.join(PROVIDERS)}")
        return PROVIDERS[person] if person else booking.provider
    who = everyone().get(person) if person else booking.patient
    if person == "proxy":
        who = booking.proxy
    if who is None or who not in (booking.patient, booking.proxy):
        raise NotBooked("only the patient or who acts for them can open this visit in MyChart")
    return who


def desk_of(state: EpicState, instance: str = "") -> Desk:
    """The desk of an instance, test when none is named. Raises NotBooked."""
    name = instance or INSTANCES[0]
    if name not in state.instances:
        raise NotBooked(f"unknown instance; known are {', '.join(INSTANCES)}")
    return Desk(state, state.instances[name])
