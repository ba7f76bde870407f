"""What a target means to triggers and conditions: appliances.

A target names areas, devices, entities, floors or labels. Home Assistant itself would make entities
of them and leave out those with a category, which nearly all of ours have. Here a target means the
appliances whose device it reaches, which may be another integration's, or any of whose entities.
"""

from collections.abc import Mapping
from typing import Any

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.target import TargetSelection, async_extract_referenced_entity_ids

from .const import DOMAIN


@callback
def async_is_targeted(
    hass: HomeAssistant,
    target: Mapping[str, Any] | None,
    appliance_id: str | None,
    device_id: str | None,
) -> bool:
    """Tell whether a target means an appliance, by its id or that of its device.

    No target means all, with what comes from no known appliance. It is looked up each time:
    devices move between areas, and appliances between devices.
    """
    selection = TargetSelection(dict(target or {}))
    if not selection.has_any_target:
        return True
    selected = async_extract_referenced_entity_ids(
        hass, selection, expand_group=False, primary_entities_only=False
    )
    if device_id is not None and device_id in selected.referenced_devices:
        return True
    entities = er.async_get(hass)
    for entity_id in selected.referenced | selected.indirectly_referenced:
        entity = entities.async_get(entity_id)
        if entity is None:
            continue
        if device_id is not None and entity.device_id == device_id:
            return True
        if (
            appliance_id is not None
            and entity.platform == DOMAIN
            and entity.config_subentry_id == appliance_id
        ):
            return True
    return False
