"""Where a value's unit stands: beside it, named after it, or inside its element."""

import pytest

from engine.beside import Beside, split, spoken
from engine.model import Category, DataPoint, Field, Kind, data_point_id


def point(
    path: str, kind: Kind = Kind.NUMBER, *siblings: str, template: str = "POST cloud/"
) -> DataPoint:
    field = Field(path, siblings)
    return DataPoint(
        id=data_point_id("fridge", template, field),
        appliance_id="fridge",
        template=template,
        field=field,
        name=path,
        kinds=frozenset({kind}),
        category=Category.READING,
        recipients=("cloud",),
    )


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$.body.cooler.value", ("$.body.cooler", "value")),
        ("$.body['a.b'].value", ("$.body['a.b']", "value")),
        ("$.body['user-agent']", ("$.body", "user-agent")),
        ("$.body[*]", ("$.body[*]", "")),
        ("$.body.doors[*].open", ("$.body.doors[*]", "open")),
        ("$.path[2]", ("$.path[2]", "")),
    ],
)
def test_a_member_and_the_object_it_is_in(path: str, expected: tuple[str, str]) -> None:
    assert split(path) == expected


def test_spellings_of_one_name() -> None:
    assert {spoken(one) for one in ("tempUnit", "temp_unit", "@tempUnit", "temp-unit")} == {
        "tempunit"
    }


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        ("$.body.cooler.value", "$.body.cooler.unit"),
        ("$.body.cooler.temperature", "$.body.cooler.temperatureUnit"),
        ("$.body.cooler.temperature", "$.body.cooler.tempUnit"),
        ("$.body.cooler.target_temp", "$.body.cooler.temp_unit"),
        ("$.body.weight", "$.body.weight_uom"),
        ("$.body.status.temp", "$.body.status.temp['@unit']"),
        ("$.body.list[*].temp", "$.body.list[*].units"),
    ],
)
def test_the_unit_of_a_value(value: str, unit: str) -> None:
    one, its = point(value), point(unit, Kind.TEXT)
    assert Beside([one, its]).unit_of(one) == its


def test_a_unit_that_may_be_anybodys_is_nobodys() -> None:
    temperature, pressure = point("$.body.temp"), point("$.body.pressure")
    unit = point("$.body.unit", Kind.TEXT)
    beside = Beside([temperature, pressure, unit])
    assert beside.unit_of(temperature) is None
    assert beside.unit_of(pressure) is None
    # A value among others is still what the unit is of.
    value = point("$.body.value")
    assert Beside([temperature, value, unit]).unit_of(value) == unit


def test_only_what_stands_in_the_same_place_counts() -> None:
    one = point("$.body.cooler.value")
    for other in (
        point("$.body.freezer.unit", Kind.TEXT),
        point("$.body.cooler.unit", Kind.TEXT, template="POST elsewhere/"),
        point("$.body.cooler.unit", Kind.TEXT, "type=1"),
    ):
        assert Beside([one, other]).unit_of(one) is None
    meant = point("$.body.cooler.value", Kind.NUMBER, "type=1")
    unit = point("$.body.cooler.unit", Kind.TEXT, "type=1")
    assert Beside([one, meant, unit]).unit_of(meant) == unit
