"""As what a data point is shown at home: tables from names, units and one value to an entity.

Pure: `shape_of` looks at a data point, a value of it, the unit that stands beside it and what a
catalogue states. Nothing is converted. Where something does not fit Home Assistant's own rules for
a device class, the entity has none, and where a meaning is unsure nothing is claimed.
"""

from collections.abc import Iterable, Iterator

from homeassistant.components.binary_sensor.const import BinarySensorDeviceClass as Binary
from homeassistant.components.sensor import SensorDeviceClass as Quantity

from .engine.model import Category, DataPoint, Kind
from .local_answers import yes_or_no
from .local_numbers import NO_QUANTITY, measured, number_of, time_of
from .local_shapes import PLAIN_TEXT, Form, Shape, Stated, Value, words_of

# --- Words ---

_VOCABULARIES: tuple[tuple[frozenset[str], tuple[str, ...]], ...] = tuple(
    (frozenset(names.split()), tuple(sorted(options.split())))
    for names, options in (
        (
            "machine operation operating job movement",
            """
            off on standby idle ready inactive active delayed run running pause paused resume stop
            stopped finish finished end done complete completed none error aborting charging
            docked returning homing cleaning
            """,
        ),
        ("fan speed", "off auto low medium high max min turbo silent quiet sleep"),
        ("level", "empty low medium high full"),
        ("trend", "up down stable"),
        ("source", "mains battery ac dc usb unknown"),
    )
)
"""Words of what an appliance is doing, by a word of the name. Closed sets: what is none of these

makes it a text, so nothing an appliance said becomes an attribute.
"""


def _words(point: DataPoint, value: str, words: frozenset[str], stated: Stated | None) -> Shape:
    if stated is not None and stated.options:
        if value in stated.options:
            return Shape(form=Form.WORDS, device_class=Quantity.ENUM, options=stated.options)
        return PLAIN_TEXT
    if point.category is Category.SETTING or words & NO_QUANTITY:
        return PLAIN_TEXT
    options = _options(words, value)
    if not options:
        return PLAIN_TEXT
    return Shape(form=Form.WORDS, device_class=Quantity.ENUM, options=options)


def _options(words: frozenset[str], value: str) -> tuple[str, ...]:
    """Return the words of which a value is one, by the name; empty where none are known."""
    return next(
        (said for names, said in _VOCABULARIES if words & names and value.lower() in said), ()
    )


def word_of(shape: Shape, value: Value) -> str | None:
    """Return the option that a value is, None where it is none."""
    if not isinstance(value, str):
        return None
    if value in shape.options:
        return value
    return value.lower() if value.lower() in shape.options else None


# --- All together ---


def shape_of(
    point: DataPoint,
    value: Value = None,
    *,
    unit_beside: Value = None,
    stated: Stated | None = None,
) -> Shape:
    """Return as what a data point is shown, as far as a value of it tells; None: none is known."""
    words = words_of(point)
    kind = stated.entity if stated is not None else "sensor"
    is_time = point.category is Category.TIME and time_of(point, value) is not None
    if kind == "timestamp" or is_time:
        return Shape(form=Form.TIME, device_class=Quantity.TIMESTAMP)
    said = None
    if point.category is not Category.TIME and not _is_one_of_several(value, words, stated):
        said = yes_or_no(point, value, words)
    if kind == "binary_sensor":
        return _stated_answer(point, said)
    if said is not None:
        return said
    is_number = point.unit is not None or point.kinds - {Kind.NULL} == {Kind.NUMBER}
    if number_of(value) is not None or (value is None and is_number):
        return measured(point, unit_beside, value, words, stated)
    return _words(point, value, words, stated) if isinstance(value, str) else PLAIN_TEXT


def _is_one_of_several(value: Value, words: frozenset[str], stated: Stated | None) -> bool:
    """Tell whether a word is one of more than two: a machine's `off` is no plain no."""
    if not isinstance(value, str):
        return False
    return bool(_options(words, value)) or (stated is not None and value in stated.options)


def _stated_answer(point: DataPoint, said: Shape | None) -> Shape:
    """Return a binary sensor as a catalogue states it, which names its class as quantity."""
    quantity = point.quantity or ""
    known = Binary(quantity) if quantity in {*Binary} else None
    if said is not None and known is None:
        return said
    return Shape(
        form=Form.BINARY,
        binary_class=known,
        is_inverted=said is not None and said.is_inverted,
    )


# --- Names ---

_NAMES: dict[str, str] = {
    "temperature": "local_temperature",
    "humidity": "local_humidity",
    "battery": "local_battery",
    "energy": "local_energy",
    "power": "local_power",
    "voltage": "local_voltage",
    "pressure": "local_pressure",
    "weight": "local_weight",
}
_DOORS = ("door open", "door closed", "door contact", "door state", "door")


def name_keys(point: DataPoint, shape: Shape) -> Iterator[tuple[str, str]]:
    """Yield the translation key of a common name, and what stands before it; nothing otherwise."""
    name = point.name.lower()
    if shape.form is Form.BINARY:
        if shape.binary_class is Binary.DOOR:
            yield from _ending(point.name, name, ((door, "local_door") for door in _DOORS))
    elif shape.device_class is not None:
        yield from _ending(point.name, name, _NAMES.items())


def _ending(written: str, name: str, known: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for ending, key in known:
        if name == ending:
            yield key, ""
            return
        if name.endswith(f" {ending}"):
            yield f"{key}_of", written[: -len(ending) - 1]
            return
