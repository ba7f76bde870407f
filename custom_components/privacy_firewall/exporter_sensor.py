"""How many exporters Home Assistant has, and how much of what is watched each of them gets."""

from typing import Any, override

from homeassistant.components.sensor import SensorEntity
from homeassistant.const import EntityCategory
from homeassistant.core import callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .entity import HubEntity
from .exporters import Gets
from .handed_out import EXPORTERS_KEY, HandedOut
from .household import Household, PrivacyFirewallConfigEntry

MAX_NAMED = 20
"""Entities named per exporter; the action lists them all."""


class ExporterSensor(HubEntity, SensorEntity):
    """The exporters that are loaded."""

    _attr_entity_category = EntityCategory.DIAGNOSTIC
    _attr_translation_key = EXPORTERS_KEY
    _unrecorded_attributes = frozenset({"exporters"})

    def __init__(self, household: Household) -> None:
        """Stand for all of them."""
        super().__init__(household, EXPORTERS_KEY)
        self._shown: object = None

    @property
    @override
    def available(self) -> bool:
        """Whether they were looked for."""
        return self._household.handed_out.exporting is not None

    @override
    def _follow(self) -> bool:
        before, self._shown = self._shown, exporters_of(self._household.handed_out, MAX_NAMED)
        self._attr_native_value = len(self._shown)
        self._attr_extra_state_attributes = {"exporters": self._shown}
        return before != self._shown


def exporters_of(handed_out: HandedOut, named: int) -> list[dict[str, Any]]:
    """Return each exporter with how many watched entities it gets, and `named` of them."""
    exporting = handed_out.exporting
    described: list[dict[str, Any]] = []
    for exporter in () if exporting is None else exporting.exporters:
        by: dict[Gets, list[str]] = {gets: [] for gets in Gets}
        for watched in handed_out.watched.values():
            by[exporter.judge(watched.entity_id)].append(watched.entity_id)
        described.append(
            {
                "name": exporter.name,
                "integration": exporter.domain,
                "destination": exporter.destination,
                "stays_home": exporter.stays_home,
                **{gets.value: len(entity_ids) for gets, entity_ids in by.items()},
                "entities": sorted(by[Gets.YES])[:named],
            }
        )
    return described


@callback
def async_keep_exporters(
    entry: PrivacyFirewallConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the sensor whenever the household wants this watched; turned off, it is removed."""
    household = entry.runtime_data
    is_there = False

    @callback
    def keep() -> None:
        nonlocal is_there
        was_there, is_there = is_there, household.handed_out.is_wanted
        if is_there and not was_there:
            async_add_entities([ExporterSensor(household)])

    keep()
    entry.async_on_unload(household.async_listen_for_changes(keep))
