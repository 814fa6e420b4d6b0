"""Teams: meetings, who waits in their lobbies, who is in the call, and when calls begin and end."""

import base64
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import urlencode

from sandbox.teams_meeting import Call, CallEvent, CannotJoin, EventKind, Meeting, Participant, State
from sandbox.world import User, World

# Scheduled meetings lapse so long after their end.
EXPIRES_AFTER = timedelta(days=60)


class Teams:
    """All meetings. Whoever wants to know what happens in calls adds itself to `told`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.meetings: dict[str, Meeting] = {}
        self.told: list[Callable[[Meeting, CallEvent], None]] = []

    def create(
        self,
        organizer: User,
        *,
        subject: str,
        starts_at: datetime,
        ends_at: datetime,
        external_id: str | None,
    ) -> Meeting:
        now = self._world.now()
        thread = f"19:meeting_{base64.b64encode(secrets.token_hex(24).encode()).decode()}@thread.v2"
        plain_id = f"1*{organizer.oid}*0**{thread}"
        meeting = Meeting(
            id=base64.urlsafe_b64encode(plain_id.encode()).decode(),
            short_id=secrets.token_hex(6),
            thread=thread,
            organizer=organizer,
            join_url=self._join_url(thread, organizer),
            created_at=now,
            subject=subject,
            starts_at=starts_at,
            ends_at=ends_at,
            expires_at=max(ends_at, now) + EXPIRES_AFTER,
            external_id=external_id,
        )
        self.meetings[meeting.id] = meeting
        self._world.log("teams", "meeting made", meeting=meeting.id, organizer=organizer.key)
        return meeting

    def extend(self, meeting: Meeting) -> None:
        """Starting or changing a meeting puts its expiry off."""
        meeting.expires_at = max(meeting.ends_at, self._world.now()) + EXPIRES_AFTER

    def _join_url(self, thread: str, organizer: User) -> str:
        """As Teams writes it: parts are encoded already, some of them in lower case."""
        named = thread.replace(":", "%3a").replace("@", "%40")
        context = f"%7b%22Tid%22%3a%22{organizer.tenant}%22%2c%22Oid%22%3a%22{organizer.oid}%22%7d"
        return f"{self._world.http}/teams/l/meetup-join/{named}/0?context={context}"

    def guest_url(self, meeting: Meeting) -> str:
        """The address that opens in any browser, of the kind that virtual appointments have."""
        query = urlencode({"tid": meeting.organizer.tenant, "convId": meeting.thread})
        return f"{self._world.http}/teams/webrtc-svc/api/route?{query}"

    def by_external_id(self, organizer: User, external_id: str) -> Meeting | None:
        return next(
            (
                one
                for one in self.meetings.values()
                if one.organizer == organizer and one.external_id == external_id
            ),
            None,
        )

    def by_join_url(self, join_url: str) -> Meeting | None:
        return next((one for one in self.meetings.values() if one.join_url == join_url), None)

    def find(self, named: str) -> Meeting:
        """A meeting by Graph's id, its short id or its thread, or raise CannotJoin."""
        for one in self.meetings.values():
            if named in (one.id, one.short_id, one.thread):
                return one
        raise CannotJoin("there is no such meeting")

    def delete(self, meeting: Meeting) -> None:
        self.end(meeting)
        del self.meetings[meeting.id]

    def join(self, meeting: Meeting, *, name: str, user: User | None = None) -> Participant:
        """Somebody opens the meeting: they get in, or wait in the lobby."""
        if user is not None and any(
            one.user == user and one.state is not State.LEFT for one in meeting.participants
        ):
            raise CannotJoin(f"{user.name} is in this meeting already")
        now = self._world.now()
        person = Participant(
            id=self._world.new_id(),
            name=user.name if user else name.strip() or "Guest",
            user=user,
            role=meeting.role_of(user),
            state=State.WAITING,
            at=now,
            joined_at=now,
        )
        meeting.participants.append(person)
        self._world.log("teams", "joined", meeting=meeting.id, participant=person.id, guest=user is None)
        if meeting.passes_lobby(user):
            self._connect(meeting, person)
        else:
            self._tell_roster(meeting, person)
        return person

    def admit(self, meeting: Meeting, participant: str) -> Participant:
        person = _person(meeting, participant)
        if person.state is not State.WAITING:
            raise CannotJoin(f"{person.name} is not waiting in the lobby")
        if not any(one.state is State.CONNECTED and one.user for one in meeting.participants):
            raise CannotJoin("nobody who could admit anyone is in the call")
        self._connect(meeting, person)
        return person

    def leave(self, meeting: Meeting, participant: str) -> Participant:
        person = _person(meeting, participant)
        if person.state is State.LEFT:
            raise CannotJoin(f"{person.name} has left already")
        self._gone(person)
        self._tell_roster(meeting, person)
        if not any(one.state is State.CONNECTED for one in meeting.participants):
            self._end_call(meeting)
        return person

    def end(self, meeting: Meeting) -> None:
        """Everyone is sent out, those in the lobby too."""
        for person in meeting.participants:
            if person.state is not State.LEFT:
                self._gone(person)
                self._tell_roster(meeting, person)
        self._end_call(meeting)

    def _connect(self, meeting: Meeting, person: Participant) -> None:
        now = self._world.now()
        person.state, person.at, person.connected_at = State.CONNECTED, now, now
        call = meeting.running
        if call is None:
            call = Call(id=self._world.new_id(), started_at=now)
            meeting.calls.append(call)
            self.extend(meeting)
            self._tell(meeting, CallEvent(EventKind.STARTED, now))
        call.participants.append(person)
        self._tell_roster(meeting, person)

    def _gone(self, person: Participant) -> None:
        now = self._world.now()
        person.state, person.at, person.left_at = State.LEFT, now, now

    def _end_call(self, meeting: Meeting) -> None:
        call = meeting.running
        if call is not None:
            call.ended_at = self._world.now()
            self._tell(meeting, CallEvent(EventKind.ENDED, call.ended_at))

    def _tell_roster(self, meeting: Meeting, person: Participant) -> None:
        seen = (person, person.state is State.WAITING, person.state is State.LEFT)
        self._tell(meeting, CallEvent(EventKind.ROSTER, self._world.now(), (seen,)))

    def _tell(self, meeting: Meeting, event: CallEvent) -> None:
        for tell in self.told:
            tell(meeting, event)


def _person(meeting: Meeting, participant: str) -> Participant:
    found = next((one for one in meeting.participants if one.id == participant), None)
    if found is None:
        raise CannotJoin("nobody with this id is in the meeting")
    return found
