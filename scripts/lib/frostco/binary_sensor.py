"""What of the fridge is on or open."""

from typing import override

from homeassistant.components.binary_sensor import BinarySensorEntity
from homeassistant.components.binary_sensor.const import BinarySensorDeviceClass
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from . import FrostCoConfigEntry, FrostCoEntity


async def async_setup_entry(
    hass: HomeAssistant,
    entry: FrostCoConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add them."""
    async_add_entities(
        (
            FrostCoBinarySensor(entry, "door", "Fridge door", BinarySensorDeviceClass.DOOR),
            FrostCoBinarySensor(
                entry, "running", "Compressor running", BinarySensorDeviceClass.RUNNING
            ),
        )
    )


class FrostCoBinarySensor(FrostCoEntity, BinarySensorEntity):
    """Something with two sides."""

    def __init__(
        self,
        entry: FrostCoConfigEntry,
        key: str,
        name: str,
        device_class: BinarySensorDeviceClass,
    ) -> None:
        """Show which of them."""
        super().__init__(entry, key, name)
        self._attr_device_class = device_class

    @property
    @override
    def is_on(self) -> bool | None:
        """Which it was last."""
        return self._fridge.status.get(self._key)
