"""FrostCo: the fridge's own integration, made up for the demo. It asks the fridge at home.

With it the fridge has entities of its own, as appliances mostly do, and names that people know.
"""

from asyncio import sleep
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, override

from aiohttp import ClientError, ClientTimeout
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_HOST, CONF_PORT, Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.entity import Entity

DOMAIN = "frostco"
PLATFORMS = (Platform.BINARY_SENSOR, Platform.SENSOR)
_WAITS = ClientTimeout(total=30)
"""The fridge answers as soon as it has something new."""

type FrostCoConfigEntry = ConfigEntry[Fridge]


@dataclass(slots=True)
class Fridge:
    """What the fridge said last, and who is to be told."""

    url: str
    status: dict[str, Any] = field(default_factory=dict)
    listeners: list[Callable[[], None]] = field(default_factory=list)

    async def follow(self, hass: HomeAssistant) -> None:
        """Ask for whatever is newer than what is known, for as long as the entry is set up."""
        session = async_get_clientsession(hass)
        while True:
            try:
                after = self.status.get("count", 0)
                async with session.get(self.url, params={"after": after}, timeout=_WAITS) as answer:
                    self.status = await answer.json()
            except ClientError, TimeoutError:
                self.status = {}
                await sleep(1)
            for listener in self.listeners:
                listener()


async def async_setup_entry(hass: HomeAssistant, entry: FrostCoConfigEntry) -> bool:
    """Follow the fridge."""
    host, port = entry.data[CONF_HOST], entry.data[CONF_PORT]
    entry.runtime_data = Fridge(f"http://{host}:{port}/status")
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    entry.async_create_background_task(hass, entry.runtime_data.follow(hass), DOMAIN)
    return True


async def async_unload_entry(hass: HomeAssistant, entry: FrostCoConfigEntry) -> bool:
    """Follow it no longer."""
    return await hass.config_entries.async_unload_platforms(entry, PLATFORMS)


class FrostCoEntity(Entity):
    """One thing the fridge tells of itself."""

    _attr_has_entity_name = True
    _attr_should_poll = False

    def __init__(self, entry: FrostCoConfigEntry, key: str, name: str) -> None:
        """Be on the fridge's device."""
        self._fridge = entry.runtime_data
        self._key = key
        self._attr_name = name
        self._attr_unique_id = f"{entry.entry_id}_{key}"
        self._attr_device_info = DeviceInfo(
            identifiers={(DOMAIN, entry.entry_id)},
            name="Kitchen fridge",
            manufacturer="FrostCo",
            model="RF29",
        )

    @property
    @override
    def available(self) -> bool:
        """Whether the fridge answers."""
        return self._key in self._fridge.status

    @override
    async def async_added_to_hass(self) -> None:
        """Follow what it says."""
        self._fridge.listeners.append(self._changed)
        self.async_on_remove(lambda: self._fridge.listeners.remove(self._changed))

    @callback
    def _changed(self) -> None:
        self.async_write_ha_state()
