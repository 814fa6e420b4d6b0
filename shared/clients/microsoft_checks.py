"""Asks Microsoft Graph what it lets this app do in a hospital's tenant, without changing anything there."""

from typing import Any

from azure.core.credentials_async import AsyncTokenCredential

from shared.clients.graph import GRAPH_SCOPE, Build, Graph, GraphRefused
from shared.domain.errors import TurnedDown

# Graph as an application: it publishes the names behind the ids of its permissions.
_GRAPH_APP = "00000003-0000-0000-c000-000000000000"
# The service plan "Microsoft Teams" and its twins in government clouds, which differ in their ids.
_TEAMS_PLAN = "57ff2da0-773e-42df-b2af-ffb7a2317929"
_TEAMS_NAMES = frozenset({"TEAMS1", "TEAMS_GOV", "TEAMS_AR_GCCHIGH", "TEAMS_AR_DOD"})
_TEAMS_SERVICE = "TeamspaceAPI"
_ALIVE = frozenset({"Success", "PendingActivation", "PendingProvisioning", "Enabled", "Warning"})
# A meeting that nobody made: asking for it shows what is allowed and finds nothing.
_NO_SUCH_ADDRESS = "https://teams.microsoft.com/l/meetup-join/19%3areadiness-probe%40thread.v2/0"
_NO_SUCH_MEETING = "MSpyZWFkaW5lc3MtcHJvYmU"


class MicrosoftChecks:
    """Questions about the one tenant that `credential` belongs to. All raise TryAgain or TurnedDown."""

    def __init__(self, graph: Graph, *, credential: AsyncTokenCredential, client_id: str) -> None:
        self._graph = graph
        self._credential = credential
        self._client_id = client_id

    async def sign_in(self) -> None:
        """Get a token as the app. TurnedDown carries Entra's own number (AADSTS…) for the reason."""
        await self._credential.get_token(GRAPH_SCOPE)

    async def permissions(self) -> frozenset[str]:
        """The names of the application permissions in Graph that an administrator consented to.

        Needs Application.Read.All. Ids are turned into names with the list that Graph itself publishes.
        """
        graph = await self._principal(_GRAPH_APP, "id,appRoles")
        own = await self._principal(self._client_id, "id")
        names = {str(one.get("id")): str(one.get("value")) for one in _rows(graph, "appRoles")}
        assigned = await self._call(
            lambda graph: (
                graph.service_principals.by_service_principal_id(str(own["id"])).app_role_assignments
            ),
            {"$top": "999"},
        )
        held = (one for one in _rows(assigned, "value") if one.get("resourceId") == graph.get("id"))
        return frozenset(names[id] for one in held if (id := str(one.get("appRoleId"))) in names)

    async def has_access_policy(self, organizer: str) -> bool:
        """Whether the Teams application access policy lets the app make meetings for that object id."""
        try:
            await self._call(
                lambda graph: graph.users.by_user_id(organizer).online_meetings,
                {"$filter": f"JoinWebUrl eq '{_NO_SUCH_ADDRESS}'"},
            )
        except GraphRefused as refusal:
            if refusal.code == "no-access-policy":
                return False
            if refusal.status in (400, 404) and refusal.code not in (
                "Request_ResourceNotFound",
                "UnknownUser",
            ):
                return True  # the meeting is unknown, which only somebody with a policy is told
            raise
        return True

    async def has_teams(self, person: str) -> bool:
        """Whether that object id has a licence with Teams in it.

        Graph's pages differ about whether an app may read licence details, so the plans of the person's own
        profile are the second try. Both need User.Read.All.
        """
        try:
            details = await self._call(lambda graph: graph.users.by_user_id(person).license_details, {})
        except GraphRefused as refusal:
            if refusal.status != 403:
                raise
            profile = await self._call(
                lambda graph: graph.users.by_user_id(person), {"$select": "id,assignedPlans"}
            )
            return any(_is_teams(one) for one in _rows(profile, "assignedPlans"))
        return any(_is_teams(plan) for one in _rows(details, "value") for plan in _rows(one, "servicePlans"))

    async def has_guest_addresses(self, organizer: str) -> bool:
        """Whether the tenant gives the app addresses that open in any browser.

        Asked about a meeting that does not exist: "not allowed" (403) comes before "not found" (404).
        """
        try:
            await self._call(
                lambda graph: (
                    graph.users.by_user_id(organizer)
                    .online_meetings.by_online_meeting_id(_NO_SUCH_MEETING)
                    .get_virtual_appointment_join_web_url
                ),
                {},
            )
        except GraphRefused as refusal:
            if refusal.code == "no-access-policy" or refusal.status not in (400, 403, 404):
                raise
            return refusal.status != 403
        return True

    async def _principal(self, app: str, select: str) -> dict[str, Any]:
        found = await self._call(lambda graph: graph.service_principals_with_app_id(app), {"$select": select})
        if not isinstance(found.get("id"), str):
            raise TurnedDown("Graph answered with an application without an id", code="not-readable")
        return found

    async def _call(self, build: Build, query: dict[str, str]) -> dict[str, Any]:
        return await self._graph.call(build, "GET", credential=self._credential, query=query)


def _rows(answer: dict[str, Any], name: str) -> list[dict[str, Any]]:
    rows = answer.get(name)
    if not isinstance(rows, list):
        raise TurnedDown(f"Graph answered without {name}", code="not-readable")
    return [one for one in rows if isinstance(one, dict)]


def _is_teams(plan: dict[str, Any]) -> bool:
    named = (
        plan.get("servicePlanId") == _TEAMS_PLAN
        or plan.get("servicePlanName") in _TEAMS_NAMES
        or plan.get("service") == _TEAMS_SERVICE
    )
    return named and (plan.get("provisioningStatus") or plan.get("capabilityStatus")) in _ALIVE
