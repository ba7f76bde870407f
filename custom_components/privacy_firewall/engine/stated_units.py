"""Units as an appliance states them: in a member beside the number, or behind it in a text.

A closed vocabulary. What is not in it counts as `other`: a member called `unit` may as well hold
the number of a flat, and no text is kept.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
import re

from .model import Field, Leaf, Number
from .redaction import identifiers
from .redaction.fields import Found
from .shapes import is_number

OTHER = "other"
"""In place of a unit that nobody here knows."""
LONGEST = 24
"""Characters of a text that can be a unit, or a number with one."""

_KNOWN: dict[str, tuple[str, str]] = {
    spelling: (unit, quantity)
    for unit, quantity, spellings in (
        ("°C", "temperature", "c °c degc celsius centigrade deg_c"),
        ("°F", "temperature", "f °f degf fahrenheit deg_f"),
        ("K", "temperature", "kelvin k"),
        ("%", "", "% percent percentage pct"),
        ("Wh", "energy", "wh watthour watt_hour"),
        ("kWh", "energy", "kwh kilowatthour kilowatt_hour"),
        ("MJ", "energy", "mj megajoule"),
        ("W", "power", "w watt watts"),
        ("kW", "power", "kw kilowatt"),
        ("V", "voltage", "v volt volts"),
        ("mV", "voltage", "mv millivolt"),
        ("A", "current", "a amp amps ampere"),
        ("mA", "current", "ma milliampere"),
        ("hPa", "pressure", "hpa mbar millibar"),
        ("kPa", "pressure", "kpa"),
        ("bar", "pressure", "bar"),
        ("inHg", "pressure", "inhg"),
        ("mmHg", "pressure", "mmhg"),
        ("psi", "pressure", "psi"),
        ("km/h", "speed", "km/h kmh kph"),
        ("m/s", "speed", "m/s mps"),
        ("mph", "speed", "mph"),
        ("mm", "length", "mm"),
        ("cm", "length", "cm"),
        ("m", "length", "meter metre"),
        ("km", "length", "km"),
        ("in", "length", "inch inches"),
        ("ft", "length", "ft feet"),
        ("mi", "length", "mile miles"),
        ("L", "volume", "l liter litre liters litres"),
        ("mL", "volume", "ml"),
        ("m³", "volume", "m3 m³"),
        ("gal", "volume", "gal gallon gallons"),
        ("g", "weight", "g gram grams"),
        ("kg", "weight", "kg kilogram kilograms"),
        ("lb", "weight", "lb lbs pound pounds"),
        ("st", "weight", "stone"),
        ("s", "duration", "s sec second seconds"),
        ("min", "duration", "minute minutes"),
        ("h", "duration", "h hour hours"),
        ("ppm", "", "ppm"),
        ("µg/m³", "", "µg/m³ μg/m³ ug/m3"),
        ("dBm", "signal_strength", "dbm"),
        ("lx", "illuminance", "lx lux"),
        ("metric", "", "metric si"),
        ("imperial", "", "imperial us uscs"),
    )
    for spelling in spellings.split()
}
_QUANTITIES = dict(_KNOWN.values())
_ALONE = {unit: frozenset({unit}) for unit in (*_QUANTITIES, OTHER)}
_WITH_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?\s?([^\d\s.,:;/-][^\d\s]{0,14})")


def canonical(text: str) -> str:
    """Return the unit that a text states."""
    return _KNOWN.get(text.strip().lower(), (OTHER, ""))[0]


def behind_number(value: Leaf) -> str | None:
    """Return the unit in a text such as `21.4 °C`; None where there is no number or no unit."""
    if not isinstance(value, str) or not 2 <= len(value) <= LONGEST:
        return None
    if value[0] not in "+-0123456789" or value[-1].isdigit():
        return None
    match = _WITH_NUMBER.fullmatch(value)
    if match is None:
        return None
    unit = canonical(match[1])
    return unit if unit != OTHER else None


def may_be_of(unit: str, quantity: str | None) -> bool:
    """Tell whether a unit can be that of a quantity; of what is not known, any can."""
    known = _QUANTITIES.get(unit, "")
    return quantity is None or not known or known == quantity


@lru_cache(maxsize=8192)
def _states(path: str) -> tuple[str, str] | None:
    """Return what holds a member that states a unit, and the word that says of what, or None."""
    name = path.rpartition(".")[2]
    if "nit" not in name and "om" not in name.lower():
        return None
    words = identifiers.words(name)
    if words in (["unit"], ["units"], ["uom"], ["unit", "of", "measurement"], ["unit", "system"]):
        return _above(path), ""
    if len(words) == 2 and words[1] in ("unit", "units"):
        return _above(path), words[0]
    if len(words) == 2 and words[0] in ("unit", "units"):
        return _above(path), words[1]
    return None


@lru_cache(maxsize=8192)
def _above(path: str) -> str:
    """Return the path of what holds this: an object, or the array that holds that."""
    return (
        path[: max(path.rfind("["), path.rfind("."))]
        if path.endswith("]")
        else path.rpartition(".")[0]
    )


@lru_cache(maxsize=8192)
def _holders(path: str) -> tuple[str, ...]:
    """Return the paths of all that holds this, the nearest first."""
    found: list[str] = []
    while "." in path:
        path = _above(path)
        found.append(path)
    return tuple(found)


def read(found: Iterable[Found]) -> Mapping[Field, frozenset[str]]:
    """Return the units that a message states, by the numbers they are stated of.

    The nearest counts: a member beside the number, or beside what holds it. One named for
    something (`temp_unit`) is of the members named for that. All of them are heeded, however many:
    what was not would change its unit unseen. They are as many as the message has members at most.
    """
    scopes: dict[str, dict[str, frozenset[str]]] = {}
    leaves = list(found)
    for item, _, value in leaves:
        if type(value) is Number or not isinstance(value, str) or not 0 < len(value) <= LONGEST:
            continue
        place = _states(item.path)
        if place is not None:
            here, unit = scopes.setdefault(place[0], {}), canonical(value)
            before = here.get(place[1])
            if before is None:
                here[place[1]] = _ALONE[unit]
            elif unit not in before:
                here[place[1]] = before | {unit}
    if not scopes:
        return {}
    units: dict[Field, frozenset[str]] = {}
    for item in dict.fromkeys(one.field for one in leaves if is_number(one.value)):
        words: list[str] | None = None
        for holder in _holders(item.path):
            if (stated := scopes.get(holder)) is None:
                continue
            words = words or identifiers.words(item.path)
            # By the number's words, its own name first, and not by all that is stated there.
            of = next((stated[word] for word in reversed(words) if word in stated), None)
            if (of := of or stated.get("")) is not None:
                units[item] = of
                break
    return units
