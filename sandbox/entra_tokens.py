"""The tokens that the sandbox's Entra signs, with the claims that real ones carry, and the check of such tokens."""

import base64
import hashlib
import json
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.world import ENTRA_CLIENT_ID, User, World

GRAPH = "https://graph.microsoft.com"
COMMUNICATION = "https://communication.azure.com"
STORAGE = "https://storage.azure.com"
RESOURCE_MANAGER = "https://management.azure.com"
TOKEN_EXCHANGE = "api://AzureADTokenExchange"
# The application that sends Graph's change notifications.
GRAPH_NOTIFICATIONS_APP = "0bf30f3b-4a52-48df-9a82-234910c4a086"

# What the administrator's consent covers: the application permissions of the connector.
GRAPH_ROLES = (
    "Application.Read.All",
    "CallRecords.Read.All",
    "OnlineMeetingArtifact.Read.All",
    "OnlineMeetings.ReadWrite.All",
    "User.Read.All",
    "User.ReadBasic.All",
    "VirtualAppointment.ReadWrite.All",
)
# The ids that Graph gives its application permissions, the same in every tenant.
GRAPH_ROLE_IDS = {
    "Application.Read.All": "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30",
    "CallRecords.Read.All": "45bbb07e-7321-4fd7-a8f6-3ff27e6a81c8",
    "Mail.Send": "b633e1c5-b582-4048-a93e-9f11b44c7e96",
    "OnlineMeetingArtifact.Read.All": "df01ed3b-eb61-4eca-9965-6b3d789751b2",
    "OnlineMeetings.ReadWrite.All": "b8bb2037-6e08-44ac-a4ea-4674e010e2a4",
    "User.Read.All": "df021288-bdef-4463-88db-98f22de89214",
    "User.ReadBasic.All": "97235f07-e226-4f63-ace3-39588e11d3a1",
    "VirtualAppointment.Read.All": "d4f67ec2-59b5-4bdc-b4af-d78f6f9c1954",
    "VirtualAppointment.ReadWrite.All": "bf46a256-f47d-448f-ab78-f226fff08d40",
}

# Tokens live an hour and a few minutes less than that is what responses say.
LIVES = timedelta(minutes=60)
EXPIRES_IN = 3599


class BadToken(Exception):
    """A bearer token that does not prove what it should. The text says why."""


class EntraTokens:
    """One signing key, published at both discovery addresses."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = self._key.public_key()
        der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.key_id = base64.urlsafe_b64encode(hashlib.sha256(der).digest()[:20]).decode().rstrip("=")
        self._jwk: dict[str, Any] = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(public))
        self._public = public

    @property
    def vault_resource(self) -> str:
        """What Key Vault calls itself in its challenge: the client wants its host to end the vault's own."""
        return self._world.tls.replace("//127.", "//")

    def published_keys(self) -> dict[str, Any]:
        return {"keys": [{**self._jwk, "use": "sig", "kid": self.key_id, "x5t": self.key_id}]}

    def for_app(self, *, tenant: str, resource: str, roles: Collection[str]) -> str:
        """An app-only token. Microsoft's own resources get version 1.0, the connector's API version 2.0."""
        principal = principal_of(tenant, ENTRA_CLIENT_ID)
        claims: dict[str, Any] = {
            **self._times(),
            "tid": tenant,
            "oid": principal,
            "sub": principal,
            "idtyp": "app",
        }
        if roles:
            claims["roles"] = sorted(roles)
        if resource == ENTRA_CLIENT_ID:
            return self.sign({**claims, **self._v2(tenant), "aud": ENTRA_CLIENT_ID, "azp": ENTRA_CLIENT_ID})
        return self.sign(
            {**claims, **_v1(tenant), "aud": resource, "appid": ENTRA_CLIENT_ID, "appidacr": "1"}
        )

    def for_person(self, user: User, *, scopes: Collection[str] = ("access_as_user",)) -> str:
        """A version 2.0 access token of the connector's own API for a signed-in person."""
        return self.sign(
            {
                **self._person(user),
                "azp": ENTRA_CLIENT_ID,
                "azpacr": "1",
                "scp": " ".join(sorted(scopes)),
            }
        )

    def graph_for_person(self, user: User, *, scopes: Collection[str]) -> str:
        """What comes with a sign-in that asks for no API: a token for Graph, of no use to the connector."""
        claims = {**self._person(user), **_v1(user.tenant), "aud": GRAPH, "appid": ENTRA_CLIENT_ID}
        return self.sign({**claims, "scp": " ".join(sorted(scopes))})

    def id_token(self, user: User, *, nonce: str) -> str:
        return self.sign({**self._person(user), **({"nonce": nonce} if nonce else {})})

    def of_notification(self, *, tenant: str, app: str) -> str:
        """What proves that Graph sent a notification: a version 1.0 token for the subscribed app."""
        principal = principal_of(tenant, GRAPH_NOTIFICATIONS_APP)
        return self.sign(
            {
                **self._times(),
                **_v1(tenant),
                "aud": app,
                "appid": GRAPH_NOTIFICATIONS_APP,
                "appidacr": "2",
                "idp": f"https://sts.windows.net/{tenant}/",
                "oid": principal,
                "sub": principal,
                "tid": tenant,
            }
        )

    def sign(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": self.key_id, "typ": "JWT"})

    def check(self, authorization: str, *, audiences: Collection[str]) -> dict[str, Any]:
        """The claims of a bearer header that is good now for one of `audiences`, or raise BadToken."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise BadToken("there is no bearer token")
        return self.claims(token.strip(), audiences=audiences)

    def claims(self, token: str, *, audiences: Collection[str]) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._public,
                algorithms=["RS256"],
                options={"verify_aud": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except jwt.PyJWTError as forged:
            raise BadToken(f"the token was not signed here: {type(forged).__name__}") from forged
        now = self._world.now().timestamp()
        if not claims["nbf"] <= now < claims["exp"]:
            raise BadToken("the token is not good now")
        if claims.get("aud") not in audiences:
            raise BadToken(f"the token is for {claims.get('aud')}")
        return claims

    def _person(self, user: User) -> dict[str, Any]:
        claims: dict[str, Any] = {
            **self._times(),
            **self._v2(user.tenant),
            "aud": ENTRA_CLIENT_ID,
            "tid": user.tenant,
            "oid": user.oid,
            # Pairwise: another app sees another subject for the same person.
            "sub": str(uuid5(NAMESPACE_URL, f"{ENTRA_CLIENT_ID}/{user.oid}")),
            "name": user.name,
            "preferred_username": user.address,
        }
        if user.roles:
            claims["roles"] = list(user.roles)
        if user.directory_roles:
            claims["wids"] = list(user.directory_roles)
        return claims

    def _times(self) -> dict[str, Any]:
        now = self._world.now()
        return {
            "iat": _seconds(now),
            # Real tokens are good five minutes before they are made, for clocks that lag.
            "nbf": _seconds(now - timedelta(minutes=5)),
            "exp": _seconds(now + LIVES),
            "uti": self._world.new_id(),
        }

    def _v2(self, tenant: str) -> dict[str, Any]:
        return {"iss": f"{self._world.tls}/{tenant}/v2.0", "ver": "2.0"}


def _v1(tenant: str) -> dict[str, Any]:
    return {"iss": f"https://sts.windows.net/{tenant}/", "ver": "1.0"}


def principal_of(tenant: str, app: str) -> str:
    """The object id of an app's service principal in a tenant."""
    return str(uuid5(NAMESPACE_URL, f"{tenant}/{app}"))


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
