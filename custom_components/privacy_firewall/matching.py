"""Data points that are entities already: kept, and shown by their names and on their devices.

`match_looking` finds them, `match_rules` says what is kept, `match_store` keeps it, and what is
unsure is asked about in `match_repairs`. A match names and places our switches; it changes no
consent, and neither does its end.
"""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from homeassistant.core import CALLBACK_TYPE, Event as HomeAssistantEvent, callback
from homeassistant.helpers import device_registry as dr, entity_registry as er

from .engine.model import DataPoint
from .grants import CONSENT_KEY, LEVEL_KEY
from .match_doubles import async_hide, async_show, own_reading
from .match_looking import Looking
from .match_repairs import async_review_unsure
from .match_store import Match, MatchStore, Standing
from .starving import is_cloudy

if TYPE_CHECKING:
    from .household import Household

_NAMES = frozenset({"name", "original_name", "entity_id", "device_id", "has_entity_name"})
"""What of a registered entity may change what is shown of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The entity that a data point is, as people see it now.

    `device_id` is None where it is on no device that can take ours.
    """

    entity_id: str
    name: str
    device_id: str | None
    match: Match


class Matching:
    """The matches of the household, as they are shown."""

    def __init__(self, household: Household) -> None:
        """Start with nothing known."""
        self._household = household
        self._hass = household.hass
        self.store = MatchStore(household.hass)
        self.looking = Looking(household, self.store)
        self._shown: dict[str, Shown] = {}
        self._ids: frozenset[str] = frozenset()
        """By which what is matched may be named in an event: ids of entities and devices."""
        self._is_any_gone = False
        self._refreshing: asyncio.Handle | None = None

    async def async_load(self) -> None:
        """Read what was found before: switches are where they were from the start."""
        await self.store.async_load()
        self._read()

    @callback
    def async_start(self) -> CALLBACK_TYPE:
        """Begin to look and to follow; return how to stop that."""
        listen = self._hass.bus.async_listen
        undo = [
            listen(er.EVENT_ENTITY_REGISTRY_UPDATED, self._follow, event_filter=self._may_matter),
            listen(dr.EVENT_DEVICE_REGISTRY_UPDATED, self._follow, event_filter=self._is_device),
            self.looking.async_start(),
        ]
        self.async_forget_gone()

        def stop() -> None:
            for one in undo:
                one()
            if self._refreshing is not None:
                self._refreshing.cancel()
                self._refreshing = None

        return stop

    # --- What is shown ---

    def of(self, point_id: str) -> Shown | None:
        """Return the entity that a data point is, where it is there."""
        return self._shown.get(point_id)

    def shown_of(self, appliance_id: str) -> tuple[tuple[str, Shown], ...]:
        """Return what entities of an appliance are made of beside what it sends."""
        known = self._household.firewall.data_point
        return tuple(
            (point_id, shown)
            for point_id, shown in self._shown.items()
            if (point := known(point_id)) is not None and point.appliance_id == appliance_id
        )

    def device(self, point_id: str) -> dr.AnyDeviceEntry | None:
        """Return the device that a data point's switches are on; None for the appliance's own."""
        shown = self._shown.get(point_id)
        if shown is None or shown.device_id is None:
            return None
        return dr.async_get(self._hass).async_get(shown.device_id, include_composite_devices=False)

    def placed(self, entity: er.RegistryEntry) -> dr.AnyDeviceEntry | None:
        """Return the device that a registered entity of ours is on; None for the appliance's."""
        if entity.translation_key not in (CONSENT_KEY, LEVEL_KEY):
            return None
        parts = entity.unique_id.rsplit("_", 2)
        return self.device(parts[1]) if len(parts) == 3 else None

    def is_shown_elsewhere(self, point: DataPoint) -> bool:
        """Tell whether a sensor with a data point's reading would only be there a second time.

        Not so where the other reads from a cloud: it has nothing to show once that gets nothing.
        And one that is there already stays.
        """
        shown = self._shown.get(point.id)
        if shown is None:
            return False
        entity = er.async_get(self._hass).async_get(shown.entity_id)
        return (
            entity is not None
            and not is_cloudy(self._hass, entity.platform)
            and own_reading(self._hass, point) is None
        )

    @callback
    def _read(self) -> bool:
        """Take over how what is matched is called and where it is; tell if that is another now."""
        entities, devices = er.async_get(self._hass), dr.async_get(self._hass)
        shown: dict[str, Shown] = {}
        ids: set[str] = set()
        self._is_any_gone = False
        for point_id, match in self.store.all().items():
            if (entity := entities.async_get(match.entity)) is None:
                self._is_any_gone = True
                continue
            device = (
                devices.async_get(entity.device_id, include_composite_devices=False)
                if entity.device_id
                else None
            )
            name = _name_of(entity, device)
            # On a device that is disabled, ours would be disabled with it.
            is_able = device is not None and device.disabled_by is None
            shown[point_id] = Shown(
                entity_id=entity.entity_id,
                name=name or entity.entity_id,
                device_id=device.id if device is not None and is_able else None,
                match=match,
            )
            ids |= {entity.entity_id, *([entity.device_id] if entity.device_id else ())}
        before, self._shown, self._ids = self._shown, shown, frozenset(ids)
        return before != shown

    @callback
    def async_refresh(self) -> None:
        """Show what is matched as it is now, where that is other than before."""
        before = self._shown
        if self._read():
            for point_id in before.keys() - self._shown.keys():
                async_show(self._household, point_id)
            for point_id in self._shown.keys() - before.keys():
                async_hide(self._household, point_id, self._shown[point_id].entity_id)
            self.async_tell_engine()
            self._household.links.async_link()
            self._household.async_changed()

    @callback
    def async_tell_engine(self) -> None:
        """Have what is matched promoted: it has a switch beside its entity."""
        firewall = self._household.firewall
        for appliance_id in firewall.appliances:
            matched = frozenset(point_id for point_id, _ in self.shown_of(appliance_id))
            firewall.note_matched(appliance_id, matched)

    @callback
    def async_forget_gone(self) -> None:
        """Forget what is kept of data points that were forgotten, with their appliance."""
        firewall = self._household.firewall
        # One whose stored form cannot be read just now is kept.
        present = self._household.entry.subentries
        if self.store.keep_only(
            point.id for appliance_id in present for point in firewall.data_points(appliance_id)
        ):
            self.store.async_save_soon()
            self._read()

    # --- When something changes elsewhere ---

    @callback
    def _may_matter(self, data: er.EventEntityRegistryUpdatedData) -> bool:
        if data["action"] == "update":
            known = data["entity_id"] in self._ids or data.get("old_entity_id") in self._ids
            return known and not _NAMES.isdisjoint(data["changes"])
        if data["action"] == "create":
            # It may be one that was gone.
            return self._is_any_gone
        return data["entity_id"] in self._ids

    @callback
    def _is_device(self, data: dr.EventDeviceRegistryUpdatedData) -> bool:
        return data["device_id"] in self._ids

    @callback
    def _follow(self, _: HomeAssistantEvent[Any]) -> None:
        # In the next round: the registry may be about to take our own off the same device.
        if self._refreshing is None:
            self._refreshing = self._hass.loop.call_soon(self._refresh_now)

    @callback
    def _refresh_now(self) -> None:
        self._refreshing = None
        self.async_refresh()

    # --- What the household says ---

    async def async_match(self, point_id: str, entity: er.RegistryEntry) -> None:
        """Keep that a data point is this entity."""
        before = self.store.get(point_id)
        known = before if before is not None and before.entity == entity.id else None
        self.store.confirm(
            point_id,
            Match(
                entity=entity.id,
                standing=Standing.CONFIRMED,
                confidence=known.confidence if known is not None else None,
                reasons=known.reasons if known is not None else (),
                kinds=known.kinds if known is not None else (),
            ),
        )
        await self._async_said()

    async def async_reject(self, point_id: str, entities: Collection[str]) -> None:
        """Keep that a data point is none of these entities, by their ids in the registry."""
        self.store.reject(point_id, entities)
        await self._async_said()

    async def async_leave_open(self, point_id: str, entities: Collection[str]) -> None:
        """Keep that the household was asked whether a data point is one of these."""
        self.store.show(point_id, entities)
        await self._async_said()

    async def _async_said(self) -> None:
        # Shown at once; should it not be stored, it is tried again with whatever comes next.
        self.async_refresh()
        async_review_unsure(self._household)
        await self.store.async_save()


def _name_of(entity: er.RegistryEntry, device: dr.AnyDeviceEntry | None) -> str:
    """Return an entity's name as its device's page has it: without the device's own."""
    name = entity.name or entity.original_name or ""
    of_device = (device.name_by_user or device.name or "") if device is not None else ""
    ahead, rest = name[: len(of_device)], name[len(of_device) :]
    if of_device and rest.startswith(" ") and ahead.casefold() == of_device.casefold():
        name = rest.strip()
        name = name[:1].upper() + name[1:]
    return name or of_device
