"""Which device an appliance's entities belong to: another integration's, or one of our own."""

from collections.abc import Callable
from typing import Any

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.const import CONF_DEVICE_ID
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, entity_registry as er

from .const import DOMAIN, SUBENTRY_APPLIANCE


class DeviceLinks:
    """The devices of the appliances, and of the firewall itself."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry[Any]) -> None:
        """Start with nothing linked."""
        self._hass = hass
        self._entry = entry
        self._devices: dict[str, dr.AnyDeviceEntry] = {}
        self.placed: Callable[[er.RegistryEntry], dr.AnyDeviceEntry | None] = lambda _: None
        """Where an entity of an appliance is instead: beside another integration's, if it is its
        switch."""

    def get(self, appliance_id: str) -> dr.AnyDeviceEntry | None:
        """Return the device that an appliance's entities belong to."""
        return self._devices.get(appliance_id)

    def hub(self) -> dr.AnyDeviceEntry:
        """Return the device of the firewall itself."""
        return dr.async_get(self._hass).async_get_or_create(
            config_entry_id=self._entry.entry_id,
            identifiers={(DOMAIN, self._entry.entry_id)},
            name="Privacy Firewall",
            entry_type=dr.DeviceEntryType.SERVICE,
        )

    def is_gone(self, appliance_id: str) -> bool:
        """Tell whether an appliance was linked with a device that is no more."""
        subentry = self._entry.subentries.get(appliance_id)
        linked = subentry.data.get(CONF_DEVICE_ID) if subentry is not None else None
        return isinstance(linked, str) and self._linked(linked) is None

    @callback
    def async_link(self) -> None:
        """Put every appliance's entities on the device it was linked with, or on one of our own."""
        devices, entities = dr.async_get(self._hass), er.async_get(self._hass)
        self._devices = {}
        for subentry in self._entry.get_subentries_of_type(SUBENTRY_APPLIANCE):
            device = self._devices[subentry.subentry_id] = self._device_for(subentry)
            for entity in er.async_entries_for_config_entry(entities, self._entry.entry_id):
                if entity.config_subentry_id != subentry.subentry_id:
                    continue
                where = self.placed(entity) or device
                if entity.device_id != where.id:
                    entities.async_update_entity(entity.entity_id, device_id=where.id)
            # Ours is of no use any more; it goes last, for it would take its entities with it.
            own = devices.async_get_device_by_identifier(
                (DOMAIN, subentry.subentry_id), self._entry.entry_id
            )
            if own is not None and own.id != device.id:
                devices.async_remove_device(own.id)

    def _device_for(self, subentry: ConfigSubentry) -> dr.AnyDeviceEntry:
        linked = subentry.data.get(CONF_DEVICE_ID)
        if isinstance(linked, str) and (device := self._linked(linked)) is not None:
            return device
        return dr.async_get(self._hass).async_get_or_create(
            config_entry_id=self._entry.entry_id,
            config_subentry_id=subentry.subentry_id,
            identifiers={(DOMAIN, subentry.subentry_id)},
            name=subentry.title,
        )

    def _linked(self, device_id: str) -> dr.AnyDeviceEntry | None:
        return dr.async_get(self._hass).async_get(device_id, include_composite_devices=False)

    @callback
    def async_follow(self) -> CALLBACK_TYPE:
        """When a linked device is removed, give the appliance one of our own."""

        @callback
        def is_removed(data: dr.EventDeviceRegistryUpdatedData) -> bool:
            return data["action"] == "remove"

        @callback
        def relink(event: Any) -> None:
            if event.data["device_id"] in {device.id for device in self._devices.values()}:
                self.async_link()

        return self._hass.bus.async_listen(
            dr.EVENT_DEVICE_REGISTRY_UPDATED, relink, event_filter=is_removed
        )
