"""Units, and how a number on the wire may become the number an entity shows."""

from typing import NamedTuple


class Conversion(NamedTuple):
    """`shown = sent * scale + offset`; `cost` is in nats: how much rarer than none at all."""

    scale: float
    offset: float
    cost: float
    text: str

    def __call__(self, value: float) -> float:
        """Convert a number as sent."""
        return value * self.scale + self.offset


SAME = Conversion(1.0, 0.0, 0.0, "")

# Each row: units of one kind, as Home Assistant writes them, with their size in the first.
_FAMILIES: tuple[dict[str, float], ...] = (
    {"Wh": 1, "mWh": 1e-3, "kWh": 1e3, "MWh": 1e6, "J": 1 / 3600, "kJ": 1 / 3.6, "MJ": 1e3 / 3.6},
    {"W": 1, "mW": 1e-3, "kW": 1e3},
    {"V": 1, "mV": 1e-3},
    {"A": 1, "mA": 1e-3},
    {"VA": 1, "kVA": 1e3},
    {"var": 1, "kvar": 1e3},
    {"Hz": 1, "kHz": 1e3, "MHz": 1e6},
    {
        "hPa": 1,
        "mbar": 1,
        "Pa": 0.01,
        "kPa": 10,
        "bar": 1e3,
        "inHg": 33.8638866667,
        "mmHg": 1.333223684,
        "psi": 68.9475729,
    },
    {"km/h": 1, "m/s": 3.6, "mph": 1.609344, "kn": 1.852, "ft/s": 1.09728},
    {"mm": 1, "cm": 10, "m": 1e3, "km": 1e6, "in": 25.4, "ft": 304.8, "mi": 1609344},
    {"mm/h": 1, "in/h": 25.4},
    {"L": 1, "mL": 1e-3, "m³": 1e3, "gal": 3.785411784, "ft³": 28.316846592},
    {"L/min": 1, "m³/h": 1 / 0.06, "gal/min": 3.785411784},
    {"g": 1, "kg": 1e3, "mg": 1e-3, "lb": 453.59237, "oz": 28.349523},
    {"s": 1, "ms": 1e-3, "min": 60, "h": 3600, "d": 86400},
    {"µg/m³": 1, "mg/m³": 1e3},
    {"μg/m³": 1, "mg/m³": 1e3},
    {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1024, "MiB": 1048576},
)
_TEMPERATURES: dict[str, tuple[Conversion, ...]] = {
    "°C": (
        Conversion(1 / 1.8, -32 / 1.8, 0.7, "°F to °C"),
        Conversion(1.0, -273.15, 1.5, "K to °C"),
    ),
    "°F": (
        Conversion(1.8, 32.0, 0.7, "°C to °F"),
        Conversion(1.8, -459.67, 1.5, "K to °F"),
        Conversion(0.18, 32.0, 1.5, "tenths of °C to °F"),
    ),
}
_TENS = tuple(
    Conversion(scale, 0.0, 1.5, f"times {scale:g}") for scale in (0.1, 0.01, 0.001, 10.0, 100.0)
)


def conversions(unit: str | None) -> tuple[Conversion, ...]:
    """Return what may have been done to a number to show it in a unit; as it is comes first."""
    found = [SAME]
    if unit in _TEMPERATURES:
        return (*found, *_TEMPERATURES[unit], *_TENS[:2])
    for family in _FAMILIES:
        if unit in family:
            found += [
                Conversion(size / family[unit], 0.0, 0.7, f"{name} to {unit}")
                for name, size in family.items()
            ]
            break
    if unit == "%":
        found.append(Conversion(-1.0, 100.0, 1.5, "what is left of 100 %"))
    seen: set[tuple[float, float]] = set()
    unlike: list[Conversion] = []
    for one in (*found, *_TENS):
        key = (float(f"{one.scale:.4g}"), one.offset)
        if key not in seen:
            seen.add(key)
            unlike.append(one)
    return tuple(unlike)
