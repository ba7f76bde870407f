"""Our own readings of what an entity of the home shows already: hidden, not removed.

They come with the first message, a match comes later. Whoever uses one goes on doing so; it only
leaves the lists that Home Assistant makes by itself. What somebody made their own stays in sight.
"""

from typing import TYPE_CHECKING

from homeassistant.const import Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er

from .const import DOMAIN
from .engine.model import DataPoint
from .starving import is_cloudy

if TYPE_CHECKING:
    from .household import Household


@callback
def async_hide(household: Household, point_id: str, shown_by: str) -> None:
    """Hide what shows a data point a second time, beside the entity it was just matched to.

    Not where that one reads from a cloud: it has nothing to show once that gets nothing.
    """
    entities = er.async_get(household.hass)
    other = entities.async_get(shown_by)
    if other is None or is_cloudy(household.hass, other.platform):
        return
    own = _own(household, point_id)
    if own is None or own.hidden_by is not None or _is_somebodys(own):
        return
    entities.async_update_entity(own.entity_id, hidden_by=er.RegistryEntryHider.INTEGRATION)


@callback
def async_show(household: Household, point_id: str) -> None:
    """Show what was hidden here, once nothing else shows it."""
    own = _own(household, point_id)
    if own is not None and own.hidden_by is er.RegistryEntryHider.INTEGRATION:
        er.async_get(household.hass).async_update_entity(own.entity_id, hidden_by=None)


def _own(household: Household, point_id: str) -> er.RegistryEntry | None:
    """Return the entity of our own that shows a data point's reading."""
    point = household.firewall.data_point(point_id)
    return None if point is None else own_reading(household.hass, point)


@callback
def own_reading(hass: HomeAssistant, point: DataPoint) -> er.RegistryEntry | None:
    """Return what is registered of ours for a data point's reading, a sensor or a binary sensor."""
    entities = er.async_get(hass)
    unique_id = f"{point.appliance_id}_{point.id}"
    for platform in (Platform.SENSOR, Platform.BINARY_SENSOR):
        entity_id = entities.async_get_entity_id(platform, DOMAIN, unique_id)
        if entity_id is not None:
            return entities.async_get(entity_id)
    return None


def _is_somebodys(entity: er.RegistryEntry) -> bool:
    """Tell whether somebody gave it a name, an icon, a place or a label."""
    return bool(entity.name or entity.icon or entity.area_id or entity.labels)
