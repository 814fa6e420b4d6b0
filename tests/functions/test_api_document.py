"""The API's description of itself: valid, whole, and true for whatever is asked."""

import asyncio
import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import azure.functions as func
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from functions.web.api import endpoints_of
from functions.web.door import CODES
from shared.domain.tenant import Person
from tests.fakes.hospital import AVERY, DANA, ENVIRONMENT, HOME, LENA, PRIYA, RILEY, Hospital
from tests.hl7v2.siu import text

ROOT = Path(__file__).parents[2]


@cache
def document() -> dict[str, Any]:
    answer = asyncio.run(Hospital().app.get("/api/openapi.json"))
    found: dict[str, Any] = json.loads(answer.get_body())
    return found


def operations() -> list[str]:
    return [f"{method.upper()} {path}" for path, methods in document()["paths"].items() for method in methods]


def test_it_is_valid_openapi() -> None:
    OpenAPIV31SpecValidator(document()).validate()


def test_it_describes_every_endpoint_once() -> None:
    described = endpoints_of(Hospital().app.blueprints)

    assert sorted(operations()) == sorted(f"{one.method} /api/v1/{one.path}" for one in described)
    ids = [one["operationId"] for methods in document()["paths"].values() for one in methods.values()]
    assert len(ids) == len(set(ids))


def test_every_endpoint_says_what_it_is_for() -> None:
    described = endpoints_of(Hospital().app.blueprints)

    assert [one.name for one in described if not one.summary or not one.tags] == []


def test_every_problem_code_is_in_it() -> None:
    listed = document()["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]

    assert set(listed) == {code for codes in CODES.values() for code in codes}


async def test_whoever_has_it_is_not_sent_it_again() -> None:
    hospital = Hospital()
    first = await hospital.app.get("/api/openapi.json")

    again = await hospital.app.get("/api/openapi.json", {"If-None-Match": first.headers["ETag"]})
    other = await hospital.app.get("/api/openapi.json", {"If-None-Match": '"another"'})

    assert (again.status_code, again.get_body()) == (304, b"")
    assert (other.status_code, other.get_body()) == (200, first.get_body())


def test_loading_the_app_does_not_make_it() -> None:
    look = (
        "import sys, tests.fakes.hospital as h; h.Hospital(); print('functions.web.openapi' in sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )

    assert loaded.stdout.strip() == "False"


class Asking:
    """A hospital with a visit in it, asked with requests that were invented from the document."""

    def __init__(self) -> None:
        self.loop = asyncio.Runner()
        self.hospital = Hospital()
        self.loop.run(self.hospital.feed(text("S12")))
        self.loop.run(self.hospital.work_off())

    async def _answer(self, name: str, req: func.HttpRequest) -> Any:
        return await self.hospital.app.functions[name](req)

    def ask(self, case: Any, who: Person | None, known: bool) -> None:
        """Ask, and hold the answer to the document. `known` asks about what is there."""
        if known:
            there = {"environment": ENVIRONMENT, "csn": "360001", "day": "2030-06-01"}
            case.path_parameters.update({k: v for k, v in there.items() if k in case.path_parameters})
        given = case.as_transport_kwargs(base_url=HOME)
        given.pop("cookies", None)
        sent: Any = requests.Request(**given).prepare()
        headers = {name: value for name, value in sent.headers.items() if name.lower() != "authorization"}
        if who is not None:
            headers["Authorization"] = f"Bearer {who.object_id}"
        body = sent.body.encode() if isinstance(sent.body, str) else sent.body
        req = func.HttpRequest(
            case.method,
            str(sent.url),
            headers=headers,
            params=dict(parse_qsl(urlsplit(str(sent.url)).query, keep_blank_values=True)),
            route_params={name: str(value) for name, value in case.path_parameters.items()},
            body=body or b"",
        )
        name = f"api_{case.operation.definition.raw['operationId']}"
        answer: func.HttpResponse = self.loop.run(self._answer(name, req))
        told = {"content-type": str(answer.mimetype), **answer.headers}
        case.validate_response(
            schemathesis.Response(
                status_code=answer.status_code,
                headers={name.lower(): [value] for name, value in told.items()},
                content=answer.get_body(),
                request=sent,
                elapsed=0.0,
                verify=True,
            ),
            checks=[
                not_a_server_error,
                status_code_conformance,
                content_type_conformance,
                response_headers_conformance,
                response_schema_conformance,
            ],
        )


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["good", "bad"])
@pytest.mark.parametrize("operation", operations())
def test_whatever_is_asked_is_answered_as_described(operation: str, mode: GenerationMode) -> None:
    method, path = operation.split(" ")
    asked = schemathesis.openapi.from_dict(document())[path][method]
    asking = Asking()

    @settings(
        # The same requests every time; what fails is shown as it came, because making it smaller takes minutes.
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        max_examples=20,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        case=asked.as_strategy(generation_mode=mode),
        who=st.sampled_from([AVERY, PRIYA, RILEY, DANA, LENA, None]),
        known=st.booleans(),
    )
    def each(case: Any, who: Person | None, known: bool) -> None:
        asking.ask(case, who, known)

    with asking.loop:
        each()
