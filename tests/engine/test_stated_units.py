"""Units that messages state: in a neighbour, further out, or behind the number."""

import json
from typing import Any

import pytest

from engine import stated_units
from engine.model import Number
from engine.redaction import fields
from engine.stated_units import OTHER


def tree(node: Any) -> Any:
    if isinstance(node, dict):
        return {name: tree(child) for name, child in node.items()}
    if isinstance(node, list):
        return [tree(child) for child in node]
    return Number(json.dumps(node)) if type(node) in (int, float) else node


def read(message: Any) -> dict[str, set[str]]:
    found = fields.walk({"body": tree(message)})
    return {
        item.path.removeprefix("$.body"): set(of) for item, of in stated_units.read(found).items()
    }


@pytest.mark.parametrize(
    ("message", "units"),
    [
        ({"temp": {"value": 4, "unit": "C"}}, {".temp.value": {"°C"}}),
        ({"temp": {"value": "4", "unit": "F"}}, {".temp.value": {"°F"}}),
        ({"unit": "C", "a": {"b": 1}}, {".a.b": {"°C"}}),
        ({"unit": "C", "a": {"b": 1, "uom": "kWh"}}, {".a.b": {"kWh"}}),
        ({"temp": 1, "power": 2, "tempUnit": "F"}, {".temp": {"°F"}}),
        ({"pressure": 1, "unit_pressure": "hPa"}, {".pressure": {"hPa"}}),
        ({"of": [{"v": 1, "unit": "C"}, {"v": 2, "unit": "F"}]}, {".of[*].v": {"°C", "°F"}}),
        ({"v": 1, "unit": "flat 5b"}, {".v": {OTHER}}),
        ({"v": 1, "unit": -3}, {}),
        ({"v": 1, "unitary": "C", "community": "F"}, {}),
        ({"v": 1}, {}),
        ({"a": {"unit": "C"}, "v": 1}, {}),
    ],
)
def test_what_is_stated_of_what(message: Any, units: dict[str, set[str]]) -> None:
    assert read(message) == units


def test_many_are_all_heeded() -> None:
    assert len(read({f"a{n}": {"v": 1, "unit": "C"} for n in range(500)})) == 500


def test_of_two_that_may_be_meant_the_one_named_like_the_number_itself_is() -> None:
    about = {"fridge_unit": "W", "temp_unit": "C"}
    assert read({"fridge": {"temp": 4}, **about}) == {".fridge.temp": {"°C"}}


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("21.4 °C", "°C"),
        ("70F", "°F"),
        ("1,5 kWh", "kWh"),
        ("5 o'clock", None),
        ("12:30", None),
        ("C", None),
        ("4.5", None),
        ("x" * 99, None),
    ],
)
def test_a_unit_behind_a_number(text: str, unit: str | None) -> None:
    assert stated_units.behind_number(text) == unit


def test_a_unit_of_something_else() -> None:
    assert stated_units.may_be_of("°F", "temperature")
    assert stated_units.may_be_of("°F", None)
    assert not stated_units.may_be_of("°F", "humidity")
