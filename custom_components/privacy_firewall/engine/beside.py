"""What stands beside a data point in its message: above all the unit of a value.

Appliances write `{"value": 4, "unit": "C"}`, `{"temp": 4, "tempUnit": "C"}` or, in XML,
`<temp unit="C">4</temp>`. Where a value stands is all that is looked at; what it is, is not.
"""

from collections.abc import Iterable
import re

from .model import DataPoint, Kind

_LAST = re.compile(r"\.(?P<plain>[^.\[\]'\"]+)$|\['(?P<quoted>(?:[^'\\]|\\.)*)'\]$")
_UNITS = frozenset({"unit", "units", "uom", "unitofmeasure", "unitofmeasurement"})
_VALUES = frozenset({"value", "val", "reading", "amount", "measurement", "quantity"})
_TEMPERATURE = re.compile(r"temp")

type _Place = tuple[str, str, str, tuple[str, ...]]


def split(path: str) -> tuple[str, str]:
    """Return the path of the object that a field is a member of, and the member's name.

    The name is empty where the field is none: an item of an array, a part of the address.
    """
    found = _LAST.search(path)
    if found is None:
        return path, ""
    return path[: found.start()], found["plain"] or found["quoted"]


def spoken(name: str) -> str:
    """Return a member name as it is compared: without case, underscores and an attribute's mark."""
    return name.removeprefix("@").replace("_", "").replace("-", "").lower()


class Beside:
    """The data points of one appliance, by the object they are members of."""

    def __init__(self, points: Iterable[DataPoint]) -> None:
        """Look at where each stands, once: some 1 µs a data point."""
        self._units: dict[_Place, dict[str, DataPoint]] = {}
        self._values: dict[_Place, int] = {}
        for point in points:
            parent, name = split(point.field.path)
            said = spoken(name)
            if said.endswith(("unit", "units", "uom")) or said in _UNITS:
                self._units.setdefault(_place(point, parent), {})[said] = point
            elif Kind.NUMBER in point.kinds or point.unit is not None:
                place = _place(point, parent)
                self._values[place] = self._values.get(place, 0) + 1

    def unit_of(self, point: DataPoint) -> DataPoint | None:
        """Return the data point that states a data point's unit; None where none does.

        One that is called `unit` alone is taken for the only number beside it, or for what is
        called a value.
        """
        parent, name = split(point.field.path)
        place, said = _place(point, parent), spoken(name)
        inside = self._units.get(_place(point, point.field.path), {})
        beside = self._units.get(place, {})
        for unit in ("unit", "units", "uom"):
            # An element of XML is its own text, and its unit an attribute of it.
            if unit in inside:
                return inside[unit]
            if said + unit in beside:
                return beside[said + unit]
            if _TEMPERATURE.search(said) and f"temp{unit}" in beside:
                return beside[f"temp{unit}"]
            if _TEMPERATURE.search(said) and f"temperature{unit}" in beside:
                return beside[f"temperature{unit}"]
        if said in _VALUES or self._values.get(place, 0) == 1:
            return next((beside[one] for one in sorted(_UNITS) if one in beside), None)
        return None


def _place(point: DataPoint, parent: str) -> _Place:
    return point.appliance_id, point.template, parent, point.field.siblings
