"""Which integrations of the household's own show a device by reading from its cloud.

What such a cloud no longer gets, they no longer have: their entities go stale or unavailable.
"""

from dataclasses import dataclass

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.loader import IntegrationNotFound, async_get_integration

from .const import DOMAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Starved:
    """An integration and what it shows of a device, by their names as they stand."""

    integration: str
    entities: tuple[str, ...]


async def async_starved(hass: HomeAssistant, device: dr.AnyDeviceEntry | None) -> list[Starved]:
    """Return who shows this device from a cloud, by name; nobody where that is not known."""
    if device is None:
        return []
    known = {device.id: device}
    if isinstance(device, dr.DeviceEntry) and device.connections:
        # One thing may be known to several integrations.
        for other in dr.async_get(hass).async_get_devices(connections=device.connections):
            known[other.id] = other
    found: dict[str, Starved] = {}
    for one in known.values():
        entry = hass.config_entries.async_get_entry(one.config_entry_id)
        if entry is None or entry.domain == DOMAIN or not await _reads_a_cloud(hass, entry.domain):
            continue
        integration = await async_get_integration(hass, entry.domain)
        before = found[entry.domain].entities if entry.domain in found else ()
        found[entry.domain] = Starved(
            integration=integration.name, entities=(*before, *_entities(hass, one.id, entry.domain))
        )
    return sorted(found.values(), key=lambda one: one.integration)


async def _reads_a_cloud(hass: HomeAssistant, domain: str) -> bool:
    try:
        integration = await async_get_integration(hass, domain)
    except IntegrationNotFound:
        return False
    return integration.iot_class in ("cloud_polling", "cloud_push")


def _entities(hass: HomeAssistant, device_id: str, domain: str) -> list[str]:
    names: list[str] = []
    for entity in er.async_entries_for_device(er.async_get(hass), device_id):
        if entity.platform == domain:
            state = hass.states.get(entity.entity_id)
            names.append(state.name if state is not None else entity.entity_id)
    return names
