"""Epic's sign-in: who may launch the connector, proven by SMART on FHIR, checked as strictly as Epic does.

Sources: SMART App Launch 2.0, RFC 6749, RFC 7636 (PKCE), RFC 7523 (client assertions), OpenID Connect Core, and Epic's
OAuth 2.0 guide for what Epic adds: `aud` is mandatory, PKCE is S256 only, keys come from a JWKS address.
"""

import base64
import hashlib
import json
import math
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, TypeGuard
from urllib.parse import urlencode

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.epic.people import PATIENTS, Patient, Provider, Proxy, fhir_id
from sandbox.epic.records import fill
from sandbox.epic.state import (
    API_SCOPES,
    BACKEND_TOKEN_LIVES,
    CODE_LIVES,
    LAUNCH_TOKEN_LIVES,
    SIGN_IN_LIVES,
    Client,
    ClientKind,
    Code,
    EpicState,
    Instance,
    Launch,
    Person,
    SignIn,
    Token,
    everyone,
)

SCOPES = ("openid", "fhirUser", "launch", "profile")
ASSERTION_ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384")
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ID_TOKEN_LIVES = timedelta(minutes=5)

# Epic's own number: fewer random bits than in a version 4 UUID are too few.
STATE_BITS = 122
# Beyond this Epic's web server answers 404 before OAuth sees the request.
LONGEST_URL = 4096
_LONGEST_JTI = 151
_ASSERTION_LIVES = 300
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class Unregistered(Exception):
    """A request that must not be answered by a redirect: the app or its address is not known. Shown as a page."""


class RedirectedError(Exception):
    """A refusal the app is told of at its redirect address (RFC 6749 section 4.1.2.1)."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description


class TokenRefused(Exception):
    """A refusal of the token endpoint (RFC 6749 section 5.2)."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status


class Log(Protocol):
    """The sandbox's event log."""

    def __call__(self, event: str, **details: object) -> None: ...


# Discovery


def smart_configuration(instance: Instance) -> dict[str, object]:
    return {
        "issuer": instance.issuer,
        "jwks_uri": f"{instance.issuer}/jwks",
        "authorization_endpoint": instance.authorize_url,
        "token_endpoint": instance.token_url,
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        "grant_types_supported": ["authorization_code", "client_credentials"],
        "response_types_supported": ["code"],
        "scopes_supported": list(SCOPES),
        "code_challenge_methods_supported": ["S256"],
        "capabilities": [
            "launch-ehr",
            "launch-standalone",
            "client-confidential-asymmetric",
            "context-ehr-patient",
            "context-ehr-encounter",
            "permission-v1",
            "sso-openid-connect",
            "authorize-post",
        ],
    }


def openid_configuration(instance: Instance) -> dict[str, object]:
    return {
        "issuer": instance.issuer,
        "jwks_uri": f"{instance.issuer}/jwks",
        "authorization_endpoint": instance.authorize_url,
        "token_endpoint": instance.token_url,
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "nonce", "fhirUser", "preferred_username"],
    }


def public_keys(instance: Instance) -> dict[str, object]:
    key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(instance.signing_key.public_key()))
    return {"keys": [{**key, "kid": _key_id(instance), "use": "sig", "alg": "RS256"}]}


def _key_id(instance: Instance) -> str:
    numbers = instance.signing_key.public_key().public_numbers()
    return hashlib.sha256(str(numbers.n).encode()).hexdigest()[:16]


# Authorize


@dataclass(frozen=True, slots=True)
class Redirect:
    """Go back to the app with a code."""

    url: str


@dataclass(frozen=True, slots=True)
class AskWho:
    """Nobody is signed in: show the people of the sandbox to choose from."""

    request: str
    people: dict[str, Person]


def authorize(
    state: EpicState, instance: Instance, *, sent: list[tuple[str, str]], method: str
) -> Redirect | AskWho:
    """Answer an authorize request, or raise Unregistered.

    An EHR launch is for someone who is signed in to Epic already, so a good one goes straight back with a code.
    """
    given = dict(sent)
    client = instance.clients.get(given.get("client_id", ""))
    if client is None:
        raise Unregistered("This client id is not registered in this Epic instance.")
    if client.kind is ClientKind.BACKEND:
        raise Unregistered("This client id belongs to a backend app, which nobody can sign in to.")
    redirect_uri = given.get("redirect_uri", "")
    if redirect_uri not in client.redirect_uris:
        raise Unregistered("The redirect address does not match one that is registered for this client id.")
    try:
        return _authorize(state, instance, client, sent=sent, given=given, method=method)
    except RedirectedError as refusal:
        answer = {"error": refusal.error, "error_description": refusal.description}
        if given.get("state"):
            answer["state"] = given["state"]
        return Redirect(f"{redirect_uri}?{urlencode(answer)}")


def _authorize(
    state: EpicState,
    instance: Instance,
    client: Client,
    *,
    sent: list[tuple[str, str]],
    given: dict[str, str],
    method: str,
) -> Redirect | AskWho:
    if len(given) != len(sent):
        raise RedirectedError("invalid_request", "a parameter was sent twice")
    if given.get("response_type") != "code":
        raise RedirectedError("unsupported_response_type", "response_type must be code")
    if _random_bits(given.get("state", "")) < STATE_BITS:
        raise RedirectedError("invalid_request", f"state must hold at least {STATE_BITS} random bits")
    if given.get("aud") != instance.fhir_base:
        raise RedirectedError("invalid_request", "aud must be the FHIR base URL the launch came from")
    if given.get("code_challenge_method") != "S256":
        raise RedirectedError("invalid_request", "code_challenge_method must be S256")
    if not _CHALLENGE.fullmatch(given.get("code_challenge", "")):
        raise RedirectedError("invalid_request", "code_challenge must be 43 characters of base64url")

    requested = given.get("scope", "").split()
    launch_token = given.get("launch", "")
    granted = tuple(scope for scope in SCOPES if scope in requested)
    if launch_token and "launch" in requested:
        launch = _redeem(instance, client, launch_token, state)
        return Redirect(_back_with_code(state, instance, client, given, granted, launch))
    if "launch" in requested:
        raise RedirectedError("invalid_request", "scope asks for launch but no launch token was sent")
    if method == "POST":
        raise RedirectedError("invalid_request", "only an EHR launch may be sent by POST")

    # Without the launch scope Epic knows of no session and asks the person to log in.
    request = secrets.token_urlsafe(16)
    instance.sign_ins[request] = SignIn(
        client_id=client.id,
        redirect_uri=given["redirect_uri"],
        state=given["state"],
        nonce=given.get("nonce", ""),
        challenge=given["code_challenge"],
        scopes=granted,
        expires_at=state.clock() + SIGN_IN_LIVES,
    )
    return AskWho(request, _who_may(client))


def _who_may(client: Client) -> dict[str, Person]:
    """Who can sign in without a launch: to the patients' app only MyChart users, to the other one everybody.

    Epic shows people who work there its own sign-in page; that MyChart users get through as well is the app's to
    notice, so the sandbox lets them.
    """
    mychart_only = client.kind is ClientKind.PATIENT
    return {key: one for key, one in everyone().items() if not (mychart_only and isinstance(one, Provider))}


def _redeem(instance: Instance, client: Client, token: str, state: EpicState) -> Launch:
    """The launch behind a token, which is used up by this."""
    launch = instance.launches.get(token)
    if launch is None or launch.client_id != client.id:
        raise RedirectedError(
            "invalid_launch_token", "the launch token is not known for this client id in this instance"
        )
    del instance.launches[token]
    if state.clock() >= launch.expires_at:
        raise RedirectedError("invalid_launch_token", "the launch token has expired")
    return launch


def _back_with_code(
    state: EpicState,
    instance: Instance,
    client: Client,
    given: Mapping[str, str],
    scopes: tuple[str, ...],
    launch: Launch,
) -> str:
    code = secrets.token_urlsafe(48)
    instance.codes[code] = Code(
        client_id=client.id,
        redirect_uri=given["redirect_uri"],
        challenge=given["code_challenge"],
        state=given["state"],
        nonce=given.get("nonce", ""),
        scopes=scopes,
        launch=launch,
        expires_at=state.clock() + CODE_LIVES,
    )
    return f"{given['redirect_uri']}?{urlencode({'code': code, 'state': given['state']})}"


def finish_sign_in(
    state: EpicState, instance: Instance, *, request: str, person: str, deny: bool = False
) -> Redirect:
    """Someone chose who they are on the sign-in page, or was not let in: back to the app. Raises Unregistered."""
    waiting = instance.sign_ins.pop(request, None)
    if waiting is None or state.clock() >= waiting.expires_at:
        raise Unregistered("This sign-in has expired. Start again from the app.")
    if deny:
        answer = {
            "error": "access_denied",
            "error_description": "this user may not use the app",
            "state": waiting.state,
        }
        return Redirect(f"{waiting.redirect_uri}?{urlencode(answer)}")
    client = instance.clients[waiting.client_id]
    who = _who_may(client).get(person)
    if who is None:
        raise Unregistered("This person cannot sign in to this app.")
    launch = Launch(client_id=client.id, person=who, booking=None, record="", expires_at=waiting.expires_at)
    given = {
        "redirect_uri": waiting.redirect_uri,
        "state": waiting.state,
        "nonce": waiting.nonce,
        "code_challenge": waiting.challenge,
    }
    return Redirect(_back_with_code(state, instance, client, given, waiting.scopes, launch))


def _random_bits(text: str) -> float:
    """The most randomness `text` can hold: bits per sign times signs, judged by the alphabet it keeps to."""
    bare = text.replace("-", "") if re.fullmatch(r"[0-9A-Fa-f-]*", text) else text
    if re.fullmatch(r"[0-9]*", bare):
        return len(bare) * math.log2(10)
    if re.fullmatch(r"[0-9a-f]*|[0-9A-F]*", bare):
        return len(bare) * 4.0
    return len(bare) * 6.0


# Token


async def token(
    state: EpicState, instance: Instance, *, content_type: str, sent: list[tuple[str, str]], log: Log
) -> dict[str, object]:
    """Answer a token request with the token response, or raise TokenRefused."""
    if content_type.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise TokenRefused("invalid_request", "send the request as application/x-www-form-urlencoded")
    given = dict(sent)
    if len(given) != len(sent):
        raise TokenRefused("invalid_request", "a parameter was sent twice")
    grant = given.get("grant_type", "")
    if grant not in ("authorization_code", "client_credentials"):
        raise TokenRefused(
            "unsupported_grant_type", "grant_type must be authorization_code or client_credentials"
        )
    client = await _client_of(state, instance, given, log)
    if grant == "client_credentials":
        return _backend_token(state, instance, client, given)
    return _launch_token(state, instance, client, given)


def _backend_token(
    state: EpicState, instance: Instance, client: Client, given: Mapping[str, str]
) -> dict[str, object]:
    if client.kind is not ClientKind.BACKEND:
        raise TokenRefused("unauthorized_client", "this client id is not registered for backend use")
    scopes = API_SCOPES[ClientKind.BACKEND]
    access = _issue(state, instance, client, scopes, patient="", lives=BACKEND_TOKEN_LIVES)
    return {
        "access_token": access,
        "token_type": "bearer",
        "expires_in": int(BACKEND_TOKEN_LIVES.total_seconds()),
        "scope": " ".join(scopes),
    }


def _launch_token(
    state: EpicState, instance: Instance, client: Client, given: Mapping[str, str]
) -> dict[str, object]:
    code = instance.codes.get(given.get("code", ""))
    if code is None or code.client_id != client.id:
        raise TokenRefused("invalid_grant", "the code is not known for this client id")
    if code.used:
        # RFC 6749 section 4.1.2: a code that comes twice may be stolen, so what it gave is taken back.
        instance.tokens.pop(code.token, None)
        raise TokenRefused("invalid_grant", "the code was used before")
    code.used = True
    if state.clock() >= code.expires_at:
        raise TokenRefused("invalid_grant", "the code has expired")
    if given.get("redirect_uri") != code.redirect_uri:
        raise TokenRefused("invalid_grant", "redirect_uri differs from the one of the authorize request")
    verifier = given.get("code_verifier", "")
    if not _VERIFIER.fullmatch(verifier) or _s256(verifier) != code.challenge:
        raise TokenRefused("invalid_grant", "code_verifier does not match the challenge")

    launch = code.launch
    patient = _patient_of(instance, launch)
    scopes = (*code.scopes, *API_SCOPES[client.kind])
    code.token = _issue(state, instance, client, scopes, patient=patient, lives=LAUNCH_TOKEN_LIVES)
    answer: dict[str, object] = {
        "access_token": code.token,
        "token_type": "Bearer",
        "expires_in": int(LAUNCH_TOKEN_LIVES.total_seconds()),
        "scope": " ".join(scopes),
        "state": code.state,
        # Epic says this as a string.
        "need_patient_banner": "false",
        "smart_style_url": f"{instance.url}/api/smart-style.json",
    }
    if patient:
        answer |= {"patient": patient, "__epic.dstu2.patient": patient}
    answer |= _context(instance, launch)
    if "openid" in code.scopes:
        answer["id_token"] = _id_token(state, instance, code)
    return answer


def _context(instance: Instance, launch: Launch) -> dict[str, str]:
    """What Epic knows about the visit: ids for an open visit, and the tokens of the integration record."""
    context: dict[str, str] = {}
    booking = launch.booking
    if booking is not None and isinstance(launch.person, Provider):
        # Only a clinician's launch has an open visit, a department someone logged in to, and so these three.
        context |= {
            "encounter": fhir_id(instance.name, "Encounter", booking.original_csn),
            "appointment": fhir_id(instance.name, "Appointment", booking.original_csn),
            "location": fhir_id(instance.name, "Location", booking.department.id),
            "loginDepartment": booking.department.id,
        }
    if launch.record and instance.connected is not None:
        record = instance.connected.records.get(launch.record, {})
        context |= fill(record, booking=booking, person=launch.person)
    return context


def _patient_of(instance: Instance, launch: Launch) -> str:
    """The FHIR id of whom the launch is about: oneself, the child of a parent, the patient of a visit."""
    if isinstance(launch.person, Patient):
        return fhir_id(instance.name, "Patient", launch.person.key)
    if isinstance(launch.person, Proxy):
        return fhir_id(instance.name, "Patient", PATIENTS[launch.person.patient].key)
    return fhir_id(instance.name, "Patient", launch.booking.patient.key) if launch.booking else ""


def _id_token(state: EpicState, instance: Instance, code: Code) -> str:
    person = code.launch.person
    if instance.signing_in.other_epic:
        instance = next(one for one in state.instances.values() if one is not instance)
    reference = instance.reference(person)
    now = state.clock()
    claims: dict[str, Any] = {
        "iss": instance.issuer,
        "sub": reference.partition("/")[2],
        "aud": code.client_id,
        "iat": int(now.timestamp()),
        "exp": int((now + ID_TOKEN_LIVES).timestamp()),
    }
    if code.nonce:
        claims["nonce"] = code.nonce
    if "fhirUser" in code.scopes:
        claims["fhirUser"] = f"{instance.fhir_base}/{reference}"
    if "profile" in code.scopes and isinstance(person, Provider):
        claims["preferred_username"] = person.login
    return jwt.encode(claims, instance.signing_key, algorithm="RS256", headers={"kid": _key_id(instance)})


def _issue(
    state: EpicState,
    instance: Instance,
    client: Client,
    scopes: tuple[str, ...],
    *,
    patient: str,
    lives: timedelta,
) -> str:
    access = secrets.token_urlsafe(48)
    instance.tokens[access] = Token(
        client_id=client.id,
        kind=client.kind,
        scopes=scopes,
        patient=patient,
        expires_at=state.clock() + lives,
    )
    return access


def _s256(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


# Client assertions


async def _client_of(state: EpicState, instance: Instance, given: Mapping[str, str], log: Log) -> Client:
    """The client that signed the assertion, or raise TokenRefused (RFC 7523 section 3 and Epic's limits)."""
    if "client_secret" in given:
        raise _not_proven("this client proves itself by a signed assertion, not by a secret")
    if given.get("client_assertion_type") != ASSERTION_TYPE:
        raise _not_proven(f"client_assertion_type must be {ASSERTION_TYPE}")
    assertion = given.get("client_assertion", "")
    try:
        header = jwt.get_unverified_header(assertion)
        unproven = jwt.decode(assertion, options={"verify_signature": False})
    except jwt.PyJWTError as unreadable:
        raise _not_proven("client_assertion is not a JWT") from unreadable
    client = instance.clients.get(str(unproven.get("iss", "")))
    if client is None or unproven.get("sub") != client.id:
        raise _not_proven("iss and sub must both be a client id of this instance")
    if given.get("client_id", client.id) != client.id:
        raise _not_proven("client_id differs from the assertion's")
    if header.get("alg") not in ASSERTION_ALGORITHMS:
        raise _not_proven(f"alg must be one of {', '.join(ASSERTION_ALGORITHMS)}")
    if header.get("typ") != "JWT" or not isinstance(header.get("kid"), str):
        raise _not_proven("the assertion's header needs typ JWT and a kid")
    if header.get("jku", client.jwks_url) != client.jwks_url:
        raise _not_proven("jku is not the registered key address")
    key = await _key_of(state, instance, client, header, log)
    try:
        claims = jwt.decode(
            assertion,
            key.key,
            algorithms=[str(header["alg"])],
            # Times are judged below, by the sandbox's clock.
            options={"verify_aud": False, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
    except jwt.PyJWTError as forged:
        raise _not_proven("the assertion's signature does not verify") from forged
    _check_claims(state, instance, client, claims)
    return client


def _check_claims(state: EpicState, instance: Instance, client: Client, claims: Mapping[str, Any]) -> None:
    now = state.clock().timestamp()
    if claims.get("aud") != instance.token_url:
        raise _not_proven("aud must be the token address")
    expires = _check_times(claims, now=now)
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 1 <= len(jti) <= _LONGEST_JTI:
        raise _not_proven(f"jti must be text of at most {_LONGEST_JTI} characters")
    client.seen_jtis = {seen: until for seen, until in client.seen_jtis.items() if until > now}
    if jti in client.seen_jtis:
        raise _not_proven("jti was used before")
    client.seen_jtis[jti] = expires


def _check_times(claims: Mapping[str, Any], *, now: float) -> float:
    """When the assertion expires, or raise TokenRefused: five minutes at most, and never from the future."""
    expires = claims.get("exp")
    if not _is_number(expires):
        raise _not_proven("exp is missing")
    if expires <= now:
        raise _not_proven("the assertion has expired")
    # Numeric dates are whole seconds, so the limit allows for one that was rounded up.
    if expires > now + _ASSERTION_LIVES + 1:
        raise _not_proven("exp must be at most five minutes from now")
    for name in ("iat", "nbf"):
        moment = claims.get(name)
        if moment is None:
            continue
        if not _is_number(moment) or moment > now:
            raise _not_proven(f"{name} must not be in the future")
        if expires - moment > _ASSERTION_LIVES:
            raise _not_proven(f"exp must be at most five minutes after {name}")
    return float(expires)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


async def _key_of(
    state: EpicState, instance: Instance, client: Client, header: Mapping[str, Any], log: Log
) -> jwt.PyJWK:
    """The client's public key named by `kid`, fetched from its registered address when it is not known yet."""
    kid = str(header["kid"])
    if not instance.signing_in.keys_synced:
        raise _not_proven("the keys of this client id are not synced yet")
    if not client.jwks_url:
        raise _not_proven("no JWKS address is registered for this client id")
    if kid not in client.keys:
        try:
            response = await state.http.get(client.jwks_url, headers={"Accept": "application/json"})
            response.raise_for_status()
            keys = response.json()["keys"]
            client.keys = {str(key["kid"]): key for key in keys}
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as unreachable:
            log("epic: key address failed", client=client.kind.value, reason=type(unreachable).__name__)
            raise _not_proven("the registered JWKS address could not be read") from unreachable
    if kid not in client.keys:
        raise _not_proven("the JWKS holds no key with this kid")
    entry = client.keys[kid]
    if set(entry) & {"d", "p", "q", "dp", "dq", "qi", "k"}:
        raise _not_proven("the JWKS shows a private key")
    if entry.get("alg", header["alg"]) != header["alg"] or entry.get("use", "sig") != "sig":
        raise _not_proven("the JWKS says that this key is for something else")
    try:
        key = jwt.PyJWK.from_dict(entry, algorithm=str(header["alg"]))
    except jwt.PyJWTError as unfit:
        raise _not_proven("the key of this kid does not fit the algorithm") from unfit
    if isinstance(key.key, rsa.RSAPublicKey) and key.key.key_size < 2048:
        raise _not_proven("RSA keys need at least 2048 bits")
    return key


def _not_proven(description: str) -> TokenRefused:
    return TokenRefused("invalid_client", description, status=401)
