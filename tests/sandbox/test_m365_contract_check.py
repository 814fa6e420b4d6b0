"""A contract says where a message breaks it, however deep inside, and what would have been right."""

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox import contract_check
from sandbox.contract_check import Contract, read_contract

CONTRACT = Contract(
    "test",
    {
        "person": {"name": "*text<=5", "born": "time?", "role": "guest|host", "photo": "base64"},
        "party": {"+": "person", "people": "[person]<=2", "fee": "number", "count": "int", "open": "bool"},
    },
)


@pytest.mark.parametrize(
    ("value", "problems"),
    [
        ({"name": "Mei", "born": None, "role": "host", "photo": "AAAA"}, []),
        ({}, ["name is needed"]),
        ({"name": "Mei-Lin"}, ["name must not be longer than 5"]),
        ({"name": None}, ["name must not be null"]),
        ({"name": "Mei", "shoe": 38}, ["shoe is not known"]),
        ({"name": "Mei", "born": "2001-02-03T04:05:06"}, ["born must be time"]),
        ({"name": "Mei", "role": "nobody"}, ["role must be one of guest, host"]),
        ({"name": "Mei", "photo": "?"}, ["photo must be base64"]),
        ({"name": "Mei", "people": {}}, ["people must be a list"]),
        ({"name": "Mei", "people": [{"name": "Li"}] * 3}, ["people must not be longer than 2"]),
        ({"name": "Mei", "people": [{"name": "Li", "x": 1}]}, ["people[0].x is not known"]),
        ({"name": "Mei", "people": ["Li"]}, ["people[0] must be an object"]),
        ({"name": "Mei", "count": True, "fee": "1", "open": 0}, 3),
        ([], ["the body must be an object"]),
        ({"name": "Mei", "@odata.type": "#person"}, ["@odata.type is not known"]),
    ],
)
def test_what_is_wrong_is_named_with_its_place(value: object, problems: list[str] | int) -> None:
    found = CONTRACT.problems("party", value)

    assert (len(found) if isinstance(problems, int) else found) == problems


def test_odata_annotations_may_stand_anywhere_where_odata_is_spoken() -> None:
    spoken = Contract("test", CONTRACT.types, annotations=True)

    assert spoken.problems("person", {"name": "Mei", "@odata.type": "#person"}) == []


@pytest.mark.parametrize("path", sorted(Path(contract_check.__file__).parent.glob("contracts/*.json")))
def test_every_word_of_a_contract_means_something(path: Path) -> None:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    contract = read_contract(path.stem)

    for name in content["types"]:
        # Nothing fits a list of nothing: each property is looked at, and an unknown word would raise.
        value = {one: object() for one in contract._properties(name)}
        assert isinstance(contract.problems(name, value), list)
