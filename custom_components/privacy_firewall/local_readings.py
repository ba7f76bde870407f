"""The household's own entities of what an appliance reports, also while nothing of it leaves.

Which data points have one, `wants_entity` says; as what each is shown, the tables of
`local_entities`. Whoever has an entity keeps it: whether a data point is a sensor or a binary
sensor is settled once, and then the entity registry tells.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import override

from homeassistant.components.binary_sensor import BinarySensorEntity
from homeassistant.components.sensor import RestoreSensor
from homeassistant.const import MAX_LENGTH_STATE_STATE, STATE_OFF, STATE_ON, Platform
from homeassistant.core import callback
from homeassistant.helpers.restore_state import RestoreEntity

from .engine import Beside, EntityKind
from .engine.events import Decided, Event, Reading
from .engine.model import Category, DataPoint
from .entity import ReportingEntity
from .household import Household
from .local_answers import truth
from .local_entities import name_keys, shape_of, word_of
from .local_numbers import number_of, time_of
from .local_shapes import Form, Shape, Value, words_of
from .match_doubles import own_reading

MAX_SHOWN = 40
"""Data points of an appliance that have entities, by their own switch or as a reading alone."""
_COORDINATES = frozenset(
    "lat latitude lon lng longitude gps coordinate coordinates geo position".split()
)


def wants_entity(household: Household, point: DataPoint) -> bool:
    """Tell whether a promoted data point is shown as an entity of its own.

    Identifiers, credentials, media, free text and coordinates never are; what tells of health,
    presence, place or children only where the household chose it. What an entity of the home shows
    already needs none, nor what the catalogue says is no reading. What there is already stays.
    """
    if not household.firewall.has_sensor(point) or household.matching.is_shown_elsewhere(point):
        return False
    stated = household.firewall.known(point)
    is_none = stated is not None and stated.entity is EntityKind.NONE
    is_place = point.category is Category.LOCATION and words_of(point) & _COORDINATES
    return not (is_none or is_place) or _registered(household, point) is not None


def _registered(household: Household, point: DataPoint) -> Platform | None:
    """Return as what a data point is registered; None where it is not."""
    entity = own_reading(household.hass, point)
    return None if entity is None else Platform(entity.domain)


@callback
def async_local_sensors(household: Household, appliance_id: str) -> Iterator[LocalSensor]:
    """Yield the sensors of an appliance's promoted data points."""
    for point, unit, shape in _wanted(household, appliance_id, Platform.SENSOR):
        yield LocalSensor(household, point, unit, shape)


@callback
def async_local_binary_sensors(
    household: Household, appliance_id: str
) -> Iterator[LocalBinarySensor]:
    """Yield the binary sensors of an appliance's promoted data points."""
    for point, unit, shape in _wanted(household, appliance_id, Platform.BINARY_SENSOR):
        yield LocalBinarySensor(household, point, unit, shape)


def _wanted(
    household: Household, appliance_id: str, platform: Platform
) -> Iterator[tuple[DataPoint, DataPoint | None, Shape]]:
    firewall = household.firewall
    wanted = _shown(household, appliance_id)
    beside = Beside(firewall.data_points(appliance_id)) if wanted else None
    for point in wanted:
        unit = beside.unit_of(point) if beside is not None else None
        shape = _shape(household, point, unit, _newest(household, point))
        if _platform(household, point, shape) is platform:
            yield point, unit, shape


def _shown(household: Household, appliance_id: str) -> list[DataPoint]:
    """Return the data points that are shown: those promoted, and of groups as many as fit.

    Of a group those that have an entity by now, then alarms, then quantities, first seen first.
    """
    firewall = household.firewall
    switched = firewall.switched(appliance_id)
    promoted = {one.id for one in firewall.promoted(appliance_id)}
    behind = [one for one in switched if one.id not in promoted]
    behind.sort(
        key=lambda one: (
            _registered(household, one) is None,
            one.category is not Category.SAFETY,
            one.quantity is None,
            one.first_seen,
        )
    )
    shown = [one for one in switched if one.id in promoted and wants_entity(household, one)]
    left = max(0, MAX_SHOWN - len(promoted))
    return [*shown, *islice((one for one in behind if wants_entity(household, one)), left)]


def _platform(household: Household, point: DataPoint, shape: Shape) -> Platform:
    """Return where a data point is shown: where it was first, whatever it looks like now."""
    settled = household.local_platforms.get(point.id) or _registered(household, point)
    if settled is None:
        settled = Platform.BINARY_SENSOR if shape.form is Form.BINARY else Platform.SENSOR
    household.local_platforms[point.id] = settled
    return settled


def _newest(household: Household, point: DataPoint) -> Value:
    """Return the value seen last: of a sensor that is added, the one that brought it."""
    reading = household.readings.get(point.id)
    if reading is not None:
        return reading.value
    sample = household.firewall.samples.newest(point.id)
    return sample.value if sample is not None else None


def _shape(household: Household, point: DataPoint, unit: DataPoint | None, value: Value) -> Shape:
    beside = household.firewall.samples.newest(unit.id) if unit is not None else None
    return shape_of(
        point,
        value,
        unit_beside=beside.value if beside is not None else None,
        stated=household.firewall.known(point),
    )


class LocalEntity(ReportingEntity):
    """The appliance's own last reading of a data point."""

    def __init__(
        self, household: Household, point: DataPoint, unit: DataPoint | None, shape: Shape
    ) -> None:
        """Show a data point; `unit` is the one that states its unit."""
        super().__init__(household, point.appliance_id, point.id)
        self._point = point
        self._unit = unit
        self._shape = shape
        name = next(name_keys(point, shape), None)
        if name is None:
            self._attr_name = point.name
        else:
            self._attr_translation_key = name[0]
            self._attr_translation_placeholders = {"part": name[1]} if name[1] else {}

    @property
    @override
    def available(self) -> bool:
        """Whether the appliance is known, and this is still for showing.

        What turns out to tell of a body, or of where somebody is, is for whoever picks it.
        """
        return super().available and self._is_for_showing

    @property
    def _is_for_showing(self) -> bool:
        point = self._household.firewall.data_point(self._point.id)
        return point is None or self._household.firewall.has_sensor(point)

    @override
    def _follow(self) -> bool:
        if super().available and not self._is_for_showing:
            # Nor after a restart: a sensor is kept with its last value.
            self._household.readings.pop(self._point.id, None)
            self._forget()
        return super()._follow()

    @abstractmethod
    def _forget(self) -> None:
        """Drop the last reading."""

    @property
    @override
    def described(self) -> tuple[object, ...]:
        """What its name and its unit are made of."""
        unit = self._unit.id if self._unit is not None else None
        return self._point.name, self._point.quantity, self._point.unit, unit

    @override
    def _take(self, event: Event) -> bool:
        if isinstance(event, Decided):
            for reading in event.readings:
                if reading.data_point_id == self._point.id:
                    return self._show(reading)
        return False

    @abstractmethod
    def _show(self, reading: Reading) -> bool:
        """Take over a reading; tell if that is news."""


class LocalSensor(LocalEntity, RestoreSensor):
    """A number, a moment, a word or a text."""

    def __init__(
        self, household: Household, point: DataPoint, unit: DataPoint | None, shape: Shape
    ) -> None:
        """Show a data point in a shape, which its first value may still change."""
        super().__init__(household, point, unit, shape)
        self._has_shape = _newest(household, point) is not None
        self._be(shape)

    def _be(self, shape: Shape) -> None:
        self._shape = shape
        # One that is a sensor already, of what would be a binary sensor now, says on and off.
        self._attr_device_class = shape.device_class
        self._attr_native_unit_of_measurement = shape.unit
        self._attr_state_class = shape.state_class
        self._attr_options = list(shape.options) or None

    @override
    async def async_added_to_hass(self) -> None:
        """Show the newest reading, or the one from before the restart."""
        await super().async_added_to_hass()
        reading = self._household.readings.get(self._point.id)
        if reading is not None:
            self._show(reading)
        elif (before := await self.async_get_last_sensor_data()) is not None:
            self._restore(before.native_value, before.native_unit_of_measurement)

    @override
    def _forget(self) -> None:
        self._attr_native_value = None

    def _restore(self, value: object, unit: str | None) -> None:
        if isinstance(value, datetime):
            if not self._has_shape:
                self._be(self._shaped(value.isoformat(), unit))
            if self._shape.form is Form.TIME:
                self._attr_native_value = value
            return
        if not isinstance(value, str | int | float):
            return
        if not self._has_shape and (self._unit is not None or self._shape.is_plain):
            # Nothing came yet since the start: what it was then, it still is.
            self._be(self._shaped(value, unit))
        if unit == self.native_unit_of_measurement:
            self._attr_native_value = self._fitting(value)

    def _shaped(self, value: Value, unit: str | None) -> Shape:
        stated = self._household.firewall.known(self._point)
        return shape_of(self._point, value, unit_beside=unit, stated=stated)

    @override
    def _show(self, reading: Reading) -> bool:
        before = self._attr_native_value, self._shape
        if reading.value is not None:
            self._fit(reading.value)
        self._attr_native_value = self._fitting(reading.value)
        return before != (self._attr_native_value, self._shape)

    def _fit(self, value: Value) -> None:
        """Take another shape, for a first value, another unit, or a word that was not expected."""
        if not self._has_shape:
            self._has_shape = True
            self._be(_shape(self._household, self._point, self._unit, value))
        elif self._shape.form is Form.NUMBER and number_of(value) is not None:
            if self._unit is not None:
                now = _shape(self._household, self._point, self._unit, value)
                self._be(now if now.form is Form.NUMBER else self._shape)
        elif self._shape.form is Form.WORDS and word_of(self._shape, value) is None:
            self._be(Shape(form=Form.TEXT))

    def _fitting(self, value: Value) -> str | float | datetime | None:
        """Return a value as this sensor may show it; None where it does not fit.

        Home Assistant quotes what does not fit in its log.
        """
        match self._shape.form:
            case Form.TIME:
                return time_of(self._point, value)
            case Form.WORDS:
                return word_of(self._shape, value)
            case Form.NUMBER if not self._shape.is_plain:
                return _whole(number_of(value))
        if isinstance(value, bool):
            return STATE_ON if value else STATE_OFF
        if isinstance(value, int | float):
            return _whole(number_of(value))
        return value[:MAX_LENGTH_STATE_STATE] if value is not None else None


def _whole(number: float | None) -> float | None:
    """Return a number without its fraction where it has none.

    Appliances write 21 and 21.0 alike; the engine reads both as a fraction.
    """
    return int(number) if number is not None and number == int(number) else number


class LocalBinarySensor(LocalEntity, RestoreEntity, BinarySensorEntity):
    """A yes or a no."""

    def __init__(
        self, household: Household, point: DataPoint, unit: DataPoint | None, shape: Shape
    ) -> None:
        """Show a data point that says yes or no."""
        super().__init__(household, point, unit, shape)
        self._has_shape = shape.form is Form.BINARY and _newest(household, point) is not None
        self._attr_device_class = shape.binary_class

    @override
    async def async_added_to_hass(self) -> None:
        """Show the newest reading, or the one from before the restart."""
        await super().async_added_to_hass()
        reading = self._household.readings.get(self._point.id)
        if reading is not None:
            self._show(reading)
        elif (before := await self.async_get_last_state()) is not None:
            states: Mapping[str, bool] = {STATE_ON: True, STATE_OFF: False}
            self._attr_is_on = states.get(before.state)

    @override
    def _forget(self) -> None:
        self._attr_is_on = None

    @override
    def _show(self, reading: Reading) -> bool:
        before = self._attr_is_on, self._attr_device_class
        if not self._has_shape and reading.value is not None:
            shape = _shape(self._household, self._point, self._unit, reading.value)
            if shape.form is Form.BINARY:
                self._has_shape = True
                self._shape = shape
                self._attr_device_class = shape.binary_class
        self._attr_is_on = truth(self._shape, reading.value)
        return before != (self._attr_is_on, self._attr_device_class)
