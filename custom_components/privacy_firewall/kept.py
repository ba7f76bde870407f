"""Which data points have a switch by now, as Home Assistant's registry knows."""

from collections.abc import Iterable
from dataclasses import replace

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er

from .engine.model import Appliance
from .grants import CONSENT_KEY, GROUP_KEYS


@callback
def async_with_kept[E](
    hass: HomeAssistant, entry: ConfigEntry[E], appliances: Iterable[Appliance]
) -> list[Appliance]:
    """Return the appliances, each with what has a switch of its own or a group's already.

    Whatever is reported, and however it would be shown by a newer version, these stay as they are.
    """
    kept: dict[str, set[str]] = {}
    for entity in er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id):
        appliance_id = entity.config_subentry_id
        if appliance_id is None:
            continue
        key = entity.unique_id.removeprefix(f"{appliance_id}_")
        if entity.translation_key == CONSENT_KEY:
            kept.setdefault(appliance_id, set()).add(key.partition("_")[0])
        elif entity.translation_key in GROUP_KEYS:
            kept.setdefault(appliance_id, set()).add(key)
    return [replace(one, kept=frozenset(kept.get(one.id, ()))) for one in appliances]
