"""What redaction puts in the place of a value: a constant of its type, or something coarser."""

from datetime import datetime
import math
import re

from ..model import Blob, Category, Kind, Leaf, Number, Text

_NEUTRAL: dict[Kind, Leaf] = {
    Kind.NUMBER: Number("0"),
    Kind.TEXT: "",
    Kind.BOOLEAN: False,
    Kind.NULL: None,
}
_NEUTRAL_ORDER = (Kind.NUMBER, Kind.TEXT, Kind.BOOLEAN, Kind.NULL)

BUCKETS: dict[str, float] = {
    "°C": 5,
    "°F": 10,
    "K": 5,
    "%": 10,
    "hPa": 10,
    "inHg": 0.5,
    "W": 100,
    "kW": 1,
    "Wh": 1000,
    "kWh": 1,
    "V": 10,
    "A": 1,
    "s": 60,
    "min": 10,
    "h": 1,
    "dBm": 10,
    "ppm": 200,
    "lx": 100,
    "kg": 5,
    "mm": 10,
    "km/h": 10,
    "mph": 10,
}
"""Width of a coarse value's bucket by unit; without a known unit one significant digit stays."""
COORDINATE_STEP = 0.1
"""Degrees: 0.1 of latitude is 11 km."""
_DEGREES = 180
"""Beyond this a place is told by something else than degrees: a postal code, say."""
_ISO_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2}[T ]\d{2}):\d{2}(?::\d{2}(?:\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?", re.ASCII
)
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_LARGEST = 1e15
"""Beyond this no unit is known whose values are made coarser."""
_EPOCH_SECONDS = (1e9, 1e10)
_EPOCH_MILLISECONDS = (1e12, 1e13)


def kind_of(value: Leaf) -> Kind:
    """Return the type of a leaf."""
    if value is None:
        return Kind.NULL
    if isinstance(value, bool):
        return Kind.BOOLEAN
    if type(value) is Number:
        return Kind.NUMBER
    if isinstance(value, str):
        return Kind.TEXT
    return Kind.EMPTY


def neutral(kinds: frozenset[Kind]) -> Leaf:
    """Return the constant for a data point of these kinds; the present value plays no part."""
    for kind in _NEUTRAL_ORDER:
        if kind in kinds:
            return _NEUTRAL[kind]
    return None


def may_be_coarse(kinds: frozenset[Kind], category: Category, unit: str | None) -> bool:
    """Tell whether values of these types can be made coarser: numbers, times and places.

    Forms and query strings have numbers as text; that it is one shows by its unit.
    """
    if Kind.NUMBER in kinds:
        return True
    return Kind.TEXT in kinds and (
        unit is not None or category in (Category.TIME, Category.LOCATION)
    )


def coarsen(value: Leaf, category: Category, unit: str | None) -> Leaf | None:
    """Make a value coarser, in its own type; None where that cannot be done.

    Times go to the hour (a date stays a date), coordinates to 0.1 degrees (about 10 km), numbers
    to the lower border of their bucket. Booleans and free text cannot be made coarse, nor what
    tells a place by another number than degrees. Where it can be hoped for, `may_be_coarse` tells.
    """
    if not isinstance(value, str) or type(value) is Blob:
        return None
    if (
        type(value) is not Number
        and category is Category.TIME
        and (coarse := _hour(value)) is not None
    ):
        return coarse
    try:
        number = float(value)
    except ValueError:
        return None
    if abs(number) > _LARGEST or math.isnan(number):
        return None
    if category is Category.LOCATION:
        if abs(number) > _DEGREES:
            return None
        text = _floor(number, COORDINATE_STEP)
    elif category is Category.TIME and _EPOCH_SECONDS[0] <= number < _EPOCH_SECONDS[1]:
        text = _floor(number, 3600)
    elif category is Category.TIME and _EPOCH_MILLISECONDS[0] <= number < _EPOCH_MILLISECONDS[1]:
        text = _floor(number, 3_600_000)
    elif category is Category.TIME:
        return None
    else:
        text = _floor(number, BUCKETS.get(unit or "", 0) or _magnitude(number))
    return Number(text) if type(value) is Number else Text.spelled(text, text)


def _hour(text: str) -> str | None:
    """Return a written time without what is below the hour; None where it is no time."""
    match = _ISO_TIME.fullmatch(text)
    if match is None and not _ISO_DATE.fullmatch(text):
        return None
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return None
    return f"{match[1]}:00:00{match[2] or ''}" if match else text


def _magnitude(number: float) -> float:
    return 10.0 ** math.floor(math.log10(abs(number))) if abs(number) >= 1 else 1.0


def _floor(number: float, step: float) -> str:
    floored = math.floor(number / step) * step
    return str(int(floored)) if step >= 1 else f"{floored:.1f}"
