"""The forms in which a data point is shown at home, and what a catalogue may state of one."""

from dataclasses import dataclass
from enum import StrEnum
import re
from typing import Protocol

from homeassistant.components.binary_sensor.const import BinarySensorDeviceClass as Binary
from homeassistant.components.sensor import SensorDeviceClass as Quantity, SensorStateClass

from .engine.model import DataPoint

type Value = str | float | bool | None


class Form(StrEnum):
    """How the values of a data point are read and shown."""

    BINARY = "binary"
    NUMBER = "number"
    TIME = "time"
    WORDS = "words"
    TEXT = "text"


class Stated(Protocol):
    """What a catalogue states of a data point, in Home Assistant's words; empty for nothing."""

    @property
    def entity(self) -> str:
        """`sensor`, `binary_sensor`, `enum`, `timestamp` or `none`."""

    @property
    def state_class(self) -> str | None:
        """`measurement`, `total` or `total_increasing`."""

    @property
    def options(self) -> tuple[str, ...]:
        """The words it may say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """An entity: its form, and of sensors unit, state class and the words it may say.

    `on` and `off` are the words, in lower case, that a binary sensor reads as such. `is_inverted`
    where what the appliance calls true is what Home Assistant calls off: closed, locked.
    """

    form: Form
    binary_class: Binary | None = None
    device_class: Quantity | None = None
    unit: str | None = None
    state_class: SensorStateClass | None = None
    options: tuple[str, ...] = ()
    is_inverted: bool = False

    @property
    def is_plain(self) -> bool:
        """Tell whether a sensor of it may show whatever comes."""
        return self in (PLAIN_NUMBER, PLAIN_TEXT)


PLAIN_NUMBER = Shape(form=Form.NUMBER)
PLAIN_TEXT = Shape(form=Form.TEXT)


def words_of(point: DataPoint) -> frozenset[str]:
    """Return the words of a data point's name, in lower case."""
    return frozenset(re.findall(r"[^\W_]+", point.name.lower()))
