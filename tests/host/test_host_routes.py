"""Facts about which function answers which address."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.host.refusals import CannotStart
from sandbox.host.routes import RouteTable

GUID = "11111111-aaaa-4aaa-8aaa-000000000001"


def table(*templates: str, prefix: str = "") -> RouteTable[str]:
    routes: RouteTable[str] = RouteTable(prefix)
    for template in templates:
        routes.add(template, None, template, name=template)
    return routes


def find(routes: RouteTable[str], path: str, method: str = "GET") -> tuple[str, dict[str, str]] | None:
    return routes.find(method, [part for part in path.strip("/").split("/") if path.strip("/")])


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("visits", "/visits", {}),
        ("visits", "/Visits/", {}),
        ("visits/{id}", "/VISITS/Ab1", {"id": "Ab1"}),
        ("visits/{id}", "/visits", None),
        ("visits/{id}", "/visits/a/b", None),
        ("visits/{id:int}", "/visits/-7", {"id": "-7"}),
        ("visits/{id:int}", "/visits/2147483648", None),
        ("visits/{id:long}", "/visits/2147483648", {"id": "2147483648"}),
        ("visits/{id:guid}", f"/visits/{GUID}", {"id": GUID}),
        ("visits/{id:guid}", "/visits/1111", None),
        ("visits/{id:guid}", "/visits/{" + GUID, None),
        ("visits/{id:bool}", "/visits/True", {"id": "True"}),
        ("visits/{id:bool}", "/visits/yes", None),
        ("visits/{id:alpha}", "/visits/abc", {"id": "abc"}),
        ("visits/{id:alpha}", "/visits/ab1", None),
        ("visits/{id:alpha:bool}", "/visits/true", {"id": "true"}),
        ("visits/{id:alpha:bool}", "/visits/maybe", None),
        ("visits/{id?}", "/visits", {}),
        ("visits/{id:int?}", "/visits", {}),
        ("visits/{id:int?}", "/visits/x", None),
        ("visits/{page=1}", "/visits", {"page": "1"}),
        ("visits/{page:int=1}", "/visits/2", {"page": "2"}),
        ("files/{*rest}", "/files/a/b.txt", {"rest": "a/b.txt"}),
        ("files/{*rest}", "/files", {}),
        ("files/{**rest}", "/files/a", {"rest": "a"}),
        ("files/{*rest}", "/file", None),
        ("", "/", {}),
    ],
)
def test_a_route_takes_the_addresses_it_describes(
    template: str, path: str, values: dict[str, str] | None
) -> None:
    assert find(table(template), path) == (None if values is None else (template, values))


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/visits/next", "visits/next"),
        ("/visits/7", "visits/{id:int}"),
        ("/visits/seven", "visits/{id}"),
        ("/visits/7/live", "visits/{id}/live"),
        ("/visits/7/notes", "{*everything}"),
        ("/elsewhere", "{*everything}"),
    ],
)
def test_text_goes_before_parameters_and_both_before_a_catch_all(path: str, template: str) -> None:
    routes = table("{*everything}", "visits/{id}", "visits/{id:int}", "visits/next", "visits/{id}/live")
    found = find(routes, path)
    assert found is not None
    assert found[0] == template


def test_the_prefix_of_host_json_comes_first() -> None:
    assert find(table("visits", prefix="api/v1"), "/api/v1/visits") == ("visits", {})
    assert find(table("visits", prefix="api/v1"), "/visits") is None


def test_a_wrong_method_is_passed_over() -> None:
    routes: RouteTable[str] = RouteTable()
    routes.add("visits", ["GET"], "list", name="list")
    routes.add("visits", ["POST"], "add", name="add")
    routes.add("{*rest}", ["DELETE"], "anything", name="anything")

    assert find(routes, "/visits") == ("list", {})
    assert find(routes, "/visits", "POST") == ("add", {})
    assert find(routes, "/visits", "DELETE") == ("anything", {"rest": "visits"})
    assert find(routes, "/visits", "PUT") is None


@pytest.mark.parametrize(
    "template",
    [
        *("visits/{id", "visits/v{version}", "{a}-{b}", "visits/{id:regex(x)}", "visits/{id:date}", "a//b"),
        *("{*rest}/more", "{id?}/more", "{id}/{id}"),
    ],
)
def test_a_route_this_host_cannot_read_is_refused_with_the_functions_name(template: str) -> None:
    routes: RouteTable[str] = RouteTable()
    with pytest.raises(CannotStart, match="function open_visit"):
        routes.add(template, None, "", name="open_visit")


def test_two_functions_at_one_address_are_refused() -> None:
    routes = table("visits/{id}")
    with pytest.raises(CannotStart, match="function again"):
        routes.add("Visits/{other}", ["GET"], "", name="again")


@given(st.lists(st.text("abc/é %.", min_size=1).filter(lambda text: "/" not in text), min_size=1, max_size=6))
def test_a_catch_all_gives_back_the_path_it_took(parts: list[str]) -> None:
    assert table("{*rest}").find("GET", parts) == ("{*rest}", {"rest": "/".join(parts)})
