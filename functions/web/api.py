"""The portal's API in one place: who may ask, what may be sent, what comes back, and how all of it is described."""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Generic, TypeVar

import azure.functions as func

from functions.web.callers import Caller, Callers
from functions.web.configuring import configuring
from functions.web.door import NotJson, TooLarge, door
from functions.web.portal_models import Model, read, read_fields
from functions.web.refused_attempts import note_refusal
from functions.web.replies import answer_reply
from shared.domain.environment import EnvironmentId
from shared.domain.errors import NotAllowed, NotFound
from shared.domain.tenant import Person
from shared.flows.configuring import Configuring
from shared.wiring import Services

PREFIX = "api/v1"
MOST_BYTES = 256 * 1024

# An id in a path: what Epic and this app make ids of, and no longer than a key part may be when it is escaped.
PLACE = r"^[A-Za-z0-9_.:@~^|-]{1,80}$"

Body = TypeVar("Body")
Asked = TypeVar("Asked", bound=Model)
Answer = Model | tuple[Model, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One way to ask the API, as the document describes it. `path` is below `/api/v1/`."""

    name: str
    method: str
    path: str
    summary: str
    takes: type[Model] | None
    asks: type[Model] | None
    gives: type[Model]
    status: HTTPStatus
    refuses: tuple[HTTPStatus, ...]
    tags: tuple[str, ...]

    @property
    def places(self) -> list[str]:
        """The names in the path that stand for ids."""
        return re.findall(r"{(\w+)}", self.path)


@dataclass(frozen=True, slots=True)
class Call(Generic[Body]):
    """One request with what was sent, read and checked. `body` is None where nothing is taken."""

    services: Services
    caller: Caller
    req: func.HttpRequest
    body: Body

    @property
    def person(self) -> Person:
        return self.caller.person

    @property
    def names(self) -> frozenset[str]:
        return self.caller.names

    def path(self, name: str) -> str:
        """The id at `{name}` in the path. Raises NotFound for what cannot be an id."""
        value = str(self.req.route_params[name])
        if not re.fullmatch(PLACE, value):
            raise NotFound("no such record")
        return value

    @property
    def environment(self) -> EnvironmentId:
        """The id of the environment in the path."""
        return EnvironmentId(self.path("environment"))

    def query(self, shape: type[Asked]) -> Asked:
        """What was asked after the `?`, as the model that the endpoint names in `asks`; raises Refused."""
        return read_fields(shape, dict(self.req.params))

    def configuring(self) -> Configuring:
        """What the flows that configure need besides the change."""
        return configuring(self.services, self.person, self.names)


class ApiBlueprint(func.Blueprint):
    """A blueprint that also knows how its endpoints are described."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.endpoints: list[Endpoint] = []


@dataclass
class Api:
    """The endpoints of one area, speaking to `services`.

    api = Api(services)

    @api.endpoint("api_show_tenant", "GET", "tenant", gives=TenantOut, tags=("Tenant",))
    async def show_tenant(call: Call[None]) -> TenantOut: ...
    """

    services: Services
    blueprint: ApiBlueprint = field(default_factory=ApiBlueprint)

    def endpoint(
        self,
        name: str,
        method: str,
        path: str,
        *,
        gives: type[Model],
        takes: type[Model] | None = None,
        asks: type[Model] | None = None,
        status: int = HTTPStatus.OK,
        refuses: tuple[HTTPStatus, ...] = (),
        tags: tuple[str, ...] = (),
    ) -> Callable[[Callable[[Call[Any]], Awaitable[Answer]]], None]:
        """Hang a handler at `path`. Its docstring is the summary; `refuses` adds to what every endpoint refuses."""

        def hang(handler: Callable[[Call[Any]], Awaitable[Answer]]) -> None:
            summary = (handler.__doc__ or "").strip()
            described = Endpoint(
                name, method, path, summary, takes, asks, gives, HTTPStatus(status), refuses, tags
            )
            self.blueprint.endpoints.append(described)

            async def handle(req: func.HttpRequest, caller: Caller) -> func.HttpResponse:
                body = _body(req, takes) if takes is not None else None
                try:
                    answer = await handler(Call(self.services, caller, req, body))
                except NotAllowed as refusal:
                    await note_refusal(self.services, req, caller.person, refusal)
                    raise
                value, headers = answer if isinstance(answer, tuple) else (answer, {})
                return answer_reply(value.model_dump_json(), described.status, headers=headers)

            handle.__name__, handle.__doc__ = name, handler.__doc__
            hung = door(self.caller)(handle)
            self.blueprint.function_name(name)(
                self.blueprint.route(f"{PREFIX}/{path}", methods=[method])(hung)
            )

        return hang

    async def caller(self, req: func.HttpRequest) -> Caller:
        """A person of a tenant that lives here, by access token or by the portal's session."""
        return await Callers(self.services).caller(req)


def endpoints_of(blueprints: Iterable[func.Blueprint]) -> list[Endpoint]:
    """The endpoints of all areas, in the order of their blueprints."""
    areas = (one for one in blueprints if isinstance(one, ApiBlueprint))
    return [endpoint for area in areas for endpoint in area.endpoints]


def _body(req: func.HttpRequest, shape: type[Model]) -> Model:
    """What was sent, as `shape`. Raises TooLarge, NotJson, or Refused with one sentence for each wrong field."""
    body = req.get_body()
    if len(body) > MOST_BYTES:
        raise TooLarge(f"send {MOST_BYTES} bytes or fewer")
    kind = req.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if body and kind != "application/json" and not kind.endswith("+json"):
        raise NotJson("send JSON, with the content type application/json")
    return read(shape, body)
