"""Microsoft Entra's addresses: tokens for apps and people, its published keys, and where these are found."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, unquote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.entra_tokens import (
    COMMUNICATION,
    EXPIRES_IN,
    GRAPH,
    GRAPH_ROLES,
    RESOURCE_MANAGER,
    STORAGE,
    TOKEN_EXCHANGE,
    BadToken,
    EntraTokens,
)
from sandbox.world import ENTRA_CLIENT_ID, OTHER_TENANT, TENANT, Row, User, World

TENANTS = {TENANT: "Lamna Healthcare", OTHER_TENANT: "Elsewhere Clinic"}
CODE_LIVES = timedelta(minutes=10)
REFRESH_LIVES = timedelta(days=90)
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_DEFAULT = "/.default"


class Refused(Exception):
    """What Entra answers instead of a token. `number` is the AADSTS number that administrators look up."""

    def __init__(self, error: str, number: int, text: str, *, status: int = 400) -> None:
        super().__init__(text)
        self.error, self.number, self.status = error, number, status


@dataclass(slots=True)
class Grant:
    """A code or a refresh token: whom it stands for and what was asked for."""

    user: User
    redirect_uri: str
    scopes: tuple[str, ...]
    nonce: str
    challenge: str
    expires_at: datetime
    used: bool = False


@dataclass(slots=True)
class Entra:
    """What Entra remembers: sign-ins on their way, and which tenants consented to the app.

    `granted` are the permissions in Graph that the consent covers.
    """

    world: World
    tokens: EntraTokens
    consented: set[str] = field(default_factory=lambda: {TENANT})
    granted: tuple[str, ...] = GRAPH_ROLES
    codes: dict[str, Grant] = field(default_factory=dict)
    refresh_tokens: dict[str, Grant] = field(default_factory=dict)

    def routes(self) -> list[Route]:
        """The addresses behind TLS; pages for people are in `entra_pages`."""
        keys = ("/common", "/organizations", "/{tenant}")
        return [
            Route("/{tenant}/oauth2/v2.0/token", self.token, methods=["POST"]),
            Route("/{tenant}/v2.0/.well-known/openid-configuration", self.configuration),
            *(Route(f"{one}/discovery/v2.0/keys", self.keys) for one in keys),
            *(Route(f"{one}/discovery/keys", self.keys) for one in keys),
        ]

    async def keys(self, _request: Request) -> Response:
        return JSONResponse(self.tokens.published_keys())

    async def configuration(self, request: Request) -> Response:
        """OpenID Connect discovery. The sign-in page is on the plain server, which browsers trust as it is."""
        tenant, tls = request.path_params["tenant"], self.world.tls
        shown = "{tenantid}" if tenant in ("common", "organizations") else tenant
        if tenant not in (*TENANTS, "common", "organizations"):
            return self._refusal(Refused("invalid_tenant", 90002, f"Tenant '{tenant}' not found."))
        pages = f"{self.world.http}/entra/{tenant}/oauth2/v2.0"
        return JSONResponse(
            {
                "issuer": f"{tls}/{shown}/v2.0",
                "authorization_endpoint": f"{pages}/authorize",
                "token_endpoint": f"{tls}/{tenant}/oauth2/v2.0/token",
                "end_session_endpoint": f"{pages}/logout",
                "jwks_uri": f"{tls}/{tenant}/discovery/v2.0/keys",
                "response_modes_supported": ["query", "fragment", "form_post"],
                "response_types_supported": ["code"],
                "scopes_supported": ["openid", "profile", "email", "offline_access"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": [
                    "client_secret_post",
                    "client_secret_basic",
                    "private_key_jwt",
                ],
                "claims_supported": [
                    "sub",
                    "iss",
                    "aud",
                    "exp",
                    "iat",
                    "nonce",
                    "preferred_username",
                    "name",
                    "tid",
                    "oid",
                ],
                "tenant_region_scope": "NA",
                "cloud_instance_name": "microsoftonline.com",
            }
        )

    async def token(self, request: Request) -> Response:
        tenant = request.path_params["tenant"]
        form = dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))
        try:
            if tenant not in (*TENANTS, "common", "organizations"):
                raise Refused("invalid_request", 90002, f"Tenant '{tenant}' not found.")
            self._check_client(form, request.headers.get("authorization", ""))
            match form.get("grant_type"):
                case "client_credentials":
                    answer = self._for_app(tenant, form)
                case "authorization_code":
                    answer = self._for_code(form)
                case "refresh_token":
                    answer = self._for_refresh(form)
                case other:
                    raise Refused(
                        "unsupported_grant_type", 70003, f"The grant type '{other}' is not supported."
                    )
        except Refused as refusal:
            self.world.refuse("entra", f"AADSTS{refusal.number}: {refusal}", grant=form.get("grant_type", ""))
            return self._refusal(refusal)
        self.world.log("entra", "token issued", grant=form["grant_type"], scope=form.get("scope", ""))
        return JSONResponse(answer, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})

    def begin(
        self, user: User, *, redirect_uri: str, scopes: Collection[str], nonce: str, challenge: str
    ) -> str:
        """A fresh authorization code for a person who chose to sign in."""
        code = secrets.token_urlsafe(48)
        self.codes[code] = Grant(
            user, redirect_uri, tuple(scopes), nonce, challenge, self.world.now() + CODE_LIVES
        )
        return code

    def _check_client(self, form: dict[str, str], authorization: str) -> None:
        """Who asks: the app, proven by its secret or by a token that its own identity was given."""
        scheme, _, basic = authorization.partition(" ")
        if scheme.lower() == "basic":
            try:
                id, _, secret = base64.b64decode(basic).decode().partition(":")
            except ValueError:
                id = secret = ""
            form.setdefault("client_id", unquote(id))
            form.setdefault("client_secret", unquote(secret))
        client = form.get("client_id", "")
        if client != ENTRA_CLIENT_ID:
            text = f"Application with identifier '{client}' was not found in the directory."
            raise Refused("unauthorized_client", 700016, text)
        if "client_assertion" in form:
            self._check_assertion(form)
        elif "client_secret" not in form:
            text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
            raise Refused("invalid_client", 7000218, text, status=401)
        elif not _same(form["client_secret"], self.world.entra_client_secret):
            raise Refused("invalid_client", 7000215, "Invalid client secret provided.", status=401)

    def _check_assertion(self, form: Mapping[str, str]) -> None:
        if form.get("client_assertion_type") != _ASSERTION:
            raise Refused("invalid_request", 50027, "The client assertion type is not known.")
        try:
            self.tokens.claims(form["client_assertion"], audiences=[TOKEN_EXCHANGE])
        except BadToken as forged:
            text = f"No matching federated identity record found for presented assertion: {forged}."
            raise Refused("invalid_client", 700213, text, status=401) from forged

    def _for_app(self, tenant: str, form: Mapping[str, str]) -> Row:
        if tenant not in TENANTS:
            raise Refused("invalid_request", 53003, "An app without a user has to name its tenant.")
        scope = form.get("scope", "")
        if not scope.endswith(_DEFAULT) or " " in scope:
            text = f"The provided value for scope {scope} is not valid: a resource followed by /.default is needed."
            raise Refused("invalid_scope", 1002012, text)
        if tenant not in self.consented:
            text = (
                f"Application with identifier '{ENTRA_CLIENT_ID}' was not found in the directory '{tenant}'."
            )
            raise Refused("unauthorized_client", 700016, text)
        resource = self._resource(scope.removesuffix(_DEFAULT))
        roles = self.granted if resource == GRAPH else ()
        token = self.tokens.for_app(tenant=tenant, resource=resource, roles=roles)
        return {
            "token_type": "Bearer",
            "expires_in": EXPIRES_IN,
            "ext_expires_in": EXPIRES_IN,
            "access_token": token,
        }

    def _resource(self, named: str) -> str:
        own = {ENTRA_CLIENT_ID: ENTRA_CLIENT_ID, f"api://{ENTRA_CLIENT_ID}": ENTRA_CLIENT_ID}
        known = (GRAPH, COMMUNICATION, STORAGE, RESOURCE_MANAGER, TOKEN_EXCHANGE, self.tokens.vault_resource)
        # Communication Services' scope has two slashes, because its resource ends with one.
        found = own.get(named) or next((one for one in known if named in (one, f"{one}/")), None)
        if found is None:
            raise Refused("invalid_resource", 500011, f"The resource principal named {named} was not found.")
        return found

    def _for_code(self, form: Mapping[str, str]) -> Row:
        grant = self.codes.get(form.get("code", ""))
        if grant is None:
            raise Refused("invalid_grant", 9002313, "The code is malformed or invalid.")
        if grant.used:
            raise Refused("invalid_grant", 54005, "OAuth2 Authorization code was already redeemed.")
        if grant.expires_at <= self.world.now():
            raise Refused("invalid_grant", 70008, "The provided authorization code has expired.")
        if form.get("redirect_uri") != grant.redirect_uri:
            raise Refused("invalid_grant", 500112, "The reply address does not match the one of the sign-in.")
        if grant.challenge:
            verifier = form.get("code_verifier", "")
            if not 43 <= len(verifier) <= 128:
                raise Refused("invalid_grant", 501481, "The Code_Verifier is missing or of a wrong length.")
            if not _same(challenge_of(verifier), grant.challenge):
                raise Refused("invalid_grant", 501481, "The Code_Verifier does not match the code_challenge.")
        grant.used = True
        return self._for_grant(grant)

    def _for_refresh(self, form: Mapping[str, str]) -> Row:
        grant = self.refresh_tokens.pop(form.get("refresh_token", ""), None)
        if grant is None or grant.expires_at <= self.world.now():
            raise Refused("invalid_grant", 70000, "The refresh token is not valid any more.")
        return self._for_grant(grant)

    def _for_grant(self, grant: Grant) -> Row:
        api = f"api://{ENTRA_CLIENT_ID}/"
        own = [one.removeprefix(api) for one in grant.scopes if one.startswith((api, f"{ENTRA_CLIENT_ID}/"))]
        answer: Row = {
            "token_type": "Bearer",
            "scope": " ".join(grant.scopes),
            "expires_in": EXPIRES_IN,
            "ext_expires_in": EXPIRES_IN,
            "access_token": self.tokens.for_person(grant.user)
            if own
            else self.tokens.graph_for_person(grant.user, scopes=grant.scopes),
        }
        if "openid" in grant.scopes:
            answer["id_token"] = self.tokens.id_token(grant.user, nonce=grant.nonce)
        if "offline_access" in grant.scopes:
            answer["refresh_token"] = secrets.token_urlsafe(64)
            self.refresh_tokens[answer["refresh_token"]] = Grant(
                grant.user, "", grant.scopes, "", "", self.world.now() + REFRESH_LIVES
            )
        return answer

    def _refusal(self, refusal: Refused) -> Response:
        now = self.world.now()
        trace = self.world.new_id()
        text = f"AADSTS{refusal.number}: {refusal} Trace ID: {trace} Timestamp: {now:%Y-%m-%d %H:%M:%SZ}"
        return JSONResponse(
            {
                "error": refusal.error,
                "error_description": text,
                "error_codes": [refusal.number],
                "timestamp": f"{now:%Y-%m-%d %H:%M:%SZ}",
                "trace_id": trace,
                "correlation_id": self.world.new_id(),
            },
            status_code=refusal.status,
            headers={"Cache-Control": "no-store"},
        )


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a verifier (RFC 7636, 4.2)."""
    digest = hashlib.sha256(verifier.encode("ascii", "replace")).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _same(given: str, known: str) -> bool:
    return hmac.compare_digest(given.encode(), known.encode())
