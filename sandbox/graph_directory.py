"""The directory in Graph: people by address, what they are licensed for, and what the app was allowed to do."""

import re
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.entra import Entra
from sandbox.entra_tokens import GRAPH_ROLE_IDS, principal_of
from sandbox.graph import ROOT, Caller, GraphDoor, GraphRefused
from sandbox.world import ENTRA_CLIENT_ID, USERS, Row, User, user_named

PROFILES = ("User.Read.All", "User.ReadBasic.All")
WHOLE_PROFILES = ("User.Read.All",)
_APPLICATIONS = ("Application.Read.All",)
# Graph itself, as an application in every tenant.
GRAPH_APP = "00000003-0000-0000-c000-000000000000"
# The service plan "Microsoft Teams", and another one that comes with the same licence.
TEAMS_PLAN = ("57ff2da0-773e-42df-b2af-ffb7a2317929", "TEAMS1", "TeamspaceAPI")
_OTHER_PLAN = ("9aaf7827-d63c-4b61-89c3-182f06f82e5c", "EXCHANGE_S_STANDARD", "exchange")

_EQUALS = re.compile(r"(mail|userPrincipalName) eq '((?:[^']|'')*)'")
_AMONG = re.compile(r"(otherMails|proxyAddresses)/any\((\w+):\2 eq '((?:[^']|'')*)'\)")
# Properties that come only to those who ask, and only with the whole profile.
_WHOLE = frozenset({"assignedPlans", "otherMails", "proxyAddresses"})


@dataclass(frozen=True, slots=True)
class GraphDirectory:
    """The handlers. What an administrator has consented to is `entra`'s to say."""

    door: GraphDoor
    entra: Entra

    def routes(self) -> list[Route]:
        door = self.door.open
        principals = f"{ROOT}/servicePrincipals"
        return [
            Route(f"{ROOT}/users", door(self._list, roles=PROFILES)),
            Route(f"{ROOT}/users/{{user}}", door(self._get, roles=PROFILES)),
            Route(f"{ROOT}/users/{{user}}/licenseDetails", door(self._licences, roles=WHOLE_PROFILES)),
            Route(f"{principals}(appId='{{app}}')", door(self._principal, roles=_APPLICATIONS)),
            Route(f"{principals}/{{id}}/appRoleAssignments", door(self._assigned, roles=_APPLICATIONS)),
        ]

    async def _get(self, request: Request, caller: Caller) -> Response:
        named = request.path_params["user"]
        user = self._user(named, caller)
        if named not in (user.oid, user.sign_in):
            raise _no_resource(named)
        return JSONResponse(self._selected(request, caller, user))

    async def _list(self, request: Request, caller: Caller) -> Response:
        """People by one of their addresses; other questions are not answered here."""
        condition = request.query_params.get("$filter", "")
        parts = [part.strip() for part in condition.split(" or ")]
        if not condition or any(not (_EQUALS.fullmatch(one) or _AMONG.fullmatch(one)) for one in parts):
            raise GraphRefused(400, "Request_BadRequest", "Invalid filter clause.")
        if any(_AMONG.fullmatch(one) for one in parts) and not caller.may(*WHOLE_PROFILES):
            raise GraphRefused(403, "Authorization_RequestDenied", "Insufficient privileges.")
        found = [
            one
            for one in USERS.values()
            if one.tenant == caller.tenant and any(_holds(part, one) for part in parts)
        ]
        try:
            top = int(request.query_params.get("$top", "100"))
        except ValueError as unreadable:
            raise GraphRefused(400, "Request_BadRequest", "Invalid value for $top.") from unreadable
        return JSONResponse({"value": [self._selected(request, caller, one) for one in found[:top]]})

    async def _licences(self, request: Request, caller: Caller) -> Response:
        user = self._user(request.path_params["user"], caller)
        if not self.door.switches.license_details:
            # Graph's newest pages say so, its older ones did not.
            raise GraphRefused(
                403, "Authorization_RequestDenied", "Application permissions are not supported."
            )
        plans = [
            {
                "servicePlanId": id,
                "servicePlanName": name,
                "provisioningStatus": "Success",
                "appliesTo": "User",
            }
            for id, name, _service in self._plans(user)
        ]
        licence = {"id": "a-licence", "skuId": "a-sku", "skuPartNumber": "SPE_E3", "servicePlans": plans}
        return JSONResponse({"value": [licence] if plans else []})

    async def _principal(self, request: Request, _caller: Caller) -> Response:
        app = request.path_params["app"]
        if app not in (GRAPH_APP, ENTRA_CLIENT_ID):
            raise _no_resource(app)
        roles = [
            {
                "id": id,
                "value": value,
                "displayName": value,
                "isEnabled": True,
                "allowedMemberTypes": ["Application"],
            }
            for value, id in GRAPH_ROLE_IDS.items()
        ]
        row: Row = {
            "id": principal_of(_caller.tenant, app),
            "appId": app,
            "displayName": "Microsoft Graph" if app == GRAPH_APP else "Visit Connector",
            "appRoles": roles if app == GRAPH_APP else [],
        }
        return JSONResponse(_chosen(request, row))

    async def _assigned(self, request: Request, caller: Caller) -> Response:
        id = request.path_params["id"]
        if id != principal_of(caller.tenant, ENTRA_CLIENT_ID):
            raise _no_resource(id)
        graph = principal_of(caller.tenant, GRAPH_APP)
        rows = [
            {
                "id": f"assignment-{number}",
                "appRoleId": GRAPH_ROLE_IDS[role],
                "principalId": id,
                "principalType": "ServicePrincipal",
                "resourceId": graph,
                "resourceDisplayName": "Microsoft Graph",
            }
            for number, role in enumerate(self.entra.granted)
        ]
        return JSONResponse({"value": rows})

    def _user(self, named: str, caller: Caller) -> User:
        user = user_named(named, caller.tenant)
        if user is None or named == user.key:
            raise _no_resource(named)
        return user

    def _selected(self, request: Request, caller: Caller, user: User) -> Row:
        first, _, last = user.name.partition(" ")
        row: Row = {
            "id": user.oid,
            "displayName": user.name,
            "givenName": first,
            "surname": last,
            "mail": user.address,
            "userPrincipalName": user.sign_in,
        }
        wanted = {one.strip() for one in request.query_params.get("$select", "").split(",")}
        if wanted & _WHOLE:
            if not caller.may(*WHOLE_PROFILES):
                raise GraphRefused(403, "Authorization_RequestDenied", "Insufficient privileges.")
            row["otherMails"] = list(user.other_addresses)
            row["proxyAddresses"] = [f"SMTP:{user.address}", *(f"smtp:{one}" for one in user.other_addresses)]
            row["assignedPlans"] = [
                {"servicePlanId": id, "service": service, "capabilityStatus": "Enabled"}
                for id, _name, service in self._plans(user)
            ]
        return _chosen(request, row)

    def _plans(self, user: User) -> list[tuple[str, str, str]]:
        """Everybody has mail; those whom no switch has taken it from have Teams."""
        return [_OTHER_PLAN] if user.oid in self.door.switches.unlicensed else [TEAMS_PLAN, _OTHER_PLAN]


def _holds(condition: str, user: User) -> bool:
    equals = _EQUALS.fullmatch(condition)
    if equals:
        held = user.address if equals[1] == "mail" else user.sign_in
        return equals[2].replace("''", "'").lower() == held
    among = _AMONG.fullmatch(condition)
    if among is None:
        return False
    sought = among[3].replace("''", "'").lower().removeprefix("smtp:")
    return sought in user.other_addresses or (among[1] == "proxyAddresses" and sought == user.address)


def _chosen(request: Request, row: Row) -> Row:
    """The properties that `$select` names, all of which must exist."""
    selected = request.query_params.get("$select")
    if not selected:
        return row
    wanted = [one.strip() for one in selected.split(",")]
    unknown = [one for one in wanted if one not in row]
    if unknown:
        raise GraphRefused(400, "BadRequest", f"Could not find a property named '{unknown[0]}'.")
    return {name: row[name] for name in wanted}


def _no_resource(named: str) -> GraphRefused:
    return GraphRefused(404, "Request_ResourceNotFound", f"Resource '{named}' does not exist.", fair=True)
