"""Finds a colleague by their address in the hospital's own Microsoft 365 directory."""

import re

from azure.core.credentials_async import AsyncTokenCredential

from shared.clients.graph import Graph, GraphRefused
from shared.domain.errors import TurnedDown
from shared.domain.portal_session import Colleague

_SELECT = "id,displayName,mail,userPrincipalName"
# What may stand in an address here; a quote is doubled in a filter, everything else is taken as it is.
_ADDRESS = re.compile(r"[^\s@<>()\[\]\\,;:\"]{1,64}@[^\s@<>()\[\]\\,;:\"'/]{1,255}")


class Directory:
    """The directory of the one tenant that `credential` belongs to."""

    def __init__(self, graph: Graph, *, credential: AsyncTokenCredential) -> None:
        self._graph = graph
        self._credential = credential

    async def find(self, address: str) -> Colleague | None:
        """Who signs in with `address` or gets mail there; None when nobody does.

        Raise TryAgain, or TurnedDown when the app may not look people up (permission User.ReadBasic.All) or the
        address leads to several people.
        """
        wanted = address.strip()
        if not _ADDRESS.fullmatch(wanted):
            return None
        return await self._by_sign_in(wanted) or await self._by_mail(wanted)

    async def _by_sign_in(self, address: str) -> Colleague | None:
        try:
            answer = await self._graph.call(
                lambda graph: graph.users.by_user_id(address),
                "GET",
                credential=self._credential,
                query={"$select": _SELECT},
            )
        except GraphRefused as refusal:
            if refusal.status == 404:
                return None
            raise
        return _colleague(answer, address)

    async def _by_mail(self, address: str) -> Colleague | None:
        """The address may be a mailbox's and not the one its owner signs in with.

        The second filter reads properties that User.ReadBasic.All does not cover: where Graph refuses it, the
        address counts as not found.
        """
        quoted = address.replace("'", "''")
        found = await self._filtered(f"mail eq '{quoted}'", address)
        if found is not None:
            return found
        others = (
            f"otherMails/any(one:one eq '{quoted}') or proxyAddresses/any(one:one eq 'smtp:{quoted.lower()}')"
        )
        try:
            return await self._filtered(others, address)
        except GraphRefused as refusal:
            if refusal.status in (400, 403):
                return None
            raise

    async def _filtered(self, condition: str, address: str) -> Colleague | None:
        answer = await self._graph.call(
            lambda graph: graph.users,
            "GET",
            credential=self._credential,
            query={"$filter": condition, "$select": _SELECT, "$top": "2"},
        )
        rows = answer.get("value")
        if not isinstance(rows, list):
            raise TurnedDown("Graph answered with no list of people", code="not-readable")
        if len(rows) > 1:
            raise TurnedDown("the address leads to several people", code="ambiguous")
        return _colleague(rows[0], address) if rows else None


def _colleague(row: object, address: str) -> Colleague:
    id = row.get("id") if isinstance(row, dict) else None
    if not isinstance(row, dict) or not isinstance(id, str) or not id:
        raise TurnedDown("Graph answered with a person without an id", code="not-readable")
    shown = row.get("mail") or row.get("userPrincipalName") or address
    return Colleague(object_id=id, name=str(row.get("displayName") or shown), address=str(shown))
