"""Which integrations of the household's own show a device by reading from its cloud.

What such a cloud no longer gets, they no longer have: their entities go stale or unavailable.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.loader import (
    Integration,
    IntegrationNotFound,
    IntegrationNotLoaded,
    async_get_integration,
    async_get_loaded_integration,
)

from .const import DOMAIN

MAX_NAMED = 10
"""Integrations that an attribute names of one appliance."""
MAX_NAME = 80
"""Characters of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Starved:
    """An integration and what it shows of a device, by their names as they stand."""

    integration: str
    entities: tuple[str, ...]


async def async_starved(hass: HomeAssistant, device: dr.AnyDeviceEntry | None) -> list[Starved]:
    """Return who shows this device from a cloud, by name; nobody where that is not known."""
    found: dict[str, Starved] = {}
    for one, domain in shown_by(hass, device):
        try:
            integration = await async_get_integration(hass, domain)
        except IntegrationNotFound:
            continue
        if not _reads_a_cloud(integration):
            continue
        before = found[domain].entities if domain in found else ()
        found[domain] = Starved(
            integration=integration.name, entities=(*before, *_entities(hass, one.id, domain))
        )
    return sorted(found.values(), key=lambda one: one.integration)


def shown_by(
    hass: HomeAssistant, device: dr.AnyDeviceEntry | None
) -> list[tuple[dr.AnyDeviceEntry, str]]:
    """Return the devices that are this one thing, each with the integration that it is of."""
    if device is None:
        return []
    known = {device.id: device}
    if isinstance(device, dr.DeviceEntry) and device.connections:
        # One thing may be known to several integrations.
        for other in dr.async_get(hass).async_get_devices(connections=device.connections):
            known[other.id] = other
    entries = (
        (one, hass.config_entries.async_get_entry(one.config_entry_id)) for one in known.values()
    )
    return [(one, entry.domain) for one, entry in entries if entry and entry.domain != DOMAIN]


def _reads_a_cloud(integration: Integration) -> bool:
    return integration.iot_class in ("cloud_polling", "cloud_push")


def is_cloudy(hass: HomeAssistant, domain: str) -> bool:
    """Tell whether an integration reads from a cloud; one that is not loaded is not known to."""
    try:
        return _reads_a_cloud(async_get_loaded_integration(hass, domain))
    except IntegrationNotLoaded:
        return False


class Needs:
    """Which integrations live on what an appliance sends: to be read before that is stopped.

    Looked for when devices change, not whenever a state is written.
    """

    def __init__(
        self, hass: HomeAssistant, device: Callable[[str], dr.AnyDeviceEntry | None]
    ) -> None:
        """Keep how to find an appliance's device."""
        self._hass = hass
        self._device = device
        self._found: dict[str, list[str]] = {}

    def of(self, appliance_id: str) -> list[str]:
        """Return the names of the integrations that read this appliance from its cloud."""
        device = self._device(appliance_id)
        if device is None:
            return []
        if (found := self._found.get(device.id)) is None:
            found = self._found[device.id] = self._look(device)
        return found

    def _look(self, device: dr.AnyDeviceEntry) -> list[str]:
        names: set[str] = set()
        for _, domain in shown_by(self._hass, device):
            try:
                integration = async_get_loaded_integration(self._hass, domain)
            except IntegrationNotLoaded:
                # Home Assistant loads the integration of every entry before it sets up any.
                continue
            if _reads_a_cloud(integration):
                names.add(integration.name[:MAX_NAME])
        return sorted(names)[:MAX_NAMED]

    @callback
    def async_follow(self, changed: Callable[[], None]) -> CALLBACK_TYPE:
        """Look again when devices change, and tell where that changes anything."""

        @callback
        def look(_: Event[Any]) -> None:
            before, self._found = self._found, {}
            registry = dr.async_get(self._hass)
            for device_id in before:
                if (device := registry.async_get(device_id)) is not None:
                    self._found[device_id] = self._look(device)
            if before != self._found:
                changed()

        return self._hass.bus.async_listen(dr.EVENT_DEVICE_REGISTRY_UPDATED, look)


def _entities(hass: HomeAssistant, device_id: str, domain: str) -> list[str]:
    names: list[str] = []
    for entity in er.async_entries_for_device(er.async_get(hass), device_id):
        if entity.platform == domain:
            state = hass.states.get(entity.entity_id)
            names.append(state.name if state is not None else entity.entity_id)
    return names
