"""What all entities share: a device that exists, and silence towards voice assistants.

They belong to an appliance or to the firewall itself. `async_keep_entities` keeps a platform's
entities in step with the household: new data points and recipients bring entities, changed names
replace them, without a reload.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import override

from homeassistant.components.homeassistant.exposed_entities import KNOWN_ASSISTANTS
from homeassistant.core import CALLBACK_TYPE, callback
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.event import async_call_later
from homeassistant.util import dt as dt_util

from .engine.events import (
    ConsentsChanged,
    ConsentsSuspended,
    Decided,
    Discovered,
    Event,
    Forgotten,
    GateChanged,
    MeasureChanged,
    NamesAsked,
    NeedChanged,
    ResolversChanged,
    RetryStorm,
    StorageChanged,
)
from .engine.model import DataPoint, Recipient
from .household import Household, PrivacyFirewallConfigEntry
from .matching import Shown

WRITE_SECONDS = 30
"""A state follows what an appliance reports at most once per this time, the newest one last."""
STATUS_SECONDS = 5
"""The same for what the firewall did with it, which people look at while they try a switch."""
MAX_NAMES = 100
"""Names of data points that an attribute lists."""
_AT_ONCE = (
    GateChanged
    | StorageChanged
    | MeasureChanged
    | ConsentsChanged
    | ConsentsSuspended
    | Forgotten
    | NeedChanged
    | ResolversChanged
    | RetryStorm
)
"""Rare, and what people wait for."""


class FirewallEntity(Entity):
    """An entity of ours, on a device that is there already."""

    _attr_has_entity_name = True
    _attr_should_poll = False

    def __init__(
        self, household: Household, unique_id: str, device: dr.AnyDeviceEntry | None
    ) -> None:
        """Belong to a device, which may be another integration's."""
        self._household = household
        self._attr_unique_id = unique_id
        # Not device_info: with another integration's identifiers it would make a second device.
        self.device_entry = device

    @property
    def described(self) -> tuple[object, ...]:
        """What is fixed when it is added; where this changes it is added anew."""
        return ()

    @override
    def get_initial_entity_options(self) -> er.EntityOptionsType | None:
        """Keep it from assistants when it is registered; what the user chooses later stays.

        In the same step as the registration: an assistant that exposes what is new is told of it
        at once, and what it has then decided looks like the user's own choice.
        """
        return {
            **(super().get_initial_entity_options() or {}),
            **{assistant: {"should_expose": False} for assistant in KNOWN_ASSISTANTS},
        }

    @override
    async def async_added_to_hass(self) -> None:
        """Follow the household."""
        await super().async_added_to_hass()
        self._was_available = self.available
        self.async_on_remove(self._household.async_listen_for_changes(self._changed))
        self._follow()

    _was_available = True

    @callback
    def _changed(self) -> None:
        is_news = self._follow()
        if self.available is not self._was_available:
            self._was_available = self.available
            self.async_write_ha_state()
        elif is_news:
            self._write_news()

    def _follow(self) -> bool:
        """Take over what changed in entry or consents; tell if its state is another now."""
        return False

    @callback
    def _write_news(self) -> None:
        self.async_write_ha_state()


class PrivacyFirewallEntity(FirewallEntity):
    """An entity of an appliance."""

    def __init__(self, household: Household, appliance_id: str, key: str) -> None:
        """Belong to an appliance's device."""
        super().__init__(household, f"{appliance_id}_{key}", household.device(appliance_id))
        self._appliance_id = appliance_id

    @property
    @override
    def available(self) -> bool:
        """Whether the appliance is known: one whose stored data is broken is not."""
        return self._appliance_id in self._household.firewall.appliances


class RecipientEntity(PrivacyFirewallEntity):
    """An entity of an appliance and a recipient.

    Its unique id ends with the recipient's: by that it is found when the recipient is gone.
    """

    _recipient_id: str
    _described: tuple[object, ...]

    def _name_by(self, recipient: Recipient, *more: object, **placeholders: str) -> None:
        """Be about a recipient, and named by it; `more` are what else it is made of."""
        self._recipient_id = recipient.id
        self._described = *more, *placeholders.values(), recipient.organisation, recipient.purpose
        self._attr_translation_placeholders = {
            **placeholders,
            "recipient": recipient.organisation,
            "purpose": recipient.purpose.value,
        }

    @property
    @override
    def described(self) -> tuple[object, ...]:
        """Its name is made of these."""
        return self._described

    @property
    @override
    def available(self) -> bool:
        """Whether appliance and recipient are known."""
        return super().available and self._recipient_id in self._household.firewall.recipients


class ItemEntity(RecipientEntity):
    """An entity of a data point and a recipient.

    Where the data point is an entity already, it is on that one's device and called after it.
    """

    _point: DataPoint

    def _be_of(self, point: DataPoint, recipient: Recipient) -> None:
        """Be about a data point and a recipient."""
        self._point = point
        shown = self._household.matching.of(point.id)
        if (device := self._household.matching.device(point.id)) is not None:
            self.device_entry = device
        self._name_by(recipient, data=point.name if shown is None else shown.name)

    @property
    def _matched(self) -> Shown | None:
        """The entity that the data point is."""
        return self._household.matching.of(self._point.id)


class HubEntity(FirewallEntity):
    """An entity of the firewall itself."""

    def __init__(self, household: Household, key: str) -> None:
        """Belong to the firewall's own device."""
        super().__init__(household, f"{household.entry.entry_id}_{key}", household.links.hub())


class Reporting(FirewallEntity):
    """An entity whose state follows what the engine reports."""

    _cancel: CALLBACK_TYPE | None = None
    _is_behind = False
    _write_seconds: float = WRITE_SECONDS

    @override
    async def async_added_to_hass(self) -> None:
        """Follow the engine."""
        await super().async_added_to_hass()
        self.async_on_remove(self._household.async_listen(self._hear))
        self.async_on_remove(self._stop_waiting)

    @callback
    def _hear(self, event: Event) -> None:
        if self._concerns(event) and self._take(event):
            if isinstance(event, _AT_ONCE):
                self.async_write_ha_state()
            else:
                self._write_news()

    def _concerns(self, event: Event) -> bool:
        """Tell whether an event is about what this entity is about."""
        return True

    @abstractmethod
    def _take(self, event: Event) -> bool:
        """Take over what an event that concerns it says; tell if that is news."""

    @callback
    @override
    def _write_news(self) -> None:
        """Write the state now, or when the time since the last one is over."""
        self._is_behind = True
        if self._cancel is None:
            self._write()

    @callback
    def _write(self, _: object = None) -> None:
        self._cancel = None
        if self._is_behind:
            self._is_behind = False
            if self._write_seconds:
                self._cancel = async_call_later(self.hass, self._write_seconds, self._write)
            self.async_write_ha_state()

    @callback
    def _stop_waiting(self) -> None:
        if self._cancel is not None:
            self._cancel()
            self._cancel = None


class ReportingEntity(Reporting, PrivacyFirewallEntity):
    """An entity whose state follows what the engine reports of its appliance."""

    @override
    def _concerns(self, event: Event) -> bool:
        return getattr(event, "appliance_id", self._appliance_id) == self._appliance_id


class FactEntity(Reporting):
    """An entity that shows a fact which the household can be asked for at any time."""

    _changed_by: tuple[type[Event], ...] = ()
    _shown: object = None

    def _watch(self, changed_by: tuple[type[Event], ...]) -> None:
        """Follow these events, beside what is forgotten and every change of entry or consents.

        Where appliances set the pace, only so often.
        """
        self._changed_by = changed_by
        paced = {Decided, Discovered, NamesAsked}
        self._write_seconds = STATUS_SECONDS if paced & {*changed_by} else 0

    @abstractmethod
    def _read(self) -> object:
        """Take over the fact as it is now; return all that is shown of it."""

    @override
    def _follow(self) -> bool:
        if not self.available:
            return False
        before, self._shown = self._shown, self._read()
        return before != self._shown

    @callback
    @override
    def _write(self, _: object = None) -> None:
        if self._is_behind:
            # What is so now, not what was when it began to wait.
            self._follow()
        super()._write()

    @override
    def _take(self, event: Event) -> bool:
        return isinstance(event, (*self._changed_by, Forgotten)) and self._follow()


def moment(seconds: float | None) -> datetime | None:
    """Return a time of the engine's as Home Assistant has it."""
    return None if seconds is None else dt_util.utc_from_timestamp(seconds)


@callback
def async_keep_entities[T: PrivacyFirewallEntity](
    entry: PrivacyFirewallConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    wanted: Callable[[Household, str], Iterable[T]],
) -> None:
    """Add the entities wanted of every appliance, now and whenever there are more.

    Nothing is removed here: an appliance takes its entities with it, a recipient's are removed by
    the household, and a data point that is no longer promoted keeps what it has.
    """
    household = entry.runtime_data
    firewall = household.firewall
    added: dict[str, dict[str, T]] = {}
    seen: dict[str, tuple[object, ...]] = {}

    @callback
    def keep() -> None:
        present = firewall.appliances
        for gone in added.keys() - present.keys():
            if gone not in entry.subentries:
                del added[gone], seen[gone]
        for appliance_id, appliance in present.items():
            # All that entities are made of; most changes are decisions, and change none of it.
            made_of = (
                appliance,
                firewall.promoted(appliance_id),
                firewall.groups(appliance_id),
                firewall.recipients,
                household.dns.shown_of(appliance_id),
                household.essential.shown_of(appliance_id),
                household.matching.shown_of(appliance_id),
            )
            if seen.get(appliance_id) == made_of:
                continue
            seen[appliance_id] = made_of
            known = added.setdefault(appliance_id, {})
            new: list[T] = []
            for entity in wanted(household, appliance_id):
                before = known.get(entity.unique_id or "")
                if before is not None and before.described == entity.described:
                    continue
                known[entity.unique_id or ""] = entity
                if before is None:
                    new.append(entity)
                else:
                    entry.async_create_task(
                        household.hass, _replace(before, entity), eager_start=True
                    )
            if new:
                async_add_entities(new, config_subentry_id=appliance_id)

    async def _replace(before: T, after: T) -> None:
        # A name is fixed when an entity is added; its id, and what the user set, stay registered.
        if before.hass is not None:
            await before.async_remove()
        async_add_entities([after], config_subentry_id=after._appliance_id)  # noqa: SLF001

    keep()
    entry.async_on_unload(household.async_listen_for_changes(keep))


@callback
def async_keep_dns_entities[T: HubEntity](
    entry: PrivacyFirewallConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    wanted: Callable[[Household], Iterable[T]],
) -> None:
    """Add the firewall's own entities of the DNS gate whenever the household turns that on.

    Turned off, the household removes them.
    """
    household = entry.runtime_data
    added: int | None = None

    @callback
    def keep() -> None:
        nonlocal added
        before, added = added, household.dns.epoch if household.dns.is_wanted else None
        if added not in (None, before):
            async_add_entities(list(wanted(household)))

    keep()
    entry.async_on_unload(household.async_listen_for_changes(keep))
