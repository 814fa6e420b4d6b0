"""Epic's web addresses: discovery, sign-in, FHIR and the status service of both instances."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import parse_qsl

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.epic.fhir import (
    FhirRefusal,
    InsufficientScope,
    bearer,
    capability_statement,
    read,
    search,
)
from sandbox.epic.smart import (
    LONGEST_URL,
    AskWho,
    Log,
    TokenRefused,
    Unregistered,
    authorize,
    finish_sign_in,
    openid_configuration,
    public_keys,
    smart_configuration,
    token,
)
from sandbox.epic.state import EpicState, Instance, resource_type
from sandbox.epic.status import StatusRefused, set_external_connection_status

STATUS_PATH = "/api/epic/2018/Telehealth/ContextLinking/SetExternalConnectionStatus"
_FHIR = "/epic/{instance}/api/FHIR/R4"
_FHIR_JSON = "application/fhir+json"

# Sign-in pages hold links and one stylesheet of our own, nothing else.
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_NEVER_KEPT = {"Cache-Control": "no-store", "Pragma": "no-cache"}

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)

Answer = Callable[[Request, Instance], Awaitable[Response]]


class EpicWeb:
    """The handlers, speaking to one `state` and writing to one log."""

    def __init__(self, state: EpicState, log: Log) -> None:
        self._state = state
        self._log = log

    def routes(self) -> list[Route]:
        here = self._here
        return [
            Route(f"{_FHIR}/.well-known/smart-configuration", here(self._smart_configuration)),
            Route(f"{_FHIR}/metadata", here(self._metadata)),
            Route(f"{_FHIR}/{{kind}}/{{id}}", here(self._read)),
            Route(f"{_FHIR}/{{kind}}", here(self._search)),
            Route("/epic/{instance}/oauth2/.well-known/openid-configuration", here(self._openid)),
            Route("/epic/{instance}/oauth2/jwks", here(self._keys)),
            Route("/epic/{instance}/oauth2/authorize", here(self._authorize), methods=["GET", "POST"]),
            Route("/epic/{instance}/oauth2/sign-in", here(self._sign_in)),
            Route("/epic/{instance}/oauth2/token", here(self._token), methods=["POST"]),
            Route("/epic/{instance}/api/smart-style.json", here(self._style)),
            Route(f"/epic/{{instance}}{STATUS_PATH}", here(self._status), methods=["GET", "POST"]),
        ]

    def _here(self, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
        """`answer` for the instance that the address names; another name is not found."""

        async def handler(request: Request) -> Response:
            instance = self._state.instances.get(request.path_params["instance"])
            if instance is None:
                return Response(status_code=404)
            return await answer(request, instance)

        return handler

    async def _smart_configuration(self, request: Request, instance: Instance) -> Response:
        self._note_discovery(request, instance, "smart-configuration")
        return JSONResponse(smart_configuration(instance))

    async def _metadata(self, request: Request, instance: Instance) -> Response:
        self._note_discovery(request, instance, "metadata")
        return _fhir(capability_statement(instance, now=self._state.clock()))

    async def _openid(self, request: Request, instance: Instance) -> Response:
        return JSONResponse(openid_configuration(instance))

    async def _keys(self, request: Request, instance: Instance) -> Response:
        return JSONResponse(public_keys(instance))

    async def _style(self, request: Request, instance: Instance) -> Response:
        return JSONResponse({"color_background": "#fafafa", "font_family_body": "sans-serif"})

    async def _authorize(self, request: Request, instance: Instance) -> Response:
        if len(str(request.url)) > LONGEST_URL:
            # Long launch tokens and long states together pass what the web server allows.
            return Response(status_code=404)
        sent = await _form(request) if request.method == "POST" else _query(request)
        try:
            decision = authorize(self._state, instance, sent=sent, method=request.method)
        except Unregistered as refusal:
            self._log("epic: authorize refused", instance=instance.name, reason=str(refusal))
            return _page("refused.html", status=400, reason=str(refusal))
        if isinstance(decision, AskWho):
            return _page(
                "sign_in.html",
                instance=instance,
                request=decision.request,
                people=[(key, one, resource_type(one)) for key, one in decision.people.items()],
            )
        self._note_answer(instance, decision.url)
        return RedirectResponse(
            decision.url, status_code=303 if request.method == "POST" else 302, headers=_NEVER_KEPT
        )

    async def _sign_in(self, request: Request, instance: Instance) -> Response:
        given = request.query_params
        try:
            decision = finish_sign_in(
                self._state,
                instance,
                request=given.get("request", ""),
                person=given.get("person", ""),
                deny=given.get("deny") == "1",
            )
        except Unregistered as refusal:
            return _page("refused.html", status=400, reason=str(refusal))
        self._note_answer(instance, decision.url)
        return RedirectResponse(decision.url, status_code=302, headers=_NEVER_KEPT)

    async def _token(self, request: Request, instance: Instance) -> Response:
        try:
            answer = await token(
                self._state,
                instance,
                content_type=request.headers.get("content-type", ""),
                sent=await _form(request),
                log=self._log,
            )
        except TokenRefused as refusal:
            self._log(
                "epic: token refused",
                instance=instance.name,
                error=refusal.error,
                reason=refusal.description,
            )
            return JSONResponse(
                {"error": refusal.error, "error_description": refusal.description},
                status_code=refusal.status,
                headers=_NEVER_KEPT,
            )
        self._log("epic: token issued", instance=instance.name, fields=sorted(answer))
        return JSONResponse(answer, headers=_NEVER_KEPT)

    async def _read(self, request: Request, instance: Instance) -> Response:
        kind = request.path_params["kind"]
        return self._fhir_answer(
            request, instance, lambda known: read(instance, known, kind, request.path_params["id"])
        )

    async def _search(self, request: Request, instance: Instance) -> Response:
        kind = request.path_params["kind"]
        return self._fhir_answer(
            request, instance, lambda known: search(instance, known, kind, _query(request))
        )

    def _fhir_answer(
        self, request: Request, instance: Instance, ask: Callable[..., dict[str, object]]
    ) -> Response:
        try:
            known = bearer(instance, request.headers.get("authorization", ""), now=self._state.clock())
            return _fhir(ask(known))
        except FhirRefusal as refusal:
            self._log(
                "epic: FHIR refused", instance=instance.name, path=request.url.path, reason=refusal.text
            )
            answer = _fhir(refusal.outcome(), status=refusal.status)
            if refusal.status == 401:
                answer.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
            elif isinstance(refusal, InsufficientScope):
                answer.headers["WWW-Authenticate"] = 'Bearer error="insufficient_scope"'
            return answer

    async def _status(self, request: Request, instance: Instance) -> Response:
        sent = _query(request)
        if request.method == "POST":
            sent += await _form(request)
        try:
            set_external_connection_status(
                self._state, instance, method=request.method, sent=sent, headers=request.headers
            )
        except StatusRefused as refusal:
            self._log(
                "epic: status refused",
                instance=instance.name,
                http_status=refusal.status,
                reason=refusal.text or "not entitled",
            )
            headers = {"WWW-Authenticate": refusal.authenticate} if refusal.authenticate else {}
            if refusal.status == 405:
                headers["Allow"] = "GET"
            if not refusal.text:
                return Response(status_code=refusal.status, headers=headers)
            return JSONResponse({"Message": refusal.text}, status_code=refusal.status, headers=headers)
        return Response(status_code=200)

    def _note_discovery(self, request: Request, instance: Instance, what: str) -> None:
        client = request.headers.get("epic-client-id", "")
        self._log(
            f"epic: {what} read",
            instance=instance.name,
            epic_client_id=client or "not sent",
            known=client in instance.clients,
        )

    def _note_answer(self, instance: Instance, url: str) -> None:
        answer = dict(parse_qsl(url.partition("?")[2]))
        if "error" in answer:
            self._log(
                "epic: authorize refused",
                instance=instance.name,
                error=answer["error"],
                reason=answer.get("error_description", ""),
            )
        else:
            self._log("epic: authorize answered with a code", instance=instance.name)


def _query(request: Request) -> list[tuple[str, str]]:
    return list(request.query_params.multi_items())


async def _form(request: Request) -> list[tuple[str, str]]:
    """The fields of a URL-encoded body, repeats kept; other content types have none."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != (
        "application/x-www-form-urlencoded"
    ):
        return []
    return parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)


def _fhir(resource: dict[str, object], status: int = 200) -> Response:
    return JSONResponse(resource, status_code=status, media_type=_FHIR_JSON, headers=_NEVER_KEPT)


def _page(name: str, *, status: int = 200, **values: object) -> Response:
    return HTMLResponse(_templates.get_template(name).render(**values), status, headers=_PAGE_HEADERS)
