"""Transmissions as events, for automations: what became of them, why, to whom. Never a value."""

from collections.abc import Iterator
from typing import override

from homeassistant.components.event import EventEntity
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .announcements import Announcement
from .engine.model import Outcome
from .entity import PrivacyFirewallEntity, async_keep_entities
from .household import Household, PrivacyFirewallConfigEntry

# Nothing is polled and nothing is sent.
PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant,
    entry: PrivacyFirewallConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add an event entity for every appliance."""
    async_keep_entities(entry, async_add_entities, _wanted)


def _wanted(household: Household, appliance_id: str) -> Iterator[TransmissionEvent]:
    yield TransmissionEvent(household, appliance_id)


_SHOWN = ("reason", "recipients", "purposes", "data_points", "count")
"""What of an announcement is shown as attributes."""


class TransmissionEvent(PrivacyFirewallEntity, EventEntity):
    """What became of an appliance's transmissions, as often as it is announced."""

    _attr_translation_key = "transmission"
    _attr_event_types = [outcome.value for outcome in Outcome]  # noqa: RUF012 - as its base has it
    _unrecorded_attributes = frozenset({"data_points"})

    def __init__(self, household: Household, appliance_id: str) -> None:
        """Stand for an appliance."""
        super().__init__(household, appliance_id, "transmission")

    @override
    async def async_added_to_hass(self) -> None:
        """Follow what is announced."""
        await super().async_added_to_hass()
        self.async_on_remove(
            self._household.announcer.async_listen(self._appliance_id, self._announce)
        )

    @callback
    def _announce(self, announcement: Announcement) -> None:
        self._trigger_event(
            announcement["outcome"],
            {key: announcement[key] for key in _SHOWN},
        )
        self.async_write_ha_state()
