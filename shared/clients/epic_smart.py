"""Signing in through Epic: SMART on FHIR, from the address that says where to go to who came for which visit.

Sources: SMART App Launch 2.0, RFC 6749, RFC 7636 (PKCE), OpenID Connect Core 3.1.3.7, Epic's OAuth 2.0 guide.
"""

import base64
import hashlib
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import SplitResult, urlencode, urlsplit

import httpx
import jwt

from shared.clients.entra import check_times
from shared.clients.epic_backend import SmartKeys, assertion, token_failure
from shared.clients.epic_fhir import csn_of
from shared.clients.published_keys import PublishedKeys, UnknownKey
from shared.clients.web_call import Answer, call
from shared.domain.environment import Connection, EpicClient, LiveEnvironment
from shared.domain.errors import NotSignedIn, TurnedDown
from shared.domain.launch import EpicUser, Launch, LaunchContext, LaunchFailed, LaunchFailure, LaunchRole

logger = logging.getLogger(__name__)

_SCOPE = "launch openid fhirUser profile"
_EPIC = "Epic"

# The names our integration records give to what Epic adds to the token response.
CONTEXT_NAMES = {
    "session": "sessionId",
    "csn": "csn",
    "environment": "environment",
    "department": "departmentId",
    "external_id": "externalId",
    "external_id_type": "externalIdType",
}
# What Epic leaves where a record's token has no value.
_NOTHING = frozenset({"", "NONE"})
_LONGEST_VALUE = 256

# RFC 8414 names of what has to be known, by the names a connection pins them under.
_ENDPOINTS = {"authorize_url": "authorization_endpoint", "token_url": "token_endpoint"}
_SIGN_IN = {"issuer": "issuer", "keys_url": "jwks_uri"}
_OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"

_ROLES = {
    "Practitioner": LaunchRole.PROVIDER,
    "PractitionerRole": LaunchRole.PROVIDER,
    "Patient": LaunchRole.PATIENT,
    # A parent or another proxy in MyChart: comes on behalf of the patient.
    "RelatedPerson": LaunchRole.PATIENT,
}


class EpicSmart:
    """Launches at every Epic server that environments name. `http` must be a guarded client."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        smart_keys: SmartKeys,
        keys: PublishedKeys,
        now: Callable[[], datetime],
        new_id: Callable[[], str],
        names: Mapping[str, str] = CONTEXT_NAMES,
    ) -> None:
        self._http = http
        self._smart_keys = smart_keys
        self._keys = keys
        self._now = now
        self._new_id = new_id
        self._names = {**CONTEXT_NAMES, **names}

    # --- where to go -------------------------------------------------------------------------------------

    async def discover(self, fhir_base_url: str, *, client_id: str) -> dict[str, str]:
        """`authorize_url`, `token_url`, `issuer` and `keys_url` of that server. Raise TryAgain or TurnedDown."""
        base = fhir_base_url.rstrip("/")
        # Epic may name other addresses for other clients, so it is told who asks.
        headers = {"Accept": "application/json", "Epic-Client-ID": client_id}
        answer = await self._get(f"{base}/.well-known/smart-configuration", headers)
        if answer.good:
            known = _texts(answer.json(), {**_ENDPOINTS, **_SIGN_IN})
        elif answer.status in (400, 401, 403, 404, 405, 406, 410):
            # Before August 2021 Epic said it in the CapabilityStatement only.
            known = await self._from_metadata(base, headers)
        else:
            raise answer.failure(now=self._now())
        if not all(known.get(name) for name in _ENDPOINTS):
            raise TurnedDown("this FHIR server names no sign-in addresses", code="no-sign-in")
        for name in _ENDPOINTS:
            _check_address(known[name], base)
        if not all(known.get(name) for name in _SIGN_IN):
            known |= await self._from_openid(known["authorize_url"], headers)
        _check_address(known["keys_url"], base)
        _parts(known["issuer"])
        return {name: known[name] for name in (*_ENDPOINTS, *_SIGN_IN)}

    async def _from_metadata(self, base: str, headers: dict[str, str]) -> dict[str, str]:
        answer = await self._get(f"{base}/metadata", {**headers, "Accept": "application/fhir+json"})
        if not answer.good:
            raise answer.failure(now=self._now())
        found: dict[str, str] = {}
        for rest in _dicts(answer.json().get("rest")):
            security = rest.get("security")
            for extension in _dicts(security.get("extension") if isinstance(security, dict) else None):
                if extension.get("url") != _OAUTH_URIS:
                    continue
                for one in _dicts(extension.get("extension")):
                    found[f"{one.get('url')}_url"] = str(one.get("valueUri", ""))
        return {name: found.get(name, "") for name in _ENDPOINTS}

    async def _from_openid(self, authorize_url: str, headers: dict[str, str]) -> dict[str, str]:
        """Epic's issuer is the address above its authorize address."""
        above = urlsplit(authorize_url)._replace(query="", fragment="").geturl().rpartition("/")[0]
        answer = await self._get(f"{above}/.well-known/openid-configuration", headers)
        if not answer.good:
            raise answer.failure(now=self._now())
        known = _texts(answer.json(), _SIGN_IN)
        if not all(known.values()):
            raise TurnedDown("this FHIR server does not name its sign-in keys", code="no-sign-in")
        return known

    async def _get(self, url: str, headers: dict[str, str]) -> Answer:
        return await call(self._http, "GET", url, service=_EPIC, headers=headers)

    def authorize_url(
        self, connection: Connection, client: EpicClient, launch: Launch, *, epic_launch: str, state: str
    ) -> str:
        """Where to send the browser. Without `epic_launch` Epic asks the person to sign in."""
        digest = hashlib.sha256(launch.verifier.encode()).digest()
        parameters = {
            "response_type": "code",
            "client_id": connection.clients.get(client, ""),
            "redirect_uri": launch.redirect_uri,
            "scope": _SCOPE if epic_launch else _SCOPE.removeprefix("launch "),
            "state": state,
            "aud": connection.fhir_base_url,
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
            "nonce": launch.nonce,
            **({"launch": epic_launch} if epic_launch else {}),
        }
        joint = "&" if urlsplit(connection.authorize_url).query else "?"
        return f"{connection.authorize_url}{joint}{urlencode(parameters)}"

    # --- who came ----------------------------------------------------------------------------------------

    async def exchange(
        self, environment: LiveEnvironment, client: EpicClient, launch: Launch, *, code: str
    ) -> LaunchContext:
        """Redeem the code, check the id token and say who came for which visit.

        Falls back to the CSN of the Appointment or Encounter, read with that token; `session` is empty when that
        tells nothing either. All tokens are dropped. Raise TryAgain, TurnedDown, or LaunchFailed.
        """
        connection = environment.connection
        client_id = connection.clients.get(client, "")
        told = await self._redeem(environment, client, launch, code=code, client_id=client_id)
        claims = await self._signed_in(told, connection, launch, client_id=client_id)

        user = "/".join(_text(claims, "fhirUser").rstrip("/").split("/")[-2:])
        role = _ROLES.get(user.partition("/")[0], LaunchRole.PATIENT)
        # A site's records may call what Epic adds by other names.
        names = {**self._names, **{w: n for w, n in environment.operation.records.tokens.items() if n}}
        extras = {word: _value(told, name) for word, name in names.items()}
        session = extras["session"] or extras["csn"]
        access_token = _text(told, "access_token")
        if not session and access_token:
            session = await csn_of(
                self._http,
                connection.fhir_base_url,
                access_token=access_token,
                appointment=_value(told, "appointment"),
                encounter=_value(told, "encounter"),
                now=self._now(),
            )
        return LaunchContext(
            role=role,
            session=session,
            environment=extras["environment"],
            user=user,
            username=_text(claims, "preferred_username")[:_LONGEST_VALUE],
            patient=_value(told, "patient"),
            department=extras["department"] or _value(told, "loginDepartment"),
            external_id=extras["external_id"],
            external_id_type=extras["external_id_type"],
            csn=extras["csn"],
        )

    async def identify(
        self, environment: LiveEnvironment, client: EpicClient, launch: Launch, *, code: str
    ) -> EpicUser:
        """Redeem the code and say who signed in. Reads nothing at Epic and drops all tokens.

        Raise TryAgain, TurnedDown (its code is OAuth's own or the HTTP status), or LaunchFailed: with WRONG_EPIC
        when the id token names another issuer than the one that is pinned.
        """
        connection = environment.connection
        client_id = connection.clients.get(client, "")
        told = await self._redeem(environment, client, launch, code=code, client_id=client_id)
        try:
            claims = await self._signed_in(told, connection, launch, client_id=client_id)
        except LaunchFailed as unproven:
            # Refused in any case: what a token says that does not hold only picks the words.
            if _issuer_of(_text(told, "id_token")) not in ("", connection.issuer):
                raise LaunchFailed(LaunchFailure.WRONG_EPIC) from unproven
            raise
        server, _, reference = _text(claims, "fhirUser").rstrip("/").rpartition("/")
        server, _, kind = server.rpartition("/")
        return EpicUser(kind=kind, id=reference, server=server)

    async def _redeem(
        self, environment: LiveEnvironment, client: EpicClient, launch: Launch, *, code: str, client_id: str
    ) -> dict[str, Any]:
        token_url = environment.connection.token_url
        key = await self._smart_keys(environment.id, client)
        now = self._now()
        answer = await call(
            self._http,
            "POST",
            token_url,
            service=_EPIC,
            headers={"Accept": "application/json"},
            form={
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": launch.redirect_uri,
                "code_verifier": launch.verifier,
                "client_id": client_id,
                **assertion(key, client_id=client_id, token_url=token_url, id=self._new_id(), now=now),
            },
        )
        if not answer.good:
            raise token_failure(answer, now=now)
        return answer.json()

    async def _signed_in(
        self, told: dict[str, Any], connection: Connection, launch: Launch, *, client_id: str
    ) -> dict[str, Any]:
        """The claims of the id token, or LaunchFailed when it is not Epic's word about this very launch."""
        token = _text(told, "id_token")
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
            key = await self._keys.key(connection.keys_url, str(key_id), service=_EPIC)
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                audience=client_id,
                issuer=connection.issuer,
                # Times are judged below, with the clock that was handed over.
                options={
                    "require": ["exp", "iat", "iss", "aud", "sub"],
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
            check_times(claims, at=self._now())
        except (jwt.PyJWTError, UnknownKey, NotSignedIn) as forged:
            logger.warning("an id token did not hold: %s", type(forged).__name__)
            raise LaunchFailed(LaunchFailure.EPIC_SAID_NO) from None
        if claims.get("nonce") != launch.nonce:
            logger.warning("an id token did not hold: it was made for another launch")
            raise LaunchFailed(LaunchFailure.EPIC_SAID_NO)
        return claims


def _issuer_of(token: str) -> str:
    """What an unproven id token calls its issuer; nothing when it cannot be read."""
    try:
        return _text(jwt.decode(token, options={"verify_signature": False}), "iss")
    except jwt.PyJWTError:
        return ""


def _text(content: Mapping[str, Any], name: str) -> str:
    value = content.get(name, "")
    return value if isinstance(value, str) else ""


def _value(told: Mapping[str, Any], name: str) -> str:
    """A context value as Epic filled it in; nothing when it is missing, unfilled or no id at all."""
    value = told.get(name, "")
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    unfilled = text.startswith("%") and text.endswith("%")
    return "" if text in _NOTHING or unfilled or len(text) > _LONGEST_VALUE else text


def _texts(content: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, str]:
    return {ours: _text(content, theirs) for ours, theirs in names.items()}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _parts(address: str) -> SplitResult:
    """The parts of an address that a server names, or raise TurnedDown for what cannot be read as one."""
    try:
        return urlsplit(address)
    except ValueError:
        raise TurnedDown(
            "this FHIR server names a sign-in address that cannot be used", code="bad-address"
        ) from None


def _check_address(address: str, base: str) -> None:
    """https, or the very origin that the administrator entered (a sandbox may be plain http)."""
    parts, ours = _parts(address), urlsplit(base)
    same = (parts.scheme, parts.netloc) == (ours.scheme, ours.netloc)
    if not parts.netloc or parts.fragment or (parts.scheme != "https" and not same):
        raise TurnedDown("this FHIR server names a sign-in address that cannot be used", code="bad-address")
