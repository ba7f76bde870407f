"""Numbers and moments: which quantity, in which unit, and how it goes on over time."""

from datetime import UTC, datetime
from math import isfinite
import re

from homeassistant.components.sensor import SensorDeviceClass as Quantity, SensorStateClass
from homeassistant.components.sensor.const import DEVICE_CLASS_STATE_CLASSES, DEVICE_CLASS_UNITS

from .engine import split_path
from .engine.model import Category, DataPoint
from .local_shapes import PLAIN_NUMBER, Form, Shape, Stated, Value

_UNIT_WORDS = {
    word: unit
    for unit, words in {
        "°C": "°c c celsius degc ℃ centigrade",
        "°F": "°f f fahrenheit degf ℉",
        "K": "k kelvin",
        "%": "% percent pct percentage",
        "W": "w watt watts",
        "kW": "kw kilowatt kilowatts",
        "Wh": "wh watthour watthours",
        "kWh": "kwh",
        "MWh": "mwh",
        "V": "v volt volts",
        "mV": "mv millivolt",
        "A": "a amp amps ampere",
        "mA": "ma milliampere",
        "Hz": "hz hertz",
        "Pa": "pa pascal",
        "hPa": "hpa hectopascal",
        "mbar": "mbar millibar",
        "kPa": "kpa",
        "inHg": "inhg",
        "mmHg": "mmhg",
        "dBm": "dbm",
        "dB": "db",
        "ppm": "ppm",
        "ppb": "ppb",
        "μg/m³": "µg/m³ μg/m³ ug/m3 µg/m3",
        "lx": "lx lux",
        "ms": "ms millisecond milliseconds",
        "s": "s sec secs second seconds",
        "min": "min mins minute minutes",
        "h": "h hr hrs hour hours",
        "d": "d day days",
        "kg": "kg kilogram kilograms",
        "g": "g gram grams",
        "lb": "lb lbs pound pounds",
        "mm": "mm",
        "cm": "cm",
        "m": "m metre meter",
        "in": "in inch inches",
        "km": "km",
        "mi": "mi mile miles",
        "km/h": "km/h kmh kph",
        "m/s": "m/s mps",
        "mph": "mph",
        "mm/h": "mm/h mm/hr",
        "in/h": "in/h in/hr",
        "L": "l liter litre liters litres",
        "mL": "ml",
        "m³": "m³ m3",
        "gal": "gal gallon gallons",
        "W/m²": "w/m² w/m2",
        "rpm": "rpm",
        "°": "° deg degree degrees",
    }.items()
    for word in words.split()
}
"""What appliances call units, in lower case, and how Home Assistant spells them."""
_BY_UNIT = {
    "°C": Quantity.TEMPERATURE,
    "°F": Quantity.TEMPERATURE,
    "W": Quantity.POWER,
    "kW": Quantity.POWER,
    "Wh": Quantity.ENERGY,
    "kWh": Quantity.ENERGY,
    "MWh": Quantity.ENERGY,
    "V": Quantity.VOLTAGE,
    "mV": Quantity.VOLTAGE,
    "A": Quantity.CURRENT,
    "mA": Quantity.CURRENT,
    "Hz": Quantity.FREQUENCY,
    "hPa": Quantity.PRESSURE,
    "mbar": Quantity.PRESSURE,
    "inHg": Quantity.PRESSURE,
    "dBm": Quantity.SIGNAL_STRENGTH,
    "lx": Quantity.ILLUMINANCE,
    "kg": Quantity.WEIGHT,
    "lb": Quantity.WEIGHT,
    "W/m²": Quantity.IRRADIANCE,
    "mm/h": Quantity.PRECIPITATION_INTENSITY,
    "in/h": Quantity.PRECIPITATION_INTENSITY,
    "min": Quantity.DURATION,
    "s": Quantity.DURATION,
    "h": Quantity.DURATION,
}
"""Units that belong to one quantity, where an appliance states one and its name says nothing."""
_BY_QUANTITY = {
    **{one.value: one for one in DEVICE_CLASS_UNITS},
    "carbon_dioxide": Quantity.CO2,
}
"""By the quantity that the engine recognised, or the catalogue states."""
_BY_NAME: tuple[tuple[re.Pattern[str], Quantity, str], ...] = tuple(
    (re.compile(pattern), quantity, unit)
    for pattern, quantity, unit in (
        (r"wind(?:speed|gust)\w*mph|maxdailygust", Quantity.WIND_SPEED, "mph"),
        (r"windspeedkmh|windgustkmh", Quantity.WIND_SPEED, "km/h"),
        (r"winddir(?:_avg\w*)?", Quantity.WIND_DIRECTION, "°"),
        (
            r"(?:windchill|dewpt|heatindex|feelslike|indoortemp|outdoortemp)f|tf_ch\d+",
            Quantity.TEMPERATURE,
            "°F",
        ),
        (r"indoorhumidity", Quantity.HUMIDITY, "%"),
        (r"[ehdwmy]rain_piezo", Quantity.PRECIPITATION, "in"),
        (r"rainratein|rrain_piezo", Quantity.PRECIPITATION_INTENSITY, "in/h"),
        (
            r"(?:event|hourly|daily|weekly|monthly|yearly|total)?rainin",
            Quantity.PRECIPITATION,
            "in",
        ),
        (r"solarradiation", Quantity.IRRADIANCE, "W/m²"),
        (r"soilmoisture\d*", Quantity.MOISTURE, "%"),
        (r"pm25(?:_ch\d+|_avg\w*)?", Quantity.PM25, "μg/m³"),
    )
)
"""What weather stations write in one word, of which the engine knows no quantity.

Member names of the protocols of Wunderground, Ambient Weather and Ecowitt, whose units are fixed.
"""
_FLAG = re.compile(r"(?:wh\d+\w*|\w*)batt\d*|batt\w*\d", re.ASCII)
"""What weather stations call a battery: by sensor a flag, a level of 5 or a voltage, no percent."""
_IN_TEXT = re.compile(r"(-?[0-9]{1,12}(?:\.[0-9]{1,6})?) ?([^\d\s.,:;/-][^\d\s]{0,6})")
_NOT_A_SUM = frozenset(
    """
    delta interval saved saving yesterday last previous difference average remaining persisted
    """.split()
)
_SUMS = frozenset({Quantity.ENERGY, Quantity.WATER, Quantity.GAS, Quantity.PRECIPITATION})
_COUNTERS = frozenset("counter lifetime cumulative total".split())
NO_QUANTITY = frozenset(
    """
    version revision resolution supported type code raw unit capability threshold offset
    """.split()
)
"""Words of numbers that are not a measurement, or one in steps that nobody stated."""


def number_of(value: Value) -> float | None:
    """Return the finite number that a value is, or begins with where a known unit follows."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value)
    except ValueError:
        parts = _IN_TEXT.fullmatch(value) if isinstance(value, str) else None
        if parts is None or unit_named(parts[2]) is None:
            return None
        number = float(parts[1])
    return number if isfinite(number) else None


def unit_named(word: object) -> str | None:
    """Return a unit as Home Assistant spells it; None for what is none that is known."""
    return _UNIT_WORDS.get(word.strip().lower()) if isinstance(word, str) else None


def unit_in(value: Value) -> str | None:
    """Return the unit that a text has behind its number; None where there is none."""
    parts = _IN_TEXT.fullmatch(value) if isinstance(value, str) else None
    return unit_named(parts[2]) if parts is not None else None


def measured(
    point: DataPoint, unit_beside: Value, value: Value, words: frozenset[str], stated: Stated | None
) -> Shape:
    """Return the shape of a number: its quantity and unit, each only where it fits the other."""
    last = split_path(point.field.path)[1].lower()
    if words & NO_QUANTITY:
        return PLAIN_NUMBER
    device_class = _BY_QUANTITY.get(point.quantity or "")
    unit = point.unit
    if device_class is None:
        for pattern, quantity, its_unit in _BY_NAME:
            if pattern.fullmatch(last):
                device_class, unit = quantity, its_unit
    written = unit_in(value)
    if unit_beside is not None or written is not None:
        # What the appliance says itself goes before any guess, also where it is not understood.
        unit = written or unit_named(unit_beside)
        if device_class is None or unit not in DEVICE_CLASS_UNITS.get(device_class, ()):
            device_class = _BY_UNIT.get(unit or "")
    elif device_class is Quantity.BATTERY and _FLAG.fullmatch(last) and last != "battery":
        return PLAIN_NUMBER
    if device_class is not None and unit not in DEVICE_CLASS_UNITS.get(device_class, ()):
        device_class = None
        if unit_beside is None and written is None and point.quantity is not None:
            # A guess of which one half does not fit the other.
            unit = None
    return Shape(
        form=Form.NUMBER,
        device_class=device_class,
        unit=unit,
        state_class=_state_class(point, device_class, unit, words, stated),
    )


def _state_class(
    point: DataPoint,
    device_class: Quantity | None,
    unit: str | None,
    words: frozenset[str],
    stated: Stated | None,
) -> SensorStateClass | None:
    """Return how a number goes on over time; None where statistics would be those of a guess."""
    possible = DEVICE_CLASS_STATE_CLASSES.get(device_class) if device_class else None
    if stated is not None and stated.state_class is not None:
        wanted = SensorStateClass(stated.state_class)
    elif device_class in _SUMS:
        if words & _NOT_A_SUM or split_path(point.field.path)[1] == "powerEnergy":
            # What SmartThings calls so is the energy of the last interval.
            return None
        wanted = SensorStateClass.TOTAL_INCREASING
    elif device_class is Quantity.WIND_DIRECTION:
        wanted = SensorStateClass.MEASUREMENT_ANGLE
    elif device_class is None and unit is None:
        if not words & _COUNTERS or words & _NOT_A_SUM or point.category is Category.SETTING:
            return None
        wanted = SensorStateClass.TOTAL_INCREASING
    else:
        wanted = SensorStateClass.MEASUREMENT
    return wanted if possible is None or wanted in possible else None


# --- Times ---

_SECONDS = (1e9, 1e10)
_MILLISECONDS = (1e12, 1e13)
_ISO = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?P<zone>Z|[+-]\d\d:?\d\d)?", re.ASCII
)
_IS_UTC = re.compile(r"utc|gmt", re.IGNORECASE)


def time_of(point: DataPoint, value: Value) -> datetime | None:
    """Return the moment that a value is: seconds or milliseconds since 1970, or ISO 8601.

    One without a zone is UTC where the name says so, as weather stations' `dateutc`; otherwise
    nobody knows which moment it is.
    """
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value)
    except ValueError:
        found = _ISO.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            return None
        try:
            moment = datetime.fromisoformat(found[0])
        except ValueError:
            return None
        if found["zone"] is not None:
            return moment.astimezone(UTC)
        return moment.replace(tzinfo=UTC) if _IS_UTC.search(point.field.path) else None
    if _SECONDS[0] <= number < _SECONDS[1]:
        return datetime.fromtimestamp(number, UTC)
    if _MILLISECONDS[0] <= number < _MILLISECONDS[1]:
        return datetime.fromtimestamp(number / 1000, UTC)
    return None
