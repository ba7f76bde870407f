"""Of which entities is watched what Home Assistant hands out: bounded, whatever is stored."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from homeassistant.components.homeassistant.exposed_entities import KNOWN_ASSISTANTS
from homeassistant.helpers import device_registry as dr, entity_registry as er

from .const import DOMAIN
from .starving import shown_by

if TYPE_CHECKING:
    from .household import Household

MAX_PER_DEVICE = 40
"""Entities of a device that are watched by themselves; others can be picked."""
MAX_PICKED = 200
"""Entities that can be picked."""
MAX_WATCHED = 400
"""Entities watched at all: each has a switch per assistant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """An entity that is watched: `id` is its id in the registry, which no renaming moves."""

    id: str
    entity_id: str
    name: str
    device_id: str | None
    subentry_id: str | None
    """The appliance, where its device is one of our own: entities there belong to it."""
    owners: frozenset[str | None]
    """Whose data its appliances tell; empty where it is of no appliance."""


def entities_to_watch(household: Household, picked: object) -> tuple[list[Watched], int]:
    """Return the picked entities (ids of the registry), or without any those of appliances.

    And how many of appliances are left out, as there are too many.
    """
    registry = er.async_get(household.hass)
    owners = _owners_by_device(household)
    found: list[er.RegistryEntry] = []
    left_out = 0
    if isinstance(picked, list) and picked:
        known = (registry.entities.get_entry(str(one)) for one in picked[:MAX_PICKED])
        found = [one for one in known if one is not None and one.disabled_by is None]
    else:
        for device_id in owners:
            of_device = sorted(
                filter(_is_telling, er.async_entries_for_device(registry, device_id)),
                key=lambda one: (one.entity_category is not None, one.entity_id),
            )
            found += of_device[:MAX_PER_DEVICE]
            left_out += len(of_device[MAX_PER_DEVICE:])
        left_out += len(found[MAX_WATCHED:])
    return [_watched(household, one, owners) for one in found[:MAX_WATCHED]], left_out


def _owners_by_device(household: Household) -> dict[str, set[str | None]]:
    """Return the devices that are appliances, with the persons whose data these tell."""
    owners: dict[str, set[str | None]] = {}
    for appliance_id, appliance in household.firewall.appliances.items():
        own = household.device(appliance_id)
        if own is not None:
            owners.setdefault(own.id, set()).add(appliance.owner)
        for device, _ in shown_by(household.hass, own):
            owners.setdefault(device.id, set()).add(appliance.owner)
    return owners


def _watched(
    household: Household, entity: er.RegistryEntry, owners: dict[str, set[str | None]]
) -> Watched:
    device_id = entity.device_id or ""
    device: dr.AnyDeviceEntry | None = dr.async_get(household.hass).async_get(device_id)
    of_device = None if device is None else device.name_by_user or device.name
    return Watched(
        id=entity.id,
        entity_id=entity.entity_id,
        name=entity.name or entity.original_name or of_device or entity.entity_id,
        device_id=entity.device_id,
        subentry_id=_subentry_id(household, device),
        owners=frozenset(owners.get(device_id, ())),
    )


def _subentry_id(household: Household, device: dr.AnyDeviceEntry | None) -> str | None:
    if not isinstance(device, dr.DeviceEntry):
        return None
    is_ours = device.config_entry_id == household.entry.entry_id
    return device.config_subentry_id if is_ours else None


def _is_telling(entity: er.RegistryEntry) -> bool:
    """Tell whether an entity is watched by itself: no setting, unless somebody exposes it."""
    if entity.platform == DOMAIN:
        # Of ours, the appliance's own readings only.
        return entity.entity_category is None and entity.domain in ("sensor", "binary_sensor")
    return entity.entity_category is None or any(
        assistant in entity.options and entity.options[assistant].get("should_expose")
        for assistant in KNOWN_ASSISTANTS
    )
