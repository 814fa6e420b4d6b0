"""Entra's pages for people: choose who signs in, and an administrator's consent. There are no passwords here."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sandbox.entra import TENANTS, Entra
from sandbox.pages import page
from sandbox.world import ENTRA_CLIENT_ID, USERS, User, user_named

_SEVERAL = ("common", "organizations")


class NotRegistered(Exception):
    """A sign-in that must not be answered by a redirect, because the address to go to is not known to be ours."""


@dataclass(frozen=True, slots=True)
class EntraPages:
    """The pages, below `/entra` on the plain server and at the root behind TLS."""

    entra: Entra

    def routes(self, prefix: str) -> list[Route]:
        return [
            Route(f"{prefix}/{{tenant}}/oauth2/v2.0/authorize", self.authorize),
            Route(f"{prefix}/{{tenant}}/oauth2/v2.0/logout", self.logout),
            Route(f"{prefix}/{{tenant}}/v2.0/adminconsent", self.consent),
        ]

    async def authorize(self, request: Request) -> Response:
        """Sign in as the person of `login_hint` or `person`; without one, ask who it is."""
        tenant, asked = request.path_params["tenant"], dict(request.query_params)
        try:
            _check_app(tenant, asked)
        except NotRegistered as refusal:
            self.entra.world.refuse("entra", str(refusal))
            return page("message.html", status=400, title="Sign-in refused", text=str(refusal))
        wrong = _problem(asked)
        if wrong:
            self.entra.world.refuse("entra", wrong)
            return _answer(asked, {"error": "invalid_request", "error_description": wrong})
        people = _people(tenant)
        named = asked.get("person") or asked.get("login_hint") or ""
        person = user_named(named) if named else None
        if person is None and "none" in asked.get("prompt", "").split():
            text = "AADSTS50058: A silent sign-in request was sent but no user is signed in."
            return _answer(asked, {"error": "login_required", "error_description": text})
        if person is None:
            again = {name: value for name, value in asked.items() if name not in ("person", "login_hint")}
            choices = [(one, "?" + urlencode({**again, "person": one.key})) for one in people]
            cancel = "?" + urlencode({**again, "cancelled": "1"})
            if asked.get("cancelled"):
                text = "AADSTS65004: User declined to consent to access the app."
                return _answer(asked, {"error": "access_denied", "error_description": text})
            return page(
                "choose_person.html", title="Sign in", choices=choices, tenants=TENANTS, cancel=cancel
            )
        if person not in people:
            text = f"AADSTS50020: The account '{person.address}' does not exist in this tenant."
            return page("message.html", status=400, title="Sign-in refused", text=text)
        code = self.entra.begin(
            person,
            redirect_uri=asked["redirect_uri"],
            scopes=asked.get("scope", "").split(),
            nonce=asked.get("nonce", ""),
            challenge=asked.get("code_challenge", ""),
        )
        self.entra.world.log("entra", "signed in", person=person.key)
        return _answer(asked, {"code": code, "session_state": self.entra.world.new_id()})

    async def logout(self, request: Request) -> Response:
        back = request.query_params.get("post_logout_redirect_uri", "")
        if _is_ours(back):
            return RedirectResponse(back, status_code=302)
        return page("message.html", title="Signed out", text="You signed out of your account.")

    async def consent(self, request: Request) -> Response:
        """An administrator accepts the app's permissions for a whole tenant, or does not."""
        tenant, asked = request.path_params["tenant"], dict(request.query_params)
        try:
            _check_app(tenant, asked)
        except NotRegistered as refusal:
            return page("message.html", status=400, title="Consent refused", text=str(refusal))
        administrator = user_named(asked.get("person", "")) if asked.get("person") else None
        accepted = asked.get("accept")
        if administrator is None or accepted not in ("yes", "no"):
            choices = [
                (
                    one,
                    "?" + urlencode({**asked, "person": one.key, "accept": "yes"}),
                    "?" + urlencode({**asked, "person": one.key, "accept": "no"}),
                )
                for one in _people(tenant)
                if one.roles
            ]
            return page("consent.html", title="Permissions requested", choices=choices, tenants=TENANTS)
        state = {"state": asked["state"]} if "state" in asked else {}
        if accepted == "no":
            text = "AADSTS65004: User declined to consent to access the app."
            return _redirect(
                asked, {"error": "access_denied", "error_description": text, "admin_consent": "True", **state}
            )
        self.entra.consented.add(administrator.tenant)
        self.entra.world.log("entra", "consented", tenant=administrator.tenant, by=administrator.key)
        return _redirect(
            asked,
            {
                "admin_consent": "True",
                "tenant": administrator.tenant,
                "scope": asked.get("scope", ""),
                **state,
            },
        )


def _check_app(tenant: str, asked: Mapping[str, str]) -> None:
    if tenant not in (*TENANTS, *_SEVERAL):
        raise NotRegistered(f"AADSTS90002: Tenant '{tenant}' not found.")
    if asked.get("client_id") != ENTRA_CLIENT_ID:
        raise NotRegistered("AADSTS700016: The application was not found in the directory.")
    if not _is_ours(asked.get("redirect_uri", "")):
        raise NotRegistered(
            "AADSTS50011: The redirect URI is not one of those registered for the application."
        )


def _is_ours(address: str) -> bool:
    """Registered are addresses on this machine, whatever the port (as Entra does for loopback addresses)."""
    parts = urlsplit(address)
    return (
        parts.scheme in ("http", "https")
        and parts.hostname in ("127.0.0.1", "localhost")
        and not parts.fragment
    )


def _problem(asked: Mapping[str, str]) -> str:
    if asked.get("response_type") != "code":
        return "AADSTS700054: Only the response_type 'code' is enabled for the application."
    if not asked.get("scope", "").strip():
        return "AADSTS900144: The request must contain the following parameter: 'scope'."
    if "code_challenge" in asked and asked.get("code_challenge_method") != "S256":
        return "AADSTS501491: Invalid size or method of Code_Challenge parameter."
    if asked.get("response_mode", "query") not in ("query", "fragment", "form_post"):
        return "AADSTS70011: The response_mode is not supported."
    return ""


def _people(tenant: str) -> list[User]:
    return [one for one in USERS.values() if tenant in (one.tenant, *_SEVERAL)]


def _answer(asked: Mapping[str, str], values: dict[str, str]) -> Response:
    if "state" in asked:
        values["state"] = asked["state"]
    if asked.get("response_mode") == "form_post":
        # Without a script: one button carries the answer on.
        return page(
            "form_post.html",
            forms_to=asked["redirect_uri"],
            title="Signed in",
            action=asked["redirect_uri"],
            values=values,
        )
    return _redirect(asked, values)


def _redirect(asked: Mapping[str, str], values: Mapping[str, str]) -> Response:
    where = asked["redirect_uri"]
    separator = "#" if asked.get("response_mode") == "fragment" else "&" if "?" in where else "?"
    return RedirectResponse(
        f"{where}{separator}{urlencode(values)}", status_code=302, headers={"Cache-Control": "no-store"}
    )
