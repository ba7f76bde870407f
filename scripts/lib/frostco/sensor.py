"""What the fridge measures."""

from typing import override

from homeassistant.components.sensor import SensorDeviceClass, SensorEntity, SensorStateClass
from homeassistant.const import REVOLUTIONS_PER_MINUTE, UnitOfPower, UnitOfTemperature
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from . import FrostCoConfigEntry, FrostCoEntity

_SENSORS = (
    ("cooler", "Fridge temperature", SensorDeviceClass.TEMPERATURE, UnitOfTemperature.CELSIUS),
    ("freezer", "Freezer temperature", SensorDeviceClass.TEMPERATURE, UnitOfTemperature.CELSIUS),
    ("power", "Power", SensorDeviceClass.POWER, UnitOfPower.WATT),
    ("speed", "Compressor speed", None, REVOLUTIONS_PER_MINUTE),
    ("openings", "Door openings today", None, None),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: FrostCoConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add them."""
    async_add_entities(FrostCoSensor(entry, *one) for one in _SENSORS)


class FrostCoSensor(FrostCoEntity, SensorEntity):
    """A number."""

    _attr_state_class = SensorStateClass.MEASUREMENT

    def __init__(
        self,
        entry: FrostCoConfigEntry,
        key: str,
        name: str,
        device_class: SensorDeviceClass | None,
        unit: str | None,
    ) -> None:
        """Show a number, with its unit."""
        super().__init__(entry, key, name)
        self._attr_device_class = device_class
        self._attr_native_unit_of_measurement = unit

    @property
    @override
    def native_value(self) -> float | None:
        """What it was last."""
        return self._fridge.status.get(self._key)
