"""What an assistant gets of an entity, as a switch on that entity's own device.

It shows what Home Assistant says, whoever did it. Nothing of ours is in between.
"""

from collections.abc import Mapping
from typing import Any, override

from homeassistant.components.switch import SwitchEntity
from homeassistant.const import EntityCategory
from homeassistant.core import callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.util import dt as dt_util

from .assistants import ASSIST, Assistant, async_agents
from .engine import ExposureState
from .entity import FirewallEntity
from .grants import EXPOSURE_KEY
from .handed_out import HandedOut
from .household import Household, PrivacyFirewallConfigEntry
from .watched import Watched

HOW = "switch"
"""By which means a decision came, as the records call it."""
US = "us"
ELSEWHERE = "elsewhere"


type Handed = tuple[str, str]


def described_by(watched: Watched) -> tuple[object, ...]:
    """Return what is fixed when a switch is added."""
    return watched.name, watched.device_id


class ExposureSwitch(FirewallEntity, SwitchEntity):
    """Whether Home Assistant hands an entity to an assistant."""

    # Not a control of the appliance: areas, devices and assistants must not sweep it along.
    _attr_entity_category = EntityCategory.CONFIG
    _attr_translation_key = EXPOSURE_KEY
    _unrecorded_attributes = frozenset({"agents", "entity_id_handed_out"})

    def __init__(self, household: Household, watched: Watched, assistant: Assistant) -> None:
        """Stand for an entity and an assistant."""
        super().__init__(
            household,
            f"{household.entry.entry_id}_{EXPOSURE_KEY}_{watched.id}_{assistant.id}",
            dr.async_get(household.hass).async_get(watched.device_id or ""),
        )
        self._handed_out: HandedOut = household.handed_out
        self._watched = watched
        self._assistant = assistant
        self._handed = watched.id, assistant.id
        self._shown: tuple[object, ...] = ()
        self._described = described_by(watched)
        self._attr_translation_placeholders = {
            "entity": watched.name,
            "assistant": assistant.name,
        }

    @property
    @override
    def described(self) -> tuple[object, ...]:
        """Its name and its device are fixed."""
        return self._described

    @property
    @override
    def available(self) -> bool:
        """Whether entity and assistant are there: else what is exposed cannot be told."""
        return self._watched.id in self._handed_out.watched and any(
            one.id == self._assistant.id for one in self._handed_out.assistants
        )

    @property
    @override
    def is_on(self) -> bool:
        """Whether Home Assistant exposes it, whoever did that."""
        return self._handed_out.is_exposed(self._handed)

    @property
    @override
    def extra_state_attributes(self) -> Mapping[str, Any]:
        """How it came. Never a value."""
        newest = self._handed_out.of(self._handed)
        is_ours = newest is not None and newest.state is ExposureState.GIVEN
        at = None if newest is None else dt_util.utc_from_timestamp(newest.at).isoformat()
        return {
            "entity_id_handed_out": self._watched.entity_id,
            "assistant": self._assistant.name,
            "by": (US if is_ours else ELSEWHERE) if self.is_on else None,
            "state": None if newest is None else newest.state.value,
            "last_changed_on_record": at,
            "how": None if newest is None else newest.how,
            "person": None if newest is None else newest.person,
            **({"agents": async_agents(self.hass)} if self._assistant.id == ASSIST else {}),
        }

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        """Expose it, if a person meant this one and no other."""
        if self.is_on and self.extra_state_attributes["by"] == US:
            return
        await self._handed_out.async_give(
            self._watched,
            self._assistant.id,
            how=HOW,
            context=self._context,
            entity_id=self.entity_id,
        )

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        """Take it from the assistant. Anybody may, and any number at once."""
        decider = self._household.grants.decider(HOW, self._context)
        await self._handed_out.async_withdraw(self._watched, self._assistant.id, decider)

    @override
    def _follow(self) -> bool:
        self._watched = self._handed_out.watched.get(self._watched.id, self._watched)
        before = self._shown
        self._shown = self.is_on, self._handed_out.of(self._handed), self._watched
        return before != self._shown


@callback
def async_keep_exposures(
    entry: PrivacyFirewallConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add a switch for every watched entity and assistant, now and whenever there are more."""
    keeper = _Keeper(entry, async_add_entities)
    keeper.keep()
    entry.async_on_unload(entry.runtime_data.async_listen_for_changes(keeper.keep))


class _Keeper:
    """The switches that were added, kept in step with what is watched."""

    def __init__(
        self, entry: PrivacyFirewallConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
    ) -> None:
        self._entry = entry
        self._add = async_add_entities
        self._added: dict[Handed, ExposureSwitch] = {}
        self._seen: tuple[object, ...] = ()

    @callback
    def keep(self) -> None:
        household = self._entry.runtime_data
        # Most changes are decisions, and make no switch.
        seen, self._seen = (
            self._seen,
            (household.handed_out.watched, household.handed_out.assistants),
        )
        if seen == self._seen:
            return
        watched = household.handed_out.watched
        # With an entity that is watched no more, its switch was removed from the registry.
        self._added = {one: switch for one, switch in self._added.items() if one[0] in watched}
        new: dict[str | None, list[ExposureSwitch]] = {}
        for one in watched.values():
            for assistant in household.handed_out.assistants:
                handed = one.id, assistant.id
                before = self._added.get(handed)
                if before is not None and before.described == described_by(one):
                    continue
                self._added[handed] = switch = ExposureSwitch(household, one, assistant)
                if before is None:
                    new.setdefault(one.subentry_id, []).append(switch)
                else:
                    self._entry.async_create_task(
                        household.hass,
                        self._replace(before, switch, one.subentry_id),
                        eager_start=True,
                    )
        for subentry_id, switches in new.items():
            self._add(switches, config_subentry_id=subentry_id)

    async def _replace(
        self, before: ExposureSwitch, after: ExposureSwitch, subentry_id: str | None
    ) -> None:
        # A name is fixed when an entity is added; its id, and what the user set, stay registered.
        if before.hass is not None:
            await before.async_remove()
        self._add([after], config_subentry_id=subentry_id)
