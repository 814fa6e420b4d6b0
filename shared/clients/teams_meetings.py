"""The Teams meeting behind a visit: made once, with a lobby, and closed to chat afterwards."""

import logging
from datetime import UTC, datetime
from typing import Any

from azure.core.credentials_async import AsyncTokenCredential

from shared.clients.graph import Graph
from shared.domain.errors import TryAgain, TurnedDown
from shared.domain.visit import GuestsMay, Meeting

logger = logging.getLogger(__name__)


class TeamsMeetings:
    """Meetings of the one tenant that `credential` belongs to.

    Keep one per tenant for the life of the process: it remembers whether that tenant hands out guest addresses.
    """

    def __init__(
        self, graph: Graph, *, credential: AsyncTokenCredential, probe_guest_url: bool = False
    ) -> None:
        self._graph = graph
        self._credential = credential
        self._probe_guest_url = probe_guest_url

    async def make(
        self, *, organizer: str, external_id: str, subject: str, starts_at: datetime, ends_at: datetime
    ) -> Meeting:
        """The meeting with that external id, made now or before: safe to repeat. Raise TryAgain or TurnedDown.

        A meeting that was there keeps the time and subject it had, and a new one has the tenant's lobby, because
        createOrGet accepts no more than this (Microsoft Graph, onlineMeeting: createOrGet): `set_up` follows.
        """
        answer = await self._graph.call(
            lambda graph: graph.users.by_user_id(organizer).online_meetings.create_or_get,
            "POST",
            credential=self._credential,
            body={
                "externalId": external_id,
                "subject": subject,
                "startDateTime": _graph_time(starts_at),
                "endDateTime": _graph_time(ends_at),
            },
        )
        id, join_url = answer.get("id"), answer.get("joinWebUrl")
        if not isinstance(id, str) or not id or not isinstance(join_url, str) or not join_url:
            raise TurnedDown("Graph answered with a meeting that nobody can join", code="not-readable")
        guest_url = await self._guest_url(organizer, id) if self._probe_guest_url else ""
        return Meeting(id, join_url, guest_url or join_url, guest_url_opens_in_browser=bool(guest_url))

    async def set_up(
        self,
        meeting: Meeting,
        *,
        organizer: str,
        subject: str,
        starts_at: datetime,
        ends_at: datetime,
        co_organizers: frozenset[str],
        guests_may: GuestsMay,
    ) -> None:
        """Providers pass the lobby and everyone else waits there; harmless to repeat.

        `invited` lets in who is on the attendee list; only organizers and co-organizers present and admit, so a
        patient can do neither. Patients are not in Entra and can never be on that list. Who shares a screen is a
        presenter in Teams; guests who may share are presenters who cannot admit anyone.
        """
        attendees = [
            {"identity": {"user": {"id": one}}, "role": "coorganizer"}
            for one in sorted(co_organizers - {organizer})
        ]
        await self._patch(
            meeting,
            organizer,
            {
                "subject": subject,
                "startDateTime": _graph_time(starts_at),
                "endDateTime": _graph_time(ends_at),
                "lobbyBypassSettings": {"scope": "invited", "isDialInBypassEnabled": False},
                "allowedPresenters": "everyone" if guests_may.share else "organizer",
                "allowedLobbyAdmitters": (
                    "organizerAndCoOrganizers"
                    if guests_may.share
                    else "organizerAndCoOrganizersAndPresenters"
                ),
                "allowMeetingChat": "limited" if guests_may.chat else "disabled",
                "participants": {"attendees": attendees},
            },
        )

    async def close(self, meeting: Meeting, *, organizer: str) -> None:
        """Switch chat off: what was written stays readable, nothing more can be written."""
        await self._patch(meeting, organizer, {"allowMeetingChat": "disabled"})

    async def _patch(self, meeting: Meeting, organizer: str, changes: dict[str, Any]) -> None:
        await self._graph.call(
            lambda graph: graph.users.by_user_id(organizer).online_meetings.by_online_meeting_id(meeting.id),
            "PATCH",
            credential=self._credential,
            body=changes,
        )

    async def _guest_url(self, organizer: str, meeting: str) -> str:
        """An address that opens in any browser, where the tenant allows it; else nothing.

        Graph's pages contradict each other about whether an app may ask, so it is asked until the first no.
        """
        try:
            answer = await self._graph.call(
                lambda graph: (
                    graph.users.by_user_id(organizer)
                    .online_meetings.by_online_meeting_id(meeting)
                    .get_virtual_appointment_join_web_url
                ),
                "GET",
                credential=self._credential,
            )
        except TryAgain:
            return ""
        except TurnedDown as refusal:
            logger.info("this tenant hands out no guest addresses: %s", refusal.code)
            self._probe_guest_url = False
            return ""
        value = answer.get("value")
        return value if isinstance(value, str) and value.startswith("https://") else ""


def _graph_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
