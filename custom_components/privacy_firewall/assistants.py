"""The assistants that Home Assistant hands entities to, and which of them are really set up.

Those of the supported expose API (`homeassistant.exposed_entities`). Where the household wrote a
filter for one into its configuration file, Home Assistant goes by that and not by the exposure; it
is an exporter then (`exporters`), with no switch.
"""

from collections.abc import Container
from dataclasses import dataclass

from homeassistant.components.homeassistant.const import DATA_EXPOSED_ENTITIES
from homeassistant.components.homeassistant.exposed_entities import KNOWN_ASSISTANTS
from homeassistant.core import HomeAssistant, callback

ASSIST = "conversation"
_CLOUD = "cloud"
"""Home Assistant Cloud; by name, so that its library need not be loaded."""
_ENABLED = {"cloud.alexa": "alexa_enabled", "cloud.google_assistant": "google_enabled"}
"""By assistant: what the cloud's preferences call it."""
NAMES = {
    "cloud.alexa": "Alexa (via Home Assistant Cloud)",
    "cloud.google_assistant": "Google Assistant (via Home Assistant Cloud)",
    ASSIST: "Assist",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Assistant:
    """An assistant that is set up: by what Home Assistant calls it, and what people do."""

    id: str
    name: str


@callback
def async_assistants(hass: HomeAssistant, filtered: Container[str]) -> tuple[Assistant, ...]:
    """Return those that are set up and go by the exposure; `filtered` are those that do not."""
    if DATA_EXPOSED_ENTITIES not in hass.data:
        return ()
    return tuple(
        Assistant(id=one, name=NAMES[one])
        for one in KNOWN_ASSISTANTS
        if one in NAMES and one not in filtered and _is_set_up(hass, one)
    )


@callback
def async_agents(hass: HomeAssistant) -> list[str]:
    """Return the agents that Assist may hand what it gets to; some of them are in a cloud."""
    return sorted(hass.states.async_entity_ids(ASSIST))


def _is_set_up(hass: HomeAssistant, assistant: str) -> bool:
    if assistant not in _ENABLED:
        return assistant in hass.config.components
    cloud = hass.data.get(_CLOUD)
    # Not promised by the cloud: what is not there as expected counts as not set up.
    preferences = getattr(getattr(cloud, "client", None), "prefs", None)
    return (
        getattr(cloud, "is_logged_in", False) is True
        and getattr(preferences, _ENABLED[assistant], False) is True
    )
