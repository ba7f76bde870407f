"""The form about what Home Assistant itself hands out: whether to watch that, and of what."""

from collections.abc import Mapping
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.selector import BooleanSelector, EntitySelector, EntitySelectorConfig
import probatio

from .const import CONF_ENABLED, CONF_ENTITIES, CONF_HANDED_OUT
from .forms import Check
from .watched import MAX_PICKED

SENDER_SCHEMA = probatio.Schema(
    {
        probatio.Required(CONF_ENABLED, default=False): BooleanSelector(),
        probatio.Optional(CONF_ENTITIES, default=list): EntitySelector(
            EntitySelectorConfig(multiple=True)
        ),
    }
)


def read_sender(hass: HomeAssistant, typed: Mapping[str, Any], check: Check) -> dict[str, Any]:
    """Return what is to be stored: ids of the registry, which no renaming moves."""
    registry = er.async_get(hass)
    picked: list[str] = []
    for entity_id in typed.get(CONF_ENTITIES, ()):
        if (entity := registry.async_get(entity_id)) is None:
            check.refuse(CONF_ENTITIES, "entity_not_registered", entity=entity_id)
        else:
            picked.append(entity.id)
    if len(picked) > MAX_PICKED:
        check.refuse(CONF_ENTITIES, "too_many_entities", most=str(MAX_PICKED))
    return {CONF_ENABLED: typed[CONF_ENABLED], CONF_ENTITIES: picked}


def suggested_sender(hass: HomeAssistant, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is stored, as the form has it; what is gone from the registry is left out."""
    stored = options.get(CONF_HANDED_OUT)
    if not isinstance(stored, Mapping):
        return {}
    registry = er.async_get(hass)
    found = (registry.entities.get_entry(str(one)) for one in stored.get(CONF_ENTITIES) or ())
    return {
        CONF_ENABLED: stored.get(CONF_ENABLED) is True,
        CONF_ENTITIES: [one.entity_id for one in found if one is not None],
    }
