"""Who is asking: checks the tokens that Microsoft Entra gives to people, and to Graph when it tells us something."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

import jwt

from shared.clients.published_keys import PublishedKeys, UnknownKey
from shared.domain.errors import NotListed, NotSignedIn, TurnedDown
from shared.domain.tenant import Person, Role, TenantId

# Directory roles whose holders may administer the connector without an app role of its own (Entra's built-in
# role template ids; in a token only where the app registration asks for them).
_ADMINISTRATORS = frozenset(
    {
        "62e90394-69f5-4237-9190-012177145e10",  # Global Administrator
        "69091246-20e8-4a56-aa4d-066075b2a7a8",  # Teams Administrator
    }
)

# The one application that sends Graph's change notifications (Microsoft Graph, change notifications with
# resource data, "validating the authenticity of notifications").
_GRAPH_NOTIFICATIONS = "0bf30f3b-4a52-48df-9a82-234910c4a086"

# Clocks of two machines may differ by this much.
_LEEWAY = 60.0
_ENTRA = "Entra"


class EntraTokens:
    """Checks Entra's tokens against its published keys, for one app registration."""

    def __init__(
        self,
        *,
        keys: PublishedKeys,
        authority: str,
        client_id: str,
        tenants: Collection[TenantId],
        now: Callable[[], datetime],
    ) -> None:
        self._keys = keys
        self._authority = authority.rstrip("/")
        self._client_id = client_id
        self._tenants = frozenset(tenants)
        self._now = now

    async def person(self, token: str, *, nonce: str | None = None) -> Person:
        """Whose v2.0 access or id token this is. Raise NotSignedIn, or TryAgain when Entra's keys cannot be had.

        With `nonce` the token must carry that one: it was made for the sign-in we began.
        """
        claims = await self._proven(token, f"{self._authority}/common/discovery/v2.0/keys")
        tenant = _text(claims, "tid")
        if tenant not in self._tenants or _text(claims, "iss") != f"{self._authority}/{tenant}/v2.0":
            raise NotListed("the sign-in is from an organization that is not on the list")
        if claims.get("aud") != self._client_id:
            raise NotSignedIn("the sign-in was made for another app")
        if nonce is not None and claims.get("nonce") != nonce:
            raise NotSignedIn("the sign-in belongs to another browser")
        check_times(claims, at=self._now())
        object_id = _text(claims, "oid")
        if not object_id:
            raise NotSignedIn("the sign-in does not say who it is")
        return Person(
            tenant=TenantId(tenant),
            object_id=object_id,
            name=_text(claims, "name"),
            address=_text(claims, "preferred_username"),
            roles=_roles(claims),
        )

    async def check_notification(self, token: str, *, tenant: TenantId, received_at: datetime) -> None:
        """Whether Graph itself sent what came with `token`, for that tenant. Raise TurnedDown with `bad-token`.

        The token has to have been good when the notification was received: it may have waited on a queue since.
        """
        try:
            claims = await self._notification_claims(token)
            issuers = (f"https://sts.windows.net/{tenant}/", f"{self._authority}/{tenant}/v2.0")
            sender = claims.get("appid", claims.get("azp"))
            if (
                _text(claims, "iss") not in issuers
                or claims.get("aud") != self._client_id
                or sender != _GRAPH_NOTIFICATIONS
                or ("appid" in claims and claims.get("azp", sender) != sender)
            ):
                raise NotSignedIn("a notification was not sent by Graph for this tenant")
            check_times(claims, at=received_at)
        except NotSignedIn as forged:
            raise TurnedDown("a notification does not prove itself", code="bad-token") from forged

    async def _notification_claims(self, token: str) -> dict[str, Any]:
        # Today's notifications carry v1.0 tokens, whose keys are published at the first address.
        try:
            return await self._proven(token, f"{self._authority}/common/discovery/keys", known_only=True)
        except UnknownKey:
            return await self._proven(token, f"{self._authority}/common/discovery/v2.0/keys")

    async def _proven(self, token: str, keys_url: str, *, known_only: bool = False) -> dict[str, Any]:
        """The claims of a token signed by Entra. Nothing about them is judged yet."""
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
        except jwt.PyJWTError:
            raise NotSignedIn("this is not a token") from None
        if not isinstance(key_id, str):
            raise NotSignedIn("the token does not name its key")
        try:
            key = await self._keys.key(keys_url, key_id, service=_ENTRA)
        except UnknownKey:
            if known_only:
                raise
            raise NotSignedIn("the token was not signed by Entra") from None
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                # Judged by us, with the clock that was handed over.
                options={
                    "require": ["exp", "iat", "iss", "aud"],
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                    "verify_aud": False,
                },
            )
        except jwt.PyJWTError:
            raise NotSignedIn("the token was not signed by Entra") from None
        return claims


def check_times(claims: Mapping[str, Any], *, at: datetime) -> None:
    """Raise NotSignedIn unless `at` lies between `nbf`/`iat` and `exp` (RFC 7519, 4.1), give or take a minute."""
    moment = at.timestamp()
    ends, made = _moment(claims.get("exp")), _moment(claims.get("iat"))
    begins = _moment(claims.get("nbf", claims.get("iat")))
    if moment >= ends + _LEEWAY:
        raise NotSignedIn("the sign-in has expired")
    if max(made, begins) > moment + _LEEWAY:
        raise NotSignedIn("the token is not good yet")


def _moment(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise NotSignedIn("the token does not say how long it is good")
    return value


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name, "")
    return value if isinstance(value, str) else ""


def _listed(claims: Mapping[str, Any], name: str) -> frozenset[str]:
    value = claims.get(name)
    return frozenset(one for one in value if isinstance(one, str)) if isinstance(value, list) else frozenset()


def _roles(claims: Mapping[str, Any]) -> frozenset[Role]:
    """The app's own roles, and administrator for those who administer the directory or Teams."""
    held = _listed(claims, "roles")
    roles = {role for role in Role if role.value in held}
    if _listed(claims, "wids") & _ADMINISTRATORS:
        roles.add(Role.ADMINISTRATOR)
    return frozenset(roles)
