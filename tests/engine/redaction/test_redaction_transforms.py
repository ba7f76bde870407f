"""What stands in the place of a value: constants, and coarser values that tell no more."""

import math

from hypothesis import given, settings, strategies as st
import pytest

from engine.model import Category, Kind, Leaf, Number, Text
from engine.redaction.transforms import BUCKETS, coarsen, kind_of, neutral


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, Kind.NULL),
        (True, Kind.BOOLEAN),
        (Number("1"), Kind.NUMBER),
        ("1", Kind.TEXT),
        (Text.spelled("a", "%61"), Kind.TEXT),
        ({}, Kind.EMPTY),
        ([], Kind.EMPTY),
    ],
)
def test_kind(value: Leaf, kind: Kind) -> None:
    assert kind_of(value) is kind


@pytest.mark.parametrize(
    ("kinds", "constant"),
    [
        ({Kind.NUMBER}, Number("0")),
        ({Kind.TEXT}, ""),
        ({Kind.BOOLEAN}, False),
        ({Kind.NULL}, None),
        ({Kind.NULL, Kind.BOOLEAN}, False),
        ({Kind.EMPTY}, None),
        (set(), None),
    ],
)
def test_neutral(kinds: set[Kind], constant: Leaf) -> None:
    found = neutral(frozenset(kinds))
    assert found == constant
    assert type(found) is type(constant)


@pytest.mark.parametrize(
    ("value", "category", "unit", "coarse"),
    [
        (Number("21.57"), Category.READING, "°C", Number("20")),
        (Number("-0.5"), Category.READING, "°C", Number("-5")),
        (Number("29.616"), Category.READING, "inHg", Number("29.5")),
        (Number("1234"), Category.READING, None, Number("1000")),
        (Number("-1234"), Category.READING, None, Number("-2000")),
        (Number("0.4"), Category.READING, None, Number("0")),
        (Number("1e3"), Category.READING, "W", Number("1000")),
        ("67.3", Category.READING, "°F", "60"),
        (Number("52.516263"), Category.LOCATION, None, Number("52.5")),
        (Number("1693651185"), Category.TIME, None, Number("1693648800")),
        (Number("1693651185123"), Category.TIME, None, Number("1693648800000")),
        ("2023-09-02T10:39:45.123Z", Category.TIME, None, "2023-09-02T10:00:00Z"),
        ("2023-09-02 10:39", Category.TIME, None, "2023-09-02 10:00:00"),
        ("2023-09-02T10:39:45+02:00", Category.TIME, None, "2023-09-02T10:00:00+02:00"),
        ("2023-09-02", Category.TIME, None, "2023-09-02"),
    ],
)
def test_coarse(value: Leaf, category: Category, unit: str | None, coarse: Leaf) -> None:
    found = coarsen(value, category, unit)
    assert found == coarse
    assert kind_of(found) is kind_of(coarse)


@pytest.mark.parametrize(
    ("value", "category"),
    [
        (True, Category.READING),
        (None, Category.READING),
        ({}, Category.READING),
        ("anna", Category.TEXT),
        ("", Category.TEXT),
        ("nan", Category.READING),
        ("inf", Category.READING),
        (Number("1e400"), Category.READING),
        (Number("1e308"), Category.LOCATION),
        (Number("10115"), Category.LOCATION),
        (Number("525162630"), Category.LOCATION),
        (Number("1e300"), Category.READING),
        (Number("5000"), Category.TIME),
        ("10:39:45", Category.TIME),
        ("2023-09-02T10:39:45Z 24:C8:6E:06:B1:5C", Category.TIME),
        ("2023-09-02T10:39 serial", Category.TIME),
        ("2023-09-02x", Category.TIME),
        ("2023-09-02T10:39:45.123\n", Category.TIME),
    ],
)
def test_what_cannot_be_made_coarse(value: Leaf, category: Category) -> None:
    assert coarsen(value, category, None) is None


@settings(max_examples=200)
@given(
    st.floats(-1e9, 1e9, allow_nan=False),
    st.sampled_from([None, *BUCKETS]),
    st.sampled_from([Category.READING, Category.LOCATION, Category.TIME]),
    st.booleans(),
)
def test_coarse_is_the_border_below(
    number: float, unit: str | None, category: Category, as_text: bool
) -> None:
    """Never above the value, nor further below than its bucket is wide."""
    value = str(number) if as_text else Number(repr(number))
    coarse = coarsen(value, category, unit)
    if coarse is None:
        assert category is not Category.READING
        assert category is Category.TIME or abs(number) > 180
        return
    assert isinstance(coarse, str)
    assert kind_of(coarse) is kind_of(value)
    assert float(coarse) <= number + 1e-6
    if category is Category.READING and unit is None:
        assert len(coarse.lstrip("-").rstrip("0")) <= 2
    step = BUCKETS.get(unit or "", 0)
    if step and category is Category.READING:
        assert number - float(coarse) <= step + 1e-6
        assert math.isclose(float(coarse) / step, round(float(coarse) / step), abs_tol=1e-6)
