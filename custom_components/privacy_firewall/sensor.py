"""What an appliance reports, shown at home, and what becomes of its transmissions.

A reading is the appliance's own last value of a data point, also while nothing of it leaves. Which
data points have one the engine says: identifiers, credentials and media never do.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Any, override

from homeassistant.components.sensor import (
    RestoreSensor,
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.components.sensor.const import DEVICE_CLASS_UNITS
from homeassistant.const import MAX_LENGTH_STATE_STATE, STATE_OFF, STATE_ON, EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.util import dt as dt_util

from .engine.events import Decided, Discovered, Event, GateChanged, Reading
from .engine.model import DataPoint, Protection
from .entity import STATUS_SECONDS, ReportingEntity, async_keep_entities
from .household import Household, PrivacyFirewallConfigEntry

# Nothing is polled and nothing is sent.
PARALLEL_UPDATES = 0
MAX_NAMES = 100
"""Names of data points held back that are listed."""

_DEVICE_CLASSES = {
    "temperature": SensorDeviceClass.TEMPERATURE,
    "humidity": SensorDeviceClass.HUMIDITY,
    "battery": SensorDeviceClass.BATTERY,
    "energy": SensorDeviceClass.ENERGY,
    "power": SensorDeviceClass.POWER,
    "voltage": SensorDeviceClass.VOLTAGE,
    "current": SensorDeviceClass.CURRENT,
    "pressure": SensorDeviceClass.PRESSURE,
    "signal_strength": SensorDeviceClass.SIGNAL_STRENGTH,
    "carbon_dioxide": SensorDeviceClass.CO2,
    "illuminance": SensorDeviceClass.ILLUMINANCE,
    "duration": SensorDeviceClass.DURATION,
    "weight": SensorDeviceClass.WEIGHT,
}
"""By the quantity that the engine recognised."""


@dataclass(frozen=True, kw_only=True)
class ApplianceSensorEntityDescription(SensorEntityDescription):
    """A fact about an appliance: how to read it, which events may change it."""

    value_fn: Callable[[Household, str], str | int | datetime | None]
    attributes_fn: Callable[[Household, str], dict[str, Any]] | None = None
    changed_by: tuple[type[Event], ...] = (Decided,)


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else dt_util.utc_from_timestamp(seconds)


def _held_back(household: Household, appliance_id: str) -> list[DataPoint]:
    """Return the data points without entities. They are held back like all others."""
    shown = {point.id for point in household.firewall.promoted(appliance_id)}
    return [one for one in household.firewall.data_points(appliance_id) if one.id not in shown]


SENSORS: tuple[ApplianceSensorEntityDescription, ...] = (
    ApplianceSensorEntityDescription(
        key="protection",
        translation_key="protection",
        device_class=SensorDeviceClass.ENUM,
        entity_category=EntityCategory.DIAGNOSTIC,
        options=[protection.value for protection in Protection],
        value_fn=lambda household, one: household.firewall.status(one).protection.value,
        attributes_fn=lambda household, one: {
            "last_seen": _time(household.firewall.status(one).last_seen)
        },
        changed_by=(Decided, GateChanged),
    ),
    ApplianceSensorEntityDescription(
        key="permitted",
        translation_key="permitted",
        entity_category=EntityCategory.DIAGNOSTIC,
        state_class=SensorStateClass.TOTAL_INCREASING,
        value_fn=lambda household, one: household.firewall.status(one).permitted,
    ),
    ApplianceSensorEntityDescription(
        key="redacted",
        translation_key="redacted",
        entity_category=EntityCategory.DIAGNOSTIC,
        state_class=SensorStateClass.TOTAL_INCREASING,
        value_fn=lambda household, one: household.firewall.status(one).redacted,
    ),
    ApplianceSensorEntityDescription(
        key="denied",
        translation_key="denied",
        entity_category=EntityCategory.DIAGNOSTIC,
        state_class=SensorStateClass.TOTAL_INCREASING,
        value_fn=lambda household, one: household.firewall.status(one).denied,
    ),
    ApplianceSensorEntityDescription(
        key="last_disclosure",
        translation_key="last_disclosure",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda household, one: _time(household.firewall.status(one).last_disclosure),
    ),
    ApplianceSensorEntityDescription(
        key="held_back",
        translation_key="held_back",
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda household, one: len(_held_back(household, one)),
        attributes_fn=lambda household, one: {
            "data_points": [point.name for point in _held_back(household, one)[:MAX_NAMES]]
        },
        changed_by=(Discovered,),
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: PrivacyFirewallConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the sensors of every appliance and of its promoted data points."""
    async_keep_entities(entry, async_add_entities, _wanted)


def _wanted(household: Household, appliance_id: str) -> Iterator[ReportingEntity]:
    for description in SENSORS:
        yield ApplianceSensor(household, appliance_id, description)
    for point in household.firewall.promoted(appliance_id):
        if household.firewall.has_sensor(point):
            yield ReadingSensor(household, point)


class ApplianceSensor(ReportingEntity, SensorEntity):
    """A fact about an appliance, as observed."""

    entity_description: ApplianceSensorEntityDescription
    _unrecorded_attributes = frozenset({"data_points", "last_seen"})
    _write_seconds = STATUS_SECONDS

    def __init__(
        self,
        household: Household,
        appliance_id: str,
        description: ApplianceSensorEntityDescription,
    ) -> None:
        """Show what a description reads."""
        super().__init__(household, appliance_id, description.key)
        self.entity_description = description

    @override
    def _follow(self) -> bool:
        return self._read()

    @override
    def _take(self, event: Event) -> bool:
        return isinstance(event, self.entity_description.changed_by) and self._read()

    def _read(self) -> bool:
        if not self.available:
            return False
        before = self._attr_native_value, getattr(self, "_attr_extra_state_attributes", None)
        description = self.entity_description
        self._attr_native_value = description.value_fn(self._household, self._appliance_id)
        attributes = None
        if description.attributes_fn is not None:
            attributes = description.attributes_fn(self._household, self._appliance_id)
            self._attr_extra_state_attributes = attributes
        return before != (self._attr_native_value, attributes)


class ReadingSensor(ReportingEntity, RestoreSensor):
    """The appliance's own last reading of a data point."""

    def __init__(self, household: Household, point: DataPoint) -> None:
        """Show the readings of a data point, with the unit that was recognised."""
        super().__init__(household, point.appliance_id, point.id)
        self._point = point
        self._attr_name = point.name
        device_class = _DEVICE_CLASSES.get(point.quantity or "")
        if device_class is None or point.unit not in DEVICE_CLASS_UNITS.get(device_class, ()):
            return
        self._attr_device_class = device_class
        self._attr_native_unit_of_measurement = point.unit
        if device_class is not SensorDeviceClass.ENERGY:
            # A meter's sum or one interval's energy? Statistics of a wrong guess would be wrong.
            self._attr_state_class = SensorStateClass.MEASUREMENT

    @property
    @override
    def described(self) -> tuple[object, ...]:
        """Its name and unit are fixed."""
        return self._point.name, self._point.quantity, self._point.unit

    @override
    async def async_added_to_hass(self) -> None:
        """Show the newest reading, or the one from before the restart."""
        await super().async_added_to_hass()
        reading = self._household.readings.get(self._point.id)
        if reading is not None:
            self._show(reading)
        elif (
            (before := await self.async_get_last_sensor_data()) is not None
            and before.native_unit_of_measurement == self.native_unit_of_measurement
            and isinstance(before.native_value, str | int | float)
        ):
            self._attr_native_value = self._fitting(before.native_value)

    @override
    def _take(self, event: Event) -> bool:
        if isinstance(event, Decided):
            for reading in event.readings:
                if reading.data_point_id == self._point.id:
                    return self._show(reading)
        return False

    def _show(self, reading: Reading) -> bool:
        before = self._attr_native_value
        self._attr_native_value = self._fitting(reading.value)
        return before != self._attr_native_value

    def _fitting(self, value: str | float | bool | None) -> str | float | None:  # noqa: FBT001
        """Return a value as this sensor may show it; None where it does not fit."""
        if isinstance(value, bool):
            value = STATE_ON if value else STATE_OFF
        if isinstance(value, int | float):
            if not isfinite(value):
                return None
            # Appliances write 21 and 21.0 alike; the engine reads both as a fraction.
            return int(value) if value == int(value) else value
        if value is None or self.native_unit_of_measurement is not None:
            # Home Assistant quotes what is not a number in its log.
            return None
        return value[:MAX_LENGTH_STATE_STATE]
