"""What Epic says to our client ids, keys and sign-in address before anyone is asked to approve them."""

from dataclasses import dataclass
from enum import StrEnum

from shared.domain.environment import EpicClient
from shared.domain.words import Said, said

# What OAuth servers and Epic answer with (RFC 6749, 4.1.2.1 and 5.2; OpenID Connect Core, 3.1.2.6): codes, not
# content. Anything else that a server or an address claims to be a code is never shown.
OAUTH_CODES = frozenset(
    {
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "unsupported_response_type",
        "invalid_scope",
        "access_denied",
        "server_error",
        "temporarily_unavailable",
        "invalid_launch_token",
        "interaction_required",
        "login_required",
        "consent_required",
    }
)


def known_code(code: str) -> str:
    """`code` when it is one of OAuth's or Epic's own, or an HTTP status; else a word for any other."""
    return code if code in OAUTH_CODES or (code.isdecimal() and len(code) == 3) else "unknown"


class PreflightCode(StrEnum):
    """What came of trying one client id. Each is a stable code that the documentation explains."""

    ACCEPTED = "client-accepted"
    MISSING = "client-id-missing"
    KEYS_NOT_ACCEPTED = "keys-not-accepted"
    NOT_A_BACKEND = "not-a-backend-client"
    NOT_ACCEPTED = "client-or-redirect-not-accepted"
    OAUTH_ERROR = "oauth-error"
    AWAY = "epic-away"


@dataclass(frozen=True, slots=True)
class ClientResult:
    """What Epic said to one of the three client ids."""

    client: EpicClient
    code: PreflightCode
    said: Said

    @property
    def ok(self) -> bool:
        return self.code is PreflightCode.ACCEPTED


@dataclass(frozen=True, slots=True)
class Preflight:
    """The results of all three, in the order in which the portal lists client ids."""

    results: tuple[ClientResult, ...]

    @property
    def ok(self) -> bool:
        return bool(self.results) and all(one.ok for one in self.results)


def accepted(client: EpicClient) -> ClientResult:
    words = (
        said("Epic accepted the client id and its keys.")
        if client is EpicClient.BACKEND
        else said("Epic accepted the client id and the redirect address.")
    )
    return ClientResult(client, PreflightCode.ACCEPTED, words)


def missing(client: EpicClient) -> ClientResult:
    return ClientResult(client, PreflightCode.MISSING, said("Enter this client id to check it."))


def keys_not_accepted(client: EpicClient, code: str) -> ClientResult:
    return ClientResult(
        client,
        PreflightCode.KEYS_NOT_ACCEPTED,
        said(
            "Epic did not accept this client id with our keys (%(code)s). The keys may not be synced yet; this can"
            " take a day.",
            code=known_code(code),
        ),
    )


def not_a_backend(client: EpicClient, code: str) -> ClientResult:
    return ClientResult(
        client,
        PreflightCode.NOT_A_BACKEND,
        said(
            "Epic knows this client id, but does not let it work without a person (%(code)s). Register it as a"
            " backend system.",
            code=known_code(code),
        ),
    )


def not_accepted(client: EpicClient, redirect_uri: str) -> ClientResult:
    return ClientResult(
        client,
        PreflightCode.NOT_ACCEPTED,
        said(
            "Epic did not accept this client id with the redirect address %(address)s. Check both in the app's"
            " registration; a change can take a day to arrive.",
            address=redirect_uri,
        ),
    )


def oauth_error(client: EpicClient, code: str) -> ClientResult:
    return ClientResult(
        client,
        PreflightCode.OAUTH_ERROR,
        said(
            "Epic answered with an OAuth error (%(code)s). The keys may not be synced yet; this can take a day.",
            code=known_code(code),
        ),
    )


def away(client: EpicClient) -> ClientResult:
    return ClientResult(client, PreflightCode.AWAY, said("Epic did not answer. Try again in a few minutes."))
